//! The portable level: four lanes of `wide`, for every CPU that Rust compiles for.
//!
//! `wide` picks its instructions when the crate is built, never at run time, so this level is what
//! the target's baseline offers (SSE2 on x86-64).

mod lanes;

use super::Level;

/// The level, which every CPU has.
pub(crate) const fn level() -> Level {
    // SAFETY: it is compiled for the target's baseline.
    unsafe { Level::new(&KERNELS) }
}

// A portable "token" proves nothing, so making one is always sound.
super::kernel_table! {
    lanes: lanes::Portable,
    count: 4,
    strips: 1,
    rows: [1, 2, 4, 4],
    group_rows: [1, 2, 2, 4, 4]
}
