//! Which level a call gets: what the CPU has, what the environment allows, what the call asks for.

use crate::error::Error;
use crate::isa::{Isa, MAX_ISA_VARIABLE};
use crate::kernels::{self, Level};
use std::sync::OnceLock;

impl Isa {
    /// Whether this CPU (and this build) has the level.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.level().is_some()
    }

    /// The levels that this CPU has, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// What a call without an explicit level uses: the highest that the CPU has, lowered by
    /// `SPNM_MAX_ISA` (`reference`, `portable`, `avx2`, `avx512`, `neon`, in any case, blanks around it ignored) where that
    /// is set when the first call is made. The variable never raises the level; a value that is none of these, or that names
    /// another architecture's level, changes nothing.
    #[must_use]
    pub fn effective() -> Self {
        static EFFECTIVE: OnceLock<Isa> = OnceLock::new();
        *EFFECTIVE.get_or_init(|| {
            let limit = std::env::var(MAX_ISA_VARIABLE).ok();
            clamp(limit.as_deref(), Self::is_available)
        })
    }

    /// Whether this build has the level: what [`level`](Self::level) is compiled with.
    #[cfg(feature = "capi")]
    pub(crate) const fn is_compiled(self) -> bool {
        match self {
            Self::Reference | Self::Portable => true,
            Self::Avx2 | Self::Avx512 => cfg!(target_arch = "x86_64"),
            Self::Neon => cfg!(all(target_arch = "aarch64", target_endian = "little")),
        }
    }

    /// The kernels of the level, where the CPU has it.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Self::Reference => Some(kernels::reference::level()),
            Self::Portable => Some(kernels::portable::level()),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => kernels::avx2::level(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => kernels::avx512::level(),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon => kernels::neon::level(),
            // The levels of other architectures.
            _ => None,
        }
    }
}

/// The highest of the available levels that `limit` allows. It allocates nothing, as a first call may find
/// no memory. (To read the variable allocates a few bytes where it is set; without them std ends the process.)
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
pub(crate) fn kernels_for(isa: Option<Isa>) -> Result<Level, Error> {
    let isa = isa.unwrap_or_else(Isa::effective);
    isa.level().ok_or(Error::Isa { isa })
}

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
            (Some("reference"), &server, Reference),
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
