//! Copies of B and C: slices that are packed, tiles that go back.

use super::Product;
use crate::kernels::CopyJob;
use crate::matrix::MatRef;
use std::ops::Range;

impl Product<'_> {
    /// Copies rows `k`, columns `cols` of B into a slice of full groups and full width, zeros around.
    ///
    /// # Safety
    /// They lie in B; the slice holds them.
    pub(super) unsafe fn pack(
        &self,
        k: Range<usize>,
        cols: Range<usize>,
        width: usize,
        slice: *mut f32,
    ) {
        let b = self.b.part(k.clone(), cols.clone());
        let (rows, cols) = (k.len(), cols.len());
        let padded = rows.next_multiple_of(self.pattern.m());
        // SAFETY: `padded` rows of `width` elements are the slice's; the part of B was checked.
        unsafe {
            if cols < width {
                slice.write_bytes(0, padded * width);
            } else {
                slice.add(rows * width).write_bytes(0, (padded - rows) * width);
            }
            self.copy(b, slice, width);
        }
    }

    /// `target[i * width + j] = source[i][j]`.
    ///
    /// # Safety
    /// The source is readable, and the target holds its rows.
    pub(super) unsafe fn copy(&self, source: MatRef<'_>, target: *mut f32, width: usize) {
        let to = width.cast_signed();
        let MatRef { data, rows, cols, .. } = source;
        // SAFETY: a level that the CPU has; the caller's promise.
        unsafe {
            let from = source.row_stride;
            let job = CopyJob { source: data, from, target, to, rows, cols, far_next: false };
            if source.col_stride == 1 {
                (self.kernels.pack)(&job);
            } else if source.row_stride == 1 {
                let from = source.col_stride;
                (self.kernels.transpose)(&CopyJob { from, rows: cols, cols: rows, ..job });
            } else {
                for i in 0..rows {
                    for j in 0..cols {
                        *target.add(i * width + j) = source.address(i, j).read_unaligned();
                    }
                }
            }
        }
    }

    /// Copies a tile back into C, whose columns are not contiguous: the inverse of [`copy`](Self::copy).
    ///
    /// # Safety
    /// As there; no other task writes the part.
    pub(super) unsafe fn scatter(&self, tile: *const f32, width: usize, part: MatRef<'_>) {
        let (source, from) = (tile, width.cast_signed());
        let (target, MatRef { rows, cols, .. }) = (part.data.cast_mut(), part);
        // SAFETY: a level that the CPU has; the caller's promise.
        unsafe {
            if part.row_stride == 1 {
                (self.kernels.transpose)(&CopyJob {
                    source,
                    from,
                    target,
                    to: part.col_stride,
                    rows,
                    cols,
                    far_next: false,
                });
            } else {
                for i in 0..rows {
                    for j in 0..cols {
                        let element = part.address(i, j).cast_mut();
                        element.write_unaligned(*tile.add(i * width + j));
                    }
                }
            }
        }
    }
}
