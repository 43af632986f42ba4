//! The ways to make a weight gradient that the example compares.

use spnm::{Pattern, Rng};
use std::fmt;
use std::str::FromStr;

/// How a weight gradient is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The full product.
    Dense,
    /// Neural gradient pruned by the minimum-variance unbiased estimator.
    Mvue(Pattern),
    /// Neural gradient pruned to its largest magnitudes: the least squared error, but biased.
    Greedy(Pattern),
    /// Two of four entries at random, doubled: unbiased, but of far larger variance than MVUE.
    Uniform,
}

impl Method {
    /// This method with `rows` rows that share indices, where it has a pattern and no groups yet.
    pub(crate) fn grouped(self, rows: u32) -> Self {
        let grouped = |pattern: Pattern| match pattern.group() {
            1 => pattern.grouped(rows).unwrap_or(pattern),
            _ => pattern,
        };
        match self {
            Self::Dense | Self::Uniform => self,
            Self::Mvue(pattern) => Self::Mvue(grouped(pattern)),
            Self::Greedy(pattern) => Self::Greedy(grouped(pattern)),
        }
    }

    /// What is asked of spnm, for `stream`'s random numbers; `None` for the dense product.
    ///
    /// The example prunes for [`Method::Uniform`] itself, and has the result compressed as it is.
    pub(crate) fn request(self, seed: u64, stream: u64) -> Option<(spnm::Method, Pattern)> {
        match self {
            Self::Dense => None,
            Self::Mvue(pattern) => Some((spnm::Method::Mvue(Rng::new(seed, stream)), pattern)),
            Self::Greedy(pattern) => Some((spnm::Method::Magnitude, pattern)),
            Self::Uniform => Some((spnm::Method::Keep, Pattern::N2M4)),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.pad("dense"),
            Self::Mvue(pattern) => f.pad(&format!("mvue {pattern}")),
            Self::Greedy(pattern) => f.pad(&format!("greedy {pattern}")),
            Self::Uniform => f.pad("uniform 2:4"),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    /// Reads `mvue-2:4`, and `mvue 2:4` as the table spells it; `mvue-2:4x8` for groups of 8 rows.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let (kind, pattern) = text.split_once(['-', ' ']).unwrap_or((&text, ""));
        let pattern = |method: fn(Pattern) -> Self| {
            pattern.parse().map(method).map_err(|_| {
                let all: Vec<_> = Pattern::ALL.iter().map(Pattern::to_string).collect();
                format!("`{pattern}` is not one of the patterns {}", all.join(", "))
            })
        };
        match kind {
            _ if text == "dense" => Ok(Self::Dense),
            _ if text == "uniform-2:4" || text == "uniform 2:4" => Ok(Self::Uniform),
            "mvue" => pattern(Self::Mvue),
            "greedy" => pattern(Self::Greedy),
            _ => Err("expected dense, mvue-N:M, greedy-N:M or uniform-2:4".to_owned()),
        }
    }
}
