//! What a pattern would cost a tensor, by the closed forms.

use super::reduce::{SIDE, Sums, Tile, reduce_by};
use super::{Options, check};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::group::{NormJob, Rows};
use crate::kernels::{LANES, Level};
use crate::matrix::MatRef;
use crate::pattern::Pattern;

/// Variance and error that pruning to a pattern would cause: binary64 sums over the whole matrix.
///
/// An estimator T(x) of a matrix x has the mean squared error E |T(x) - x|^2 = variance + |E T(x) - x|^2, the squared
/// bias (|.| is the 2-norm over all entries). An unbiased one has the variance alone. A deterministic one, as
/// [`Method::Magnitude`](crate::Method::Magnitude), has the squared bias alone: it does not average out over
/// steps, and for one matrix both of its figures are the energy of what is dropped.
///
/// The closed forms are those over the reals: roundings in the f32 kernels are not in them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Analysis {
    /// The sum of x^2.
    pub energy: f64,
    /// The variance of [`Method::Mvue`](crate::Method::Mvue): the sum of x^2 (1/p - 1), p = min(1, |x| / tau).
    pub mvue_variance: f64,
    /// The variance of [`Method::MvueApprox`](crate::Method::MvueApprox): two draws without replacement, each in
    /// proportion to |x|. NaN unless n = 2. (For groups of rows: of their norms, though the method has no such groups.)
    pub mvue_approx_variance: f64,
    /// The mean squared error of keeping the n largest magnitudes: the energy of the entries that are dropped.
    pub greedy_mse: f64,
    /// The squared bias of the same: equal to `greedy_mse`, as nothing in it is random.
    pub greedy_squared_bias: f64,
    /// The cosine of the angle between the matrix and what the n largest magnitudes leave of it: the root of the share of
    /// the energy that they keep. 1 for a matrix of zeros.
    pub greedy_cosine: f64,
    /// The share of groups with an entry above the water level: one that MVUE keeps for certain, as it is. In a
    /// group with at most n non-zeros the level is 0.
    pub above_water_level: f64,
    /// Zeros, as a share of all entries.
    pub zeros: f64,
}

impl Analysis {
    /// The variance of MVUE as a share of the energy; 0 for a matrix of zeros.
    #[must_use]
    pub fn relative_variance(&self) -> f64 {
        if self.energy == 0.0 { 0.0 } else { self.mvue_variance / self.energy }
    }
}

/// Energy, variances, errors and shares of `a` pruned to `pattern`, in one pass and without pruning it (the criterion of
/// arXiv 2203.10991 for choosing a pattern for a tensor).
///
/// It goes by tiles of 64 x 64: a single row is as good as many, but a single column costs as much as 64.
///
/// Where `pattern` has groups of rows ([`Pattern::grouped`]) the magnitudes are the 2-norms over these rows in each
/// column: the binary32 numbers by which such a group is pruned.
///
/// # NaN and infinity
/// With one among the entries the energy is infinite or NaN, and all else but `zeros` is NaN. Where the
/// magnitudes of a group have no finite sum in binary32, so that pruning turns it into NaN, all but `energy` and `zeros` is NaN.
///
/// # Determinism
/// The same bits on every level, for every number of threads, and for every storage of `a`.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`].
///
/// # Examples
/// ```
/// use spnm::{MatRef, Options, Pattern, analyse};
///
/// let a = MatRef::row_major(&[6.0, 1.0, 2.0, 1.0], 1, 4)?;
/// let found = analyse(&Options::new(), Pattern::N2M4, a)?;
/// assert_eq!(found.energy, 42.0);
/// assert_eq!(found.mvue_variance, 10.0); // of the three below the level 4: x^2 (4 / x - 1)
/// assert_eq!(found.greedy_squared_bias, 2.0); // 1 and 1 are dropped
/// assert_eq!(found.above_water_level, 1.0);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn analyse(options: &Options<'_>, pattern: Pattern, a: MatRef<'_>) -> Result<Analysis, Error> {
    check::prunable(a, pattern)?;
    let kernels = kernels_for(options.isa)?;
    let (n, group) = (pattern.n(), pattern.group());
    let kernel = kernels.tensor.blocks(pattern.m());
    let add = |tile: &Tile, [energy, zeros, terms @ ..]: &mut Sums<6>| {
        zeros[0] += tile.zeros() as f64;
        // Whole vectors of blocks, whose zeros add nothing.
        let vectors = pattern.m() * LANES;
        let norms_of_groups;
        let blocks = if group == 1 {
            tile.rows_by(vectors.div_ceil(SIDE))
        } else {
            norms_of_groups = norms(kernels, tile.rows_by(group), group);
            let used = tile.rows.div_ceil(group) * SIDE;
            &norms_of_groups[..used.next_multiple_of(vectors)]
        };
        // SAFETY: the level's kernels; whole vectors of terms, and of blocks.
        unsafe {
            (kernels.dot)(tile.rows_by(1), tile.rows_by(1), energy);
            kernel(blocks, n, terms);
        }
    };
    // SAFETY: the view was checked.
    let sums = unsafe { reduce_by(kernels, options.pool, a, group, add) };
    let [energy, zeros, variance, approx, dropped, above] = sums;
    let share = |part: f64, of: f64| if of == 0.0 { 0.0 } else { part / of };
    let zeros = share(zeros, a.rows as f64 * a.cols as f64);
    let blocks = a.rows.div_ceil(group) as f64 * pattern.groups(a.cols) as f64;
    let cosine = match energy {
        0.0 => 1.0,
        _ => (1.0 - dropped / energy).max(0.0).sqrt(),
    };
    // (A block that pruning poisons, by a sum that is too large, has no variance.)
    let known = energy.is_finite() && !variance.is_nan();
    let or_nan = |x: f64| if known { x } else { f64::NAN };
    Ok(Analysis {
        energy,
        mvue_variance: or_nan(variance),
        mvue_approx_variance: or_nan(if n == 2 { approx } else { f64::NAN }),
        greedy_mse: or_nan(dropped),
        greedy_squared_bias: or_nan(dropped),
        greedy_cosine: or_nan(cosine),
        above_water_level: or_nan(share(above, blocks)),
        zeros,
    })
}

/// The norms of whole groups of rows of a tile, as pruning takes them; zeros behind.
fn norms(kernels: Level, entries: &[f32], group: usize) -> [f32; SIDE * SIDE] {
    let mut norms = [0.0; SIDE * SIDE];
    let rows = entries.chunks_exact(group * SIDE).zip(norms.chunks_exact_mut(SIDE));
    for (entries, norms) in rows {
        let ld = SIDE.cast_signed();
        // SAFETY: `entries` holds the rows, `norms` a norm of each column.
        unsafe {
            let a = Rows::of(MatRef::from_raw_parts(entries.as_ptr(), group, SIDE, ld, 1));
            (kernels.group.norms)(&NormJob { a, norms: norms.as_mut_ptr() });
        }
    }
    norms
}

/// The sparsest pattern whose relative variance under [`Method::Mvue`](crate::Method::Mvue), variance / energy, is at most
/// `max_relative_variance`: the least n / m, and of equals the one with the least variance, then the
/// first of [`Pattern::ALL`]. `None` if no pattern will do (as for a matrix with a NaN or infinity): leave the matrix
/// dense.
///
/// With `group` > 1 the patterns are those in which so many rows share indices: the one that is returned has that
/// [`group`](Pattern::group).
///
/// Of one sparsity the longest group has the least variance, as it has the choices of the others and more: m is 16 but for ties.
/// To choose among other patterns, compare what [`analyse`] says of each.
///
/// Reads the matrix once for every pattern that is looked at: the sparsest first, all of one sparsity together.
///
/// # Determinism
/// That of [`analyse`].
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// [`Error::Value`] unless `max_relative_variance` is at least 0 (infinity included); [`Error::Group`]; else as [`analyse`].
///
/// # Examples
/// ```
/// use spnm::{MatRef, Options, Pattern, recommend};
///
/// let data: Vec<f32> = (0..64 * 64).map(|i| (i as f32).sin()).collect();
/// let a = MatRef::row_major(&data, 64, 64)?;
/// assert_eq!(recommend(&Options::new(), 1, a, 20.0)?, Some(Pattern::N1M16));
/// // With 1:2 the relative variance of a pair (x, y) is 2 |x y| / (x^2 + y^2), at most 1.
/// assert!(recommend(&Options::new(), 1, a, 1.0)?.is_some());
/// assert_eq!(recommend(&Options::new(), 1, a, 0.0)?, None);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn recommend(
    options: &Options<'_>,
    group: u32,
    a: MatRef<'_>,
    max_relative_variance: f64,
) -> Result<Option<Pattern>, Error> {
    let fits = max_relative_variance >= 0.0;
    check::value("max_relative_variance", max_relative_variance, fits, "at least 0")?;
    // Whatever the data: the pattern with the most groups may be the one that meets the limit.
    check::prunable(a, Pattern::N1M2.grouped(group)?)?;
    let mut patterns = [Pattern::N1M2; Pattern::ALL.len()];
    patterns.copy_from_slice(Pattern::ALL);
    // What is kept of the longest block, then the list's order.
    patterns.sort_unstable_by_key(|p| (p.n() * 16 / p.m(), p.ordinal()));
    for equals in patterns.chunk_by(|p, q| p.n() * q.m() == q.n() * p.m()) {
        let mut best: Option<(Pattern, f64)> = None;
        for &pattern in equals {
            let pattern = pattern.grouped(group)?;
            let analysis = analyse(options, pattern, a)?;
            let variance = analysis.mvue_variance;
            let meets = analysis.energy.is_finite()
                && analysis.relative_variance() <= max_relative_variance;
            if meets && best.is_none_or(|(_, least)| variance < least) {
                best = Some((pattern, variance));
            }
        }
        if let Some((pattern, _)) = best {
            return Ok(Some(pattern));
        }
    }
    Ok(None)
}
