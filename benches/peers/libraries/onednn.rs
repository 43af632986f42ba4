//! oneDNN: Debian's `libdnnl3` or `libdnnl2`.

use super::{Dense, Kind, Opened, Place, check_lengths, text};
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
}

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    let library = Opened::new(Kind::Onednn, places)?;
    // SAFETY: as dnnl.h declares them; the version is static.
    unsafe {
        let version: unsafe extern "C" fn() -> *const Version = library.function("dnnl_version")?;
        let Version { major, minor, patch, hash } = *version();
        let hash: String = text(hash).unwrap_or_default().chars().take(12).collect();
        let mut about = format!("oneDNN {major}.{minor}.{patch} {hash}, dnnl_sgemm");
        // Among what the library depends on, where that is OpenMP.
        match library.function::<unsafe extern "C" fn(c_int)>("omp_set_num_threads") {
            Ok(set_threads) => set_threads(1),
            Err(_) => about.push_str("; not built with OpenMP, threads not set"),
        }
        Ok(Box::new(OneDnn { about, sgemm: library.function("dnnl_sgemm")? }))
    }
}

impl Dense for OneDnn {
    fn name(&self) -> &'static str {
        Kind::Onednn.name()
    }

    fn about(&self) -> String {
        self.about.clone()
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
