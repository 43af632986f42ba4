//! What pruning would do to blocks of M, by the closed forms, in binary64. LLVM makes vectors of the loops over
//! lanes: every operation is one of binary64, none is fused.

use super::Lanes;
use super::estimators::{descending, tree_sum};
use crate::kernels::LANES;
use crate::kernels::tensor::BlockSums;

/// A number of each of [`LANES`] blocks.
type Wide = [f64; LANES];

/// See [`BlocksFn`](crate::kernels::tensor::BlocksFn).
#[inline(always)]
pub(crate) fn blocks<L: Lanes, const M: usize>(l: L, x: &[f32], n: usize, sums: &mut BlockSums) {
    let mut acc = *sums;
    let mut sorted = [[0.0f32; LANES]; M];
    let mut totals = [0.0f32; LANES];
    for blocks in x.chunks_exact(M * LANES) {
        for part in 0..LANES / L::COUNT {
            // SAFETY: `blocks` holds LANES blocks, `totals` and a row of `sorted` LANES numbers.
            unsafe {
                let mut a = l.load_runs::<M>(blocks.as_ptr().add(part * L::COUNT * M));
                for a in &mut a {
                    *a = l.abs(*a);
                }
                l.store(totals.as_mut_ptr().add(part * L::COUNT), tree_sum(l, a));
                let a = descending(l, a);
                for i in 0..M {
                    l.store(sorted[i].as_mut_ptr().add(part * L::COUNT), a[i]);
                }
            }
        }
        let mut a = [[0.0; LANES]; M];
        let mut dropped = [0.0; LANES];
        for i in 0..M {
            for lane in 0..LANES {
                a[i][lane] = f64::from(sorted[i][lane]);
            }
        }
        // What an entry and the lesser ones sum to.
        let mut tail = a;
        for i in (0..M - 1).rev() {
            for lane in 0..LANES {
                tail[i][lane] += tail[i + 1][lane];
            }
        }
        for i in n..M {
            for lane in 0..LANES {
                dropped[lane] += a[i][lane] * a[i][lane];
            }
        }
        // The water level: with k entries above it the others share n - k places. The first k will do whose
        // next entry lies below its level.
        let mut tau = tail[n - 1];
        for k in (0..n - 1).rev() {
            let places = (n - k) as f64;
            for lane in 0..LANES {
                let level = tail[k][lane] / places;
                tau[lane] = if a[k][lane] <= level { level } else { tau[lane] };
            }
        }
        let mut variance = [0.0; LANES];
        for lane in 0..LANES {
            // At most n non-zeros: nothing is dropped.
            tau[lane] = if a[n][lane] == 0.0 { 0.0 } else { tau[lane] };
        }
        for i in 0..M {
            for lane in 0..LANES {
                let below = tau[lane] - a[i][lane];
                variance[lane] += if below > 0.0 { a[i][lane] * below } else { 0.0 };
            }
        }
        for lane in 0..LANES {
            acc[0][lane] += if totals[lane].is_finite() { variance[lane] } else { f64::NAN };
            acc[2][lane] += dropped[lane];
            acc[3][lane] += if a[0][lane] > tau[lane] { 1.0 } else { 0.0 };
        }
        if n == 2 {
            two_draws(&a, &tail, &mut acc[1]);
        }
    }
    *sums = acc;
}

/// The variances of two draws without replacement, each in proportion to the magnitudes: an entry is included
/// with probability p (1 + sum of p' / (1 - p') over the others), p its share of the block's sum.
#[inline(always)]
fn two_draws<const M: usize>(a: &[Wide; M], tail: &[Wide; M], sum: &mut Wide) {
    // p / (1 - p). The largest entry's 1 - p would cancel.
    let mut odds = *a;
    let mut others = [0.0; LANES];
    for i in (1..M).rev() {
        for lane in 0..LANES {
            odds[i][lane] = a[i][lane] / (tail[0][lane] - a[i][lane]);
            others[lane] += odds[i][lane];
        }
    }
    let mut variance = [0.0; LANES];
    for lane in 0..LANES {
        odds[0][lane] = a[0][lane] / tail[1][lane];
        let term = a[0][lane] * (tail[0][lane] / (1.0 + others[lane]) - a[0][lane]);
        variance[lane] = if term > 0.0 { term } else { 0.0 };
    }
    for i in 1..M {
        for lane in 0..LANES {
            let factor = 1.0 + (odds[0][lane] + (others[lane] - odds[i][lane]));
            let term = a[i][lane] * (tail[0][lane] / factor - a[i][lane]);
            variance[lane] += if term > 0.0 { term } else { 0.0 };
        }
    }
    for lane in 0..LANES {
        // At most two non-zeros: nothing is dropped, and what is above may be no number.
        sum[lane] += if a[2][lane] == 0.0 { 0.0 } else { variance[lane] };
    }
}
