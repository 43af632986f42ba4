//! From contiguous rows, without the compressed form between.

use super::{STREAM_COLS, TILE, TILE_COLS, for_each_tile, streams_rows};
use crate::compressed::Line;
use crate::kernels::cpu::cpu;
use crate::kernels::{DENSE_ROWS, Level};
use crate::matrix::{MatMut, MatRef, Output};
use crate::ops::compress::{Target, compress_block, few};
use crate::ops::{Method, Options, copies};
use crate::pattern::Pattern;
use std::mem::MaybeUninit;

/// Entries of a task, and columns, where rows go from A to the output at once.
const PART: usize = 1 << 15;
const PART_COLS: usize = 4096;

/// Whether [`prune`] is for this A.
pub(super) fn suits(kernels: Level, pattern: Pattern, a: MatRef<'_>) -> bool {
    let known = pattern.group() == 1 && pattern.m() <= DENSE_ROWS;
    known && a.col_stride == 1 && !few(kernels, pattern, a)
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
    let stream = streams_rows(to);
    let at_once = to.col_stride == 1 && !stream;
    let cols = match (at_once, stream) {
        (true, _) => a.cols.clamp(1, PART_COLS),
        (_, true) => STREAM_COLS,
        _ => TILE_COLS,
    };
    let tile = (if at_once { PART } else { TILE } / cols, cols);
    for_each_tile(options, to, tile, |row, col, rows, cols| {
        let part = (row..row + rows, col..col + cols);
        let (a, to) = (a.part(part.0.clone(), part.1.clone()), to.part(part.0, part.1));
        let prune = |to| {
            let target = Target::dense_rows(to);
            // SAFETY: the caller's promise, and tiles are disjoint; or the output is a tile on the stack.
            unsafe { compress_block(kernels, pattern, method, a, (row, col), target) };
        };
        if at_once {
            prune(to);
            return;
        }
        let mut room = MaybeUninit::<[Line; TILE / Line::LEN]>::uninit();
        let room: *mut f32 = room.as_mut_ptr().cast();
        // SAFETY: there is room for the tile, which then is copied.
        unsafe {
            prune(MatMut::from_raw_parts(room, rows, cols, cols.cast_signed(), 1).output());
            if stream {
                copies::stream(kernels, room, cols, to);
            } else {
                copies::scatter(kernels, room, cols, to, cpu().far_into_l2);
            }
        }
    });
}
