//! Dense products of other libraries, on one thread or two.
//!
//! The C libraries are opened at run time. One that is not there is reported, and the rest is
//! measured without it.

mod blis;
mod gemm_crate;
mod libxsmm;
mod mkl;
mod onednn;
mod openblas;

pub(crate) use blis::probe as probe_blis;
use gemm_crate::GemmCrate;
pub(crate) use gemm_crate::NAME as GEMM_CRATE;

use crate::common::product::{Layout, Shape};
use crate::common::target_folder;
use clap::ValueEnum;
use gemm::Parallelism;
use libloading::Library;
use std::ffi::CStr;
use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::str::FromStr;

/// A dense product, C = A.B.
pub(crate) trait Dense {
    /// As tables and charts call it.
    fn name(&self) -> &'static str;
    /// Its version, and what it takes this CPU for.
    fn about(&self) -> String;
    /// Sets how many threads do a product, one by default; false if it has no way to that number.
    fn set_threads(&mut self, threads: usize) -> bool;
    fn multiply(&mut self, shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &mut [f32]);
}

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Openblas,
    Blis,
    Onednn,
    Mkl,
    Libxsmm,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Openblas => "OpenBLAS",
            Self::Blis => "BLIS",
            Self::Onednn => "oneDNN",
            Self::Mkl => "MKL",
            Self::Libxsmm => "libxsmm",
        }
    }

    /// The file's names, the newest interface first.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Openblas => &[
                "libscipy_openblas.so", // as SciPy publishes it
                "libopenblas.so.0",
                "libopenblas.so",
                "libopenblas.dylib",
            ],
            Self::Blis => &["libblis.so.4", "libblis.so", "libblis.dylib"],
            Self::Onednn => &["libdnnl.so.3", "libdnnl.so.2", "libdnnl.so", "libdnnl.dylib"],
            Self::Mkl => &["libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so", "libmkl_rt.dylib"],
            Self::Libxsmm => &["libxsmm.so.1", "libxsmm.so", "libxsmm.dylib"],
        }
    }

    fn load(self, places: &[Place]) -> Result<Box<dyn Dense>, String> {
        match self {
            Self::Openblas => openblas::load(places),
            Self::Blis => blis::load(places),
            Self::Onednn => onednn::load(places),
            Self::Mkl => mkl::load(places),
            Self::Libxsmm => libxsmm::load(places),
        }
    }
}

/// `KIND=FILE`, a library to take instead of the system's.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    kind: Kind,
    file: PathBuf,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, file) = text.split_once('=').ok_or("expected KIND=FILE")?;
        Ok(Self { kind: Kind::from_str(kind, true)?, file: file.into() })
    }
}

/// The libraries that were found, and why the others were not.
pub(crate) struct Peers {
    pub(crate) found: Vec<Box<dyn Dense>>,
    pub(crate) missing: Vec<(&'static str, String)>,
    /// Variables of the environment that would have held a library back, and were removed.
    pub(crate) removed: Vec<String>,
}

/// By these the environment lowers what a library takes the CPU for. Peers are to be at their best.
const LOWERING: [&str; 8] = [
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "BLIS_ARCH_TYPE",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "LIBXSMM_TARGET",
];

/// Opens every library. No thread but this one may run yet: the environment is written.
pub(crate) fn load(places: &[Place]) -> Peers {
    for variable in ["OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS"] {
        set_variable(variable, "1");
    }
    // Threads that have nothing to do sleep: by default they wait busily, on the core of who is next.
    set_variable("OMP_WAIT_POLICY", "passive");
    set_variable("OPENBLAS_THREAD_TIMEOUT", "4");
    let mut removed = Vec::new();
    for variable in LOWERING {
        if let Some(value) = std::env::var_os(variable) {
            removed.push(format!("{variable}={}", value.display()));
            // SAFETY: no other thread runs.
            unsafe { std::env::remove_var(variable) };
        }
    }
    let found: Vec<Box<dyn Dense>> = vec![Box::new(GemmCrate { threads: Parallelism::None })];
    let mut peers = Peers { found, missing: Vec::new(), removed };
    for &kind in Kind::value_variants() {
        match kind.load(places) {
            Ok(library) => peers.found.push(library),
            Err(why) => peers.missing.push((kind.name(), why)),
        }
    }
    peers
}

/// Sets an environment variable, as the libraries read it when they are opened.
fn set_variable(name: &str, value: &str) {
    // SAFETY: `load` runs before any other thread starts.
    unsafe { std::env::set_var(name, value) };
}

/// An open library. It stays open: some have threads or exit handlers of their own.
struct Opened {
    library: ManuallyDrop<Library>,
}

impl Opened {
    fn new(kind: Kind, places: &[Place]) -> Result<Self, String> {
        let mut files: Vec<PathBuf> =
            places.iter().filter(|place| place.kind == kind).map(|p| p.file.clone()).collect();
        if files.is_empty() {
            // What install.sh has linked, then what the system's loader finds.
            let folder = target_folder().join("peers/lib");
            files.extend(kind.files().iter().map(|f| folder.join(f)).filter(|f| f.exists()));
            files.extend(kind.files().iter().map(PathBuf::from));
        }
        for file in &files {
            // SAFETY: a published library, whose initialisers may run in any process.
            if let Ok(library) = unsafe { Library::new(file) } {
                return Ok(Self { library: ManuallyDrop::new(library) });
            }
        }
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        Err(format!("not found: {}", names.join(", ")))
    }

    /// The function `name`, under any of the `prefixes` too that some builds put before it.
    ///
    /// # Safety
    /// It must be of type `T`.
    unsafe fn function<T: Copy>(&self, name: &str) -> Result<T, String> {
        const PREFIXES: [&str; 2] = ["", "scipy_"];
        for prefix in PREFIXES {
            let symbol = format!("{prefix}{name}");
            // SAFETY: the caller knows its type.
            if let Ok(function) = unsafe { self.library.get::<T>(symbol.as_bytes()) } {
                return Ok(*function);
            }
        }
        Err(format!("found, but without the function {name}"))
    }

    /// The string that the function `name`, which takes nothing, returns.
    ///
    /// # Safety
    /// It must return a static string or null.
    unsafe fn string(&self, name: &str) -> Result<String, String> {
        // SAFETY: the caller's promise.
        unsafe {
            let function: unsafe extern "C" fn() -> *const c_char = self.function(name)?;
            text(function()).ok_or_else(|| format!("{name} returned nothing"))
        }
    }
}

/// A C string.
///
/// # Safety
/// It must be one, or null.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// A dimension as the C interfaces take it.
fn int(n: usize) -> c_int {
    c_int::try_from(n).expect("a dimension of a benchmark")
}

/// `cblas_sgemm`, which three of them have.
struct Cblas {
    name: &'static str,
    about: String,
    sgemm: Sgemm,
    set_threads: SetThreads,
}

/// How they are told a number of threads.
#[derive(Clone, Copy)]
enum SetThreads {
    Int(unsafe extern "C" fn(c_int)),
    Size(unsafe extern "C" fn(isize)),
    /// One thread, always.
    Never,
}

impl SetThreads {
    fn call(self, threads: usize) -> bool {
        // SAFETY: such functions take any positive number, at any time between products.
        unsafe {
            match self {
                Self::Int(set) => set(int(threads)),
                Self::Size(set) => set(threads.cast_signed()),
                Self::Never => return threads == 1,
            }
        }
        true
    }
}

type Sgemm = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    f32,
    *const f32,
    c_int,
    *const f32,
    c_int,
    f32,
    *mut f32,
    c_int,
);

impl Dense for Cblas {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        self.about.clone()
    }

    fn set_threads(&mut self, threads: usize) -> bool {
        self.set_threads.call(threads)
    }

    fn multiply(&mut self, shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &mut [f32]) {
        use crate::common::matrix::Storage;
        const ROW_MAJOR: c_int = 101;
        const NO_TRANS: c_int = 111;
        const TRANS: c_int = 112;
        let trans = match layout.a {
            Storage::Rows => NO_TRANS,
            Storage::Cols => TRANS,
        };
        check_lengths(shape, layout, a, b, c);
        let Shape { rows, inner, cols } = shape;
        let Layout { lda, ldb, ldc, .. } = *layout;
        // SAFETY: the buffers hold matrices of these sizes and leading dimensions.
        unsafe {
            (self.sgemm)(
                ROW_MAJOR,
                trans,
                NO_TRANS,
                int(rows),
                int(cols),
                int(inner),
                1.0,
                a.as_ptr(),
                int(lda),
                b.as_ptr(),
                int(ldb),
                0.0,
                c.as_mut_ptr(),
                int(ldc),
            );
        }
    }
}

/// C libraries take pointers: the buffers hold the matrices.
fn check_lengths(shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &[f32]) {
    let Shape { rows, inner, cols } = shape;
    assert!(a.len() >= layout.a_len(shape), "A's buffer is too short");
    assert!(b.len() >= inner * layout.ldb && layout.ldb >= cols, "B's buffer is too short");
    assert!(c.len() >= rows * layout.ldc && layout.ldc >= cols, "C's buffer is too short");
}
