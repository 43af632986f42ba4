//! AVX-512 (F, BW, CD, DQ, VL): sixteen lanes, masks in mask registers.

mod lanes;

use std::arch::x86_64::__cpuid;
use std::sync::OnceLock;

/// Whether this CPU has the level.
pub(crate) fn is_available() -> bool {
    pulp::x86::V4::try_new().is_some()
}

/// The kernels of the level, as suit this CPU.
pub(crate) fn kernels() -> &'static Kernels {
    static HALVES: OnceLock<bool> = OnceLock::new();
    if *HALVES.get_or_init(executes_halves) { &KERNELS_OF_HALVES } else { &KERNELS }
}

/// The level on CPUs that execute 512 bits as two halves: their multiply-adds of 256 bits do as much a cycle, and
/// load from a first-level cache what those of 512 bits do not quite. See `benches/README.md`.
static KERNELS_OF_HALVES: Kernels = Kernels { tiles: &super::avx2::TILES, ..TABLE };

/// Whether the CPU says that its floating-point units are 256 bits wide: Zen 4 does. (AMD's performance optimization
/// identifiers; other vendors' CPUs have no such leaf.)
fn executes_halves() -> bool {
    const LEAVES: u32 = 0x8000_0000;
    const IDENTIFIERS: u32 = 0x8000_001A;
    const FP256: u32 = 1 << 2;
    const FP512: u32 = 1 << 3;
    #[allow(unused_unsafe, reason = "safe since Rust 1.94")]
    // SAFETY: CPUs with AVX-512 have `cpuid`, and this leaf of its, which names the last one.
    let eax =
        unsafe { if __cpuid(LEAVES).eax < IDENTIFIERS { 0 } else { __cpuid(IDENTIFIERS).eax } };
    eax & (FP256 | FP512) == FP256
}

// The features are those of pulp's `V4` token, so that its intrinsics inline.
super::kernel_table! {
    lanes: lanes::Avx512::new_unchecked(),
    count: 16,
    strips: 1,
    rows: [2, 2, 4, 4],
    features: "sse,sse2,fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
}

super::group::group_table! {
    lanes: lanes::Avx512::new_unchecked(),
    rows: [2, 6, 8, 8],
    features: "sse,sse2,fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
}
