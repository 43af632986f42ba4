//! The factor of the soft threshold.

use super::compress::compress_block;
use super::decompress::expand_rows;
use super::reduce::{SIDE, Sums, Tile, reduce};
use super::tiles::{KeptTile, OF_A_LINE};
use super::{Method, Options, check};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::Level;
use crate::matrix::MatRef;
use crate::pattern::Pattern;

/// Rows of a tile that are pruned on the stack at a time.
const ROWS: usize = 16;
const ENTRIES: usize = ROWS * SIDE;

/// The factor of least mean squared error for a soft-thresholded matrix:
/// `beta = <w, S(w)> / <S(w), S(w)>`, where S is [`Method::SoftThreshold`].
///
/// The soft threshold shrinks what it keeps; `beta S(w)` is as near to `w` as any multiple of S(w), in the sum of squares.
/// S-STE (arXiv 2409.09099) computes it once, from the first weights, and keeps it while it trains. beta is at
/// least 1, but for rounding.
///
/// One pass over `w`. 1 if S(w) is zero everywhere (`w` is zero, or the n + 1 largest magnitudes of every group are
/// equal) or `w` has no entries.
///
/// # Shapes
/// `w` of any shape and strides; groups are m consecutive entries of a row.
///
/// # Determinism
/// Both sums are taken in binary64 over exact products, in an order that is a function of the shape alone
/// (docs/MATHEMATICS.md), and divided once: the same bits on every level, for every number of threads and from
/// every storage. A poisoned group (see [`Method`]) makes it the canonical NaN.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`] (a view from raw parts), [`Error::Ungrouped`].
///
/// # Examples
/// ```
/// use spnm::{MatRef, Options, Pattern, soft_threshold_scale};
///
/// // S shrinks the two largest by the third: 3 and -2 of 4, -3, 1, 0.
/// let w = MatRef::row_major(&[4.0, -3.0, 1.0, 0.0], 1, 4)?;
/// let beta = soft_threshold_scale(&Options::new(), Pattern::N2M4, w)?;
/// assert_eq!(beta, (4.0 * 3.0 + 3.0 * 2.0) / (3.0 * 3.0 + 2.0 * 2.0));
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn soft_threshold_scale(
    options: &Options<'_>,
    pattern: Pattern,
    w: MatRef<'_>,
) -> Result<f64, Error> {
    check::method(Method::SoftThreshold, pattern)?;
    check::input("w", w)?;
    let kernels = kernels_for(options.isa)?;
    let add = |tile: &Tile, [along, squares]: &mut Sums<2>| {
        for entries in tile.rows_by(1).chunks(ENTRIES) {
            let pruned = soft_threshold(kernels, pattern, entries, tile.cols);
            let pruned = &pruned[..entries.len()];
            // SAFETY: the level's kernel; whole rows of a tile, which are whole vectors of terms.
            unsafe {
                (kernels.dot)(entries, pruned, along);
                (kernels.dot)(pruned, pruned, squares);
            }
        }
    };
    // SAFETY: `w` was checked.
    let [along, squares] = unsafe { reduce(kernels, options.pool, w, add) };
    let beta = if squares == 0.0 { 1.0 } else { along / squares };
    Ok(if beta.is_nan() { f64::NAN } else { beta })
}

/// S of `cols` columns of rows of a tile, and zeros behind.
fn soft_threshold(
    kernels: Level,
    pattern: Pattern,
    entries: &[f32],
    cols: usize,
) -> [f32; ENTRIES] {
    assert!(entries.len() <= ENTRIES && cols <= SIDE, "a part of a tile");
    let (rows, side) = (entries.len() / SIDE, SIDE.cast_signed());
    let mut tile = KeptTile::<{ ENTRIES / OF_A_LINE }>::new();
    let mut pruned = [0.0; ENTRIES];
    // SAFETY: rows of these entries and as many to be written; what is kept is written before it is read.
    unsafe {
        let a = MatRef::from_raw_parts(entries.as_ptr(), rows, cols, side, 1);
        let target = tile.target(pattern, rows, cols);
        compress_block(kernels, pattern, Method::SoftThreshold, a, (0, 0), target);
        expand_rows(kernels, tile.kept(pattern, rows, cols), 0, pruned.as_mut_ptr(), side);
    }
    pruned
}
