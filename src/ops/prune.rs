//! Dense forms of pruned matrices.

mod columns;
mod groups;
mod rows;
#[cfg(test)]
mod tests;

use super::compress::{Target, by_copies, compress_block, far};
use super::decompress::expand_tile;
use super::keep::keepable;
use super::tiles::{KeptTile, PastCaches, TILE_COLS, for_each_tile, tile_of};
use super::{Method, Options, check};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::generic::philox::WORD_GROUPS;
use crate::matrix::{MatMut, MatRef};
use crate::pattern::Pattern;

/// Prunes `a`, and writes it as a dense matrix with zeros.
///
/// The same selection as [`compress`](crate::compress), followed by
/// [`decompress`](crate::decompress).
///
/// # Shapes
/// `a` and `out` are rows x cols, of any strides each. See [`prune_in_place`] for `out` = `a`.
///
/// # Determinism, NaN and infinity
/// As [`compress`](crate::compress) and [`Method`].
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing. From 32 MiB of `out` on, AVX2 and AVX-512 write whole cache lines with
/// non-temporal stores, which is faster: of contiguous rows of 512 columns and more, and of contiguous columns a multiple of 16
/// elements apart (AVX2, where those of `a` are contiguous, too: m up to 4). Where rows share indices, not from rows to
/// columns, and of columns those that begin on a cache line, in groups of rows that divide 16, or are a multiple of it.
///
/// # Errors
/// As [`compress`](crate::compress), and [`Error::Aliased`] if elements of `out` share memory.
///
/// # Examples
/// ```
/// use spnm::{MatMut, MatRef, Method, Options, Pattern, Rng, prune};
///
/// // Without bias: entries above the water level, 4 here, stay; the others become 4 or 0.
/// let (data, steps) = ([6.0, 1.0, 2.0, 1.0], 2000);
/// let a = MatRef::row_major(&data, 1, 4)?;
/// let (mut once, mut mean) = ([0.0; 4], [0.0; 4]);
/// for step in 0..steps {
///     let method = Method::Mvue(Rng::new(1, step));
///     prune(&Options::new(), method, Pattern::N2M4, a, MatMut::row_major(&mut once, 1, 4)?)?;
///     assert!(once[0] == 6.0 && once[1..].iter().sum::<f32>() == 4.0);
///     mean.iter_mut().zip(once).for_each(|(m, x)| *m += x / steps as f32);
/// }
/// assert!(mean.iter().zip(data).all(|(m, x)| (m - x).abs() < 0.2));
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn prune(
    options: &Options<'_>,
    method: Method,
    pattern: Pattern,
    a: MatRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.output();
    check::method(method, pattern)?;
    check::shape_of_out((to.rows, to.cols), (a.rows, a.cols))?;
    let a_span = check::prunable(a, pattern)?;
    check::rng(method.rng(), a.rows, a.cols, pattern)?;
    check::out_same_or_apart(*to, "a", (a, &a_span))?;
    let kernels = kernels_for(options.isa)?;
    // SAFETY: `a` was checked.
    unsafe { keepable(options, kernels, method, a, pattern)? };
    if a.is_empty() {
        return Ok(());
    }
    if pattern.group() > 1 {
        // SAFETY: both views were checked.
        unsafe { groups::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    let by_columns = a.row_stride == 1 && to.row_stride == 1 && a.rows > 1;
    let few = 2 * a.rows < kernels.lanes && by_copies(kernels, a) == a.rows;
    if by_columns && !few {
        // SAFETY: both views were checked.
        unsafe { columns::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    if rows::suits(pattern, a) {
        // SAFETY: both views were checked.
        unsafe { rows::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    let by_rows = a.col_stride == 1 && to.col_stride == 1;
    let past = PastCaches::of(to);
    let most = if by_rows && method.rng().is_some() {
        // Whole draws of the generator.
        past.tile_cols().max(WORD_GROUPS * pattern.m())
    } else if by_rows {
        past.tile_cols()
    } else {
        TILE_COLS
    };
    let tile = (tile_of(a.cols.min(most)), past.lead());
    for_each_tile(options, to, tile, |row, col, rows, cols| {
        let mut tile: KeptTile = KeptTile::new();
        let target = Target { from_far: far(a), ..tile.target(pattern, rows, cols) };
        let part = (row..row + rows, col..col + cols);
        // SAFETY: views were checked, tiles are disjoint, and a tile is read whole before it is
        // written, as what is kept of it is before that is read.
        unsafe {
            let a = a.part(part.0.clone(), part.1.clone());
            compress_block(kernels, pattern, method, a, (row, col), target);
            let kept = tile.kept(pattern, rows, cols);
            expand_tile(kernels, kept, 0, to.part(part.0, part.1), past.any());
        }
    });
    Ok(())
}

/// [`prune`] with `out` = `a`.
///
/// # Errors
/// As [`prune`].
///
/// # Examples
/// ```
/// use spnm::{Isa, MatMut, Method, Options, Pattern, Pool, prune_in_place};
///
/// let pool = Pool::new(2)?;
/// let options = Options::new().isa(Isa::Portable).pool(&pool); // neither changes the result
/// let mut data = [3.0, -1.0, 0.5, 2.0];
/// prune_in_place(&options, Method::Magnitude, Pattern::N2M4, MatMut::row_major(&mut data, 1, 4)?)?;
/// assert_eq!(data, [3.0, 0.0, 0.0, 2.0]);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn prune_in_place(
    options: &Options<'_>,
    method: Method,
    pattern: Pattern,
    a: MatMut<'_>,
) -> Result<(), Error> {
    prune(options, method, pattern, a.view, a)
}
