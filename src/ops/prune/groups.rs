//! In groups of rows that share indices, without the compressed form between.

use crate::compressed::Line;
use crate::kernels::Level;
use crate::kernels::cpu::cpu;
use crate::matrix::{MatRef, Output};
use crate::ops::compress::far;
use crate::ops::group::{COLS, PART, band, prune_group};
use crate::ops::tiles::{PastCaches, TILE, for_each_tile, write_rows};
use crate::ops::{Method, Options, copies};
use crate::pattern::Pattern;
use std::mem::MaybeUninit;

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
    let (group, by_rows) = (pattern.group(), a.col_stride == 1);
    let rows = if by_rows { group } else { band(pattern) };
    // Bands of rows, which begin with groups, are lines of columns.
    let stream = match PastCaches::of(to) {
        PastCaches::Rows => by_rows,
        PastCaches::Columns(lead) => !by_rows && lead == 0 && rows.is_multiple_of(Line::LEN),
        PastCaches::Nothing => false,
    };
    let at_once = by_rows && to.col_stride == 1 && !stream;
    let most = if at_once { PART } else { TILE };
    let tile = (rows, COLS.min(most / rows / 16 * 16));
    let far = far(a) && cpu().far_into_l2;
    for_each_tile(options, to, (tile, 0), |row, col, rows, cols| {
        let part = (row..row + rows, col..col + cols);
        let (a, to) = (a.part(part.0.clone(), part.1.clone()), to.part(part.0, part.1));
        let mut copy = [const { MaybeUninit::<Line>::uninit() }; TILE / Line::LEN];
        // SAFETY: the copy holds a tile; the caller's promise, and tiles are disjoint.
        unsafe {
            let a = match a.col_stride {
                1 => a,
                _ => {
                    // The tile below comes next.
                    let ahead = far.then_some(rows.cast_signed());
                    copies::rows_of(kernels, a, ahead, copy.as_mut_ptr().cast())
                }
            };
            write_rows(kernels, to, stream, |to| {
                for i in (0..rows).step_by(group) {
                    let (end, at) = (rows.min(i + group), (row + i, col));
                    let (a, to) = (a.part(i..end, 0..cols), to.part(i..end, 0..cols));
                    prune_group(kernels, pattern, method, a, at, to);
                }
            });
        }
    });
}
