//! Block sizes of the product, in one place.
//!
//! A block of A's rows (its compressed values in L2) meets one slice of B after another (packed, in
//! L1) for one panel of C's columns at a time (its part of C in L2).

use super::group::band;
use crate::kernels::{Kernels, TILE_VECTORS, Tiles};
use crate::pattern::Pattern;

/// f32s of a packed slice of B: 32 KiB, most of a first-level cache.
const SLICE: usize = 8192;
/// The same where so many rows share indices: their micro-kernel loads so little of B that it may come from a
/// second-level cache, unless the CPU would rather have it near.
const GROUP_SLICE: usize = 64 * 1024;
const LARGE_GROUP: usize = 8;
/// See [`group_panel`].
const MANY_ROWS: usize = 6;
/// Columns that are packed together then, whatever the width of the micro-kernel's panels: rows of B are read
/// in longer runs.
const GROUP_COLS: usize = 64;
/// The least number of kept values of a row that a slice should bring together: every slice costs
/// a load and a store of C.
const MIN_KEPT: usize = 16;
/// The most rows of a block.
const ROWS: usize = 576;
/// f32s of a block's staged values: with a slice of B and a tile of C, below 1 MiB.
const STAGED: usize = 144 * 1024;
/// The most rows of a block where rows share indices, and the f32s of all of its working memory: below 1 MiB.
const GROUP_ROWS: usize = 512;
const GROUP_MEMORY: usize = 255 * 1024;
/// Inner entries that a block brings together at least, unless its rows are few.
const SPAN: usize = 512;
/// Tasks for each of several threads: enough to balance the load, few enough for tall blocks.
const TASKS: usize = 2;
/// Products of fewer rows read B where it lies: packing would cost more than it saves.
const MIN_PACK_ROWS: usize = 4;

/// How a product is cut up.
#[derive(Clone, Copy)]
pub(super) struct Blocking {
    /// Rows of a task.
    pub(super) rows: usize,
    /// Columns of a task.
    pub(super) cols: usize,
    /// Inner entries that are staged together: a multiple of 64 groups.
    pub(super) staged: usize,
    /// Whether B is packed even where its rows are contiguous.
    pub(super) pack: bool,
    /// The widest panel, by its place in [`TILE_VECTORS`].
    widest: usize,
    /// The micro-kernels.
    pub(super) tiles: &'static Tiles,
    /// Of a vector of a panel.
    lanes: usize,
    /// Entries of eight groups: the indices of that many fill whole bytes.
    pub(super) unit: usize,
    /// The most columns that are computed with rows in lanes.
    narrow: usize,
    /// The fewest rows for which more than two columns are.
    narrow_rows: usize,
    /// Vectors of columns that are packed together.
    packed: usize,
    /// f32s of a slice.
    slice: usize,
}

/// What a product is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) cols: usize,
}

/// Whether to copy A's values block by block even where they could be read in place: their rows are
/// a leading dimension apart, which the copy's are not, and every panel reads them again.
pub(super) const fn worth_staging(extent: Extent) -> bool {
    extent.rows >= 64 && extent.cols >= 256
}

/// f32s between rows of staged values that share indices: the micro-kernel reads one of each of several rows at a time,
/// which must not be a power of two apart.
pub(super) const fn padding(pattern: Pattern) -> usize {
    if pattern.group() > 1 { 16 } else { 0 }
}

/// The widest panel whose micro-kernel holds a group of rows whole, or, of a group twice as high, so many
/// that the loads are few beside the products; or else the one of two vectors: its place in [`TILE_VECTORS`].
fn group_panel(kernels: &Kernels, group: usize) -> usize {
    let (four, two) = (1, 2);
    if near(kernels, group) {
        return four;
    }
    let holds = |&rows: &usize| rows >= group || (rows >= MANY_ROWS && group >= 2 * rows);
    kernels.group.rows[..two].iter().position(holds).unwrap_or(two)
}

/// Whether what the micro-kernel reads of B is to stay in a first-level cache.
const fn near(kernels: &Kernels, group: usize) -> bool {
    kernels.group.near && group >= LARGE_GROUP
}

/// The most columns that are computed with rows in lanes, half a vector of the packed micro-kernels: with more, only
/// some patterns gain over a panel of one vector. Rows that share indices have a method of their own.
const fn narrow_cols(kernels: &Kernels, pattern: Pattern) -> usize {
    if pattern.group() > 1 { 0 } else { kernels.tiles.lanes / 2 }
}

impl Blocking {
    /// For `threads` threads; `by_rows`: tasks may share out rows alone.
    pub(super) fn new(
        kernels: &Kernels,
        pattern: Pattern,
        extent: Extent,
        threads: usize,
        by_rows: bool,
    ) -> Self {
        let grouped = pattern.group() > 1;
        let pack = extent.rows >= MIN_PACK_ROWS;
        let tiles = if pack { kernels.tiles } else { kernels.tiles_in_place };
        let lanes = if grouped { kernels.lanes } else { tiles.lanes };
        let sparsity = pattern.m() / pattern.n();
        let fits = TILE_VECTORS.iter().position(|v| v * lanes * MIN_KEPT * sparsity <= SLICE);
        let mut widest = fits.unwrap_or(TILE_VECTORS.len() - 1);
        if grouped {
            widest = widest.max(group_panel(kernels, pattern.group()));
        }
        if !pack && !grouped {
            // Nothing has to stay in the first-level cache.
            widest = 0;
        }
        let width = TILE_VECTORS[widest] * lanes;

        let (packed, slice) = match pattern.group() {
            1 => (TILE_VECTORS[widest], SLICE),
            // Half of it is read, or less of sparser patterns.
            group if near(kernels, group) => {
                (TILE_VECTORS[widest], GROUP_SLICE.min(SLICE * sparsity / 2))
            }
            group => {
                let packed = (GROUP_COLS / lanes).max(TILE_VECTORS[widest]);
                // A panel of them in the first-level cache.
                let small = SLICE * packed / TILE_VECTORS[widest];
                (packed, if group < LARGE_GROUP { small } else { GROUP_SLICE })
            }
        };

        // Staged values come in whole draws of the generator, which serve 64 groups.
        let step = 64 * pattern.m();
        let (most, floats) = match pattern.group() {
            1 => (ROWS.min(STAGED * sparsity / step), STAGED),
            group => {
                // Beside a slice, a tile of C and the padding. Each group of rows has a column for each value, and
                // its index, of half a byte at most.
                let room = GROUP_MEMORY - slice - GROUP_ROWS * (packed * lanes + padding(pattern));
                let floats = STAGED.min(room * 8 * group / (8 * group + 9));
                (GROUP_ROWS.min(floats * sparsity / step.max(SPAN)), floats)
            }
        };
        // One block of rows a task, smaller where that leaves threads idle. Blocks of even heights: packing costs a
        // low one as much as a high one.
        let tasks = if threads == 1 { 1 } else { TASKS * threads };
        let unit = band(pattern);
        let share = extent.rows.div_ceil(tasks).max(2 * unit).next_multiple_of(unit);
        let blocks = extent.rows.div_ceil((most / unit).max(1) * unit).max(1);
        let mut rows = extent.rows.div_ceil(blocks).next_multiple_of(unit).min(extent.rows.max(1));
        let mut cols = extent.cols.max(1);
        let few = narrow_cols(kernels, pattern);
        if by_rows || extent.cols <= few {
            rows = rows.min(share);
        } else {
            let blocks = extent.rows.div_ceil(rows);
            if blocks < tasks {
                cols = cols.div_ceil(tasks.div_ceil(blocks)).next_multiple_of(width);
            }
        }
        // Groups of rows stay whole.
        let rows = rows.next_multiple_of(pattern.group());
        let staged = (floats * sparsity / rows / step).max(1) * step;
        Self {
            rows,
            cols,
            staged,
            pack,
            tiles,
            widest,
            lanes,
            unit: 8 * pattern.m(),
            narrow: few,
            narrow_rows: (3 * kernels.lanes).div_ceil(4),
            packed,
            slice,
        }
    }

    /// The panel for the next columns, of which `left` are left: its place in [`TILE_VECTORS`] and
    /// its width. The widest that they fill, or else the narrowest.
    pub(super) fn panel(&self, left: usize) -> (usize, usize) {
        let fits = |&v: &usize| TILE_VECTORS[v] * self.lanes <= left;
        let place = (self.widest..TILE_VECTORS.len()).find(fits).unwrap_or(TILE_VECTORS.len() - 1);
        (place, TILE_VECTORS[place] * self.lanes)
    }

    /// Whether the last columns of a task, of which `left` are left, are computed with rows in lanes. (For one
    /// or two a panel of B costs so much to pack that few rows do not matter.)
    pub(super) const fn narrow(&self, left: usize, rows: usize) -> bool {
        left <= self.narrow && (left <= 2 || rows >= self.narrow_rows)
    }

    /// Inner entries of a packed slice of a panel so wide.
    pub(super) fn slice(&self, width: usize) -> usize {
        (self.slice / width / self.unit).max(1) * self.unit
    }

    /// The widest panel's columns; where rows share indices, those that are packed together.
    pub(super) fn widest(&self) -> usize {
        self.packed * self.lanes
    }

    /// f32s of the largest slice that a product of this extent packs.
    pub(super) fn slice_floats(&self, extent: Extent) -> usize {
        let widths = TILE_VECTORS[self.widest..].iter().map(|v| v * self.lanes);
        widths
            .chain([self.widest()])
            .map(|w| w * self.slice(w).min(extent.inner.next_multiple_of(self.unit)))
            // (A slice of columns with rows in lanes holds no more than that.)
            .chain([self.slice.min(self.narrow * extent.inner.next_multiple_of(self.unit))])
            .max()
            .unwrap_or(0)
    }
}
