//! The kernels of whole tensors, as their definitions read.

use super::estimators::{tree_sum, unit_interval};
use crate::kernels::LANES;
use crate::kernels::generic::logarithms::ln;
use crate::kernels::tensor::{BlockSums, LogarithmSums, TensorKernels, ThresholdJob};
use crate::rng;

unsafe fn threshold(job: &ThresholdJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            let (row, col) = (job.row0 + i as u32, job.col0.wrapping_add(j as u32));
            let word = rng::entry_word(job.key.seed, job.key.stream, row, col);
            // SAFETY: entry (i, j) of both.
            unsafe {
                let x =
                    job.a.wrapping_offset(i.cast_signed() * job.a_stride).add(j).read_unaligned();
                let pruned = if x.abs() < job.alpha {
                    let kept = unit_interval(word, 23) * job.alpha < x.abs();
                    if kept { job.alpha.copysign(x) } else { 0.0 }
                } else {
                    x
                };
                let out = job.out.wrapping_offset(i.cast_signed() * job.out_stride).add(j);
                out.write_unaligned(pruned);
            }
        }
    }
}

unsafe fn logarithms(x: &[f32], sums: &mut LogarithmSums) {
    for (t, x) in x.iter().enumerate() {
        if *x != 0.0 && x.is_finite() {
            let log = ln(f64::from(x.abs()));
            sums[0][t % LANES] += 1.0;
            sums[1][t % LANES] += log;
            sums[2][t % LANES] += log * log;
        }
    }
}

unsafe fn blocks<const M: usize>(x: &[f32], n: usize, sums: &mut BlockSums) {
    for (t, block) in x.chunks_exact(M).enumerate() {
        let total = tree_sum::<M>(std::array::from_fn(|i| block[i].abs()));
        let mut a: [f64; M] = std::array::from_fn(|i| f64::from(block[i].abs()));
        a.sort_unstable_by(|x, y| y.total_cmp(x));
        let few = a[n] == 0.0;
        let tail: [f64; M] = std::array::from_fn(|i| a[i..].iter().rev().sum());
        let tau = match (0..n).find(|&k| a[k] <= tail[k] / (n - k) as f64) {
            Some(k) if !few => tail[k] / (n - k) as f64,
            _ => 0.0,
        };
        let lane = t % LANES;
        let positive = |x: f64| if x > 0.0 { x } else { 0.0 };
        let below = |a: &f64| if tau > *a { a * (tau - a) } else { 0.0 };
        let variance: f64 = a.iter().map(below).sum();
        let dropped: f64 = a[n..].iter().map(|a| a * a).sum();
        sums[0][lane] += if total.is_finite() { variance } else { f64::NAN };
        if n == 2 && !few {
            let odds = |i: usize| a[i] / if i == 0 { tail[1] } else { tail[0] - a[i] };
            let others: f64 = (1..M).rev().map(odds).sum();
            // An entry's share times this is its inclusion probability.
            let factor = |i: usize| match i {
                0 => 1.0 + others,
                _ => 1.0 + (odds(0) + (others - odds(i))),
            };
            let term = |i: usize| positive(a[i] * (tail[0] / factor(i) - a[i]));
            sums[1][lane] += (0..M).map(term).sum::<f64>();
        }
        sums[2][lane] += dropped;
        sums[3][lane] += if a[0] > tau { 1.0 } else { 0.0 };
    }
}

pub(super) const TENSOR: TensorKernels = TensorKernels {
    threshold,
    logarithms,
    blocks: [blocks::<2>, blocks::<4>, blocks::<8>, blocks::<16>],
};
