//! Eight lanes from the intrinsics.

use crate::kernels::generic::{Lanes, Lanewise};
use crate::kernels::x86;
use core::arch::x86_64::*;
use pulp::x86::V3;

/// The token: the CPU has AVX2, FMA and everything below.
#[derive(Clone, Copy)]
pub(super) struct Avx2(V3);

impl Avx2 {
    /// # Safety
    /// The CPU has the features of [`V3`].
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { V3::new_unchecked() })
    }

    #[inline(always)]
    fn bits(self, a: __m256) -> __m256i {
        self.0.avx._mm256_castps_si256(a)
    }

    #[inline(always)]
    fn floats(self, a: __m256i) -> __m256 {
        self.0.avx._mm256_castsi256_ps(a)
    }

    /// The mask of the first `count` lanes, for masked loads and stores.
    #[inline(always)]
    fn first(self, count: usize) -> __m256i {
        self.0.avx2._mm256_cmpgt_epi32(self.splat_u(count as u32), self.iota())
    }
}

impl Lanewise for Avx2 {
    type F = __m256;
    type U = __m256i;
    type M = __m256;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        self.0.avx._mm256_set1_ps(x)
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_add_ps(a, b)
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_mul_ps(a, b)
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_div_ps(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        self.0.avx._mm256_sqrt_ps(a)
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        self.0.fma._mm256_fmadd_ps(a, b, c)
    }
    // Numbers whose sign bits are clear are in the order of their bits, and integers take less time to compare.
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        self.floats(self.0.avx2._mm256_min_epi32(self.bits(a), self.bits(b)))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        self.floats(self.0.avx2._mm256_max_epi32(self.bits(a), self.bits(b)))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        self.0.avx._mm256_andnot_ps(self.splat(-0.0), a)
    }
    #[inline(always)]
    fn copysign(self, magnitude: __m256, sign: __m256) -> __m256 {
        self.0.avx._mm256_or_ps(magnitude, self.0.avx._mm256_and_ps(self.splat(-0.0), sign))
    }

    #[inline(always)]
    fn le(self, a: __m256, b: __m256) -> __m256 {
        self.le_u(self.bits(a), self.bits(b))
    }
    #[inline(always)]
    fn lt(self, a: __m256, b: __m256) -> __m256 {
        self.floats(self.0.avx2._mm256_cmpgt_epi32(self.bits(b), self.bits(a)))
    }
    #[inline(always)]
    fn eq(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    fn and(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_and_ps(a, b)
    }
    #[inline(always)]
    fn or(self, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_or_ps(a, b)
    }
    #[inline(always)]
    fn all(self, a: __m256) -> bool {
        self.0.avx._mm256_movemask_ps(a) == 0xFF
    }
    #[inline(always)]
    fn select(self, mask: __m256, a: __m256, b: __m256) -> __m256 {
        self.0.avx._mm256_blendv_ps(b, a, mask)
    }
    #[inline(always)]
    fn one_unless_zero(self, a: __m256) -> __m256i {
        self.0.avx2._mm256_min_epi32(self.bits(a), self.splat_u(1))
    }
    #[inline(always)]
    fn one_where(self, mask: __m256, a: __m256, b: __m256) -> __m256 {
        let one = self.bits(self.and(mask, self.splat(1.0)));
        // Zero where `a` is.
        let one = self.0.avx2._mm256_sign_epi32(one, self.bits(a));
        self.or(b, self.floats(one))
    }
    #[inline(always)]
    fn raise(self, x: __m256, least: __m256) -> __m256 {
        let a = self.abs(x);
        let raised = self.copysign(self.max(a, least), x);
        // Zero where `a` is.
        self.floats(self.0.avx2._mm256_sign_epi32(self.bits(raised), self.bits(a)))
    }
    // A mask is -1 as an integer.
    #[inline(always)]
    fn count_down<const K: usize>(self, from: i8, masks: [__m256; K]) -> __m256 {
        let mut chains = K / 2;
        let mut sums = [self.splat_u(0); K];
        sums[0] = self.0.avx._mm256_set1_epi32(from.into());
        for i in 0..K {
            sums[i % chains] = self.add_u(sums[i % chains], self.bits(masks[i]));
        }
        while chains > 1 {
            chains /= 2;
            for c in 0..chains {
                sums[c] = self.add_u(sums[c], sums[c + chains]);
            }
        }
        self.to_f32(sums[0])
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> __m256i {
        self.0.avx._mm256_set1_epi32(x.cast_signed())
    }
    #[inline(always)]
    fn add_u(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_add_epi32(a, b)
    }
    #[inline(always)]
    fn and_u(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_and_si256(a, b)
    }
    #[inline(always)]
    fn or_u(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_or_si256(a, b)
    }
    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_xor_si256(a, b)
    }
    #[inline(always)]
    fn shl(self, a: __m256i, by: u32) -> __m256i {
        self.0.avx2._mm256_sllv_epi32(a, self.splat_u(by))
    }
    #[inline(always)]
    fn shr(self, a: __m256i, by: u32) -> __m256i {
        self.0.avx2._mm256_srlv_epi32(a, self.splat_u(by))
    }
    #[inline(always)]
    fn eq_u(self, a: __m256i, b: __m256i) -> __m256 {
        self.floats(self.0.avx2._mm256_cmpeq_epi32(a, b))
    }
    #[inline(always)]
    fn le_u(self, a: __m256i, b: __m256i) -> __m256 {
        // a <= b is b + 1 > a; numbers stay below 2^31.
        let above = self.0.avx2._mm256_add_epi32(b, self.splat_u(1));
        self.floats(self.0.avx2._mm256_cmpgt_epi32(above, a))
    }
    #[inline(always)]
    fn select_u(self, mask: __m256, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_blendv_epi8(b, a, self.bits(mask))
    }
    #[inline(always)]
    fn add_where(self, mask: __m256, a: __m256i, b: __m256i) -> __m256i {
        self.add_u(a, self.and_u(self.bits(mask), b))
    }
    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        self.0.avx._mm256_cvtepi32_ps(a)
    }
    #[inline(always)]
    fn with_bits(self, a: __m256i) -> __m256 {
        self.0.avx._mm256_castsi256_ps(a)
    }
}

// SAFETY: eight lanes in 256 bits. A mask is a vector whose lanes are all ones or all zeros.
unsafe impl Lanes for Avx2 {
    const COUNT: usize = 8;
    const REGISTERS: usize = 16;
    const MASKED: bool = true;
    const STREAMS: bool = true;
    #[inline(always)]
    fn iota(self) -> __m256i {
        self.0.avx._mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
    }

    #[inline(always)]
    fn mul_even(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_mul_epu32(a, b)
    }
    #[inline(always)]
    fn odd_to_even(self, a: __m256i) -> __m256i {
        self.0.avx2._mm256_srli_epi64::<32>(a)
    }
    #[inline(always)]
    fn merge_even(self, even: __m256i, odd: __m256i) -> __m256i {
        let odd = self.0.avx2._mm256_slli_epi64::<32>(odd);
        self.0.avx2._mm256_blend_epi32::<0xAA>(even, odd)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_four(self, p: *const f32) -> __m256 {
        // SAFETY: the token; the caller's promise.
        unsafe { opaque(self.halves(p, p)) }
    }
    #[inline(always)]
    fn places(self) -> [__m256i; 4] {
        [self.splat_u(0); 4]
    }
    #[inline(always)]
    fn nth_of_four(self, four: __m256, _: &[__m256i; 4], i: usize) -> __m256 {
        // By immediates, which need no registers; by a vector it takes a port that multiply-adds need on Zen 3.
        match i {
            0 => self.0.avx._mm256_permute_ps::<0x00>(four),
            1 => self.0.avx._mm256_permute_ps::<0x55>(four),
            2 => self.0.avx._mm256_permute_ps::<0xAA>(four),
            _ => self.0.avx._mm256_permute_ps::<0xFF>(four),
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: __m256) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm256_storeu_ps(p, a) }
    }
    #[inline(always)]
    fn counted_from(self, p: *const f32) -> *const f32 {
        x86::opaque(p)
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: __m256) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm256_stream_ps(p, a) }
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
    unsafe fn load_u(self, p: *const u32) -> __m256i {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_u(self, p: *mut u32, a: __m256i) {
        // SAFETY: the token; the caller's promise.
        unsafe { _mm256_storeu_si256(p.cast(), a) }
    }
    #[inline(always)]
    unsafe fn lookup<const M: usize>(self, entries: *const f32, index: __m256i) -> __m256 {
        let (avx, v2) = (self.0.avx, self.0.avx2);
        // SAFETY: the token; M entries, as many bits as are read.
        unsafe {
            // Entries as often as they fit, in the lanes that a permutation reaches by two or three bits of
            // the index: higher bits count modulo M by themselves.
            match M {
                2 => {
                    let pair = avx._mm256_set1_pd(entries.cast::<f64>().read_unaligned());
                    avx._mm256_permutevar_ps(avx._mm256_castpd_ps(pair), index)
                }
                4 => {
                    let four = _mm_loadu_ps(entries);
                    avx._mm256_permutevar_ps(avx._mm256_set_m128(four, four), index)
                }
                8 => v2._mm256_permutevar8x32_ps(self.load(entries), index),
                _ => {
                    let low = v2._mm256_permutevar8x32_ps(self.load(entries), index);
                    let high = v2._mm256_permutevar8x32_ps(self.load(entries.add(8)), index);
                    // Bit 3 of the index as a sign.
                    let bit = self.floats(v2._mm256_slli_epi32::<28>(index));
                    avx._mm256_blendv_ps(low, high, bit)
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, count: usize) -> __m256 {
        // SAFETY: the token; masked lanes are not read.
        unsafe { _mm256_maskload_ps(p, self.first(count)) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, a: __m256, count: usize) {
        // SAFETY: the token; masked lanes are not written.
        unsafe { _mm256_maskstore_ps(p, self.first(count), a) }
    }

    #[inline(always)]
    unsafe fn load_runs<const M: usize>(self, p: *const f32) -> [__m256; M] {
        let mut x = [self.splat(0.0); M];
        // SAFETY: M * 8 elements.
        unsafe {
            match M {
                1 => x[0] = self.load(p),
                2 => {
                    let (a, b) = (self.halves(p, p.add(8)), self.halves(p.add(4), p.add(12)));
                    x[0] = self.0.avx._mm256_shuffle_ps::<0x88>(a, b);
                    x[1] = self.0.avx._mm256_shuffle_ps::<0xDD>(a, b);
                }
                _ => {
                    for i in (0..M).step_by(4) {
                        let four = self.four_columns(p.add(i), M.cast_signed());
                        x[i..i + 4].copy_from_slice(&four);
                    }
                }
            }
        }
        x
    }
    #[inline(always)]
    unsafe fn store_runs<const M: usize>(self, p: *mut f32, runs: [__m256; M]) {
        // SAFETY: M * 8 elements.
        unsafe {
            match M {
                1 => self.store(p, runs[0]),
                2 => {
                    let low = self.0.avx._mm256_unpacklo_ps(runs[0], runs[1]);
                    let high = self.0.avx._mm256_unpackhi_ps(runs[0], runs[1]);
                    let (low, high) = self.swap_halves(low, high);
                    self.store(p, low);
                    self.store(p.add(8), high);
                }
                4 => {
                    // Runs 0 and 4, 1 and 5, ...
                    let v = self.four_by_four([runs[0], runs[1], runs[2], runs[3]]);
                    for i in 0..2 {
                        let (low, high) = self.swap_halves(v[2 * i], v[2 * i + 1]);
                        self.store(p.add(8 * i), low);
                        self.store(p.add(16 + 8 * i), high);
                    }
                }
                _ => {
                    for j in (0..M).step_by(8) {
                        let mut v = [self.splat(0.0); 8];
                        v.copy_from_slice(&runs[j..j + 8]);
                        let (a, b) = ([v[0], v[1], v[2], v[3]], [v[4], v[5], v[6], v[7]]);
                        let (a, b) = (self.four_by_four(a), self.four_by_four(b));
                        for i in 0..4 {
                            let (low, high) = self.swap_halves(a[i], b[i]);
                            self.store(p.add(i * M + j), low);
                            self.store(p.add((4 + i) * M + j), high);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, source: *const f32, from: isize, target: *mut f32, to: isize) {
        for half in 0..2 {
            // SAFETY: eight rows of four columns; a row of the target for each of these.
            unsafe {
                let columns = self.four_columns(source.add(4 * half), from);
                for (j, &column) in columns.iter().enumerate() {
                    self.store(target.offset((4 * half + j).cast_signed() * to), column);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn pack_codes<const BITS: usize>(self, codes: *const u32, target: *mut u8) {
        let v2 = self.0.avx2;
        if BITS == 1 {
            for i in 0..8 {
                // SAFETY: 64 codes, 8 bytes.
                unsafe {
                    let signs = v2._mm256_slli_epi32::<31>(self.load_u(codes.add(8 * i)));
                    let bits = self.0.avx._mm256_movemask_ps(self.with_bits(signs));
                    target.add(i).write(bits as u8);
                }
            }
        } else if BITS == 2 || BITS == 4 {
            let weights = self.0.avx._mm256_set1_epi16(1 | 1 << (8 + BITS));
            // The packs work within 128-bit lanes; this puts their 32-bit quarters in order.
            let order = self.0.avx._mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            for half in 0..2 {
                // SAFETY: 32 of the 64 codes, half of the bytes.
                unsafe {
                    let c = codes.add(32 * half);
                    let (a, b) = (self.load_u(c), self.load_u(c.add(8)));
                    let (d, e) = (self.load_u(c.add(16)), self.load_u(c.add(24)));
                    let (ab, de) = (v2._mm256_packus_epi32(a, b), v2._mm256_packus_epi32(d, e));
                    let bytes = v2._mm256_packus_epi16(ab, de);
                    let bytes = v2._mm256_permutevar8x32_epi32(bytes, order);
                    let pairs = v2._mm256_maddubs_epi16(bytes, weights);
                    if BITS == 2 {
                        let weights = self.0.avx._mm256_set1_epi32(1 | 1 << (16 + 4));
                        let fours = v2._mm256_madd_epi16(pairs, weights);
                        let words = v2._mm256_packus_epi32(fours, fours);
                        let packed = v2._mm256_packus_epi16(words, words);
                        let packed = v2._mm256_permutevar8x32_epi32(packed, order);
                        let low = self.0.avx._mm256_castsi256_si128(packed);
                        _mm_storel_epi64(target.add(8 * half).cast(), low);
                    } else {
                        let packed = v2._mm256_packus_epi16(pairs, pairs);
                        let packed = v2._mm256_permute4x64_epi64::<0x08>(packed);
                        let low = self.0.avx._mm256_castsi256_si128(packed);
                        _mm_storeu_si128(target.add(16 * half).cast(), low);
                    }
                }
            }
        } else {
            // SAFETY: the caller's promise.
            unsafe { crate::kernels::generic::lanes::pack_codes_scalar::<BITS>(codes, target) };
        }
    }
}

/// The same vector, of which LLVM does not know where it comes from: of a permutation of what it sees loaded it
/// would make a broadcast from memory, which takes a place at the load ports.
#[target_feature(enable = "avx")]
#[inline]
fn opaque(mut a: __m256) -> __m256 {
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {0} */", inout(ymm_reg) a, options(pure, nomem, nostack, preserves_flags));
    }
    a
}

impl Avx2 {
    /// Four elements at `low`, then four at `high`.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    unsafe fn halves(self, low: *const f32, high: *const f32) -> __m256 {
        // SAFETY: the token; the caller's promise.
        let (low, high) = unsafe { (_mm_loadu_ps(low), _mm_loadu_ps(high)) };
        self.0.avx._mm256_insertf128_ps::<1>(self.0.avx._mm256_castps128_ps256(low), high)
    }

    /// Columns 0 to 3 of eight rows that are `stride` elements apart. Rows are put together by loads, which leaves
    /// shuffles within 128 bits: the others take twice as long, or longer.
    ///
    /// # Safety
    /// Four elements of each row must be readable.
    #[inline(always)]
    unsafe fn four_columns(self, p: *const f32, stride: isize) -> [__m256; 4] {
        let mut v = [self.splat(0.0); 4];
        for i in 0..4usize {
            let row = i.cast_signed() * stride;
            // SAFETY: rows i and 4 + i.
            v[i] = unsafe { self.halves(p.offset(row), p.offset(row + 4 * stride)) };
        }
        self.four_by_four(v)
    }

    /// The squares of 4 x 4 in the low and in the high halves of four vectors, transposed each.
    #[inline(always)]
    fn four_by_four(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        let avx = self.0.avx;
        let (ab0, ab1) = (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
        let (cd0, cd1) = (avx._mm256_unpacklo_ps(c, d), avx._mm256_unpackhi_ps(c, d));
        [
            avx._mm256_shuffle_ps::<0x44>(ab0, cd0),
            avx._mm256_shuffle_ps::<0xEE>(ab0, cd0),
            avx._mm256_shuffle_ps::<0x44>(ab1, cd1),
            avx._mm256_shuffle_ps::<0xEE>(ab1, cd1),
        ]
    }

    /// The low halves of both, and the high halves.
    #[inline(always)]
    fn swap_halves(self, a: __m256, b: __m256) -> (__m256, __m256) {
        let avx = self.0.avx;
        (avx._mm256_permute2f128_ps::<0x20>(a, b), avx._mm256_permute2f128_ps::<0x31>(a, b))
    }
}
