//! From contiguous rows, without the compressed form between.

use crate::kernels::{DENSE_ROWS, Level};
use crate::matrix::{MatRef, Output};
use crate::ops::compress::{Target, compress_block};
use crate::ops::tiles::{PastCaches, TILE, for_each_tile, write_rows};
use crate::ops::{Method, Options};
use crate::pattern::Pattern;

/// Entries of a task, and columns, where rows go from A to the output at once.
const PART: usize = 1 << 15;
const PART_COLS: usize = 4096;

/// Whether [`prune`] is for this A.
pub(super) fn suits(pattern: Pattern, a: MatRef<'_>) -> bool {
    pattern.m() <= DENSE_ROWS && a.col_stride == 1
}

/// [`prune`](super::prune), after its checks.
///
/// # Safety
/// `a` is readable and `to` writable; each entry is that of A in the same place, or they do not overlap.
pub(super) unsafe fn prune(
    options: &Options<'_>,
    kernels: Level,
    (method, pattern): (Method, Pattern),
    a: MatRef<'_>,
    to: Output<'_>,
) {
    let past = PastCaches::of(to);
    let (entries, cols) = if to.col_stride == 1 && !past.any() {
        (PART, a.cols.min(PART_COLS))
    } else {
        (TILE, past.tile_cols())
    };
    for_each_tile(options, to, ((entries / cols, cols), past.lead()), |row, col, rows, cols| {
        let part = (row..row + rows, col..col + cols);
        let (a, to) = (a.part(part.0.clone(), part.1.clone()), to.part(part.0, part.1));
        // SAFETY: the tile lies in the output; rows are pruned whole.
        unsafe {
            write_rows(kernels, to, past.any(), |to| {
                compress_block(kernels, pattern, method, a, (row, col), Target::dense_rows(to));
            });
        }
    });
}
