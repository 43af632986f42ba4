//! The levels of instruction sets and their names.

use std::str::FromStr;

/// A level of the instruction set. Every level returns the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain scalar code: the definition of the bits. Never chosen automatically, but where [`MAX_ISA_VARIABLE`] asks for it.
    Reference,
    /// Portable vectors (`wide`) at the target's baseline.
    Portable,
    /// AVX2, FMA, BMI1, BMI2, LZCNT and POPCNT.
    Avx2,
    /// What [`Avx2`](Isa::Avx2) needs, and AVX-512 F, BW, CD, DQ and VL.
    Avx512,
    /// NEON (Advanced SIMD), on 64-bit Arm, little-endian.
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
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    /// The level with this [`name`](Isa::name), in any case, blanks around it ignored.
    fn from_str(text: &str) -> Result<Self, UnknownIsa> {
        let name = text.trim();
        Self::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(name)).ok_or(UnknownIsa)
    }
}

/// The text is not the name of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instruction set: expected reference, portable, avx2, avx512 or neon")]
pub struct UnknownIsa;
