//! The working memory of a thread: how much of what.

use crate::kernels::group::COLUMNS_AHEAD;
use crate::ops::blocking::{Blocking, Extent, padding};
use crate::ops::scratch::lines;
use crate::pattern::Pattern;

/// Which parts of A's compressed form a product makes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// None: it reads the caller's.
    InPlace,
    /// A copy of the values.
    Values,
    /// Values and indices.
    Whole,
}

/// Its parts, in bytes: a block of A, a slice of B, a tile of C.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) slice: usize,
    pub(super) values: usize,
    pub(super) meta: usize,
    /// Of each kept entry its column, where rows share indices. (Their A is read in place only for products whose columns all
    /// are narrow.)
    pub(super) columns: usize,
    pub(super) c: usize,
}

impl Layout {
    /// `tile`: C is computed in a tile of its own.
    pub(super) fn new(
        blocking: &Blocking,
        pattern: Pattern,
        extent: Extent,
        form: Form,
        tile: bool,
    ) -> Self {
        let staged = blocking.staged.min(extent.inner.next_multiple_of(pattern.m()));
        let (kept, rows) = (pattern.row_values(staged), blocking.rows);
        let floats = |count: usize| lines(count * size_of::<f32>());
        let indices = pattern.meta_rows(rows);
        Self {
            slice: floats(blocking.slice_floats(extent)),
            values: if form == Form::InPlace {
                0
            } else {
                floats(rows * (kept + padding(pattern)))
            },
            meta: if form == Form::Whole { lines(indices * pattern.row_meta(staged)) } else { 0 },
            columns: if pattern.group() > 1 && form != Form::InPlace {
                lines((indices * kept + COLUMNS_AHEAD) * size_of::<u32>())
            } else {
                0
            },
            c: if tile { floats(rows * blocking.panels.packed) } else { 0 },
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.slice + self.values + self.meta + self.columns + self.c
    }

    /// Whether a slice has room for `rows` rows of B, `width` elements each, and full groups.
    pub(super) fn slice_holds(&self, pattern: Pattern, rows: usize, width: usize) -> bool {
        rows.next_multiple_of(pattern.m()) * width * size_of::<f32>() <= self.slice
    }

    /// Whether a block has room for so many rows of values and of metadata, if it is made of these at all.
    pub(super) fn block_holds(
        &self,
        (rows, ld_values): (usize, usize),
        (indices, ld_meta): (usize, usize),
    ) -> bool {
        rows * ld_values * size_of::<f32>() <= self.values
            && (self.meta == 0 || indices * ld_meta <= self.meta)
    }

    /// The parts of a thread's memory, which begins at `slot`: one behind another.
    pub(super) const fn at(&self, slot: *mut u8) -> Buffers {
        let values = slot.wrapping_add(self.slice);
        let meta = values.wrapping_add(self.values);
        let columns = meta.wrapping_add(self.meta);
        let c = columns.wrapping_add(self.columns);
        Buffers {
            slice: slot.cast(),
            values: values.cast(),
            meta,
            columns: columns.cast(),
            c: c.cast(),
        }
    }
}

/// The parts of a thread's working memory: see [`Layout`].
#[derive(Clone, Copy)]
pub(super) struct Buffers {
    pub(super) slice: *mut f32,
    pub(super) values: *mut f32,
    pub(super) meta: *mut u8,
    pub(super) columns: *mut u32,
    pub(super) c: *mut f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;
    use crate::ops::blocking::InPlace;

    #[test]
    fn a_thread_works_in_less_than_a_mebibyte() {
        let sizes = [1, 3, 16, 70, 260, 512, 520, 576, 577, 1040, 1152, 5000];
        let mut most = 0;
        for (name, kernels) in kernels::tables() {
            for (&p, group) in Pattern::ALL.iter().flat_map(|p| (1..=64).map(move |g| (p, g))) {
                let p = p.grouped(group).expect("a group of rows");
                for (rows, inner) in sizes.iter().flat_map(|&r| [40, 1500, 100_000].map(|k| (r, k)))
                {
                    for (cols, threads) in [(1, 1), (9, 1), (130, 1), (5000, 1), (5000, 3)] {
                        let extent = Extent { rows, inner, cols };
                        for (by_rows, in_place) in [false, true]
                            .into_iter()
                            .flat_map(|by_rows| InPlace::ALL.map(|how| (by_rows, how)))
                        {
                            let blocking =
                                Blocking::new(kernels, p, extent, threads, by_rows, in_place);
                            let layout = Layout::new(&blocking, p, extent, Form::Whole, true);
                            let bytes = layout.bytes();
                            assert!(
                                bytes < 1 << 20,
                                "{bytes} bytes: {name} {p} {extent:?} {threads}"
                            );
                            most = most.max(bytes);
                        }
                    }
                }
            }
        }
        assert!(most > 900 << 10, "{most} bytes at most: blocks could be larger");
    }
}
