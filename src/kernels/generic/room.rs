//! Room on the stack.

use std::mem::MaybeUninit;

/// Memory that need not be cleared first, from the beginning of a line on: vectors in it do not straddle lines.
#[repr(align(64))]
pub(super) struct Room<T, const LEN: usize>([MaybeUninit<T>; LEN]);

impl<T, const LEN: usize> Room<T, LEN> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; LEN])
    }

    #[inline(always)]
    pub(super) fn pointer(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }
}
