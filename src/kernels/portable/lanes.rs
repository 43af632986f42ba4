//! Four lanes of `wide`.

use crate::kernels::generic::lanes::{Zip, unzip_runs, zip_runs};
use crate::kernels::generic::{Lanes, Lanewise};
use wide::{f32x4, u32x4, u64x2};

/// The token: nothing to prove.
#[derive(Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn bits(a: f32x4) -> u32x4 {
    bytemuck::cast(a)
}

#[inline(always)]
fn floats(a: u32x4) -> f32x4 {
    bytemuck::cast(a)
}

impl Lanewise for Portable {
    type F = f32x4;
    type U = u32x4;
    type M = f32x4;

    #[inline(always)]
    fn splat(self, x: f32) -> f32x4 {
        f32x4::splat(x)
    }
    #[inline(always)]
    fn add(self, a: f32x4, b: f32x4) -> f32x4 {
        a + b
    }
    #[inline(always)]
    fn mul(self, a: f32x4, b: f32x4) -> f32x4 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32x4, b: f32x4) -> f32x4 {
        a / b
    }
    #[inline(always)]
    fn sqrt(self, a: f32x4) -> f32x4 {
        f32x4::new(a.to_array().map(f32::sqrt))
    }
    #[inline(always)]
    fn fma(self, a: f32x4, b: f32x4, c: f32x4) -> f32x4 {
        // `f32x4::mul_add` rounds twice where the target has no fused instruction.
        let (a, b, c) = (a.to_array(), b.to_array(), c.to_array());
        let mut out = [0.0; 4];
        for i in 0..4 {
            out[i] = if cfg!(any(
                target_feature = "fma",
                target_arch = "aarch64",
                target_arch = "s390x"
            )) {
                a[i].mul_add(b[i], c[i])
            } else {
                fma_by_f64(a[i], b[i], c[i])
            };
        }
        f32x4::new(out)
    }
    #[inline(always)]
    fn min(self, a: f32x4, b: f32x4) -> f32x4 {
        a.fast_min(b)
    }
    #[inline(always)]
    fn max(self, a: f32x4, b: f32x4) -> f32x4 {
        a.fast_max(b)
    }
    #[inline(always)]
    fn abs(self, a: f32x4) -> f32x4 {
        floats(bits(a) & u32x4::splat(0x7FFF_FFFF))
    }
    #[inline(always)]
    fn copysign(self, magnitude: f32x4, sign: f32x4) -> f32x4 {
        floats(bits(magnitude) | (bits(sign) & u32x4::splat(0x8000_0000)))
    }

    #[inline(always)]
    fn le(self, a: f32x4, b: f32x4) -> f32x4 {
        a.simd_le(b)
    }
    #[inline(always)]
    fn lt(self, a: f32x4, b: f32x4) -> f32x4 {
        a.simd_lt(b)
    }
    #[inline(always)]
    fn eq(self, a: f32x4, b: f32x4) -> f32x4 {
        a.simd_eq(b)
    }
    #[inline(always)]
    fn and(self, a: f32x4, b: f32x4) -> f32x4 {
        a & b
    }
    #[inline(always)]
    fn or(self, a: f32x4, b: f32x4) -> f32x4 {
        a | b
    }
    #[inline(always)]
    fn all(self, a: f32x4) -> bool {
        a.all()
    }
    #[inline(always)]
    fn select(self, mask: f32x4, a: f32x4, b: f32x4) -> f32x4 {
        floats(self.select_u(mask, bits(a), bits(b)))
    }
    #[inline(always)]
    fn one_unless_zero(self, a: f32x4) -> u32x4 {
        self.add_where(self.lt(f32x4::ZERO, a), u32x4::ZERO, u32x4::ONE)
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> u32x4 {
        u32x4::splat(x)
    }
    #[inline(always)]
    fn add_u(self, a: u32x4, b: u32x4) -> u32x4 {
        a + b
    }
    #[inline(always)]
    fn and_u(self, a: u32x4, b: u32x4) -> u32x4 {
        a & b
    }
    #[inline(always)]
    fn or_u(self, a: u32x4, b: u32x4) -> u32x4 {
        a | b
    }
    #[inline(always)]
    fn xor(self, a: u32x4, b: u32x4) -> u32x4 {
        a ^ b
    }
    #[inline(always)]
    fn shl(self, a: u32x4, by: u32) -> u32x4 {
        a << by
    }
    #[inline(always)]
    fn shr(self, a: u32x4, by: u32) -> u32x4 {
        a >> by
    }
    #[inline(always)]
    fn eq_u(self, a: u32x4, b: u32x4) -> f32x4 {
        floats(a.simd_eq(b))
    }
    #[inline(always)]
    fn le_u(self, a: u32x4, b: u32x4) -> f32x4 {
        floats(a.simd_le(b))
    }
    #[inline(always)]
    fn select_u(self, mask: f32x4, a: u32x4, b: u32x4) -> u32x4 {
        let mask = bits(mask);
        (mask & a) | (!mask & b)
    }
    #[inline(always)]
    fn add_where(self, mask: f32x4, a: u32x4, b: u32x4) -> u32x4 {
        a + (bits(mask) & b)
    }
    #[inline(always)]
    fn to_f32(self, a: u32x4) -> f32x4 {
        f32x4::from_i32x4(bytemuck::cast(a))
    }
    #[inline(always)]
    fn with_bits(self, a: u32x4) -> f32x4 {
        floats(a)
    }
}

// SAFETY: four lanes of 32 bits. A mask is a vector whose lanes are all ones or all zeros.
unsafe impl Lanes for Portable {
    const COUNT: usize = 4;
    const WRITTEN_OUT: bool = false;
    const REGISTERS: usize = 16;
    #[inline(always)]
    fn iota(self) -> u32x4 {
        u32x4::new([0, 1, 2, 3])
    }

    #[inline(always)]
    fn mul_even(self, a: u32x4, b: u32x4) -> u32x4 {
        // (LLVM drops the products of the odd lanes; lanes moved together first, it multiplies as scalars.)
        let [of_0, _, of_2, _] = a.widening_mul(b).to_array();
        words(u64x2::new([of_0, of_2]))
    }
    #[inline(always)]
    fn odd_to_even(self, a: u32x4) -> u32x4 {
        words(pairs(a) >> 32)
    }
    #[inline(always)]
    fn merge_even(self, even: u32x4, odd: u32x4) -> u32x4 {
        words((pairs(even) & u64x2::splat(u32::MAX.into())) | (pairs(odd) << 32))
    }

    #[inline(always)]
    unsafe fn load_runs<const M: usize>(self, p: *const f32) -> [f32x4; M] {
        // SAFETY: the caller's promise.
        unsafe { unzip_runs(self, p) }
    }
    #[inline(always)]
    unsafe fn store_runs<const M: usize>(self, p: *mut f32, runs: [f32x4; M]) {
        // SAFETY: the caller's promise.
        unsafe { zip_runs(self, p, runs) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32x4 {
        // SAFETY: four elements are readable.
        f32x4::new(unsafe { p.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_four(self, p: *const f32) -> f32x4 {
        // SAFETY: the caller's promise: four elements.
        unsafe { self.load(p) }
    }
    #[inline(always)]
    fn places(self) -> [u32x4; 4] {
        [self.splat_u(0); 4]
    }
    #[inline(always)]
    fn nth_of_four(self, four: f32x4, _: &[u32x4; 4], i: usize) -> f32x4 {
        f32x4::splat(four.to_array()[i])
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: f32x4) {
        // SAFETY: four elements are writable.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(a.to_array()) }
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> u32x4 {
        // SAFETY: four elements are readable.
        u32x4::new(unsafe { p.cast::<[u32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn transpose(self, source: *const f32, from: isize, target: *mut f32, to: isize) {
        let mut square = [f32x4::ZERO; 4];
        for i in 0..4u8 {
            // SAFETY: row i of the source.
            square[usize::from(i)] = unsafe { self.load(source.offset(isize::from(i) * from)) };
        }
        let square = f32x4::transpose(square);
        for j in 0..4u8 {
            // SAFETY: row j of the target.
            unsafe { self.store(target.offset(isize::from(j) * to), square[usize::from(j)]) };
        }
    }
    #[inline(always)]
    unsafe fn store_u(self, p: *mut u32, a: u32x4) {
        // SAFETY: four elements are writable.
        unsafe { p.cast::<[u32; 4]>().write_unaligned(a.to_array()) }
    }
}

impl Zip for Portable {
    #[inline(always)]
    fn unzip(self, a: f32x4, b: f32x4) -> (f32x4, f32x4) {
        let (a, b) = (a.to_array(), b.to_array());
        (f32x4::new([a[0], a[2], b[0], b[2]]), f32x4::new([a[1], a[3], b[1], b[3]]))
    }
    #[inline(always)]
    fn zip(self, a: f32x4, b: f32x4) -> (f32x4, f32x4) {
        let (a, b) = (a.to_array(), b.to_array());
        (f32x4::new([a[0], b[0], a[1], b[1]]), f32x4::new([a[2], b[2], a[3], b[3]]))
    }
}

/// Lanes 2 i and 2 i + 1 as the low and the high half of number i, on any machine.
#[inline(always)]
fn pairs(a: u32x4) -> u64x2 {
    if cfg!(target_endian = "little") {
        bytemuck::cast(a)
    } else {
        let a = a.to_array();
        u64x2::new([0, 2].map(|i| u64::from(a[i]) | u64::from(a[i + 1]) << 32))
    }
}

/// The inverse of [`pairs`].
#[inline(always)]
fn words(a: u64x2) -> u32x4 {
    if cfg!(target_endian = "little") {
        bytemuck::cast(a)
    } else {
        let a = a.to_array().map(crate::rng::halves);
        u32x4::new(std::array::from_fn(|i| a[i / 2][i % 2]))
    }
}

/// `a * b + c` rounded once, without a fused instruction: the product is exact in binary64, and the sum
/// is rounded to odd there, so that the second rounding, to binary32, sees which side it fell on.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the rounding to binary32 is the point")]
fn fma_by_f64(a: f32, b: f32, c: f32) -> f32 {
    let (p, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let s = p + c;
    let bb = s - p;
    let error = (p - (s - bb)) + (c - bb);
    let inexact_even = error != 0.0 && s.to_bits() & 1 == 0 && s.is_finite();
    let step = if (error > 0.0) == (s > 0.0) { 1 } else { u64::MAX };
    f64::from_bits(s.to_bits().wrapping_add(if inexact_even { step } else { 0 })) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the standard library's, which calls an exact fused multiply-add.
    #[test]
    fn fma_by_f64_is_fused() {
        let mut h = 1u64;
        let mut next = || {
            h = h.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            // Every exponent, infinities and NaNs included; often close ones, so that sums cancel.
            let word = (h >> 32) as u32;
            f32::from_bits(if h & 1 == 0 { word } else { (word & 0x83FF_FFFF) | 0x3E00_0000 })
        };
        for _ in 0..2_000_000 {
            let (a, b) = (next(), next());
            let c = if (a * b).is_finite() && next() > 0.0 { -(a * b) } else { next() };
            let (got, want) = (fma_by_f64(a, b, c), a.mul_add(b, c));
            assert!(
                got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                "fma({a:e}, {b:e}, {c:e}) = {got:e}, not {want:e}"
            );
        }
    }
}
