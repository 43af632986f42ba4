//! Block sizes of the product, in one place.
//!
//! A block of A's rows (its compressed values in L2) meets one slice of B after another (packed, in
//! L1) for one panel of C's columns at a time (its part of C in L2).

use super::compress::FAR_FROM;
use super::group::band;
use crate::kernels::group::GROUP_VECTORS;
use crate::kernels::{Kernels, TILE_VECTORS, Tiles};
use crate::pattern::Pattern;
use std::cmp::Reverse;
use std::ops::Range;

/// f32s of a packed slice of B: 32 KiB, most of a first-level cache.
const SLICE: usize = 8192;
/// The same where it may come from a second-level cache, which [`slice_far`] decides.
const GROUP_SLICE: usize = 64 * 1024;
const LARGE_GROUP: usize = 8;
/// Chains of multiply-adds that keep two units busy, which take four cycles each.
const CHAINS: usize = 8;
/// Columns that are packed together, as many panels as fit them, where rows share indices: rows of B are read in longer
/// runs.
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
/// Products whose columns of A keep fewer entries read B where it lies: packing would cost more than it saves.
const MIN_PACK_KEPT: usize = 2;
/// f32s of a B that is small: like a narrow one, more rows may read it in place where it comes from a second-level cache.
const SMALL_B: usize = 64 * 1024;

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
    pub(super) panels: Panels,
    /// Entries of eight groups: the indices of that many fill whole bytes.
    pub(super) unit: usize,
    /// The most columns that are computed with rows in lanes.
    narrow: usize,
    /// The fewest rows for which more than two columns are.
    narrow_rows: usize,
}

/// How wide panels are, and how much of B is packed for them.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    /// The micro-kernels.
    pub(super) tiles: &'static Tiles,
    /// Of a vector of a panel.
    lanes: usize,
    /// Widths of panels in vectors, widest first.
    vectors: &'static [usize],
    /// The place there of the widest one.
    widest: usize,
    /// Columns that are packed together: those of the widest panel; of several where rows share indices.
    pub(super) packed: usize,
    /// f32s of a slice.
    slice: usize,
}

/// The sizes of a product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) cols: usize,
}

/// A panel's micro-kernel, by its place in the tables, and its width.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) place: usize,
    pub(super) width: usize,
}

/// Whether to copy A's values block by block even where they could be read in place: their rows are
/// a leading dimension apart, which the copy's are not, and every panel reads them again. Where rows share indices, several
/// rows are read at a time.
pub(super) const fn worth_staging(kernels: &Kernels, pattern: Pattern, extent: Extent) -> bool {
    if pattern.group() > 1 {
        return !always_narrow(narrow_cols(kernels), extent.cols);
    }
    extent.rows >= 64 && extent.cols >= 256
}

/// f32s between rows of staged values that share indices: the micro-kernel reads one of each of several rows at a time,
/// which must not be a power of two apart.
pub(super) const fn padding(pattern: Pattern) -> usize {
    if pattern.group() > 1 { 16 } else { 0 }
}

/// How vectors of a B in a second-level cache are read where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InPlace {
    /// On CPUs to which that cache is far.
    Slow,
    /// Rows begin within lines of memory, or are not contiguous.
    WithinLines,
    /// Rows are contiguous, and begin with lines.
    Lines,
}

impl InPlace {
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::Slow, Self::WithinLines, Self::Lines];
}

/// Entries that a column of A keeps at least where B is packed.
fn min_pack_kept(kernels: &Kernels, extent: Extent, in_place: InPlace) -> usize {
    let b = extent.inner.saturating_mul(extent.cols);
    if b >= FAR_FROM || in_place == InPlace::Slow {
        return MIN_PACK_KEPT;
    }
    // Vectors that lie in two lines are loaded at half the speed, and columns beside whole vectors are packed in any case.
    let lanes = kernels.lanes;
    let whole = in_place == InPlace::Lines && extent.cols & (lanes - 1) == 0;
    let small = b <= SMALL_B || extent.cols <= TILE_VECTORS[0] * lanes;
    let least = match (whole, small) {
        (true, true) => lanes / 2,
        (true, false) => lanes / 4,
        (false, true) => MIN_PACK_KEPT + 1,
        (false, false) => MIN_PACK_KEPT,
    };
    least.max(MIN_PACK_KEPT)
}

/// The widest panel of which a slice in a first-level cache brings enough kept values together: its place in `vectors`.
fn near_panel(vectors: &[usize], lanes: usize, pattern: Pattern) -> usize {
    let fits = |v: &usize| v * lanes * MIN_KEPT * sparsity(pattern) <= SLICE;
    vectors.iter().position(fits).unwrap_or(vectors.len() - 1)
}

/// The panel whose micro-kernel keeps the most vectors of C in registers, and of several one that keeps them busy in the
/// lowest block of rows, too, then the one that loads the least for them, a vector of B for each of its width and a value
/// for each of its rows, and then the widest: its place in [`GROUP_VECTORS`].
fn group_panel(kernels: &Kernels, group: usize) -> usize {
    let key = |&place: &usize| {
        let (vectors, blocks) = (GROUP_VECTORS[place], group_blocks(kernels, group, place));
        let per = |count: usize| 1000 * count / blocks;
        let busy = group / blocks * vectors >= CHAINS;
        (per(vectors), busy, Reverse((1000 * vectors + per(group), place)))
    };
    (0..GROUP_VECTORS.len()).max_by_key(key).unwrap_or(0)
}

/// Blocks, of nearly one height, that the rows of a group go in.
fn group_blocks(kernels: &Kernels, group: usize, place: usize) -> usize {
    group.div_ceil(kernels.group.rows[place])
}

/// Whether rows that share indices load so little of B that a slice may come from a second-level cache: the group is
/// large, and its micro-kernel keeps many vectors of C.
fn slice_far(kernels: &Kernels, group: usize, place: usize) -> bool {
    let vectors = group * GROUP_VECTORS[place] / group_blocks(kernels, group, place);
    group >= LARGE_GROUP && vectors >= 2 * CHAINS
}

/// The most columns that are computed with rows in lanes, half a vector of the packed micro-kernels: with more, only
/// some patterns gain over a panel of one vector.
const fn narrow_cols(kernels: &Kernels) -> usize {
    kernels.tiles.lanes / 2
}

/// Whether so few columns are computed with rows in lanes however few the rows are, where up to `most` are of many rows: a
/// panel of B costs so much to pack.
const fn always_narrow(most: usize, cols: usize) -> bool {
    cols <= most && cols <= 2
}

impl Panels {
    fn new(kernels: &Kernels, pattern: Pattern, pack: bool) -> Self {
        if pattern.group() > 1 {
            return Self::of_groups(kernels, pattern);
        }
        let tiles = if pack { kernels.tiles } else { kernels.tiles_in_place };
        let (lanes, vectors) = (tiles.lanes, &TILE_VECTORS);
        // Where nothing has to stay in the first-level cache, the widest of all.
        let widest = if pack { near_panel(vectors, lanes, pattern) } else { 0 };
        Self { tiles, lanes, vectors, widest, packed: vectors[widest] * lanes, slice: SLICE }
    }

    /// Where rows share indices.
    fn of_groups(kernels: &Kernels, pattern: Pattern) -> Self {
        let (lanes, vectors) = (kernels.lanes, &GROUP_VECTORS[..]);
        let panel = group_panel(kernels, pattern.group());
        let far = slice_far(kernels, pattern.group(), panel);
        let widest = if far { panel } else { near_panel(vectors, lanes, pattern).max(panel) };
        let width = vectors[widest] * lanes;
        let panels = (GROUP_COLS / width).max(1);
        let slice = if far { GROUP_SLICE } else { SLICE * panels };
        Self { tiles: kernels.tiles, lanes, vectors, widest, packed: panels * width, slice }
    }

    /// Of a panel, in elements.
    const fn width(&self, place: usize) -> usize {
        self.vectors[place] * self.lanes
    }

    /// The most rows of a block, and the f32s of its staged values.
    fn block(&self, pattern: Pattern) -> (usize, usize) {
        let (step, sparsity) = (staged_together(pattern), sparsity(pattern));
        match pattern.group() {
            1 => (ROWS.min(STAGED * sparsity / step), STAGED),
            group => {
                // Beside a slice, a tile of C and the padding. Each group of rows has a column for each value, and
                // its index, of half a byte at most.
                let beside = self.slice + GROUP_ROWS * (self.packed + padding(pattern));
                let floats = STAGED.min((GROUP_MEMORY - beside) * 8 * group / (8 * group + 9));
                (GROUP_ROWS.min(floats * sparsity / step.max(SPAN)), floats)
            }
        }
    }
}

/// How many entries of A there are for each that is kept. (n and m are powers of two.)
const fn sparsity(pattern: Pattern) -> usize {
    1 << (pattern.m().trailing_zeros() - pattern.n().trailing_zeros())
}

/// Inner entries of which staged values are a multiple: whole draws of the generator, which serve 64 groups.
const fn staged_together(pattern: Pattern) -> usize {
    64 * pattern.m()
}

impl Blocking {
    /// For `threads` threads; `by_rows`: tasks may share out rows alone.
    pub(super) fn new(
        kernels: &Kernels,
        pattern: Pattern,
        extent: Extent,
        threads: usize,
        by_rows: bool,
        in_place: InPlace,
    ) -> Self {
        let sparsity = sparsity(pattern);
        let least = min_pack_kept(kernels, extent, in_place);
        let pack = pattern.group() > 1 || extent.rows >= least * sparsity;
        let panels = Panels::new(kernels, pattern, pack);
        let (most, floats) = panels.block(pattern);
        let few = narrow_cols(kernels);
        let (mut rows, mut cols) = (extent.rows.max(1), extent.cols.max(1));
        if threads > 1 || rows > most || pattern.group() > 1 {
            // One block of rows a task, smaller where that leaves threads idle. Blocks of even heights: packing costs a
            // low one as much as a high one.
            let tasks = if threads == 1 { 1 } else { TASKS * threads };
            let unit = band(pattern);
            let share = rows.div_ceil(tasks).max(2 * unit).next_multiple_of(unit);
            let blocks = rows.div_ceil((most / unit).max(1) * unit);
            rows = rows.div_ceil(blocks).next_multiple_of(unit).min(rows);
            if by_rows || cols <= few {
                rows = rows.min(share);
            } else {
                let blocks = extent.rows.div_ceil(rows);
                if blocks < tasks {
                    cols = cols
                        .div_ceil(tasks.div_ceil(blocks))
                        .next_multiple_of(panels.width(panels.widest));
                }
            }
            // Groups of rows stay whole.
            rows = rows.next_multiple_of(pattern.group());
        }
        let step = staged_together(pattern);
        let staged = (floats * sparsity / (rows * step)).max(1) * step;
        Self {
            rows,
            cols,
            staged,
            pack,
            panels,
            unit: 8 * pattern.m(),
            narrow: few,
            narrow_rows: (3 * kernels.lanes).div_ceil(4),
        }
    }

    /// The panel for the next columns, of which `left` are left: the widest that they fill, or, where B is packed, so nearly
    /// that it costs less than narrower ones; or else the narrowest.
    pub(super) fn panel(&self, left: usize) -> Panel {
        let Panels { vectors, widest, .. } = self.panels;
        let width = |place: usize| self.panels.width(place);
        let fills = |&place: &usize| {
            // More than so much of it.
            let eighths = match vectors[place] {
                8 => 7,
                4 => 5,
                _ => 4,
            };
            let nearly = left > width(place + 1).max(width(place) / 8 * eighths);
            width(place) <= left || (self.pack && nearly)
        };
        let narrowest = vectors.len() - 1;
        let place = (widest..narrowest).find(fills).unwrap_or(narrowest);
        Panel { place, width: width(place) }
    }

    /// Whether the last columns of a task, of which `left` are left, are computed with rows in lanes.
    pub(super) const fn narrow(&self, left: usize, rows: usize) -> bool {
        always_narrow(self.narrow, left) || (left <= self.narrow && rows >= self.narrow_rows)
    }

    /// Where the columns end that the method of groups computes: the last ones may be so few that rows go in lanes.
    pub(super) fn shared(&self, cols: Range<usize>, rows: usize) -> usize {
        let last = cols.len() % self.panels.packed;
        if self.narrow(last, rows) { cols.end - last } else { cols.end }
    }

    /// Inner entries of a packed slice of a panel so wide.
    pub(super) fn slice(&self, width: usize) -> usize {
        (self.panels.slice / width / self.unit).max(1) * self.unit
    }

    /// f32s of the largest slice that a product of this extent packs.
    pub(super) fn slice_floats(&self, extent: Extent) -> usize {
        let Panels { vectors, widest, packed, slice, .. } = self.panels;
        let inner = extent.inner.next_multiple_of(self.unit);
        let of = |width: usize| width * self.slice(width).min(inner);
        // (A slice of columns with rows in lanes holds no more than that.)
        let mut most = of(packed).max(slice.min(self.narrow * inner));
        for place in widest..vectors.len() {
            most = most.max(of(self.panels.width(place)));
        }
        most
    }
}
