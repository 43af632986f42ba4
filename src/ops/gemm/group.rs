//! The product where rows share indices: the same blocks of A, but wider parts of B and C, panel by
//! panel of a micro-kernel of its own.

use super::{Block, Buffers, Panel, Product, Staged, TileOfC};
use crate::kernels::Ahead;
use crate::kernels::group::{COLUMNS_AHEAD, GroupTileJob};
use crate::ops::copies;
use crate::ops::group::columns_of;
use std::ops::Range;

/// Rows of B that are packed for one panel after another: some pages at a time.
const PACK_ROWS: usize = 32;

impl Product<'_> {
    /// A block of C over staged inner entries.
    ///
    /// # Safety
    /// It lies in C, and no other task writes it; the buffers hold what `layout` says.
    pub(super) unsafe fn grouped(
        &self,
        staged: Staged,
        Block { rows, k, cols }: Block,
        Buffers { slice, columns, c: c_tile, .. }: Buffers,
    ) {
        if cols.is_empty() {
            return;
        }
        let p = self.pattern;
        let ld_columns = p.row_values(k.len());
        if !k.is_empty() {
            let made = p.meta_rows(rows.len()) * ld_columns;
            debug_assert!((made + COLUMNS_AHEAD) * size_of::<u32>() <= self.layout.columns);
            for shared in 0..p.meta_rows(rows.len()) {
                // SAFETY: a row of staged metadata, and one of the columns, of which there are as many.
                unsafe {
                    let meta = staged.meta.add(shared * staged.ld_meta);
                    columns_of(p, meta, k.len(), columns.add(shared * ld_columns));
                }
            }
            // SAFETY: the layout has room for these behind the last.
            unsafe { columns.add(made).write_bytes(0, COLUMNS_AHEAD) };
        }
        let (wide, last) = (self.blocking.panels.packed, cols.end);
        for first in cols.clone().step_by(wide) {
            let cols = first..cols.end.min(first + wide);
            let part = self.c.part(rows.clone(), cols.clone());
            let direct = self.tile == TileOfC::Never;
            let (c, ldc) = match direct {
                true => (part.data(), part.row_stride),
                false => (c_tile, wide.cast_signed()),
            };
            // SAFETY: the part lies in C; the tile and the slice hold as many columns as are packed together.
            unsafe {
                if !direct && (k.start > 0 || self.beta != 0.0) {
                    copies::gather(self.kernels, *part, c_tile, wide);
                }
                let mut from = k.start;
                loop {
                    let to = k.end.min(from + self.blocking.slice(wide));
                    debug_assert!(self.layout.slice_holds(p, to - from, wide));
                    self.pack_panels(from..to, cols.clone(), slice);
                    let job = GroupTileJob {
                        values: staged.values.wrapping_add((from - k.start) / p.m() * p.n()),
                        ld_values: staged.ld_values,
                        columns: columns.wrapping_add((from - k.start) / p.m() * p.n()),
                        ld_columns,
                        count: p.row_values(to - from),
                        rows: rows.len(),
                        group: p.group(),
                        b: slice,
                        c,
                        ldc,
                        cols: cols.len(),
                        init: self.init(from),
                        ahead: self.panels_ahead(from..to, cols.end..last.min(cols.end + wide)),
                    };
                    self.panels(job, from - k.start, to - from);
                    from = to;
                    if from >= k.end {
                        break;
                    }
                }
                if !direct {
                    copies::scatter(self.kernels, c_tile, wide, part, false);
                }
            }
        }
    }

    /// Rows `k`, columns `cols` of B, which are packed next, where its rows are contiguous.
    fn panels_ahead(&self, k: Range<usize>, cols: Range<usize>) -> Ahead {
        let fetched = self.kernels.group.ahead && self.b.col_stride == 1;
        let rows = if fetched { k.len() } else { 0 };
        self.ahead(k.start..k.start + rows, cols, rows)
    }

    /// Where each panel of `cols` columns begins, and the panel.
    fn each_panel(&self, cols: usize, mut work: impl FnMut(usize, Panel)) {
        let mut col = 0;
        while col < cols {
            let panel = self.blocking.panel(cols - col);
            work(col, panel);
            col += panel.width;
        }
    }

    /// Rows `k`, columns `cols` of B as panels one behind another, each of full groups and full width.
    ///
    /// # Safety
    /// They lie in B; the slice holds them.
    unsafe fn pack_panels(&self, k: Range<usize>, cols: Range<usize>, slice: *mut f32) {
        let depth = k.len().next_multiple_of(self.pattern.m());
        // Long runs of B: where its rows are contiguous, across the panels first.
        let step = if self.b.col_stride == 1 { PACK_ROWS } else { k.len().max(1) };
        for from in k.clone().step_by(step) {
            self.each_panel(cols.len(), |col, Panel { width, .. }| {
                let panel = slice.wrapping_add(col * depth + (from - k.start) * width);
                let columns = cols.start + col..cols.end.min(cols.start + col + width);
                // SAFETY: the panel's place in the slice.
                unsafe { self.pack(from..k.end.min(from + step), columns, width, panel) };
            });
        }
    }

    /// The panels of a job whose B is a slice that [`pack_panels`](Self::pack_panels) made of `depth`
    /// rows, `begun` rows into what its columns count from.
    ///
    /// # Safety
    /// As [`GroupTileFn`](crate::kernels::group::GroupTileFn), for every panel.
    unsafe fn panels(&self, job: GroupTileJob, begun: usize, depth: usize) {
        let depth = depth.next_multiple_of(self.pattern.m());
        // Each panel fetches its share.
        let share = |col: usize| job.ahead.rows * col.min(job.cols) / job.cols;
        self.each_panel(job.cols, |col, Panel { place, width }| {
            let job = GroupTileJob {
                b: job.b.wrapping_add(col * depth).wrapping_sub(begun * width),
                c: job.c.wrapping_add(col),
                cols: width.min(job.cols - col),
                ahead: job.ahead.part(share(col)..share(col + width), job.rows),
                ..job
            };
            // SAFETY: the caller's promise.
            unsafe { (self.kernels.group.tile[place])(&job) };
        });
    }
}
