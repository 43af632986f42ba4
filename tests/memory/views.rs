//! Dense and compressed matrices in arenas: exact to their last element, canaries between their rows.

use crate::arena::{Arena, Block, CANARY, Place, case_text};
use crate::common::{self, Data};
use spnm::{Compressed, CompressedMut, CompressedRef, MatMut, MatRef, Pattern};

/// How a dense matrix lies in its block: element strides, exact to its last element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    Rows(usize),
    Cols(usize),
    Spread,
    /// Both strides negative: element (0, 0) comes last.
    Reversed,
}

pub(crate) fn layout(data: &mut Data) -> Layout {
    let slack = [0, 0, 1, 5][data.below(4)];
    [
        Layout::Rows(slack),
        Layout::Cols(slack),
        Layout::Rows(slack),
        Layout::Cols(slack),
        Layout::Spread,
        Layout::Reversed,
    ][data.below(6)]
}

/// A dense matrix in a block.
pub(crate) struct Grid {
    block: Block,
    first: *mut f32,
    rows: usize,
    cols: usize,
    strides: (isize, isize),
    extent: usize,
}

impl Grid {
    pub(crate) fn new(
        arena: &Arena,
        place: Place,
        rows: usize,
        cols: usize,
        layout: Layout,
    ) -> Self {
        let (rs, cs) = match layout {
            Layout::Rows(slack) => (cols + slack, 1),
            Layout::Cols(slack) => (1, rows + slack),
            Layout::Spread => (2 * cols + 1, 2),
            Layout::Reversed => (cols, 1),
        };
        let (rs, cs) = (rs as isize, cs as isize);
        let extent = match rows * cols {
            0 => 0,
            _ => (rows - 1) * rs as usize + (cols - 1) * cs as usize + 1,
        };
        let block = arena.place(4 * extent, place);
        let start: *mut f32 = block.ptr();
        let (first, strides) = match layout {
            Layout::Reversed => (start.wrapping_add(extent.saturating_sub(1)), (-rs, -cs)),
            _ => (start, (rs, cs)),
        };
        Self { block, first, rows, cols, strides, extent }
    }

    pub(crate) fn with(self, data: &[f32]) -> Self {
        for (e, &x) in data.iter().enumerate() {
            // SAFETY: an element of the block.
            unsafe { self.at(e / self.cols, e % self.cols).write_unaligned(x) };
        }
        self
    }

    pub(crate) fn at(&self, i: usize, j: usize) -> *mut f32 {
        self.first.wrapping_offset(i as isize * self.strides.0 + j as isize * self.strides.1)
    }

    pub(crate) fn view(&self) -> MatRef<'_> {
        // SAFETY: the block holds the matrix.
        unsafe {
            MatRef::from_raw_parts(self.first, self.rows, self.cols, self.strides.0, self.strides.1)
        }
    }

    pub(crate) fn view_mut(&mut self) -> MatMut<'_> {
        // SAFETY: as `view`.
        unsafe {
            MatMut::from_raw_parts(self.first, self.rows, self.cols, self.strides.0, self.strides.1)
        }
    }

    /// Holds these elements (any NaN for a NaN), and canaries everywhere else.
    #[track_caller]
    pub(crate) fn assert_holds(&self, want: &[f32], what: &str) {
        let start: *const f32 = self.block.ptr();
        let mut gaps = self.extent;
        for (e, want) in want.iter().enumerate() {
            // SAFETY: an element of the block.
            let got = unsafe { self.at(e / self.cols, e % self.cols).read_unaligned() };
            let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
            assert!(same, "{what}: element {e} is {got:e}, not {want:e}: {}", case_text());
            gaps -= 1;
        }
        let canary = u32::from_ne_bytes([CANARY; 4]);
        // SAFETY: the extent lies in the block.
        let bits = |e: usize| unsafe { start.add(e).read_unaligned() }.to_bits();
        let found = (0..self.extent).filter(|&e| bits(e) == canary);
        assert!(found.count() >= gaps, "{what}: a gap was written: {}", case_text());
        assert!(self.block.canaries_live(), "{what}: a canary died: {}", case_text());
    }
}

/// A compressed matrix in two blocks.
pub(crate) struct Packed {
    values: Block,
    meta: Block,
    rows: usize,
    cols: usize,
    p: Pattern,
    ld: (usize, usize),
}

impl Packed {
    pub(crate) fn new(
        arenas: [&Arena; 2],
        places: [Place; 2],
        (rows, cols): (usize, usize),
        p: Pattern,
        slack: usize,
    ) -> Self {
        let ld = (p.row_values(cols) + slack, p.row_meta(cols) + slack);
        let span = |rows: usize, ld: usize, row: usize| {
            if rows == 0 || cols == 0 { 0 } else { (rows - 1) * ld + row }
        };
        let values = arenas[0].place(4 * span(rows, ld.0, p.row_values(cols)), places[0]);
        let meta = arenas[1].place(span(p.meta_rows(rows), ld.1, p.row_meta(cols)), places[1]);
        Self { values, meta, rows, cols, p, ld }
    }

    pub(crate) fn with(self, source: &Compressed) -> Self {
        let (kept, bytes) = (self.p.row_values(self.cols), self.p.row_meta(self.cols));
        for i in 0..if self.cols == 0 { 0 } else { self.rows } {
            // SAFETY: rows of the blocks.
            unsafe {
                let values = &source.values()[i * kept..][..kept];
                let to = self.row_values(i).cast::<u8>();
                to.copy_from_nonoverlapping(values.as_ptr().cast(), 4 * kept);
                let meta = &source.meta()[i / self.p.group() * bytes..][..bytes];
                self.row_meta(i).copy_from_nonoverlapping(meta.as_ptr(), bytes);
            }
        }
        self
    }

    pub(crate) fn row_values(&self, i: usize) -> *mut f32 {
        self.values.ptr::<f32>().wrapping_add(i * self.ld.0)
    }

    pub(crate) fn row_meta(&self, i: usize) -> *mut u8 {
        self.meta.ptr::<u8>().wrapping_add(i / self.p.group() * self.ld.1)
    }

    pub(crate) fn view(&self) -> CompressedRef<'_> {
        let (v, m) = (self.values.ptr(), self.meta.ptr());
        // SAFETY: the blocks hold the matrix.
        unsafe {
            CompressedRef::from_raw_parts(v, m, self.rows, self.cols, self.p, self.ld.0, self.ld.1)
        }
    }

    pub(crate) fn view_mut(&mut self) -> CompressedMut<'_> {
        let (v, m) = (self.values.ptr(), self.meta.ptr());
        // SAFETY: as `view`.
        unsafe {
            CompressedMut::from_raw_parts(v, m, self.rows, self.cols, self.p, self.ld.0, self.ld.1)
        }
    }

    #[track_caller]
    pub(crate) fn assert_holds(&self, want: &Compressed) {
        let (kept, bytes) = (self.p.row_values(self.cols), self.p.row_meta(self.cols));
        for i in 0..if self.cols == 0 { 0 } else { self.rows } {
            let last = i + 1 == self.rows;
            let (v, mut m) = if last { (kept, bytes) } else { self.ld };
            if i / self.p.group() + 1 == self.p.meta_rows(self.rows) {
                m = bytes;
            }
            // SAFETY: rows of the blocks, up to the next one.
            let (values, meta): (Vec<f32>, &[u8]) = unsafe {
                (
                    (0..v).map(|j| self.row_values(i).add(j).read_unaligned()).collect(),
                    std::slice::from_raw_parts(self.row_meta(i), m),
                )
            };
            let same = common::same_bits(&values[..kept], &want.values()[i * kept..][..kept]);
            assert!(same, "values of row {i}: {}", case_text());
            assert_eq!(
                meta[..bytes],
                want.meta()[i / self.p.group() * bytes..][..bytes],
                "row {i}: {}",
                case_text()
            );
            let canary = u32::from_ne_bytes([CANARY; 4]);
            let slack = values[kept..].iter().all(|x| x.to_bits() == canary)
                && meta[bytes..].iter().all(|&b| b == CANARY);
            assert!(slack, "slack of row {i}: {}", case_text());
        }
        assert!(self.values.canaries_live() && self.meta.canaries_live(), "{}", case_text());
    }
}
