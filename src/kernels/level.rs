//! That the CPU has a level, as a type.

use super::Kernels;
use std::ops::Deref;

/// The kernels of a level that this CPU has: what makes it sound to call them, as far as instruction sets go.
#[derive(Clone, Copy)]
pub(crate) struct Level(&'static Kernels);

impl Level {
    /// # Safety
    /// The CPU has the instruction set of these kernels.
    pub(super) const unsafe fn new(kernels: &'static Kernels) -> Self {
        Self(kernels)
    }
}

impl Deref for Level {
    type Target = Kernels;

    fn deref(&self) -> &Kernels {
        self.0
    }
}
