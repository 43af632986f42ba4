//! The floating-point environment of the calling thread.
//!
//! A caller may have set another rounding, flush-to-zero, or unmasked exceptions; every result is
//! defined for the default. So a computing call, and the start of threads (which inherit it), saves
//! the control register, sets the default, and puts the caller's back. This is so on x86-64 and
//! AArch64; elsewhere the environment is left alone.
//!
//! Rust, too, assumes the default environment: between the entry of a function and
//! [`Environment::enter`], and after its drop, nothing is computed in floating point.

/// The caller's environment, which comes back on drop.
pub(super) struct Environment(control::Saved);

impl Environment {
    /// Saves the environment and sets the default.
    pub(super) fn enter() -> Self {
        let saved = control::read();
        control::write(control::DEFAULT);
        Self(saved)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        control::write(self.0);
    }
}

#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    /// MXCSR: control bits and sticky flags.
    pub(super) type Saved = u32;

    /// Round to nearest even, no flush-to-zero, subnormal inputs as they are, every exception masked.
    pub(super) const DEFAULT: Saved = 0x1F80;

    pub(super) fn read() -> Saved {
        let mut mxcsr: Saved = 0;
        // SAFETY: stores 32 bits to where the register points.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
        }
        mxcsr
    }

    pub(super) fn write(mxcsr: Saved) {
        // SAFETY: loads 32 bits that are the default or were read from the register before, so no
        // reserved bit is set.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, readonly));
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    use std::arch::asm;

    /// FPCR (control) and FPSR (sticky flags).
    #[derive(Clone, Copy)]
    pub(super) struct Saved(u64, u64);

    /// Round to nearest even, no flush-to-zero, no trap.
    pub(super) const DEFAULT: Saved = Saved(0, 0);

    pub(super) fn read() -> Saved {
        let (fpcr, fpsr): (u64, u64);
        // SAFETY: reads two registers.
        unsafe {
            asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) fpcr, out(reg) fpsr, options(nostack));
        }
        Saved(fpcr, fpsr)
    }

    pub(super) fn write(Saved(fpcr, fpsr): Saved) {
        // SAFETY: the default, or what was read before.
        unsafe {
            asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) fpcr, in(reg) fpsr, options(nostack));
        }
    }
}

/// Elsewhere the environment is left alone: results are defined where it is the default.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub(super) type Saved = ();
    pub(super) const DEFAULT: Saved = ();
    pub(super) fn read() -> Saved {}
    pub(super) fn write((): Saved) {}
}
