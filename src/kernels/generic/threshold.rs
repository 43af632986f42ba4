//! Stochastic threshold pruning: an entry to a lane.

use super::Lanes;
use super::estimators::unit_interval;
use super::lanes::MAX_LANES;
use super::philox::{COUNTERS, Counters, row_ended};
use crate::kernels::RngKey;
use crate::kernels::tensor::ThresholdJob;
use crate::rng::{ENTRY_COLS, entry_counter};

/// # Safety
/// The contract of [`ThresholdFn`](crate::kernels::tensor::ThresholdFn).
#[inline(always)]
pub(crate) unsafe fn rows<L: Lanes>(l: L, job: &ThresholdJob) {
    let alpha = l.splat(job.alpha);
    // And room behind them, so that the last vector that is read stays inside.
    let mut words = [0u32; ENTRY_COLS + MAX_LANES];
    for i in 0..job.rows {
        let a = job.a.wrapping_offset(i.cast_signed() * job.a_stride);
        let out = job.out.wrapping_offset(i.cast_signed() * job.out_stride);
        let mut j = 0;
        while j < job.cols {
            let col = job.col0.wrapping_add(j as u32);
            let offset = col as usize % ENTRY_COLS;
            let count = (ENTRY_COLS - offset).min(job.cols - j);
            draw(l, &job.key, job.row0 + i as u32, col, &mut words);
            let mut v = 0;
            while v < count {
                // SAFETY: offset + v < ENTRY_COLS; columns j + v .. of row i, `count - v` of which are meant.
                unsafe {
                    let word = l.load_u(words.as_ptr().add(offset + v));
                    let (a, out) = (a.wrapping_add(j + v), out.wrapping_add(j + v));
                    if v + L::COUNT <= count {
                        l.store(out, prune(l, alpha, l.load(a), word));
                    } else {
                        let pruned = prune(l, alpha, l.load_first(a, count - v), word);
                        l.store_first(out, pruned, count - v);
                    }
                }
                v += L::COUNT;
            }
            j += count;
        }
    }
}

#[inline(always)]
fn prune<L: Lanes>(l: L, alpha: L::F, x: L::F, word: L::U) -> L::F {
    let zero = l.splat(0.0);
    let a = l.abs(x);
    let at = l.mul(unit_interval(l, word, 23), alpha);
    let drawn = l.select(l.lt(at, a), l.copysign(alpha, x), zero);
    // A NaN is not below alpha.
    l.select(l.lt(a, alpha), drawn, x)
}

/// The words of the [`ENTRY_COLS`] entries of a row among which `col` is.
#[inline(always)]
fn draw<L: Lanes>(
    l: L,
    key: &RngKey,
    row: u32,
    col: u32,
    words: &mut [u32; ENTRY_COLS + MAX_LANES],
) {
    let [c0, c1] = entry_counter(row, col - col % ENTRY_COLS as u32);
    for part in 0..COUNTERS / L::COUNT {
        let lanes = l.add_u(l.splat_u(c0 + (part * L::COUNT) as u32), l.iota());
        let counters = Counters::new(l, lanes, l.splat_u(c1), key);
        // SAFETY: ENTRY_COLS words.
        unsafe { row_ended(l, counters, part, words.as_mut_ptr()) };
    }
}
