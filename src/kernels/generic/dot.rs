//! Sums of products in binary64.

use crate::kernels::LANES;

/// `sums[t % LANES] += x[t] * y[t]`, t ascending. LLVM makes vectors of the inner loop: one
/// multiplication, exact, and one addition, never fused.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32], sums: &mut [f64; LANES]) {
    let (x, _) = x.as_chunks::<LANES>();
    let (y, _) = y.as_chunks::<LANES>();
    let mut acc = *sums;
    for t in 0..x.len().min(y.len()) {
        for lane in 0..LANES {
            acc[lane] += f64::from(x[t][lane]) * f64::from(y[t][lane]);
        }
    }
    *sums = acc;
}
