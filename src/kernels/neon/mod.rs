//! NEON (Advanced SIMD): four lanes. Every AArch64 CPU has it.

mod lanes;

/// Whether this CPU has the level.
pub(crate) fn is_available() -> bool {
    pulp::aarch64::Neon::try_new().is_some()
}

super::kernel_table! {
    lanes: lanes::Neon::new_unchecked(),
    count: 4,
    strips: 4,
    rows: [2, 4, 8, 8],
    group_rows: [2, 4, 8, 8, 8],
    features: "neon"
}
