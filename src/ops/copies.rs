//! Copies between a matrix of any strides and a block of memory whose rows are contiguous.

use crate::kernels::{CopyJob, Kernels};
use crate::matrix::MatRef;

/// `target[i * to + j] = source[i][j]`.
///
/// # Safety
/// The kernels are of a level that the CPU has; the source is readable, and the target holds its rows, `to` elements apart.
pub(super) unsafe fn gather(kernels: &Kernels, source: MatRef<'_>, target: *mut f32, to: usize) {
    let MatRef { data, rows, cols, row_stride: from, .. } = source;
    let job =
        CopyJob { source: data, from, target, to: to.cast_signed(), rows, cols, far_next: false };
    // SAFETY: the caller's promise.
    unsafe {
        if source.col_stride == 1 {
            (kernels.pack)(&job);
        } else if source.row_stride == 1 {
            let from = source.col_stride;
            (kernels.transpose)(&CopyJob { from, rows: cols, cols: rows, ..job });
        } else {
            for i in 0..rows {
                for j in 0..cols {
                    *target.add(i * to + j) = source.address(i, j).read_unaligned();
                }
            }
        }
    }
}

/// The inverse of [`gather`]: `target[i][j] = source[i * from + j]`. `far_next` as in [`CopyJob`].
///
/// # Safety
/// The kernels are of a level that the CPU has; the source holds the target's rows, `from` elements apart, and the target
/// is writable.
pub(super) unsafe fn scatter(
    kernels: &Kernels,
    source: *const f32,
    from: usize,
    target: MatRef<'_>,
    far_next: bool,
) {
    let MatRef { rows, cols, row_stride: to, .. } = target;
    let data = target.data.cast_mut();
    let job = CopyJob { source, from: from.cast_signed(), target: data, to, rows, cols, far_next };
    // SAFETY: the caller's promise.
    unsafe {
        if target.col_stride == 1 {
            (kernels.pack)(&job);
        } else if target.row_stride == 1 {
            (kernels.transpose)(&CopyJob { to: target.col_stride, ..job });
        } else {
            for i in 0..rows {
                for j in 0..cols {
                    let element = target.address(i, j).cast_mut();
                    element.write_unaligned(*source.add(i * from + j));
                }
            }
        }
    }
}
