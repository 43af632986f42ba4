//! oneDNN: Debian's `libdnnl3` or `libdnnl2`, which use `OpenMP`, or the build that Intel publishes on
//! `PyPI`, which uses TBB.

use super::{Dense, Kind, Opened, Place, SetThreads, check_lengths, text};
use crate::common::matrix::Storage;
use crate::common::product::{Layout, Shape};
use std::ffi::{c_char, c_int};

type Sgemm = unsafe extern "C" fn(
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const f32,
    i64,
    *const f32,
    i64,
    f32,
    *mut f32,
    i64,
) -> c_int;

/// `dnnl_version_t`, as far as every version has it.
#[repr(C)]
struct Version {
    major: c_int,
    minor: c_int,
    patch: c_int,
    hash: *const c_char,
}

struct OneDnn {
    about: String,
    sgemm: Sgemm,
    set_threads: SetThreads,
}

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    let library = Opened::new(Kind::Onednn, places)?;
    // SAFETY: as dnnl.h declares them; the version is static.
    unsafe {
        let version: unsafe extern "C" fn() -> *const Version = library.function("dnnl_version")?;
        let Version { major, minor, patch, hash } = *version();
        let hash: String = text(hash).unwrap_or_default().chars().take(12).collect();
        let about = format!("oneDNN {major}.{minor}.{patch} {hash}, dnnl_sgemm");
        let sgemm = library.function("dnnl_sgemm")?;
        // Among what the library depends on, where that is OpenMP.
        let set_threads = match library.function("omp_set_num_threads") {
            Ok(function) => SetThreads::Int(function),
            Err(_) => SetThreads::Never,
        };
        set_threads.call(1);
        let mut peer = OneDnn { about, sgemm, set_threads };
        if matches!(set_threads, SetThreads::Never) {
            one_thread(&mut peer)?;
            peer.about.push_str("; not built with OpenMP: first called on one CPU, for one thread");
        }
        Ok(Box::new(peer))
    }
}

/// Has TBB count a single CPU, as it has no function in C for the number of its threads: it counts once,
/// those that the first product may run on.
fn one_thread(peer: &mut OneDnn) -> Result<(), String> {
    const SIZE: usize = 256;
    let shape = Shape::cube(SIZE);
    let (operand, mut product) = (vec![1.0; SIZE * SIZE], vec![0.0; SIZE * SIZE]);
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count).ok();
    let mut multiply = || {
        peer.multiply(
            shape,
            &Layout::tight(shape, Storage::Rows),
            &operand,
            &operand,
            &mut product,
        );
    };
    let before = threads();
    on_one_cpu(&mut multiply)?;
    multiply();
    match (before, threads()) {
        (Some(before), Some(after)) if before == after => Ok(()),
        _ => Err("found, but it may start threads".into()),
    }
}

/// Calls `run` with the process on a single one of its CPUs.
#[cfg(target_os = "linux")]
fn on_one_cpu(run: &mut dyn FnMut()) -> Result<(), String> {
    use std::mem::{MaybeUninit, size_of};
    let error = || std::io::Error::last_os_error().to_string();
    let size = size_of::<libc::cpu_set_t>();
    let mut all = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: plain sets of bits, of their own size; 0 is the calling thread, the only one yet.
    unsafe {
        if libc::sched_getaffinity(0, size, all.as_mut_ptr()) != 0 {
            return Err(error());
        }
        let all = all.assume_init();
        let mut one = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        let first = (0..size * 8).find(|&cpu| libc::CPU_ISSET(cpu, &all)).unwrap_or(0);
        libc::CPU_SET(first, &mut one);
        if libc::sched_setaffinity(0, size, &raw const one) != 0 {
            return Err(error());
        }
        run();
        match libc::sched_setaffinity(0, size, &raw const all) {
            0 => Ok(()),
            _ => Err(error()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn on_one_cpu(_: &mut dyn FnMut()) -> Result<(), String> {
    Err("found, but not built with OpenMP: it would start threads".into())
}

impl Dense for OneDnn {
    fn name(&self) -> &'static str {
        Kind::Onednn.name()
    }

    fn about(&self) -> String {
        self.about.clone()
    }

    fn set_threads(&mut self, threads: usize) -> bool {
        self.set_threads.call(threads)
    }

    fn multiply(&mut self, shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &mut [f32]) {
        check_lengths(shape, layout, a, b, c);
        let size = |n: usize| i64::try_from(n).expect("a dimension of memory");
        let no = b'N'.cast_signed();
        let trans = match layout.a {
            Storage::Rows => no,
            Storage::Cols => b'T'.cast_signed(),
        };
        let Shape { rows, inner, cols } = shape;
        let Layout { lda, ldb, ldc, .. } = *layout;
        // SAFETY: the buffers hold row-major matrices of these sizes and leading dimensions.
        let status = unsafe {
            (self.sgemm)(
                trans,
                no,
                size(rows),
                size(cols),
                size(inner),
                1.0,
                a.as_ptr(),
                size(lda),
                b.as_ptr(),
                size(ldb),
                0.0,
                c.as_mut_ptr(),
                size(ldc),
            )
        };
        assert_eq!(status, 0, "dnnl_sgemm refuses {shape}");
    }
}
