//! NEON (Advanced SIMD): four lanes. Every AArch64 CPU has it.

mod lanes;

use super::Level;

/// The level, where this CPU has it.
pub(crate) fn level() -> Option<Level> {
    // SAFETY: the token proves it.
    pulp::aarch64::Neon::try_new().map(|_| unsafe { Level::new(&KERNELS) })
}

super::kernel_table! {
    lanes: lanes::Neon::new_unchecked(),
    count: 4,
    strips: 4,
    rows: [2, 4, 8, 8],
    group_rows: [2, 4, 8, 8, 8],
    features: "neon"
}
