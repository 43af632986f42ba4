//! Tuning for CPUs that have the same instructions, by measurement. The bits do not depend on it.

/// Tuning flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Vectors of 512 bits are executed as two halves.
    #[cfg(target_arch = "x86_64")]
    pub(crate) halves: bool,
    /// Lines that lie a large stride apart are better fetched into the second-level cache than into the first, which
    /// has room for few fetches at a time; lines that are to be written whole, too.
    pub(crate) far_into_l2: bool,
    /// Vectors that are multiplied come from the second-level cache nearly as fast as from the first.
    pub(crate) near_l2: bool,
}

/// Those of this CPU, found once.
#[cfg(target_arch = "x86_64")]
pub(crate) fn cpu() -> Cpu {
    static CPU: std::sync::OnceLock<Cpu> = std::sync::OnceLock::new();
    *CPU.get_or_init(detect)
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn cpu() -> Cpu {
    Cpu::default()
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Cpu {
    // Extended leaf 1A, AMD's performance optimization identifiers, has the width of the floating-point units; other
    // makers' CPUs do not have the leaf.
    const LAST: u32 = 0x8000_0000;
    const IDENTIFIERS: u32 = 0x8000_001A;
    const FP256: u32 = 1 << 2;
    #[allow(unused_unsafe, reason = "safe since Rust 1.94")]
    // SAFETY: every x86-64 has `cpuid`, and the leaf that names the last one.
    let identifiers = unsafe {
        use std::arch::x86_64::__cpuid;
        (__cpuid(LAST).eax >= IDENTIFIERS).then(|| __cpuid(IDENTIFIERS).eax)
    };
    let halves = identifiers.is_some_and(|bits| bits & FP256 != 0);
    let amd = identifiers.is_some();
    // All but AMD's CPUs with whole 512-bit units: it gains on Zen 4 and on Intel's, nothing on Zen 3.
    let far_into_l2 = halves || !amd;
    // (Measured on Intel's alone.)
    Cpu { halves, far_into_l2, near_l2: !amd }
}
