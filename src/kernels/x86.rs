//! What the levels of x86-64 have in common below their vectors.

use core::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm_sfence};

/// [`Lanes::prefetch`](super::generic::Lanes::prefetch).
#[inline(always)]
pub(super) fn prefetch(p: *const f32) {
    // SAFETY: every x86-64 has SSE; a prefetch of any address is harmless.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
}

/// [`Lanes::prefetch_far`](super::generic::Lanes::prefetch_far).
#[inline(always)]
pub(super) fn prefetch_far(p: *const f32) {
    // SAFETY: every x86-64 has SSE; a prefetch of any address is harmless.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
}

/// The same pointer, its origin hidden from LLVM, which then keeps the sum in one register.
#[expect(clippy::pointers_in_nomem_asm_block, reason = "no instruction reads or writes anything")]
#[inline(always)]
pub(super) fn opaque(mut p: *const f32) -> *const f32 {
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) p, options(pure, nomem, nostack, preserves_flags));
    }
    p
}

/// [`Lanes::end_of_streams`](super::generic::Lanes::end_of_streams).
#[inline(always)]
pub(super) fn store_fence() {
    // SAFETY: every x86-64 has SSE.
    unsafe { _mm_sfence() }
}
