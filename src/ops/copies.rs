//! Copies between a matrix of any strides and a block of memory whose rows are contiguous.

use crate::kernels::{CopyJob, Level};
use crate::matrix::{MatRef, Output};

/// Rows that are fetched ahead where rows are copied.
const ROWS_AHEAD: isize = 4;

/// `target[i * to + j] = source[i][j]`.
///
/// # Safety
/// The source is readable, and the target holds its rows, `to` elements apart.
pub(super) unsafe fn gather(kernels: Level, source: MatRef<'_>, target: *mut f32, to: usize) {
    let rows = source.row_stride.wrapping_mul(ROWS_AHEAD);
    let ahead = (source.col_stride == 1).then_some(rows);
    // SAFETY: the caller's promise.
    unsafe { gather_ahead(kernels, source, target, to, ahead) }
}

/// [`gather`]; lines `ahead` elements from those that are read are fetched meanwhile.
///
/// # Safety
/// As [`gather`].
pub(super) unsafe fn gather_ahead(
    kernels: Level,
    source: MatRef<'_>,
    target: *mut f32,
    to: usize,
    ahead: Option<isize>,
) {
    let MatRef { data, rows, cols, row_stride: from, .. } = source;
    let to = to.cast_signed();
    let job = CopyJob { source: data, from, target, to, rows, cols, ahead, far_next: false };
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
                    let element = target.offset(i.cast_signed() * to).add(j);
                    *element = source.address(i, j).read_unaligned();
                }
            }
        }
    }
}

/// A copy of `a` whose rows are contiguous. `ahead` as in [`gather_ahead`].
///
/// # Safety
/// `a` is readable, and `tile` holds it.
pub(super) unsafe fn rows_of<'a>(
    kernels: Level,
    a: MatRef<'a>,
    ahead: Option<isize>,
    tile: *mut f32,
) -> MatRef<'a> {
    let stride = a.cols.cast_signed();
    // SAFETY: the caller's promise.
    unsafe {
        gather_ahead(kernels, a, tile, a.cols, ahead);
        MatRef::from_raw_parts(tile, a.rows, a.cols, stride, 1)
    }
}

/// The inverse of [`gather`]: `target[i][j] = source[i * from + j]`. `far_next` as in [`CopyJob`].
///
/// # Safety
/// The source holds the target's rows, `from` elements apart, and the target
/// is writable.
pub(super) unsafe fn scatter(
    kernels: Level,
    source: *const f32,
    from: usize,
    target: Output<'_>,
    far_next: bool,
) {
    let MatRef { rows, cols, row_stride: to, .. } = *target;
    let job = CopyJob {
        source,
        from: from.cast_signed(),
        target: target.data(),
        to,
        rows,
        cols,
        ahead: None,
        far_next,
    };
    // SAFETY: the caller's promise.
    unsafe {
        if target.col_stride == 1 {
            (kernels.pack)(&job);
        } else if target.row_stride == 1 {
            (kernels.transpose)(&CopyJob { to: target.col_stride, ..job });
        } else if target.row_stride.unsigned_abs() < target.col_stride.unsigned_abs() {
            scatter_elements(source, (1, from), target.t());
        } else {
            scatter_elements(source, (from, 1), target);
        }
    }
}

/// [`scatter`] past the caches, where rows or columns of the target are contiguous.
///
/// # Safety
/// As [`scatter`].
pub(super) unsafe fn stream(kernels: Level, source: *const f32, from: usize, target: Output<'_>) {
    let MatRef { rows, cols, row_stride: to, col_stride, .. } = *target;
    debug_assert!(col_stride == 1 || to == 1);
    let (from, target) = (from.cast_signed(), target.data());
    let job = CopyJob { source, from, target, to, rows, cols, ahead: None, far_next: false };
    // SAFETY: the caller's promise.
    unsafe {
        if col_stride == 1 {
            (kernels.pack_streamed)(&job);
        } else {
            (kernels.transpose_streamed)(&CopyJob { to: col_stride, ..job });
        }
    }
}

/// `target[i][j] = source[i * strides.0 + j * strides.1]`, row by row: neighbours of a row should be closer in memory than
/// those of a column.
///
/// # Safety
/// The source holds these elements, and the target is writable.
unsafe fn scatter_elements(source: *const f32, strides: (usize, usize), target: Output<'_>) {
    for i in 0..target.rows {
        for j in 0..target.cols {
            // SAFETY: the caller's promise.
            unsafe {
                let element = target.address(i, j);
                element.write_unaligned(*source.add(i * strides.0 + j * strides.1));
            }
        }
    }
}
