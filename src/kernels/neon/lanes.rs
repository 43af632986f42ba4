//! Four lanes from the intrinsics.

use crate::kernels::generic::lanes::{Zip, unzip_runs, zip_runs};
use crate::kernels::generic::{Lanes, Lanewise};
use core::arch::aarch64::*;

/// The token: the CPU has NEON.
#[derive(Clone, Copy)]
pub(super) struct Neon(pulp::core_arch::aarch64::Neon);

impl Neon {
    /// # Safety
    /// The CPU has NEON.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { pulp::core_arch::aarch64::Neon::new_unchecked() })
    }
}

impl Lanewise for Neon {
    type F = float32x4_t;
    type U = uint32x4_t;
    type M = uint32x4_t;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        self.0.vdupq_n_f32(x)
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vaddq_f32(a, b)
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vmulq_f32(a, b)
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vdivq_f32(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        self.0.vsqrtq_f32(a)
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        self.0.vfmaq_f32(c, a, b)
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vminq_f32(a, b)
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vmaxq_f32(a, b)
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        self.0.vabsq_f32(a)
    }
    #[inline(always)]
    fn copysign(self, magnitude: float32x4_t, sign: float32x4_t) -> float32x4_t {
        self.0.vbslq_f32(self.0.vdupq_n_u32(0x8000_0000), sign, magnitude)
    }

    #[inline(always)]
    fn le(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        self.0.vcleq_f32(a, b)
    }
    #[inline(always)]
    fn lt(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        self.0.vcltq_f32(a, b)
    }
    #[inline(always)]
    fn eq(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        self.0.vceqq_f32(a, b)
    }
    #[inline(always)]
    fn and(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vandq_u32(a, b)
    }
    #[inline(always)]
    fn or(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vorrq_u32(a, b)
    }
    #[inline(always)]
    fn all(self, a: uint32x4_t) -> bool {
        self.0.vminvq_u32(a) != 0
    }
    #[inline(always)]
    fn select(self, mask: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.0.vbslq_f32(mask, a, b)
    }
    #[inline(always)]
    fn one_unless_zero(self, a: float32x4_t) -> uint32x4_t {
        self.0.vminq_u32(self.0.vreinterpretq_u32_f32(a), self.splat_u(1))
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> uint32x4_t {
        self.0.vdupq_n_u32(x)
    }
    #[inline(always)]
    fn add_u(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vaddq_u32(a, b)
    }
    #[inline(always)]
    fn and_u(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vandq_u32(a, b)
    }
    #[inline(always)]
    fn or_u(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vorrq_u32(a, b)
    }
    #[inline(always)]
    fn xor(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.veorq_u32(a, b)
    }
    #[inline(always)]
    fn shl(self, a: uint32x4_t, by: u32) -> uint32x4_t {
        self.0.vshlq_u32(a, self.0.vdupq_n_s32(by.cast_signed()))
    }
    #[inline(always)]
    fn shr(self, a: uint32x4_t, by: u32) -> uint32x4_t {
        // A shift by a negative count goes right.
        self.0.vshlq_u32(a, self.0.vdupq_n_s32(-by.cast_signed()))
    }
    #[inline(always)]
    fn eq_u(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vceqq_u32(a, b)
    }
    #[inline(always)]
    fn le_u(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vcleq_u32(a, b)
    }
    #[inline(always)]
    fn select_u(self, mask: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vbslq_u32(mask, a, b)
    }
    #[inline(always)]
    fn add_where(self, mask: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        self.0.vaddq_u32(a, self.0.vandq_u32(mask, b))
    }
    #[inline(always)]
    fn to_f32(self, a: uint32x4_t) -> float32x4_t {
        self.0.vcvtq_f32_u32(a)
    }
    #[inline(always)]
    fn with_bits(self, a: uint32x4_t) -> float32x4_t {
        self.0.vreinterpretq_f32_u32(a)
    }
}

// SAFETY: four lanes in 128 bits. A mask is a vector whose lanes are all ones or all zeros.
unsafe impl Lanes for Neon {
    const COUNT: usize = 4;
    #[inline(always)]
    fn iota(self) -> uint32x4_t {
        // SAFETY: four elements.
        unsafe { self.load_u([0, 1, 2, 3].as_ptr()) }
    }

    #[inline(always)]
    fn mul_even(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        let n = self.0;
        let a = n.vmovn_u64(n.vreinterpretq_u64_u32(a));
        let b = n.vmovn_u64(n.vreinterpretq_u64_u32(b));
        n.vreinterpretq_u32_u64(n.vmull_u32(a, b))
    }
    #[inline(always)]
    fn odd_to_even(self, a: uint32x4_t) -> uint32x4_t {
        let n = self.0;
        n.vreinterpretq_u32_u64(n.vshrq_n_u64::<32>(n.vreinterpretq_u64_u32(a)))
    }
    #[inline(always)]
    fn merge_even(self, even: uint32x4_t, odd: uint32x4_t) -> uint32x4_t {
        self.0.vtrn1q_u32(even, odd)
    }

    #[inline(always)]
    unsafe fn load_runs<const M: usize>(self, p: *const f32) -> [float32x4_t; M] {
        // SAFETY: the caller's promise.
        unsafe { unzip_runs(self, p) }
    }
    #[inline(always)]
    unsafe fn store_runs<const M: usize>(self, p: *mut f32, runs: [float32x4_t; M]) {
        // SAFETY: the caller's promise.
        unsafe { zip_runs(self, p, runs) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the token; the caller's promise.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn load_four(self, p: *const f32) -> float32x4_t {
        // SAFETY: the token; the caller's promise.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    fn places(self) -> [uint32x4_t; 4] {
        [self.splat_u(0); 4]
    }
    #[inline(always)]
    fn nth_of_four(self, four: float32x4_t, _places: &[uint32x4_t; 4], i: usize) -> float32x4_t {
        // SAFETY: the token.
        unsafe {
            match i {
                0 => vdupq_laneq_f32::<0>(four),
                1 => vdupq_laneq_f32::<1>(four),
                2 => vdupq_laneq_f32::<2>(four),
                _ => vdupq_laneq_f32::<3>(four),
            }
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: float32x4_t) {
        // SAFETY: the token; the caller's promise.
        unsafe { vst1q_f32(p, a) }
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> uint32x4_t {
        // SAFETY: the token; the caller's promise.
        unsafe { vld1q_u32(p) }
    }
    #[inline(always)]
    unsafe fn store_u(self, p: *mut u32, a: uint32x4_t) {
        // SAFETY: the token; the caller's promise.
        unsafe { vst1q_u32(p, a) }
    }

    #[inline(always)]
    unsafe fn lookup<const M: usize>(self, entries: *const f32, index: uint32x4_t) -> float32x4_t {
        let n = self.0;
        // The bytes of the entry: four times the index, and 0, 1, 2, 3.
        let index = n.vandq_u32(index, n.vdupq_n_u32(M as u32 - 1));
        let bytes = n.vmlaq_u32(n.vdupq_n_u32(0x0302_0100), index, n.vdupq_n_u32(0x0404_0404));
        let at = n.vreinterpretq_u8_u32(bytes);
        // SAFETY: the token; M entries.
        let found = unsafe {
            let four = |i: usize| vld1q_u8(entries.add(i).cast());
            match M {
                2 => vqtbl1q_u8(vcombine_u8(vld1_u8(entries.cast()), vdup_n_u8(0)), at),
                4 => vqtbl1q_u8(four(0), at),
                8 => vqtbl2q_u8(uint8x16x2_t(four(0), four(4)), at),
                _ => vqtbl4q_u8(uint8x16x4_t(four(0), four(4), four(8), four(12)), at),
            }
        };
        n.vreinterpretq_f32_u8(found)
    }

    #[inline(always)]
    unsafe fn transpose(self, source: *const f32, from: isize, target: *mut f32, to: isize) {
        let n = self.0;
        // SAFETY: four rows of the source.
        let (a, b, c, d) = unsafe {
            (
                self.load(source),
                self.load(source.offset(from)),
                self.load(source.offset(2 * from)),
                self.load(source.offset(3 * from)),
            )
        };
        let pair = |x: float32x4_t| n.vreinterpretq_f64_f32(x);
        let four = |x: float64x2_t| n.vreinterpretq_f32_f64(x);
        let (ab0, ab1) = (pair(n.vtrn1q_f32(a, b)), pair(n.vtrn2q_f32(a, b)));
        let (cd0, cd1) = (pair(n.vtrn1q_f32(c, d)), pair(n.vtrn2q_f32(c, d)));
        // SAFETY: four rows of the target.
        unsafe {
            self.store(target, four(n.vzip1q_f64(ab0, cd0)));
            self.store(target.offset(to), four(n.vzip1q_f64(ab1, cd1)));
            self.store(target.offset(2 * to), four(n.vzip2q_f64(ab0, cd0)));
            self.store(target.offset(3 * to), four(n.vzip2q_f64(ab1, cd1)));
        }
    }

    #[inline(always)]
    unsafe fn pack_codes<const BITS: usize>(self, codes: *const u32, target: *mut u8) {
        if BITS <= 8 {
            let n = self.0;
            // Bytes of one code each, then of a pair, of four, of eight: the even ones, and the odd ones some bits up.
            let mut bytes = [n.vdup_n_u8(0); 8];
            for (i, bytes) in bytes.iter_mut().enumerate() {
                // SAFETY: 8 of the 64 codes.
                unsafe {
                    let low = n.vmovn_u32(self.load_u(codes.add(8 * i)));
                    let high = n.vmovn_u32(self.load_u(codes.add(8 * i + 4)));
                    *bytes = n.vmovn_u16(n.vcombine_u16(low, high));
                }
            }
            let (mut count, mut bits) = (8, BITS);
            while bits < 8 {
                let up = n.vdup_n_s8(bits as i8);
                count /= 2;
                for i in 0..count {
                    let (a, b) = (bytes[2 * i], bytes[2 * i + 1]);
                    bytes[i] = n.vorr_u8(n.vuzp1_u8(a, b), n.vshl_u8(n.vuzp2_u8(a, b), up));
                }
                bits *= 2;
            }
            for (i, &bytes) in bytes.iter().enumerate().take(count) {
                // SAFETY: 8 of the 8 * BITS bytes.
                unsafe { vst1_u8(target.add(8 * i), bytes) };
            }
        } else {
            // SAFETY: the caller's promise.
            unsafe { crate::kernels::generic::lanes::pack_codes_scalar::<BITS>(codes, target) };
        }
    }
}

impl Zip for Neon {
    #[inline(always)]
    fn unzip(self, a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        (self.0.vuzp1q_f32(a, b), self.0.vuzp2q_f32(a, b))
    }
    #[inline(always)]
    fn zip(self, a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        (self.0.vzip1q_f32(a, b), self.0.vzip2q_f32(a, b))
    }
}
