//! The lognormal model of a tensor's magnitudes, and the threshold that leaves a wanted share of zeros.

use super::reduce::{Sums, Tile, reduce};
use super::{Options, check};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::matrix::MatRef;
use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// A lognormal model of the non-zero magnitudes of a tensor ("Neural gradients are near-lognormal", arXiv 2006.08173), and
/// its share of zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    /// The mean of ln|x| over the entries that are neither zero nor infinite nor NaN; 0 where there are none.
    pub mu: f64,
    /// The standard deviation (of the population) of ln|x| over the same entries, but for rounding: up to about 10^-6 |mu|.
    pub sigma: f64,
    /// Zeros, as a share of all entries (0 to 1); 0 where there are none.
    pub zeros: f64,
}

/// Fits a lognormal distribution to the magnitudes of `a`: mean and standard deviation of ln|x|, and the share of zeros.
///
/// NaNs and infinities count as entries that are not zero, and are left out of the rest. Without entries all three
/// numbers are 0. One pass, by tiles of 64 x 64: a single row is as good as many, but a single column costs as much as 64.
///
/// # Shapes
/// `a` of any shape and strides.
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
/// use spnm::{LogNormal, MatRef, Options, lognormal_fit, threshold_for_sparsity};
///
/// let fit = lognormal_fit(&Options::new(), MatRef::row_major(&[1.0, 0.0, -1.0, 1.0], 1, 4)?)?;
/// assert_eq!(fit, LogNormal { mu: 0.0, sigma: 0.0, zeros: 0.25 });
/// // Half of the three ones become zeros where they are kept with probability 1 / 2.
/// assert_eq!(threshold_for_sparsity(&fit, 0.625)?, 2.0);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn lognormal_fit(options: &Options<'_>, a: MatRef<'_>) -> Result<LogNormal, Error> {
    check::input("a", a)?;
    let kernels = kernels_for(options.isa)?;
    let add = |tile: &Tile, [zeros, sums @ ..]: &mut Sums<4>| {
        zeros[0] += tile.zeros() as f64;
        // SAFETY: the level's kernel; whole rows of a tile, which are whole vectors of terms.
        unsafe { (kernels.tensor.logarithms)(tile.rows_by(1), sums) };
    };
    // SAFETY: the view was checked.
    let [zeros, count, sum, squares] = unsafe { reduce(kernels, options.pool, a, add) };
    if a.is_empty() {
        return Ok(LogNormal { mu: 0.0, sigma: 0.0, zeros: 0.0 });
    }
    let zeros = zeros / (a.rows as f64 * a.cols as f64);
    if count == 0.0 {
        return Ok(LogNormal { mu: 0.0, sigma: 0.0, zeros });
    }
    let mu = sum / count;
    let sigma = (squares / count - mu * mu).max(0.0).sqrt();
    Ok(LogNormal { mu, sigma, zeros })
}

/// The threshold at which [`prune_threshold`](crate::prune_threshold) is expected to leave the share `sparsity` of zeros
/// (arXiv 2006.08173), where the magnitudes are distributed as `fit` says.
///
/// Zeros that are there already count: the rest, with z of them, is pruned to S = (`sparsity` - z) / (1 - z); where z
/// reaches `sparsity` the threshold is 0. With s = `fit.sigma`, alpha is `a exp(fit.mu)` for the a that solves
///
/// ```text
/// S = 1/2 + (e^(s^2/2) erf(s/sqrt2 - ln a/(sqrt2 s)) + a erf(ln a/(sqrt2 s)) - e^(s^2/2)) / (2a)
/// ```
///
/// For s = 0 (equal magnitudes) a = 1 / (1 - S). A threshold above the largest f32 is returned as that.
///
/// # Determinism
/// The same bits on every machine: no function of the system's libm is called.
///
/// # Errors
/// [`Error::Value`] unless 0 <= `sparsity` < 1, `fit.mu` is finite, `fit.sigma` is finite and not negative, and 0 <= `fit.zeros` <= 1.
///
/// # Examples
/// ```
/// use spnm::{LogNormal, threshold_for_sparsity};
///
/// // Wider distributions have more small entries: a threshold that is lower beside the mean e^(s^2/2).
/// let at = |sigma| threshold_for_sparsity(&LogNormal { mu: 0.0, sigma, zeros: 0.0 }, 0.85);
/// assert!(at(3.0)? / 4.5f32.exp() < at(1.0)? / 0.5f32.exp());
/// // Zeros that are there already count.
/// assert_eq!(threshold_for_sparsity(&LogNormal { mu: 0.0, sigma: 1.0, zeros: 0.9 }, 0.85)?, 0.0);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn threshold_for_sparsity(fit: &LogNormal, sparsity: f64) -> Result<f32, Error> {
    let LogNormal { mu, sigma, zeros } = *fit;
    check::value("sparsity", sparsity, (0.0..1.0).contains(&sparsity), "at least 0 and below 1")?;
    check::value("fit.mu", mu, mu.is_finite(), "finite")?;
    let fits = (0.0..f64::INFINITY).contains(&sigma);
    check::value("fit.sigma", sigma, fits, "finite and not negative")?;
    check::value("fit.zeros", zeros, (0.0..=1.0).contains(&zeros), "from 0 to 1")?;
    if zeros >= sparsity {
        return Ok(0.0);
    }
    let target = (sparsity - zeros) / (1.0 - zeros);
    let alpha = libm::exp(mu + log_threshold(sigma, target));
    #[expect(clippy::cast_possible_truncation, reason = "rounded to f32, after it was limited")]
    Ok(alpha.min(f32::MAX.into()) as f32)
}

/// ln a for which the share of zeros is `target`, above 0 and below 1: by bisection, as the share grows with a.
fn log_threshold(sigma: f64, target: f64) -> f64 {
    if sigma == 0.0 {
        return -libm::log(1.0 - target);
    }
    // Wider than this leaves 0 or the largest f32 in any case, and its square must be finite: with an infinite end
    // there would be no middle, and no end to the search.
    let sigma = sigma.min(1e150);
    // Forty standard deviations below the median nothing is pruned. Above, what is kept is less than the mean over a.
    let (mut low, mut high) = (-40.0 * sigma, 0.5 * sigma * sigma + 40.0 * sigma + 40.0);
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return high;
        }
        if pruned_share(sigma, middle) < target { low = middle } else { high = middle }
    }
}

/// The expected share of zeros at the threshold a = e^w: the equation of [`threshold_for_sparsity`], as
/// P(w/s) - e^(s^2/2 - w) P(w/s - s) with P the normal distribution function, which cancels nothing.
fn pruned_share(s: f64, w: f64) -> f64 {
    let normal = |t: f64| 0.5 * libm::erfc(-t * FRAC_1_SQRT_2);
    let (t, exponent) = (w / s, 0.5 * s * s - w);
    let kept = if exponent < 700.0 {
        libm::exp(exponent) * normal(t - s)
    } else {
        // The product of something huge and something tiny: by the tail's expansion, from 37 deviations on.
        let y = s - t;
        let (density, inverse) = (libm::exp(-0.5 * t * t) / TAU.sqrt(), 1.0 / (y * y));
        density / y * (1.0 - inverse * (1.0 - 3.0 * inverse))
    };
    normal(t) - kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula as the paper has it.
    fn paper(s: f64, a: f64) -> f64 {
        let (e, root) = (libm::exp(0.5 * s * s), std::f64::consts::SQRT_2);
        let erf = libm::erf;
        0.5 + (e * erf(s / root - a.ln() / (root * s)) + a * erf(a.ln() / (root * s)) - e)
            / (2.0 * a)
    }

    #[test]
    fn the_share_of_zeros_is_the_papers_formula() {
        for s in [0.3, 1.0, 2.0, 3.5] {
            for a in [0.05, 0.5, 1.0, 3.0, 40.0, 900.0] {
                let (got, want) = (pruned_share(s, f64::ln(a)), paper(s, a));
                assert!((got - want).abs() < 1e-11 * (1.0 + (0.5 * s * s).exp() / a), "{s} {a}");
            }
        }
    }

    #[test]
    fn thresholds_solve_it() {
        for s in [1e-6, 0.01, 0.5, 1.0, 3.0, 10.0, 36.0, 50.0, 96.0] {
            for target in [1e-9, 1e-3, 0.25, 0.5, 0.85, 0.99, 1.0 - 1e-9] {
                let got = pruned_share(s, log_threshold(s, target));
                assert!((got - target).abs() < 1e-8 * target, "{s} {target}: {got}");
            }
        }
        // Both sides of where the expansion takes over.
        let (s, w) = (40.0f64, 100.0f64);
        assert!((pruned_share(s, w - 1e-9) - pruned_share(s, w + 1e-9)).abs() < 1e-9);
    }
}
