//! The operations: check everything once, pick kernels, split the work, call.

mod analyse;
mod blocking;
mod check;
mod compress;
mod copies;
mod decompress;
mod gemm;
mod group;
mod keep;
mod lognormal;
mod prune;
mod reduce;
mod scratch;
mod soft_threshold;
mod threshold;
mod tiles;
mod transposable;
mod validate;

pub use analyse::{Analysis, analyse, recommend};
#[cfg(feature = "capi")]
pub(crate) use check::{layout, two_of_four};
pub use compress::compress;
pub use decompress::decompress;
pub use gemm::{gemm, prune_gemm};
pub use lognormal::{LogNormal, lognormal_fit, threshold_for_sparsity};
pub use prune::{prune, prune_in_place};
pub use scratch::Scratch;
pub use soft_threshold::soft_threshold_scale;
pub use threshold::{prune_threshold, prune_threshold_in_place};
pub use transposable::{compress_transposable, prune_transposable, prune_transposable_in_place};
pub use validate::validate;

use crate::isa::Isa;
use crate::kernels::Selector;
use crate::pool::Pool;
use crate::rng::Rng;

/// How a group's N entries are chosen, and what they become.
///
/// In every method but [`Keep`](Method::Keep) a NaN or infinity, or a sum of magnitudes that is not finite, poisons its
/// group: all N values become NaN, at indices 0 .. N. It never vanishes. Zeros that are kept come
/// out as +0; what [`SoftThreshold`](Method::SoftThreshold) makes a zero keeps its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// The matrix already is N:M: take its non-zeros (NaN and infinity included) as they are, or
    /// fail with [`Error::NotNm`](crate::Error::NotNm).
    Keep,
    /// The N largest magnitudes as they are, ties by the lower index: least mean squared error, but
    /// biased. For weights.
    Magnitude,
    /// The minimum-variance unbiased estimate (arXiv 2203.10991): entry x is kept with probability
    /// `min(1, |x| / tau)` and becomes `sign(x) max(|x|, tau)`, where the water level tau solves
    /// `sum(min(|x|, tau)) = N tau`. One random word per group, systematic sampling. For gradients.
    ///
    /// A group with at most N non-zeros is returned as it is.
    Mvue(Rng),
    /// The approximate MVUE of the literature (arXiv 2203.10991), for patterns with n = 2: two draws without replacement,
    /// each in proportion to the magnitudes. With S their sum, entry x is kept with probability
    /// `p = |x|/S + sum over the other entries y of |y|/S |x|/(S - |y|)` and becomes `x / p`. Two random words per
    /// group. Other patterns are refused with [`Error::Pattern`](crate::Error::Pattern).
    ///
    /// It exists so that published runs can be repeated: [`Mvue`](Method::Mvue) is unbiased too, has less
    /// variance (this up to twice as much) and costs less. A group with at most 2 non-zeros is returned as it is.
    ///
    /// The definition of the bits can draw the last entry of a group twice, where rounding carries the second draw
    /// past what the first has left: in up to a tenth of the groups whose magnitudes sum to a few units of 2^-149, and, for
    /// m above 4, in up to about one group in 10^6 where last entries dominate. And entries that together are less than 3e-39
    /// beside an ordinary one are lost, a bias of that much.
    /// A group of the former kind holds that index twice, which [`validate`](crate::validate) reports,
    /// [`gemm`](crate::gemm) adds twice and [`decompress`](crate::decompress) writes once.
    MvueApprox(Rng),
    /// The N largest magnitudes (ties: the lower index), each less t, the largest of the others:
    /// `sign(x) (|x| - t)`. Continuous in the matrix, unlike [`Magnitude`](Method::Magnitude): the weights of S-STE (arXiv
    /// 2409.09099); [`soft_threshold_scale`](crate::soft_threshold_scale) is the factor that belongs to it.
    SoftThreshold,
}

impl Method {
    pub(crate) fn selector(self) -> Selector {
        match self {
            Self::Keep => Selector::Keep,
            Self::Magnitude => Selector::Magnitude,
            Self::Mvue(_) => Selector::Mvue,
            Self::MvueApprox(_) => Selector::MvueApprox,
            Self::SoftThreshold => Selector::SoftThreshold,
        }
    }

    /// The generator of a method that draws random numbers.
    pub(crate) fn rng(self) -> Option<Rng> {
        match self {
            Self::Keep | Self::Magnitude | Self::SoftThreshold => None,
            Self::Mvue(rng) | Self::MvueApprox(rng) => Some(rng),
        }
    }
}

/// The instruction set and the threads of a call. They never change its result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    isa: Option<Isa>,
    pool: Option<&'a Pool>,
}

impl<'a> Options<'a> {
    /// The best level that the CPU has (see [`Isa::effective`]), on the calling thread alone.
    #[must_use]
    pub const fn new() -> Self {
        Self { isa: None, pool: None }
    }

    /// Uses the instruction set `isa`; the call fails with [`Error::Isa`](crate::Error::Isa) where it is not available.
    #[must_use]
    pub const fn isa(self, isa: Isa) -> Self {
        Self { isa: Some(isa), ..self }
    }

    /// Runs on the threads of `pool`.
    #[must_use]
    pub const fn pool(self, pool: &'a Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }
}
