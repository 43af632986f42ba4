//! Whole tensors: threshold pruning, the lognormal model, the criterion.

use super::arguments::{Where, dtypes, fill, not_null, pattern, read, read_sized, room, zeros};
use super::guard::compute;
use super::types::*;
use crate::ops;

/// A lognormal model of the non-zero magnitudes of a tensor, and its share of zeros: made by
/// spnm_lognormal_fit, or by the caller. A later release may append fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_lognormal {
    /// sizeof(spnm_lognormal); set by the caller, whether the struct is read or written.
    pub struct_size: usize,
    /// Mean of ln|x| over the entries that are neither zero nor infinite nor NaN; 0 where there are none.
    pub mu: f64,
    /// Standard deviation (of the population) of ln|x| over the same entries.
    pub sigma: f64,
    /// Zeros, as a share of all entries (0 to 1).
    pub zeros: f64,
}

/// Variance and error that pruning to a pattern would cause: binary64 sums over the whole matrix. A later
/// release may append fields.
///
/// An estimator T(x) of a matrix x has the mean squared error E |T(x) - x|^2 = variance + |E T(x) - x|^2, the
/// squared bias. SPNM_MVUE is unbiased and has the variance alone. The greedy choice, SPNM_MAGNITUDE, has
/// nothing random in it: its mean squared error is its squared bias, the energy of what it drops, which
/// does not average out over steps. The forms are those over the reals: no rounding of the pruning itself is
/// in them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_analysis {
    /// sizeof(spnm_analysis), set by the caller.
    pub struct_size: usize,
    /// The sum of x^2.
    pub energy: f64,
    /// The variance of SPNM_MVUE: the sum of x^2 (1/p - 1) with p = min(1, |x| / tau).
    pub mvue_variance: f64,
    /// The variance of SPNM_MVUE_APPROX: two draws without replacement, each in proportion to |x|. NaN unless
    /// n = 2.
    pub mvue_approx_variance: f64,
    /// Mean squared error of SPNM_MAGNITUDE.
    pub greedy_mse: f64,
    /// Squared bias of SPNM_MAGNITUDE.
    pub greedy_squared_bias: f64,
    /// Cosine of the angle between the matrix and what SPNM_MAGNITUDE leaves of it; 1 for zeros alone.
    pub greedy_cosine: f64,
    /// Share of the groups with an entry above the water level, which SPNM_MVUE keeps for certain, as it
    /// is. In a group with at most n non-zeros the level is 0.
    pub above_water_level: f64,
    /// Zeros, as a share of all entries.
    pub zeros: f64,
}

/// Stochastic threshold pruning (arXiv 2006.08173), unbiased and without a pattern: an entry x with
/// |x| >= alpha stays as it is; another becomes sign(x) alpha with probability |x| / alpha, else +0.
///
/// Formula: with u = ((r >> 9) + 0.5) * 2^-23 of the entry's random word r, x below alpha is kept where
///   u * alpha < |x|, rounded once each. alpha 0 copies.
/// Shapes: a and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
/// Units: strides in elements.
/// rng: never NULL. The word of an entry is a function of seed, stream, row and column, and none that
///   SPNM_MVUE draws; rng->col0 may be any column.
/// Determinism: the same bits everywhere. Threads and memory: those of options->pool, or the calling
///   thread; no working memory.
/// Aliasing: out may be a itself (the same elements at the same places); otherwise they must not overlap. NaN and
///   infinity stay as they are.
///
/// SPNM_E_NULL         rng, a or out is NULL; a->data or out->data is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags, a->reserved or out->reserved is not 0; alpha is negative, infinite
///                     or NaN
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of a and out differ
/// SPNM_E_STRIDE       elements of out share memory
/// SPNM_E_OVERFLOW     an extent exceeds the address space; row0 + rows > 2^31; col0 + cols > 2^32
/// SPNM_E_OVERLAP      out is not a, and overlaps it
/// SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_prune_threshold(
    options: *const spnm_options,
    rng: *const spnm_rng,
    alpha: f32,
    a: *const spnm_matrix,
    out: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (rng, a, out) = (read("rng", rng)?, read("a", a)?, read("out", out)?);
            let place = Where::read(options)?;
            zeros([("a->reserved", a.reserved), ("out->reserved", out.reserved)])?;
            dtypes([("a->dtype", a.dtype), ("out->dtype", out.dtype)])?;
            Ok(ops::prune_threshold(&place.options(), rng.into(), alpha, a.view(), out.view_mut())?)
        }
    })
}

/// Fits a lognormal distribution to the magnitudes of A (arXiv 2006.08173): mean and standard deviation of
/// ln|x|, and the share of zeros.
///
/// NaN: NaNs and infinities count as entries that are not zero, and are left out of mu and sigma.
/// Shapes: a of any strides; without elements all three numbers are 0. One pass by tiles of 64 x 64 (a single
///   column costs as much as 64), sums in binary64. sigma is off by up to about 10^-6 |mu|.
/// Determinism: the same bits everywhere, for every storage of A. Threads and memory: those of
///   options->pool, or the calling thread; no working memory.
/// Output: *fit, whose struct_size the caller has set, and bytes up to that size behind the known fields become
///   0; written on success alone.
///
/// SPNM_E_NULL         a or fit is NULL; a->data is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size or fit->struct_size is invalid
/// SPNM_E_OPTION       options->flags or a->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_DTYPE        a->dtype is not SPNM_F32
/// SPNM_E_OVERFLOW     an extent exceeds the address space
/// SPNM_E_PANIC        a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_lognormal_fit(
    options: *const spnm_options,
    a: *const spnm_matrix,
    fit: *mut spnm_lognormal,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let a = read("a", a)?;
            not_null("fit", fit)?;
            let place = Where::read(options)?;
            let struct_size = room("fit->struct_size", fit)?;
            zeros([("a->reserved", a.reserved)])?;
            dtypes([("a->dtype", a.dtype)])?;
            let ops::LogNormal { mu, sigma, zeros } =
                ops::lognormal_fit(&place.options(), a.view())?;
            fill(fit, spnm_lognormal { struct_size, mu, sigma, zeros });
            Ok(())
        }
    })
}

/// The threshold at which spnm_prune_threshold is expected to leave the share `sparsity` of zeros in a
/// matrix whose magnitudes are distributed as `fit` says (arXiv 2006.08173).
///
/// Formula: zeros that are there already count, so the rest is pruned to S = (sparsity - zeros) /
///   (1 - zeros); where zeros >= sparsity the threshold is 0. With s = sigma, *alpha is a exp(mu) for the a
///   that solves S = 1/2 + (e^(s^2/2) erf(s/sqrt2 - ln a/(sqrt2 s)) + a erf(ln a/(sqrt2 s)) - e^(s^2/2)) / (2a);
///   for s = 0, a = 1 / (1 - S). At most the largest float.
/// Output: *alpha, written on success alone.
///
/// SPNM_E_NULL         fit or alpha is NULL
/// SPNM_E_STRUCT_SIZE  fit->struct_size is invalid
/// SPNM_E_OPTION       sparsity is not at least 0 and below 1; fit->mu is not finite; fit->sigma is
///                     negative or not finite; fit->zeros is not from 0 to 1; a field that is not known is
///                     not 0
/// SPNM_E_PANIC        a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_threshold_for_sparsity(
    fit: *const spnm_lognormal,
    sparsity: f64,
    alpha: *mut f32,
) -> spnm_status {
    compute(|| {
        not_null("fit", fit)?;
        not_null("alpha", alpha)?;
        // SAFETY: not NULL, and structs are as the header asks.
        unsafe {
            let spnm_lognormal { mu, sigma, zeros, .. } = read_sized("fit->struct_size", fit)?;
            let fit = ops::LogNormal { mu, sigma, zeros };
            alpha.write_unaligned(ops::threshold_for_sparsity(&fit, sparsity)?);
        }
        Ok(())
    })
}

/// What pruning A to n:m would do to it, in one pass and without pruning it: energy, variances, errors and
/// shares (the criterion of arXiv 2203.10991 for choosing the pattern of a tensor). See spnm_analysis.
///
/// group, 1 to 64: that many consecutive rows share one set of indices (the last rows may be fewer); a block's
///   entries are then columns of so many rows, and count by their 2-norms, as where such a group is pruned.
/// Shapes: a of any strides; groups of m run along its columns, a short last one padded with zeros.
/// NaN: with a NaN or infinity in A the energy is infinite or NaN, and all else but zeros is NaN. Where
///   the magnitudes of a group have no finite sum in binary32, so that pruning turns it into NaN, all but energy
///   and zeros is NaN.
/// Determinism: the same bits everywhere, for every storage of A. Threads and memory: those of
///   options->pool, or the calling thread; no working memory.
/// Output: *analysis, whose struct_size the caller has set, and bytes up to that size behind the known fields
///   become 0; written on success alone.
///
/// SPNM_E_NULL         a or analysis is NULL; a->data is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size or analysis->struct_size is invalid
/// SPNM_E_OPTION       options->flags or a->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      n:m is not supported, or group is not from 1 to 64
/// SPNM_E_DTYPE        a->dtype is not SPNM_F32
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
/// SPNM_E_PANIC        a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_analyse(
    options: *const spnm_options,
    n: u32,
    m: u32,
    group: u32,
    a: *const spnm_matrix,
    analysis: *mut spnm_analysis,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let a = read("a", a)?;
            not_null("analysis", analysis)?;
            let place = Where::read(options)?;
            let struct_size = room("analysis->struct_size", analysis)?;
            zeros([("a->reserved", a.reserved)])?;
            let pattern = pattern(n, m, group)?;
            dtypes([("a->dtype", a.dtype)])?;
            let found = ops::analyse(&place.options(), pattern, a.view())?;
            let of = spnm_analysis {
                struct_size,
                energy: found.energy,
                mvue_variance: found.mvue_variance,
                mvue_approx_variance: found.mvue_approx_variance,
                greedy_mse: found.greedy_mse,
                greedy_squared_bias: found.greedy_squared_bias,
                greedy_cosine: found.greedy_cosine,
                above_water_level: found.above_water_level,
                zeros: found.zeros,
            };
            fill(analysis, of);
            Ok(())
        }
    })
}

/// The sparsest pattern whose relative variance under SPNM_MVUE (mvue_variance / energy of spnm_analyse) is at
/// most max_relative_variance: the least n / m, and of equals the one with the least variance, which is that of the
/// longest group: m is 16 but for ties. To choose among other patterns, compare what spnm_analyse says of each.
///
/// If no pattern will do, *n = *m = 1: keep everything (which is no pattern that other functions take). So it
///   is for a matrix with a NaN or infinity. For zeros alone the relative variance is 0.
/// group, Shapes, Determinism, Threads and memory: as for spnm_analyse. A is read once for every pattern that
///   is looked at, the sparsest first.
/// Output: *n and *m, written on success alone.
///
/// SPNM_E_NULL         a, n or m is NULL; a->data is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags or a->reserved is not 0; max_relative_variance is negative or NaN
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      group is not from 1 to 64
/// SPNM_E_DTYPE        a->dtype is not SPNM_F32
/// SPNM_E_OVERFLOW     as for spnm_analyse
/// SPNM_E_PANIC        a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_recommend(
    options: *const spnm_options,
    group: u32,
    a: *const spnm_matrix,
    max_relative_variance: f64,
    n: *mut u32,
    m: *mut u32,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let a = read("a", a)?;
            not_null("n", n)?;
            not_null("m", m)?;
            let place = Where::read(options)?;
            zeros([("a->reserved", a.reserved)])?;
            dtypes([("a->dtype", a.dtype)])?;
            let limit = max_relative_variance;
            let best = ops::recommend(&place.options(), group, a.view(), limit)?;
            #[expect(clippy::cast_possible_truncation, reason = "n and m of a pattern")]
            let of = best.map_or((1, 1), |p| (p.n() as u32, p.m() as u32));
            n.write_unaligned(of.0);
            m.write_unaligned(of.1);
            Ok(())
        }
    })
}
