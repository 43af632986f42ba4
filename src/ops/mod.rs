//! The operations: check everything once, pick kernels, split the work, call.

mod blocking;
mod check;
mod compress;
mod gemm;
mod prune;
mod scratch;
mod transposable;
mod validate;

#[cfg(feature = "capi")]
pub(crate) use check::{layout, two_of_four};
pub use compress::compress;
pub use gemm::{gemm, prune_gemm};
pub use prune::{decompress, prune, prune_in_place};
pub use scratch::Scratch;
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
/// out as +0.
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
}

impl Method {
    pub(crate) fn selector(self) -> Selector {
        match self {
            Self::Keep => Selector::Keep,
            Self::Magnitude => Selector::Magnitude,
            Self::Mvue(_) => Selector::Mvue,
        }
    }

    /// The generator of a method that draws random numbers.
    pub(crate) fn rng(self) -> Option<Rng> {
        match self {
            Self::Keep | Self::Magnitude => None,
            Self::Mvue(rng) => Some(rng),
        }
    }
}

/// Where a call runs: nothing here changes its result.
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

    /// This level; [`Error::Isa`](crate::Error::Isa) where the CPU does not have it.
    #[must_use]
    pub const fn isa(self, isa: Isa) -> Self {
        Self { isa: Some(isa), ..self }
    }

    /// With the threads of this pool.
    #[must_use]
    pub const fn pool(self, pool: &'a Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }
}
