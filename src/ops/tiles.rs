//! Outputs that are written tile by tile, and large ones past the caches.

#[cfg(test)]
mod tests;

use super::compress::{STREAM_FROM, Target};
use super::{Options, copies};
use crate::compressed::{CompressedRef, Line};
use crate::kernels::Level;
use crate::kernels::cpu::cpu;
use crate::matrix::{MatMut, MatRef, Output};
use crate::pattern::Pattern;
use crate::pool;
use std::mem::MaybeUninit;

/// Rows and columns of a tile that is pruned or expanded on the stack at a time; the columns are whole
/// groups of every pattern, and whole draws of the generator for m up to 4.
pub(super) const TILE_ROWS: usize = 16;
pub(super) const TILE_COLS: usize = 256;
pub(super) const TILE: usize = TILE_ROWS * TILE_COLS;
/// Columns of a tile whose rows are written past the caches, in long runs.
const STREAM_COLS: usize = 1024;

/// Entries that keep a line of values at most.
pub(super) const OF_A_LINE: usize = 2 * Line::LEN;

/// Room for the compressed form of a tile of so many times [`OF_A_LINE`] entries, row by row without gaps.
pub(super) struct KeptTile<const LINES: usize = { TILE / OF_A_LINE }> {
    // n <= m / 2 values and at most two bits of metadata an entry, where rows are long.
    values: MaybeUninit<[Line; LINES]>,
    meta: MaybeUninit<[[u8; OF_A_LINE / 4]; LINES]>,
}

impl<const LINES: usize> KeptTile<LINES> {
    pub(super) const fn new() -> Self {
        Self { values: MaybeUninit::uninit(), meta: MaybeUninit::uninit() }
    }

    /// Where what is kept of `rows` x `cols` entries goes, a short last group counted whole.
    pub(super) fn target(&mut self, p: Pattern, rows: usize, cols: usize) -> Target {
        assert!(rows * cols.next_multiple_of(p.m()) <= OF_A_LINE * LINES, "a tile");
        assert!(rows * p.row_meta(cols) <= size_of_val(&self.meta), "a tile's indices");
        let (values, meta) = (self.values.as_mut_ptr().cast(), self.meta.as_mut_ptr().cast());
        Target::new(values, p.row_values(cols), meta, p.row_meta(cols))
    }

    /// What is kept of `rows` x `cols` entries.
    ///
    /// # Safety
    /// It was written to [`target`](Self::target) of the same.
    pub(super) unsafe fn kept(&self, p: Pattern, rows: usize, cols: usize) -> CompressedRef<'_> {
        let (values, meta) = (self.values.as_ptr().cast(), self.meta.as_ptr().cast());
        let (ld_values, ld_meta) = (p.row_values(cols), p.row_meta(cols));
        // SAFETY: the caller's promise.
        unsafe { CompressedRef::from_raw_parts(values, meta, rows, cols, p, ld_values, ld_meta) }
    }
}

/// Rows and columns of a tile of so many columns.
pub(super) fn tile_of(cols: usize) -> (usize, usize) {
    let cols = cols.next_multiple_of(16);
    let rows = TILE / cols;
    (if rows < 16 { rows } else { rows / 16 * 16 }, cols)
}

/// What of an output is written past the caches, by whole lines of memory, which then need not be read before: outputs of
/// more than caches hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PastCaches {
    Nothing,
    /// Contiguous rows that are long enough for whole lines.
    Rows,
    /// Contiguous columns, whole lines apart; so many rows lie before a line of every column begins.
    Columns(usize),
}

impl PastCaches {
    pub(super) fn of(out: Output<'_>) -> Self {
        let line = Line::LEN.cast_signed();
        if out.rows.saturating_mul(out.cols) < STREAM_FROM {
            Self::Nothing
        } else if out.row_stride == 1 && out.col_stride % line == 0 {
            Self::Columns(out.data().align_offset(size_of::<Line>()))
        } else if out.col_stride == 1 && out.cols >= STREAM_COLS / 2 {
            Self::Rows
        } else {
            Self::Nothing
        }
    }

    /// Whether anything is.
    pub(super) fn any(self) -> bool {
        self != Self::Nothing
    }

    /// Columns of a tile that goes there by way of the stack.
    pub(super) fn tile_cols(self) -> usize {
        if self == Self::Rows { STREAM_COLS } else { TILE_COLS }
    }

    /// Rows that go first, alone, so that the tiles below begin with lines.
    pub(super) fn lead(self) -> usize {
        if let Self::Columns(lead) = self { lead } else { 0 }
    }
}

/// Calls `work(row, col, rows, cols)` for tiles of `out`, in parallel by rows, or by columns where one tile holds all rows.
/// Where columns are contiguous, tile below tile, so that what follows in memory is not far behind. The first `lead` rows go
/// alone.
pub(super) fn for_each_tile(
    options: &Options<'_>,
    out: Output<'_>,
    (tile, lead): ((usize, usize), usize),
    work: impl Fn(usize, usize, usize, usize) + Sync,
) {
    let lead = lead.min(out.rows);
    for part in [0..lead, lead..out.rows] {
        let first = part.start;
        tiles(options, out.part(part, 0..out.cols), tile, |row, col, rows, cols| {
            work(first + row, col, rows, cols);
        });
    }
}

/// [`for_each_tile`] without rows that go alone.
fn tiles(
    options: &Options<'_>,
    out: Output<'_>,
    (tile_rows, tile_cols): (usize, usize),
    work: impl Fn(usize, usize, usize, usize) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let MatRef { rows, cols, .. } = *out;
    let (tall, wide) = if rows <= tile_rows {
        (rows, pool::rows_of_tasks(options.pool, cols, rows, tile_cols))
    } else if out.row_stride == 1 {
        (pool::rows_of_tasks(options.pool, rows, cols, tile_rows), cols)
    } else {
        (tile_rows, cols)
    };
    let abreast = cols.div_ceil(wide);
    pool::run(options.pool, rows.div_ceil(tall) * abreast, |task, _| {
        let (top, left) = (task / abreast * tall, task % abreast * wide);
        let (bottom, right) = (rows.min(top + tall), cols.min(left + wide));
        for col in (left..right).step_by(tile_cols) {
            for row in (top..bottom).step_by(tile_rows) {
                work(row, col, tile_rows.min(bottom - row), tile_cols.min(right - col));
            }
        }
    });
}

/// Has contiguous rows written: those of `out`, or, where these are not contiguous, or `stream`, of a tile on the stack of at
/// most `TILE` entries, which is copied there; past the caches, if `stream`, which is for contiguous rows or columns.
///
/// # Safety
/// `out` is writable, and `write` writes all of the rows.
pub(super) unsafe fn write_rows(
    kernels: Level,
    out: Output<'_>,
    stream: bool,
    write: impl FnOnce(Output<'_>),
) {
    if out.col_stride == 1 && !stream {
        return write(out);
    }
    let (tall, wide) = (out.rows, out.cols);
    debug_assert!(tall * wide <= TILE);
    let mut room = MaybeUninit::<[Line; TILE / Line::LEN]>::uninit();
    let rows: *mut f32 = room.as_mut_ptr().cast();
    // SAFETY: there is room for the tile; then the caller's promise.
    unsafe {
        write(MatMut::from_raw_parts(rows, tall, wide, wide.cast_signed(), 1).output());
        if stream {
            copies::stream(kernels, rows, wide, out);
        } else {
            // The tile below comes next.
            copies::scatter(kernels, rows, wide, out, cpu().far_into_l2);
        }
    }
}
