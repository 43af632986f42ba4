//! Sums of logarithms. LLVM makes vectors of the loops over lanes: every operation is one of binary64, none is
//! fused, so that they are the same bits whatever the vectors.

use crate::kernels::LANES;
use crate::kernels::tensor::LogarithmSums;

/// See [`LogarithmsFn`](crate::kernels::tensor::LogarithmsFn).
#[inline(always)]
pub(crate) fn logarithms(x: &[f32], sums: &mut LogarithmSums) {
    let mut acc = *sums;
    let (chunks, _) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let magnitude = chunk[lane].abs();
            let counts = magnitude > 0.0 && magnitude < f32::INFINITY;
            // The logarithm of 1 adds nothing.
            let log = ln(if counts { f64::from(magnitude) } else { 1.0 });
            acc[0][lane] += if counts { 1.0 } else { 0.0 };
            acc[1][lane] += log;
            acc[2][lane] += log * log;
        }
    }
    *sums = acc;
}

/// Terms of the series below: the next is less than a tenth of the last bit.
const TERMS: usize = 10;

/// The natural logarithm of a positive, normal, finite number, to two units in the last place (or 10^-16, near
/// 1): x = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh(f), f = (m - 1) / (m + 1), as a series.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const ONE: u64 = 1.0f64.to_bits();
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    // Biased by that of 1, which keeps it positive.
    let exponent = (x.to_bits() + (ONE - SQRT_HALF)) >> MANTISSA;
    let m = f64::from_bits(x.to_bits() + ONE - (exponent << MANTISSA));
    let e = f64::from((exponent as u32).cast_signed() - (ONE >> MANTISSA) as i32);
    let f = (m - 1.0) / (m + 1.0);
    let square = f * f;
    let mut series = 0.0;
    for term in (0..TERMS).rev() {
        series = series * square + 1.0 / (2 * term + 3) as f64;
    }
    e * std::f64::consts::LN_2 + (2.0 * f + 2.0 * f * square * series)
}

#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn logarithms_of_binary32_numbers() {
        let mut most: f64 = 0.0;
        for step in 1..0x7F80_0000u32 / 4099 {
            let x = f64::from(f32::from_bits(step * 4099));
            let want = x.ln();
            most = most.max((ln(x) - want).abs() / want.abs().max(0.5));
        }
        assert!(most < 4e-16, "{most:e}");
        assert_eq!(ln(1.0).to_bits(), 0);
    }
}
