//! Sums in binary64 over a whole matrix, with the same bits on every level, for every number of
//! threads and from every storage of the matrix.
//!
//! The order of the additions is this, and a function of the matrix's shape alone:
//!
//! 1. The matrix is cut into tiles of [`SIDE`] x [`SIDE`] entries, padded with zeros. (Where rows are taken together, a
//!    tile has as many rows of the matrix as there are of whole groups of rows in [`SIDE`].)
//! 2. The grid of tiles is cut into [`chunks`]. A chunk has [`LANES`] accumulators for each sum; its tiles are added
//!    band by band, those of a band from left to right.
//! 3. In a tile, term t in row-major order (an entry, a group, ... of the tile) is added to accumulator
//!    t mod [`LANES`], in the order of t: sixteen, eight or four neighbouring terms are lanes.
//! 4. The accumulators of a chunk are added as a balanced tree of neighbours; the sums of the
//!    chunks one after the other.
//!
//! Memory: a tile and the sums of the chunks, on the stack.

use super::copies;
use crate::compressed::Line;
use crate::kernels::{LANES, Level, tensor};
use crate::matrix::MatRef;
use crate::pool::{self, Pool};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows and columns of a tile: whole groups of every pattern.
pub(super) const SIDE: usize = tensor::SIDE;
/// The most chunks: enough for as many threads, few enough for the stack.
const CHUNKS: usize = 256;
/// Chunks below each other that are summed side by side where columns are contiguous: a page of a column spans so many, if
/// each is a tile high.
const TOGETHER: usize = 16;
/// The most chunks of a band, and the fewest tiles that one of several has in a band.
const STRETCHES: usize = 16;
const STRETCH: usize = 64;

/// Rows of a tile that hold whole vectors of blocks of every pattern.
const ROWS: usize = 16 * LANES / SIDE;

/// A tile of the matrix, row-major.
#[repr(align(64))]
pub(super) struct Tile {
    entries: [f32; SIDE * SIDE],
    /// Where its first entry lies in the matrix.
    pub(super) row: usize,
    pub(super) col: usize,
    /// How much of it is matrix.
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// The accumulators of K sums.
pub(super) type Sums<const K: usize> = [[f64; LANES]; K];

/// How a grid of `down` x `across` tiles is cut: tiles that a chunk has down and across.
fn chunks(down: usize, across: usize) -> (usize, usize) {
    let stretches = across.div_ceil(STRETCH).clamp(1, STRETCHES);
    (down.div_ceil(CHUNKS / stretches), across.div_ceil(stretches))
}

/// K sums over `a`. `add` is called for every tile, and adds its terms as step 3 says; it must not depend on anything
/// but the tile.
///
/// A NaN comes out as the canonical one.
///
/// # Safety
/// `a` is readable.
pub(super) unsafe fn reduce<const K: usize>(
    kernels: Level,
    pool: Option<&Pool>,
    a: MatRef<'_>,
    add: impl Fn(&Tile, &mut Sums<K>) + Sync,
) -> [f64; K] {
    // SAFETY: the caller's promise.
    unsafe { reduce_by(kernels, pool, a, 1, add) }
}

/// [`reduce`] with tiles of as many rows of the matrix as there are of whole groups of `group` rows in [`SIDE`].
///
/// # Safety
/// As [`reduce`].
pub(super) unsafe fn reduce_by<const K: usize>(
    kernels: Level,
    pool: Option<&Pool>,
    a: MatRef<'_>,
    group: usize,
    add: impl Fn(&Tile, &mut Sums<K>) + Sync,
) -> [f64; K] {
    let height = SIDE / group * group;
    let (down, across) = (a.rows.div_ceil(height), a.cols.div_ceil(SIDE));
    if a.is_empty() {
        return [0.0; K];
    }
    let (tall, wide) = chunks(down, across);
    // Chunks below and beside each other.
    let (shelves, stretches) = (down.div_ceil(tall), across.div_ceil(wide));
    let together = match a.row_stride {
        1 => pool::rows_of_tasks(pool, shelves, tall * height * wide * SIDE, 1).min(TOGETHER),
        _ => 1,
    };
    let partial = [const { [const { AtomicU64::new(0) }; K] }; CHUNKS];
    pool::run(pool, shelves.div_ceil(together) * stretches, |task, _| {
        let (top, stretch) = (task / stretches * together, task % stretches);
        let (bottom, left) = (shelves.min(top + together), stretch * wide);
        let right = across.min(left + wide);
        let mut sums = [[[0.0; LANES]; K]; TOGETHER];
        let mut tile = Tile::new();
        // Band by band, from left to right, the same tile of each chunk.
        let bands = (0..tall).flat_map(|i| (left..right).map(move |j| (i, j)));
        let tiles = bands.flat_map(|(i, j)| (top..bottom).map(move |s| (s, s * tall + i, j)));
        let mut tiles = tiles.filter(|&(_, band, _)| band < down).peekable();
        while let Some((shelf, band, j)) = tiles.next() {
            let next = tiles.peek().map(|&(_, band, j)| (band * height, j * SIDE));
            // SAFETY: the caller's promise.
            unsafe { tile.load(kernels, a, (band * height, height), (j * SIDE, SIDE), next) };
            tile.pad(if group == 1 { ROWS } else { group });
            add(&tile, &mut sums[shelf - top]);
        }
        for (shelf, sums) in (top..bottom).zip(sums) {
            for (sum, place) in sums.iter().zip(&partial[shelf * stretches + stretch]) {
                place.store(tree(*sum).to_bits(), Ordering::Relaxed);
            }
        }
    });
    let mut total = [0.0; K];
    for chunk in &partial[..shelves * stretches] {
        for (total, part) in total.iter_mut().zip(chunk) {
            *total += f64::from_bits(part.load(Ordering::Relaxed));
        }
    }
    total.map(|sum| if sum.is_nan() { f64::NAN } else { sum })
}

fn tree(mut sums: [f64; LANES]) -> f64 {
    let mut len = LANES;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            sums[i] = sums[2 * i] + sums[2 * i + 1];
        }
    }
    sums[0]
}

impl Tile {
    pub(super) const fn new() -> Self {
        Self { entries: [0.0; SIDE * SIDE], row: 0, col: 0, rows: 0, cols: 0 }
    }

    /// Where its entries begin; rows are [`SIDE`] apart.
    pub(super) const fn data(&mut self) -> *mut f32 {
        self.entries.as_mut_ptr()
    }

    /// Its rows, padded with zeros, and rows of zeros behind up to a multiple of `rows`: what [`pad`](Self::pad) was called
    /// with, or a divisor of it. (All rows behind are padding too, whose terms add nothing.)
    pub(super) fn rows_by(&self, rows: usize) -> &[f32] {
        &self.entries[..self.rows.next_multiple_of(rows) * SIDE]
    }

    /// Zeros among its entries that are the matrix's.
    pub(super) fn zeros(&self) -> usize {
        let padding = self.rows * (SIDE - self.cols);
        self.rows_by(1).iter().filter(|&&x| x == 0.0).count() - padding
    }

    /// Zeros behind the columns, and behind the rows up to a multiple of `rows`.
    pub(super) fn pad(&mut self, rows: usize) {
        if self.cols < SIDE {
            for row in self.entries.chunks_exact_mut(SIDE).take(self.rows) {
                row[self.cols..].fill(0.0);
            }
        }
        self.entries[self.rows * SIDE..self.rows.next_multiple_of(rows) * SIDE].fill(0.0);
    }

    /// The tile whose first entry is (`row`, `col`), of at most `height` x `width` entries. What lies behind its rows and
    /// columns is left as it was. Meanwhile the one that begins at `next`, if any, is fetched.
    ///
    /// # Safety
    /// `a` is readable.
    pub(super) unsafe fn load(
        &mut self,
        kernels: Level,
        a: MatRef<'_>,
        (row, height): (usize, usize),
        (col, width): (usize, usize),
        next: Option<(usize, usize)>,
    ) {
        let (rows, cols) = (height.min(a.rows - row), width.min(a.cols - col));
        (self.row, self.col, self.rows, self.cols) = (row, col, rows, cols);
        let part = a.part(row..row + rows, col..col + cols);
        let ahead = next.map(|next| {
            let down = (next.0.cast_signed() - row.cast_signed()).wrapping_mul(a.row_stride);
            let right = (next.1.cast_signed() - col.cast_signed()).wrapping_mul(a.col_stride);
            // Of a line's length of elements the last: if they begin within a line, that one is here already.
            down.wrapping_add(right).wrapping_add(Line::LEN.cast_signed() - 1)
        });
        let entries = self.entries.as_mut_ptr();
        // SAFETY: the tile lies in `a`, and `entries` holds it.
        unsafe { copies::gather_ahead(kernels, part, entries, SIDE, ahead) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    /// The definition, with nothing clever: every entry times itself.
    fn defined(x: impl Fn(usize, usize) -> f32, rows: usize, cols: usize) -> f64 {
        let (down, across) = (rows.div_ceil(SIDE), cols.div_ceil(SIDE));
        let (tall, wide) = chunks(down, across);
        let mut total = 0.0;
        for top in (0..down).step_by(tall) {
            for left in (0..across).step_by(wide) {
                let mut sums = [0.0; LANES];
                for i in top..down.min(top + tall) {
                    for j in left..across.min(left + wide) {
                        for t in 0..SIDE * SIDE {
                            let (row, col) = (i * SIDE + t / SIDE, j * SIDE + t % SIDE);
                            if row < rows && col < cols {
                                sums[t % LANES] += f64::from(x(row, col)).powi(2);
                            }
                        }
                    }
                }
                total += tree(sums);
            }
        }
        total
    }

    #[test]
    fn chunks_cover_the_grid_and_stay_few() {
        for down in (1..600).chain([1 << 20, 1 << 25]) {
            for across in [1, 2, 63, 64, 65, 127, 129, 1000, 1024, 1 << 20, 1 << 26] {
                let (tall, wide) = chunks(down, across);
                assert!(down.div_ceil(tall) * across.div_ceil(wide) <= CHUNKS, "{down} {across}");
            }
        }
    }

    #[test]
    fn the_same_bits_on_every_level_from_every_storage_with_any_threads() {
        let pool = Pool::new(3).expect("a small pool");
        let of = |i: usize, j: usize| {
            let mixed = (i * 0x9E37 + 0x79B9) ^ (j * 0x85EB + 0xCA6B);
            (mixed * 0xC2B3 % 0xFF_FFF1) as f32 / 9973.0 - 700.0
        };
        for (rows, cols) in
            [(1, 1), (3, 130), (64, 64), (65, 63), (200, 77), (1, 9000), (9000, 1), (20000, 3)]
        {
            let want = defined(of, rows, cols);
            let by_rows: Vec<f32> = (0..rows * cols).map(|e| of(e / cols, e % cols)).collect();
            let by_cols: Vec<f32> = (0..rows * cols).map(|e| of(e % rows, e / rows)).collect();
            let spread: Vec<f32> = by_rows.iter().flat_map(|&x| [x, f32::NAN]).collect();
            let (r, c) = (rows.cast_signed(), cols.cast_signed());
            let views = [
                MatRef::new(&by_rows, rows, cols, c, 1),
                MatRef::new(&by_cols, rows, cols, 1, r),
                MatRef::new(&spread, rows, cols, 2 * c, 2),
            ];
            for isa in Isa::available() {
                let kernels = isa.level().expect("available");
                for view in views {
                    for pool in [None, Some(&pool)] {
                        // SAFETY: views of slices.
                        let [sum] = unsafe {
                            reduce(kernels, pool, view.expect("a view"), |tile, [sum]| {
                                (kernels.dot)(tile.rows_by(1), tile.rows_by(1), sum);
                            })
                        };
                        assert_eq!(sum.to_bits(), want.to_bits(), "{rows}x{cols} {isa:?}");
                    }
                }
            }
        }
    }
}
