//! Which N of M entries stay and what they become: the mathematics of pruning, a block to a lane.
//!
//! The M entries of [`Lanes::COUNT`] blocks sit in M vectors, so that everything is lane-wise and
//! free of branches. [`reference`](crate::kernels::reference) says the same in scalar code.

use super::Lanes;
use crate::pattern::index_bits;

/// The kept values of a vector of blocks, ascending by column, and their packed indices.
pub(crate) struct Selection<L: Lanes, const N: usize> {
    pub(crate) values: [L::F; N],
    /// The N indices of a block, `index_bits` each from the low bits up.
    pub(crate) code: L::U,
}

/// A rule that keeps N of M.
pub(crate) trait Estimator {
    /// Whether a block needs a random word.
    const RANDOM: bool;

    /// Selects. `word` is read only where [`RANDOM`](Estimator::RANDOM) says so.
    fn select<L: Lanes, const N: usize, const M: usize>(
        l: L,
        x: [L::F; M],
        word: L::U,
    ) -> Selection<L, N>;
}

/// Entries as they are; the block has at most N that are not zero.
pub(crate) struct Keep;
/// The N largest magnitudes as they are; ties: the lower index.
pub(crate) struct Magnitude;
/// The minimum-variance unbiased estimate: systematic sampling at the water level.
pub(crate) struct Mvue;

impl Estimator for Keep {
    const RANDOM: bool = false;

    #[inline(always)]
    fn select<L: Lanes, const N: usize, const M: usize>(
        l: L,
        x: [L::F; M],
        _: L::U,
    ) -> Selection<L, N> {
        let (zero, one) = (l.splat(0.0), l.splat(1.0));
        let mut length = x;
        for i in 0..M {
            // Not `x > 0`: a NaN is an entry like any other here.
            length[i] = l.select(l.eq(x[i], zero), zero, one);
        }
        let mut picked = pick(l, &x, prefix_sums(l, length), middles(l));
        for kept in &mut picked.values {
            *kept = l.select(l.eq(*kept, zero), zero, *kept);
        }
        picked
    }
}

impl Estimator for Magnitude {
    const RANDOM: bool = false;

    #[inline(always)]
    fn select<L: Lanes, const N: usize, const M: usize>(
        l: L,
        x: [L::F; M],
        _: L::U,
    ) -> Selection<L, N> {
        let a = magnitudes(l, x);
        // An entry's rank: how many others go before it.
        let mut rank = [l.splat_u(0); M];
        for i in 0..M {
            rank[i] = l.add_u(rank[i], l.splat_u((M - 1 - i) as u32));
            for j in i + 1..M {
                let first = l.le(a[j], a[i]);
                rank[i] = l.add_where(first, rank[i], l.splat_u(u32::MAX));
                rank[j] = l.add_where(first, rank[j], l.splat_u(1));
            }
        }
        let (zero, one) = (l.splat(0.0), l.splat(1.0));
        let mut length = a;
        for i in 0..M {
            let keep = l.and(l.le_u(rank[i], l.splat_u(N as u32 - 1)), l.lt(zero, a[i]));
            length[i] = l.select(keep, one, zero);
        }
        let picked = pick(l, &x, prefix_sums(l, length), middles(l));
        let grown = picked.values;
        finish::<L, N, M>(l, tree_sum(l, a), picked, grown)
    }
}

impl Estimator for Mvue {
    const RANDOM: bool = true;

    #[inline(always)]
    fn select<L: Lanes, const N: usize, const M: usize>(
        l: L,
        x: [L::F; M],
        word: L::U,
    ) -> Selection<L, N> {
        let (zero, one) = (l.splat(0.0), l.splat(1.0));
        let per_n = l.splat(1.0 / N as f32);
        let a = magnitudes(l, x);
        let total = tree_sum(l, a);

        // At most N non-zeros: nothing need be dropped. Unit intervals then pick each of them, and
        // a water level of zero leaves their values alone. (Counted in f32: AVX-512 adds under a
        // mask in one instruction, where LLVM makes two of an integer count.)
        let few = if (N, M) == (2, 4) {
            // The second least is zero: five instructions fewer.
            let (low, high) = (l.min(a[0], a[1]), l.max(a[0], a[1]));
            let second = l.min(l.max(low, l.min(a[2], a[3])), l.min(high, l.max(a[2], a[3])));
            l.eq(second, zero)
        } else {
            let mut nonzeros = zero;
            for i in 0..M {
                nonzeros = l.select(l.lt(zero, a[i]), l.add(nonzeros, one), nonzeros);
            }
            l.le(nonzeros, l.splat(N as f32))
        };

        let tau = l.select(few, zero, water_level::<L, N, M>(l, a, total));
        let mut length = a;
        for i in 0..M {
            let unit = l.and(few, l.lt(zero, a[i]));
            length[i] = l.select(unit, one, l.min(a[i], tau));
        }
        let edge = prefix_sums(l, length);
        let step = l.select(few, one, l.mul(edge[M - 1], per_n));

        // The middle of one of 2^bits cells of (0, 1): k + u is exact for every k < N.
        let bits = 23 - N.ilog2();
        let cell = l.add(l.to_f32(l.shr(word, 32 - bits)), l.splat(0.5));
        let u = l.mul(cell, l.splat(1.0 / (1u32 << bits) as f32));
        let mut at = [zero; N];
        for (k, at) in at.iter_mut().enumerate() {
            *at = l.mul(l.add(l.splat(k as f32), u), step);
        }

        let picked = pick(l, &x, edge, at);
        let mut grown = picked.values;
        for grown in &mut grown {
            *grown = l.copysign(l.max(l.abs(*grown), tau), *grown);
        }
        finish::<L, N, M>(l, total, picked, grown)
    }
}

/// tau with `sum(min(a, tau)) = N tau`: the entries above it are kept for certain.
///
/// At most N - 1 entries can lie above; each round sets those found aside and shares the rest out.
#[inline(always)]
fn water_level<L: Lanes, const N: usize, const M: usize>(l: L, a: [L::F; M], total: L::F) -> L::F {
    let zero = l.splat(0.0);
    // N is a power of two, so this is the division by N.
    let mut tau = l.mul(total, l.splat(1.0 / N as f32));
    for _ in 1..N {
        if N == 2 {
            // One entry above, or none (also as rounded: if two were, their sum would exceed the
            // total); with none the rest is the total again.
            let (mut sum, mut rest) = (a, [zero; M]);
            let mut most = a;
            let mut len = M;
            while len > 1 {
                for i in 0..len / 2 {
                    let (p, q) = (2 * i, 2 * i + 1);
                    // Tree sums, and the same without the largest entry.
                    let left = l.le(most[q], most[p]);
                    rest[i] = if len == M {
                        l.min(a[p], a[q])
                    } else {
                        l.add(l.select(left, rest[p], sum[p]), l.select(left, sum[q], rest[q]))
                    };
                    sum[i] = l.add(sum[p], sum[q]);
                    most[i] = l.max(most[p], most[q]);
                }
                len /= 2;
            }
            return l.select(l.lt(tau, most[0]), rest[0], tau);
        }
        let mut rest = a;
        let mut share = l.splat(N as f32);
        for i in 0..M {
            let above = l.lt(tau, a[i]);
            rest[i] = l.select(above, zero, a[i]);
            share = l.select(above, l.add(share, l.splat(-1.0)), share);
        }
        tau = l.div(tree_sum(l, rest), l.max(share, l.splat(1.0)));
    }
    tau
}

#[inline(always)]
fn magnitudes<L: Lanes, const M: usize>(l: L, x: [L::F; M]) -> [L::F; M] {
    let mut a = x;
    for i in 0..M {
        a[i] = l.abs(x[i]);
    }
    a
}

/// The sum as a balanced tree of neighbours.
#[inline(always)]
fn tree_sum<L: Lanes, const M: usize>(l: L, mut a: [L::F; M]) -> L::F {
    let mut len = M;
    while len > 1 {
        for i in 0..len / 2 {
            a[i] = l.add(a[2 * i], a[2 * i + 1]);
        }
        len /= 2;
    }
    a[0]
}

#[inline(always)]
fn prefix_sums<L: Lanes, const M: usize>(l: L, mut length: [L::F; M]) -> [L::F; M] {
    for i in 1..M {
        length[i] = l.add(length[i - 1], length[i]);
    }
    length
}

/// The middles of the first N unit intervals.
#[inline(always)]
fn middles<L: Lanes, const N: usize>(l: L) -> [L::F; N] {
    let mut at = [l.splat(0.0); N];
    for (k, at) in at.iter_mut().enumerate() {
        *at = l.splat(k as f32 + 0.5);
    }
    at
}

/// The entries whose intervals (ending at `edge`) hold the ascending positions `at`; made distinct
/// and kept in range where rounding would have it otherwise.
///
/// An index is held as a thermometer: `past[j]` says that it exceeds j. As the edges ascend, that
/// is `edge[j] <= at[k]`, or that the index before it exceeds j - 1; and the k-th index lies in
/// `k ..= k + M - N`, so that only these j matter. This makes `min(max(count, before + 1), M - N + k)`
/// of N (M - N) comparisons and no arithmetic.
#[inline(always)]
fn pick<L: Lanes, const N: usize, const M: usize>(
    l: L,
    x: &[L::F; M],
    edge: [L::F; M],
    at: [L::F; N],
) -> Selection<L, N> {
    let zero = l.splat(0.0);
    let width = index_bits(M);
    let mut code = l.splat_u(canonical_code::<N, M>());
    let mut values = at;
    let mut past = [l.le(zero, zero); M];
    for k in 0..N {
        let one = l.splat_u(1 << (k * width));
        let before = past;
        let mut kept = x[k];
        for j in k..k + (M - N) {
            past[j] = l.le(edge[j], at[k]);
            if k > 0 {
                past[j] = l.or(past[j], before[j - 1]);
            }
            kept = l.select(past[j], x[j + 1], kept);
            code = l.add_where(past[j], code, one);
        }
        values[k] = kept;
    }
    Selection { values, code }
}

/// The values `grown` where the entry picked is not zero, +0 where it is; a block whose magnitudes
/// have no finite sum becomes the canonical NaN at indices 0 .. N.
#[inline(always)]
fn finish<L: Lanes, const N: usize, const M: usize>(
    l: L,
    total: L::F,
    mut picked: Selection<L, N>,
    grown: [L::F; N],
) -> Selection<L, N> {
    let zero = l.splat(0.0);
    let finite = l.lt(total, l.splat(f32::INFINITY));
    let otherwise = l.select(finite, zero, l.splat(f32::NAN));
    for k in 0..N {
        let nonzero = l.and(finite, l.lt(zero, l.abs(picked.values[k])));
        picked.values[k] = l.select(nonzero, grown[k], otherwise);
    }
    picked.code = l.select_u(finite, picked.code, l.splat_u(canonical_code::<N, M>()));
    picked
}

/// Indices 0 .. N, packed.
const fn canonical_code<const N: usize, const M: usize>() -> u32 {
    let mut code = 0;
    let mut k = 0;
    while k < N {
        code |= (k as u32) << (k * index_bits(M));
        k += 1;
    }
    code
}
