//! Sixteen lanes from the intrinsics.

use crate::kernels::generic::lanes::{Zip, unzip_runs, zip_runs};
use crate::kernels::generic::{Lanes, Lanewise};
use crate::kernels::x86;
use core::arch::x86_64::*;
use pulp::x86::V4;

/// The token: the CPU has AVX-512 F, BW, CD, DQ, VL and everything below.
#[derive(Clone, Copy)]
pub(super) struct Avx512(V4);

impl Avx512 {
    /// # Safety
    /// The CPU has the features of [`V4`].
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { V4::new_unchecked() })
    }

    #[inline(always)]
    fn bits(self, a: __m512) -> __m512i {
        self.0.avx512f._mm512_castps_si512(a)
    }

    #[inline(always)]
    fn floats(self, a: __m512i) -> __m512 {
        self.0.avx512f._mm512_castsi512_ps(a)
    }
}

const ALL: __mmask16 = 0xFFFF;
const ODD: __mmask16 = 0xAAAA;

impl Lanewise for Avx512 {
    type F = __m512;
    type U = __m512i;
    type M = __mmask16;
    const COUNTS_ONES: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        self.0.avx512f._mm512_set1_ps(x)
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_add_ps(a, b)
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_mul_ps(a, b)
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_div_ps(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        self.0.avx512f._mm512_sqrt_ps(a)
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.0.avx512f._mm512_fmadd_ps(a, b, c)
    }
    // Numbers whose sign bits are clear are in the order of their bits, and integers take less time to compare. (Not
    // into a mask register, though.)
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        self.floats(self.0.avx512f._mm512_min_epi32(self.bits(a), self.bits(b)))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        self.floats(self.0.avx512f._mm512_max_epi32(self.bits(a), self.bits(b)))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        self.0.avx512f._mm512_abs_ps(a)
    }
    #[inline(always)]
    fn copysign(self, magnitude: __m512, sign: __m512) -> __m512 {
        let f = self.0.avx512f;
        let bit = f._mm512_set1_epi32(i32::MIN);
        // magnitude | (sign & bit), as a table over the bits of the three.
        self.floats(f._mm512_ternarylogic_epi32::<0xF8>(self.bits(magnitude), self.bits(sign), bit))
    }

    #[inline(always)]
    fn le(self, a: __m512, b: __m512) -> __mmask16 {
        self.0.avx512f._mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b)
    }
    #[inline(always)]
    fn lt(self, a: __m512, b: __m512) -> __mmask16 {
        self.0.avx512f._mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b)
    }
    #[inline(always)]
    fn eq(self, a: __m512, b: __m512) -> __mmask16 {
        self.0.avx512f._mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    fn and(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    fn or(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }
    #[inline(always)]
    fn all(self, a: __mmask16) -> bool {
        a == ALL
    }
    #[inline(always)]
    fn select(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_mask_blend_ps(mask, b, a)
    }
    #[inline(always)]
    fn plus_where(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_mask_add_ps(a, mask, a, b)
    }
    #[inline(always)]
    fn one_unless_zero(self, a: __m512) -> __m512i {
        self.0.avx512f._mm512_min_epi32(self.bits(a), self.splat_u(1))
    }
    // By class of number, in one instruction: a table of four bits for each class, from the low bits up NaN, signalling
    // NaN, 0, 1, -infinity, infinity, negative, positive; 0 keeps the first operand, 8 makes +0, 10 makes 1.
    #[inline(always)]
    fn one_where(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        let f = self.0.avx512f;
        f._mm512_mask_fixupimm_ps::<0>(
            b,
            mask,
            a,
            f._mm512_set1_epi32(0xA0A0_A000_u32.cast_signed()),
        )
    }
    #[inline(always)]
    fn raise(self, x: __m512, least: __m512) -> __m512 {
        let (f, dq) = (self.0.avx512f, self.0.avx512dq);
        // The greater magnitude, with the sign of the first operand.
        let raised = dq._mm512_range_ps::<0b0011>(x, least);
        f._mm512_fixupimm_ps::<0>(raised, x, f._mm512_set1_epi32(0x800))
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> __m512i {
        self.0.avx512f._mm512_set1_epi32(x.cast_signed())
    }
    #[inline(always)]
    fn add_u(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_add_epi32(a, b)
    }
    #[inline(always)]
    fn and_u(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_and_si512(a, b)
    }
    #[inline(always)]
    fn or_u(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_or_si512(a, b)
    }
    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_xor_si512(a, b)
    }
    #[inline(always)]
    fn shl(self, a: __m512i, by: u32) -> __m512i {
        self.0.avx512f._mm512_sllv_epi32(a, self.splat_u(by))
    }
    #[inline(always)]
    fn shr(self, a: __m512i, by: u32) -> __m512i {
        self.0.avx512f._mm512_srlv_epi32(a, self.splat_u(by))
    }
    #[inline(always)]
    fn eq_u(self, a: __m512i, b: __m512i) -> __mmask16 {
        self.0.avx512f._mm512_cmpeq_epi32_mask(a, b)
    }
    #[inline(always)]
    fn le_u(self, a: __m512i, b: __m512i) -> __mmask16 {
        self.0.avx512f._mm512_cmple_epi32_mask(a, b)
    }
    #[inline(always)]
    fn select_u(self, mask: __mmask16, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_mask_blend_epi32(mask, b, a)
    }
    #[inline(always)]
    fn add_where(self, mask: __mmask16, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_mask_add_epi32(a, mask, a, b)
    }
    #[inline(always)]
    fn to_f32(self, a: __m512i) -> __m512 {
        self.0.avx512f._mm512_cvtepi32_ps(a)
    }
    #[inline(always)]
    fn with_bits(self, a: __m512i) -> __m512 {
        self.floats(a)
    }
}

// SAFETY: sixteen lanes in 512 bits.
unsafe impl Lanes for Avx512 {
    const COUNT: usize = 16;
    const MASKED: bool = true;
    const STREAMS: bool = true;
    #[inline(always)]
    fn iota(self) -> __m512i {
        self.0.avx512f._mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    }

    #[inline(always)]
    fn mul_even(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_mul_epu32(a, b)
    }
    #[inline(always)]
    fn odd_to_even(self, a: __m512i) -> __m512i {
        self.0.avx512f._mm512_srli_epi64::<32>(a)
    }
    #[inline(always)]
    fn merge_even(self, even: __m512i, odd: __m512i) -> __m512i {
        // Not a shift: of one behind a product LLVM makes a multiplication of 64-bit lanes, three instructions.
        self.0.avx512f._mm512_mask_shuffle_epi32::<0b10_10_00_00>(even, ODD, odd)
    }

    #[inline(always)]
    unsafe fn load_runs<const M: usize>(self, p: *const f32) -> [__m512; M] {
        // SAFETY: the caller's promise.
        unsafe { unzip_runs(self, p) }
    }
    #[inline(always)]
    unsafe fn store_runs<const M: usize>(self, p: *mut f32, runs: [__m512; M]) {
        // SAFETY: the caller's promise.
        unsafe { zip_runs(self, p, runs) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: __m512) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm512_storeu_ps(p, a) }
    }
    #[inline(always)]
    unsafe fn load_four(self, p: *const f32) -> __m512 {
        // SAFETY: the token; the caller's promise.
        self.0.avx512f._mm512_broadcast_f32x4(unsafe { _mm_loadu_ps(p) })
    }
    #[inline(always)]
    fn places(self) -> [__m512i; 4] {
        // Hidden from LLVM, which would make a broadcast from memory of each permutation that it sees through.
        std::hint::black_box([self.splat_u(0), self.splat_u(1), self.splat_u(2), self.splat_u(3)])
    }
    #[inline(always)]
    fn nth_of_four(self, four: __m512, places: &[__m512i; 4], i: usize) -> __m512 {
        self.0.avx512f._mm512_permutevar_ps(four, places[i])
    }
    #[inline(always)]
    fn counted_from(self, p: *const f32) -> *const f32 {
        x86::opaque(p)
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: __m512) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm512_stream_ps(p, a) }
    }
    #[inline(always)]
    fn end_of_streams(self) {
        x86::store_fence();
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        x86::prefetch(p);
    }
    #[inline(always)]
    fn prefetch_far(self, p: *const f32) {
        x86::prefetch_far(p);
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> __m512i {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_u(self, p: *mut u32, a: __m512i) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm512_storeu_si512(p.cast(), a) }
    }
    #[inline(always)]
    unsafe fn lookup<const M: usize>(self, entries: *const f32, index: __m512i) -> __m512 {
        let (f, dq) = (self.0.avx512f, self.0.avx512dq);
        // SAFETY: the token; M entries, as many bits as are read.
        unsafe {
            // Entries as often as they fit, in the lanes that a permutation reaches by two or four bits of
            // the index: higher bits count modulo M by themselves.
            match M {
                2 => {
                    let pair = f._mm512_set1_pd(entries.cast::<f64>().read_unaligned());
                    f._mm512_permutevar_ps(f._mm512_castpd_ps(pair), index)
                }
                4 => f._mm512_permutevar_ps(f._mm512_broadcast_f32x4(_mm_loadu_ps(entries)), index),
                8 => {
                    let entries = dq._mm512_broadcast_f32x8(_mm256_loadu_ps(entries));
                    f._mm512_permutexvar_ps(index, entries)
                }
                _ => f._mm512_permutexvar_ps(index, self.load(entries)),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, count: usize) -> __m512 {
        // SAFETY: the token; masked lanes are not read.
        unsafe { _mm512_maskz_loadu_ps(first(count), p) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, a: __m512, count: usize) {
        // SAFETY: the token; masked lanes are not written.
        unsafe { _mm512_mask_storeu_ps(p, first(count), a) }
    }

    #[inline(always)]
    unsafe fn transpose(self, source: *const f32, from: isize, target: *mut f32, to: isize) {
        let f = self.0.avx512f;
        let mut v = [f._mm512_setzero_ps(); 16];
        for i in 0..16 {
            // SAFETY: row i of the source.
            v[i] = unsafe { self.load(source.offset(i.cast_signed() * from)) };
        }
        // 4 x 4 squares of elements within the 128-bit lanes ...
        let mut w = v;
        for i in 0..4 {
            let [a, b, c, d] = [v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]];
            let (ab0, ab1) = (f._mm512_unpacklo_ps(a, b), f._mm512_unpackhi_ps(a, b));
            let (cd0, cd1) = (f._mm512_unpacklo_ps(c, d), f._mm512_unpackhi_ps(c, d));
            w[4 * i] = f._mm512_shuffle_ps::<0x44>(ab0, cd0);
            w[4 * i + 1] = f._mm512_shuffle_ps::<0xEE>(ab0, cd0);
            w[4 * i + 2] = f._mm512_shuffle_ps::<0x44>(ab1, cd1);
            w[4 * i + 3] = f._mm512_shuffle_ps::<0xEE>(ab1, cd1);
        }
        // ... then a 4 x 4 square of those lanes.
        for j in 0..4 {
            let [a, b, c, d] = [w[j], w[4 + j], w[8 + j], w[12 + j]];
            let ab0 = f._mm512_shuffle_f32x4::<0x88>(a, b);
            let ab1 = f._mm512_shuffle_f32x4::<0xDD>(a, b);
            let cd0 = f._mm512_shuffle_f32x4::<0x88>(c, d);
            let cd1 = f._mm512_shuffle_f32x4::<0xDD>(c, d);
            v[j] = f._mm512_shuffle_f32x4::<0x88>(ab0, cd0);
            v[4 + j] = f._mm512_shuffle_f32x4::<0x88>(ab1, cd1);
            v[8 + j] = f._mm512_shuffle_f32x4::<0xDD>(ab0, cd0);
            v[12 + j] = f._mm512_shuffle_f32x4::<0xDD>(ab1, cd1);
        }
        for j in 0..16usize {
            // SAFETY: row j of the target.
            unsafe { self.store(target.offset(j.cast_signed() * to), v[j]) };
        }
    }

    #[inline(always)]
    unsafe fn pack_codes<const BITS: usize>(self, codes: *const u32, target: *mut u8) {
        let (f, bw) = (self.0.avx512f, self.0.avx512bw);
        if BITS == 1 {
            for i in 0..4 {
                // SAFETY: 64 codes, 8 bytes.
                unsafe {
                    let bits =
                        f._mm512_test_epi32_mask(self.load_u(codes.add(16 * i)), self.splat_u(1));
                    target.add(2 * i).cast::<[u8; 2]>().write(bits.to_le_bytes());
                }
            }
        } else if BITS == 2 || BITS == 4 {
            // Bytes of one code; those of pairs, and of fours, by multiply-add; the low bytes of those.
            let mut bytes = f._mm512_setzero_si512();
            for i in 0..4 {
                // SAFETY: 64 codes.
                let four = unsafe { self.load_u(codes.add(16 * i)) };
                let narrow = f._mm512_cvtepi32_epi8(four);
                bytes = match i {
                    0 => f._mm512_inserti32x4::<0>(bytes, narrow),
                    1 => f._mm512_inserti32x4::<1>(bytes, narrow),
                    2 => f._mm512_inserti32x4::<2>(bytes, narrow),
                    _ => f._mm512_inserti32x4::<3>(bytes, narrow),
                };
            }
            let pairs = bw._mm512_maddubs_epi16(bytes, f._mm512_set1_epi16(1 | 1 << (8 + BITS)));
            // SAFETY: 16 or 32 bytes.
            unsafe {
                if BITS == 2 {
                    let fours = bw._mm512_madd_epi16(pairs, f._mm512_set1_epi32(1 | 1 << (16 + 4)));
                    _mm_storeu_si128(target.cast(), f._mm512_cvtepi32_epi8(fours));
                } else {
                    _mm256_storeu_si256(target.cast(), bw._mm512_cvtepi16_epi8(pairs));
                }
            }
        } else {
            // SAFETY: the caller's promise.
            unsafe { crate::kernels::generic::lanes::pack_codes_scalar::<BITS>(codes, target) };
        }
    }
}

impl Zip for Avx512 {
    #[inline(always)]
    fn unzip(self, a: __m512, b: __m512) -> (__m512, __m512) {
        let f = self.0.avx512f;
        let even = f._mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = f._mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        (f._mm512_permutex2var_ps(a, even, b), f._mm512_permutex2var_ps(a, odd, b))
    }
    #[inline(always)]
    fn zip(self, a: __m512, b: __m512) -> (__m512, __m512) {
        let f = self.0.avx512f;
        let low = f._mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high =
            f._mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        (f._mm512_permutex2var_ps(a, low, b), f._mm512_permutex2var_ps(a, high, b))
    }
}

/// The mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    if count >= 16 { ALL } else { (1 << count) - 1 }
}
