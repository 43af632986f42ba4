//! libxsmm, which generates kernels for small products (Debian's `libxsmm-dev` has the static
//! library; install.sh links it to a shared one).
//!
//! Its own `libxsmm_sgemm` passes everything that is not small on to a BLAS. Here a loop like that of its
//! samples calls the kernel: B is packed into panels of 64 columns, a slice of the inner dimension at
//! a time; A is read where it lies, or a slice of it transposed.

use super::{Dense, Kind, Opened, Place, check_lengths, int};
use crate::common::matrix::Storage;
use crate::common::product::{Layout, Shape};
use std::ffi::c_int;

/// Columns of a panel.
const PANEL: usize = 64;
/// Rows that one call of the kernel does.
const ROWS: usize = 48;
/// Of the inner dimension: a slice of a panel has 64 KiB.
const SLICE: usize = 256;
/// The leading dimension of a transposed slice: not a power of two.
const ROW: usize = SLICE + 16;
/// A product with no larger dimension is one call of one kernel: nothing is packed.
const SMALL: usize = 128;

type Kernel = unsafe extern "C" fn(*const f32, *const f32, *mut f32, ...);

type Dispatch = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    *const c_int,
    *const c_int,
    *const c_int,
    *const f32,
    *const f32,
    *const c_int,
    *const c_int,
) -> Option<Kernel>;

struct Libxsmm {
    about: String,
    dispatch: Dispatch,
    panel: Vec<f32>,
    /// A slice of A by rows, where A lies by columns.
    rows: Vec<f32>,
}

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    let library = Opened::new(Kind::Libxsmm, places)?;
    // SAFETY: as libxsmm.h declares them.
    unsafe {
        let init: unsafe extern "C" fn() = library.function("libxsmm_init")?;
        init();
        let target = library.string("libxsmm_get_target_arch")?;
        let about = format!(
            "libxsmm (it has no function for its version), kernels for {target}, a loop of this bench"
        );
        let dispatch = library.function("libxsmm_smmdispatch")?;
        Ok(Box::new(Libxsmm { about, dispatch, panel: Vec::new(), rows: Vec::new() }))
    }
}

impl Libxsmm {
    /// A kernel for `shape`; C is overwritten, or added to. The library keeps what it has generated.
    fn kernel(&self, shape: Shape, layout: &Layout, ldb: usize, add: bool) -> Kernel {
        let Shape { rows, inner, cols } = shape;
        let (lda, ldb, ldc) = (int(layout.lda), int(ldb), int(layout.ldc));
        let (one, beta, none) = (1.0f32, f32::from(u8::from(add)), 0);
        // Column-major, so the transposed product: C^T = B^T.A^T.
        // SAFETY: as libxsmm.h declares it; it reads the numbers and keeps no pointer.
        let kernel = unsafe {
            (self.dispatch)(
                int(cols),
                int(rows),
                int(inner),
                &raw const ldb,
                &raw const lda,
                &raw const ldc,
                &raw const one,
                &raw const beta,
                &raw const none,
                &raw const none,
            )
        };
        kernel.expect("libxsmm generates a kernel")
    }
}

impl Dense for Libxsmm {
    fn name(&self) -> &'static str {
        Kind::Libxsmm.name()
    }

    fn about(&self) -> String {
        self.about.clone()
    }

    fn set_threads(&mut self, threads: usize) -> bool {
        threads == 1
    }

    fn multiply(&mut self, shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &mut [f32]) {
        check_lengths(shape, layout, a, b, c);
        let Shape { rows, inner, cols } = shape;
        let Layout { a: storage, lda, ldb, ldc } = *layout;
        if storage == Storage::Rows && rows.max(inner).max(cols) <= SMALL {
            let kernel = self.kernel(shape, layout, ldb, false);
            // SAFETY: the kernel was made for these matrices.
            unsafe { kernel(b.as_ptr(), a.as_ptr(), c.as_mut_ptr()) };
            return;
        }
        self.panel.resize(PANEL * SLICE, 0.0);
        for k in (0..inner).step_by(SLICE) {
            let slice = SLICE.min(inner - k);
            let (a, lda) = match storage {
                Storage::Rows => (&a[k..], lda),
                Storage::Cols => {
                    transpose(&a[k * lda..], lda, rows, slice, &mut self.rows);
                    (&self.rows[..], ROW)
                }
            };
            let layout = Layout { lda, ..*layout };
            for col in (0..cols).step_by(PANEL) {
                let width = PANEL.min(cols - col);
                for (to, from) in
                    self.panel.chunks_exact_mut(PANEL).zip(b[k * ldb..].chunks(ldb)).take(slice)
                {
                    to[..width].copy_from_slice(&from[col..col + width]);
                }
                let kernel =
                    |rows| self.kernel(Shape::new(rows, slice, width), &layout, PANEL, k > 0);
                let (most, last) = (kernel(ROWS.min(rows)), kernel(1.max(rows % ROWS)));
                for row in (0..rows).step_by(ROWS) {
                    let kernel = if row + ROWS <= rows { most } else { last };
                    let (a, c) = (&a[row * lda..], &mut c[row * ldc + col..]);
                    // SAFETY: the kernel was made for that many rows of these, which follow.
                    unsafe { kernel(self.panel.as_ptr(), a.as_ptr(), c.as_mut_ptr()) };
                }
            }
        }
    }
}

/// `to[i][k] = from[k][i]`, for `rows` rows i of `slice` entries k.
fn transpose(from: &[f32], ld: usize, rows: usize, slice: usize, to: &mut Vec<f32>) {
    const BAND: usize = 16;
    to.resize(rows * ROW, 0.0);
    for (band, to) in to.chunks_mut(BAND * ROW).enumerate() {
        for (k, from) in from.chunks(ld).take(slice).enumerate() {
            for (&x, to) in from[band * BAND..rows].iter().zip(to.chunks_mut(ROW)) {
                to[k] = x;
            }
        }
    }
}
