//! Slices of B that are packed.

use super::Product;
use crate::ops::copies;
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
            copies::gather(self.kernels, b, slice, width);
        }
    }
}
