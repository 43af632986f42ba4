//! Compressed rows of A on their way to a product: as the caller has them, copied, or pruned.

use super::{Buffers, CompressedRef, Product, Source, Staged};
use crate::matrix::MatRef;
use crate::ops::blocking::padding;
use crate::ops::compress::{Target, compress_block, tall};
use crate::ops::copies;
use crate::pattern::Pattern;
use std::ops::Range;

impl Product<'_> {
    /// Makes the compressed form of `rows`, inner entries `k` (which begin a group), available.
    ///
    /// # Safety
    /// They lie in A; the buffers hold a block of values and of metadata, where the source needs them.
    pub(super) unsafe fn stage(
        &self,
        rows: Range<usize>,
        k: Range<usize>,
        Buffers { values, meta, .. }: Buffers,
    ) -> Staged {
        if k.is_empty() {
            // No entries: the operand's pointers and strides may be anything.
            return Staged { values, ld_values: 0, meta, ld_meta: 0 };
        }
        let p = self.pattern;
        let group = k.start / p.m();
        let (kept, ld_meta) = (p.row_values(k.len()), p.row_meta(k.len()));
        let ld_values = kept + padding(p);
        let given = |a: CompressedRef<'_>| {
            let a = a.part(rows.start, group, rows.len(), k.len());
            Staged { values: a.values, ld_values: a.ld_values, meta: a.meta, ld_meta: a.ld_meta }
        };
        let indices = p.meta_rows(rows.len());
        debug_assert!(
            matches!(self.source, Source::Direct(_))
                || self.layout.block_holds((rows.len(), ld_values), (indices, ld_meta))
        );
        match self.source {
            Source::Direct(a) => given(a),
            Source::Scaled(a, alpha) => {
                let given = given(a);
                // SAFETY: the rows' values, there and here, of which a block holds as many as are staged; their indices.
                unsafe {
                    let from = given.ld_values.cast_signed();
                    let a = MatRef::from_raw_parts(given.values, rows.len(), kept, from, 1);
                    copies::gather(self.kernels, a, values, ld_values);
                    self.scale(
                        values,
                        ld_values,
                        (given.meta, given.ld_meta),
                        (rows.len(), k.len()),
                        alpha,
                    );
                }
                Staged { values, ld_values, ..given }
            }
            Source::Pruned(a, method, alpha) => {
                let target = Target::new(values, ld_values, meta, ld_meta);
                let target = Target { tall: tall(a), ..target };
                let at = (rows.start, k.start);
                let inner = k.len();
                // SAFETY: a part of A, which was checked; the block holds the compressed form of as many entries as are staged.
                unsafe {
                    compress_block(self.kernels, p, method, a.part(rows.clone(), k), at, target);
                    if alpha != 1.0 {
                        self.scale(values, ld_values, (meta, ld_meta), (rows.len(), inner), alpha);
                    }
                }
                Staged { values, ld_values, meta, ld_meta }
            }
        }
    }

    /// Multiplies staged values of `rows` x `inner` entries by alpha, and zeroes those whose index points past `inner`.
    ///
    /// # Safety
    /// They and their metadata are staged.
    unsafe fn scale(
        &self,
        values: *mut f32,
        ld_values: usize,
        (meta, ld_meta): (*const u8, usize),
        (rows, inner): (usize, usize),
        alpha: f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if alpha != 1.0 {
                for i in 0..rows {
                    for j in 0..self.pattern.row_values(inner) {
                        *values.add(i * ld_values + j) *= alpha;
                    }
                }
            }
            // Zeros times an infinite or NaN alpha, where there is nothing to multiply.
            for i in 0..rows {
                zero_past(
                    self.pattern,
                    meta.add(i / self.pattern.group() * ld_meta),
                    inner,
                    values.add(i * ld_values),
                    alpha,
                );
            }
        }
    }
}

/// Zeroes the values of a row's short last group, of `cols` entries in all, whose index points past
/// it: `alpha` times +0, were `alpha` finite.
///
/// # Safety
/// The row's metadata is readable, its values writable.
unsafe fn zero_past(p: Pattern, meta: *const u8, cols: usize, values: *mut f32, alpha: f32) {
    let left = cols % p.m();
    if left == 0 {
        return;
    }
    let group = cols / p.m();
    for k in 0..p.n() {
        let bit = group * p.group_bits() + k * p.index_bits();
        // SAFETY: the byte that holds index k of the last group; value k of it.
        unsafe {
            let index = usize::from(*meta.add(bit / 8)) >> (bit % 8) & (p.m() - 1);
            if index >= left {
                *values.add(group * p.n() + k) = 0f32.copysign(alpha);
            }
        }
    }
}
