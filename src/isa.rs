//! Instruction set levels: what the CPU has, what the environment allows, what a call asks for.

use crate::error::Error;
use crate::kernels::{self, Kernels};
use std::str::FromStr;
use std::sync::OnceLock;

/// A level of the instruction set. Every level returns the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain scalar code: the definition of the bits. Never chosen automatically.
    Reference,
    /// Portable vectors (`wide`) at the target's baseline.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512,
    /// NEON (Advanced SIMD).
    Neon,
}

/// The environment variable that lowers what is chosen automatically.
pub const MAX_ISA_VARIABLE: &str = "SPNM_MAX_ISA";

impl Isa {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Reference, Self::Portable, Self::Avx2, Self::Avx512, Self::Neon];

    /// The level's name, as `SPNM_MAX_ISA` and [`FromStr`] spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this CPU (and this build) has the level.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.kernels().is_some()
    }

    /// The levels that this CPU has, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// What a call without an explicit level uses: the highest that the CPU has, lowered by
    /// `SPNM_MAX_ISA` (`reference`, `portable`, `avx2`, `avx512`, `neon`) where that is set when the first call
    /// is made. The variable never raises the level; a value that is none of these, or that names
    /// another architecture's level, changes nothing.
    #[must_use]
    pub fn effective() -> Self {
        static EFFECTIVE: OnceLock<Isa> = OnceLock::new();
        *EFFECTIVE.get_or_init(|| {
            let limit = std::env::var(MAX_ISA_VARIABLE).ok();
            clamp(limit.as_deref(), Self::is_available)
        })
    }

    /// The kernels of the level, where the CPU has it: the only way to them.
    pub(crate) fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Self::Reference => Some(&kernels::reference::KERNELS),
            Self::Portable => Some(&kernels::portable::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => kernels::avx2::is_available().then_some(&kernels::avx2::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => kernels::avx512::is_available().then(kernels::avx512::kernels),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon => kernels::neon::is_available().then_some(&kernels::neon::KERNELS),
            // The levels of other architectures.
            _ => None,
        }
    }
}

/// The highest of the available levels that `limit` allows. Without allocation: a first call may find
/// no memory.
fn clamp(limit: Option<&str>, available: impl Fn(Isa) -> bool) -> Isa {
    let highest = Isa::ALL.into_iter().rfind(|&isa| available(isa)).unwrap_or(Isa::Portable);
    match limit.and_then(|text| text.parse::<Isa>().ok()) {
        // A level that this CPU has: the limit is below what it would get.
        Some(limit) if available(limit) => limit,
        // Another architecture's level, or one above this CPU's.
        _ => highest,
    }
}

/// The kernels for a call that asks for `isa`, or for whatever is best.
pub(crate) fn kernels_for(isa: Option<Isa>) -> Result<&'static Kernels, Error> {
    let isa = isa.unwrap_or_else(Isa::effective);
    isa.kernels().ok_or(Error::Isa { isa })
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(text: &str) -> Result<Self, UnknownIsa> {
        let name = text.trim();
        Self::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(name)).ok_or(UnknownIsa)
    }
}

/// A name that is no level's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instruction set: expected reference, portable, avx2, avx512 or neon")]
pub struct UnknownIsa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_lowers_and_never_raises() {
        use Isa::{Avx2, Avx512, Neon, Portable, Reference};
        let server = [Reference, Portable, Avx2, Avx512];
        let laptop = [Reference, Portable, Avx2];
        let phone = [Reference, Portable, Neon];
        for (limit, available, want) in [
            (None, &server[..], Avx512),
            (Some("avx2"), &server, Avx2),
            (Some(" AVX2 "), &server, Avx2),
            (Some("portable"), &server, Portable),
            (Some("avx512"), &laptop, Avx2),
            (Some("nonsense"), &server, Avx512),
            (Some(""), &server, Avx512),
            (Some("avx2"), &phone, Neon),
            (Some("portable"), &phone, Portable),
        ] {
            let is_available = |isa| available.contains(&isa);
            assert_eq!(clamp(limit, is_available), want, "{limit:?} on {available:?}");
        }
    }
}
