//! AVX-512 (F, BW, CD, DQ, VL): sixteen lanes, masks in mask registers.

mod lanes;

use super::Level;

/// The level, where this CPU has it, with the kernels that suit it.
pub(crate) fn level() -> Option<Level> {
    level_if(super::cpu::cpu().halves)
}

/// The level, where this CPU has it, as on CPUs that execute 512 bits as two halves or not.
pub(super) fn level_if(halves: bool) -> Option<Level> {
    let kernels = if halves { &KERNELS_OF_HALVES } else { &KERNELS };
    // SAFETY: the token proves it, and that the CPU has AVX2.
    pulp::x86::V4::try_new().map(|_| unsafe { Level::new(kernels) })
}

/// The level on CPUs that execute 512 bits as two halves: their multiply-adds of 256 bits do as much a cycle, and
/// load from a first-level cache what those of 512 bits do not quite. Where B is not packed, wide panels win. In groups of
/// rows the next panel of B is fetched meanwhile. See `benches/README.md`.
pub(super) static KERNELS_OF_HALVES: Kernels =
    Kernels { tiles: &super::avx2::TILES, group: group_kernels::<true>(), ..TABLE };

// The features are those of pulp's `V4` token, so that its intrinsics inline.
super::kernel_table! {
    lanes: lanes::Avx512::new_unchecked(),
    count: 16,
    strips: 1,
    rows: [2, 2, 4, 4],
    group_rows: [2, 6, 8, 8, 8],
    features: "sse,sse2,fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
}
