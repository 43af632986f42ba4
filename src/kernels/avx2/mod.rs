//! AVX2 with FMA: eight lanes.

mod lanes;

use super::Level;

/// The level, where this CPU has it.
pub(crate) fn level() -> Option<Level> {
    // SAFETY: the token proves it.
    pulp::x86::V3::try_new().map(|_| unsafe { Level::new(&KERNELS) })
}

// The features are those of pulp's `V3` token, so that its intrinsics inline.
super::kernel_table! {
    lanes: lanes::Avx2::new_unchecked(),
    count: 8,
    strips: 2,
    rows: [1, 2, 4, 4],
    group_rows: [1, 2, 3, 4, 8],
    features: "sse,sse2,fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt"
}
