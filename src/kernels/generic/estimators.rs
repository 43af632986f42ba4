//! Which N of M entries stay and what they become: the mathematics of pruning, a group to a lane.
//!
//! The M entries of [`COUNT`](super::Lanes::COUNT) groups sit in M vectors, so that everything is lane-wise; the few
//! branches are the same for all groups. [`reference`](crate::kernels::reference) says it in scalar code.

use super::Lanewise;
use crate::kernels::Selector;
use crate::pattern::index_bits;

/// The kept values of a vector of groups, ascending by column, and their packed indices.
pub(crate) struct Selection<L: Lanewise, const N: usize> {
    pub(crate) values: [L::F; N],
    /// The N indices of a group, `index_bits` each from the low bits up.
    pub(crate) code: L::U,
}

/// Selectors that draw so many random words.
pub(crate) trait Estimator {
    /// How many a group needs: [`Selector::words`].
    const WORDS: usize;

    /// Selects. The first [`WORDS`](Estimator::WORDS) of `words` are drawn, the others 0.
    fn select<L: Lanewise, const N: usize, const M: usize>(
        l: L,
        selector: Selector,
        x: [L::F; M],
        words: [L::U; 2],
    ) -> Selection<L, N>;
}

/// What draws nothing: [`Selector::Keep`], [`Selector::Magnitude`] and [`Selector::SoftThreshold`]. They differ in
/// steps that are few beside the others, so that all three are one kernel.
pub(crate) struct Fixed;
/// [`Selector::Mvue`].
pub(crate) struct Mvue;
/// [`Selector::MvueApprox`].
pub(crate) struct MvueApprox;

impl Estimator for Fixed {
    const WORDS: usize = Selector::Keep.words();

    #[inline(always)]
    fn select<L: Lanewise, const N: usize, const M: usize>(
        l: L,
        selector: Selector,
        x: [L::F; M],
        _: [L::U; 2],
    ) -> Selection<L, N> {
        let (zero, one) = (l.splat(0.0), l.splat(1.0));
        let keep = matches!(selector, Selector::Keep);
        let soft = matches!(selector, Selector::SoftThreshold);
        let (mut length, mut dropped, mut total) = (x, zero, zero);
        if keep {
            for i in 0..M {
                // Not `x > 0`: a NaN is an entry like any other here.
                length[i] = l.select(l.eq(x[i], zero), zero, one);
            }
        } else {
            let a = magnitudes(l, x);
            (length, dropped) = largest::<L, N, M>(l, &a, soft);
            total = tree_sum(l, a);
        }
        let mut picked = pick(l, &x, prefix_sums(l, length), middles(l));
        let mut grown = picked.values;
        if soft {
            // |x| - dropped, as a sum: there is no subtraction among the lanes' operations.
            let shift = l.copysign(dropped, l.splat(-1.0));
            for x in &mut grown {
                *x = l.copysign(l.add(l.abs(*x), shift), *x);
            }
        }
        for k in 0..N {
            picked.values[k] = unless_zero(l, picked.values[k], grown[k]);
        }
        finish::<L, N, M>(l, total, picked)
    }
}

impl Estimator for Mvue {
    const WORDS: usize = Selector::Mvue.words();

    #[inline(always)]
    fn select<L: Lanewise, const N: usize, const M: usize>(
        l: L,
        _: Selector,
        x: [L::F; M],
        [word, _]: [L::U; 2],
    ) -> Selection<L, N> {
        let (zero, one) = (l.splat(0.0), l.splat(1.0));
        let per_n = l.splat(1.0 / N as f32);
        let a = magnitudes(l, x);
        let total = tree_sum(l, a);

        // At most N non-zeros: nothing need be dropped. Unit intervals then pick each of them, and
        // a water level of zero leaves their values alone.
        let few = if (N, M) == (2, 4) {
            // The second least is zero: five instructions fewer.
            let (low, high) = (l.min(a[0], a[1]), l.max(a[0], a[1]));
            let second = l.min(l.max(low, l.min(a[2], a[3])), l.min(high, l.max(a[2], a[3])));
            l.le(second, zero)
        } else {
            l.le_u(nonzeros(l, a), l.splat_u(N as u32))
        };

        let tau = l.select(few, zero, water_level::<L, N, M>(l, a, total));
        let mut length = a;
        for i in 0..M {
            length[i] = l.one_where(few, a[i], l.min(a[i], tau));
        }
        let edge = prefix_sums(l, length);
        let step = l.select(few, one, l.mul(edge[M - 1], per_n));

        let mut at = unit_intervals::<L, N>(l, word);
        for at in &mut at {
            *at = l.mul(*at, step);
        }

        let mut picked = pick(l, &x, edge, at);
        for kept in &mut picked.values {
            *kept = l.raise(*kept, tau);
        }
        finish::<L, N, M>(l, total, picked)
    }
}

/// How many of the magnitudes are not zero.
#[inline(always)]
fn nonzeros<L: Lanewise, const M: usize>(l: L, a: [L::F; M]) -> L::U {
    let mut ones = [l.splat_u(0); M];
    for i in 0..M {
        ones[i] = l.one_unless_zero(a[i]);
    }
    let mut len = M;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            ones[i] = l.add_u(ones[i], ones[i + len]);
        }
    }
    ones[0]
}

/// tau with `sum(min(a, tau)) = N tau`: the entries above it are kept for certain.
///
/// At most N - 1 entries can lie above; each round sets those found aside and shares the rest out. A round that finds
/// the same as the one before it would change nothing, nor would any after it.
#[inline(always)]
fn water_level<L: Lanewise, const N: usize, const M: usize>(
    l: L,
    a: [L::F; M],
    total: L::F,
) -> L::F {
    // N is a power of two, so this is the division by N.
    let mut tau = l.mul(total, l.splat(1.0 / N as f32));
    if N == 1 {
        return tau;
    }
    if N == 2 {
        let (most, rest) = largest_and_rest(l, a);
        return l.select(l.lt(tau, most), rest, tau);
    }
    let (mut rest, mut higher) = (a, tau);
    for round in 1..N {
        // Where half is kept, some group of a vector all but always needs two rounds, and seldom a third; of sparser
        // patterns most need none.
        if round > 2 || M > 2 * N {
            // (Rounding may raise the level past an entry that was above it.)
            let none_left = l.and(l.le(most(l, rest), tau), l.le(tau, higher));
            if l.all(none_left) {
                break;
            }
        }
        let mut above = [l.lt(tau, a[0]); M];
        for i in 0..M {
            above[i] = l.lt(tau, a[i]);
            rest[i] = l.select(above[i], l.splat(0.0), a[i]);
        }
        let share = l.count_down(N as i8, above);
        higher = tau;
        tau = l.div(tree_sum(l, rest), l.max(share, l.splat(1.0)));
    }
    tau
}

/// The largest of the magnitudes.
#[inline(always)]
fn most<L: Lanewise, const M: usize>(l: L, mut a: [L::F; M]) -> L::F {
    let mut len = M;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            a[i] = l.max(a[i], a[i + len]);
        }
    }
    a[0]
}

/// The largest entry, and the tree sum of the others. (One entry lies above the level of N = 2, or none, also as
/// rounded: if two did, their sum would exceed the total.)
#[inline(always)]
fn largest_and_rest<L: Lanewise, const M: usize>(l: L, a: [L::F; M]) -> (L::F, L::F) {
    let (mut sum, mut most) = (a, a);
    let mut rest = [l.splat(0.0); M];
    let mut len = M;
    while len > 1 {
        for i in 0..len / 2 {
            let (p, q) = (2 * i, 2 * i + 1);
            // Tree sums, and the same without the largest entry.
            let right = l.lt(most[p], most[q]);
            rest[i] = if len == M {
                l.min(a[p], a[q])
            } else {
                l.add(l.select(right, sum[p], rest[p]), l.select(right, rest[q], sum[q]))
            };
            sum[i] = l.add(sum[p], sum[q]);
            most[i] = l.max(most[p], most[q]);
        }
        len /= 2;
    }
    (most[0], rest[0])
}

impl Estimator for MvueApprox {
    const WORDS: usize = Selector::MvueApprox.words();

    #[inline(always)]
    fn select<L: Lanewise, const N: usize, const M: usize>(
        l: L,
        _: Selector,
        x: [L::F; M],
        words: [L::U; 2],
    ) -> Selection<L, N> {
        const { assert!(N == 2, "two draws") };
        let (zero, one, half) = (l.splat(0.0), l.splat(1.0), l.splat(0.5));
        let a = magnitudes(l, x);
        let total = tree_sum(l, a);
        let nonzeros = nonzeros(l, a);
        let (few, many) = (l.le_u(nonzeros, l.splat_u(2)), l.le_u(l.splat_u(3), nonzeros));

        // An entry is drawn first with probability a / total, or second, after any other.
        let others = sums_of_others(l, &a);
        let (mut first, mut ratio) = (a, a);
        for i in 0..M {
            first[i] = l.div(a[i], total);
            ratio[i] = l.div(first[i], others[i]);
        }
        let rest = sums_of_others(l, &ratio);
        let mut p = a;
        for i in 0..M {
            p[i] = l.add(first[i], l.mul(a[i], rest[i]));
        }

        // Both draws as thermometers, see `pick`. At most two non-zeros: unit intervals pick each of them, and leave
        // the last place to the second draw.
        let mut length = a;
        for i in 0..M {
            let unit = l.and(few, l.lt(zero, a[i]));
            length[i] = l.select(unit, one, a[i]);
        }
        let at = l.select(few, half, l.mul(unit_interval(l, words[0], 23), total));
        let mut one_past = draw(l, length, at);
        one_past[M - 2] = l.and(one_past[M - 2], many);
        let mut left = length;
        let mut sum = others[0];
        for i in 0..M {
            // Nothing is left of the entry drawn: past i - 1, and not past i.
            let drawn = if i > 0 { l.select(one_past[i - 1], zero, length[i]) } else { zero };
            left[i] = if i < M - 1 { l.select(one_past[i], length[i], drawn) } else { drawn };
            if i > 0 {
                sum = l.select(one_past[i - 1], others[i], sum);
            }
        }
        let at = l.select(few, half, l.mul(unit_interval(l, words[1], 23), sum));
        let two_past = draw(l, left, at);

        let width = index_bits(M);
        let mut picked = Selection { values: [x[0]; N], code: l.splat_u(0) };
        let mut chance = [p[0]; N];
        for j in 0..M - 1 {
            // The lesser index is past j where both are, the greater where either is.
            let past = [l.and(one_past[j], two_past[j]), l.or(one_past[j], two_past[j])];
            for k in 0..2 {
                picked.values[k] = l.select(past[k], x[j + 1], picked.values[k]);
                chance[k] = l.select(past[k], p[j + 1], chance[k]);
                picked.code = l.add_where(past[k], picked.code, l.splat_u(1 << (k * width)));
            }
        }
        for k in 0..2 {
            let kept = picked.values[k];
            let grown = l.select(few, kept, l.div(kept, chance[k]));
            picked.values[k] = unless_zero(l, kept, grown);
        }
        finish::<L, N, M>(l, total, picked)
    }
}

/// Whether the entry whose interval holds `at` lies past j, for j below M - 1.
#[inline(always)]
fn draw<L: Lanewise, const M: usize>(l: L, length: [L::F; M], at: L::F) -> [L::M; M] {
    let edge = prefix_sums(l, length);
    let mut past = [l.le(edge[0], at); M];
    for j in 1..M - 1 {
        past[j] = l.le(edge[j], at);
    }
    past
}

/// For each entry the tree sum with +0 in its place: its neighbour, its neighbours' sum, and so on.
#[inline(always)]
fn sums_of_others<L: Lanewise, const M: usize>(l: L, a: &[L::F; M]) -> [L::F; M] {
    let (mut out, mut sum) = (*a, *a);
    for i in 0..M {
        out[i] = a[i ^ 1];
    }
    // `sum[i]` is that of the subtree of `size` entries that holds i.
    let mut size = 2;
    while size < M {
        for i in (0..M).step_by(size) {
            let whole = l.add(sum[i], sum[i + size / 2]);
            sum[i..i + size].fill(whole);
        }
        for i in 0..M {
            out[i] = l.add(out[i], sum[i ^ size]);
        }
        size *= 2;
    }
    out
}

/// The middle of one of `2^bits` cells of (0, 1).
#[inline(always)]
pub(super) fn unit_interval<L: Lanewise>(l: L, word: L::U, bits: u32) -> L::F {
    let cell = l.add(l.to_f32(l.shr(word, 32 - bits)), l.splat(0.5));
    l.mul(cell, l.splat(1.0 / (1u32 << bits) as f32))
}

/// k + u for k below N, where u is the middle of one of `2^23 / N` cells of (0, 1); exact.
#[inline(always)]
fn unit_intervals<L: Lanewise, const N: usize>(l: L, word: L::U) -> [L::F; N] {
    let bits = 23 - N.ilog2();
    if N == 1 {
        return [unit_interval(l, word, bits); N];
    }
    // The digits of 1 + u: the top bits of the word, and a 1 for the middle.
    let digits = l.and_u(l.shr(word, 9), l.splat_u((1 << 23) - (1 << (23 - bits))));
    let middle = 1f32.to_bits() | 1 << (22 - bits);
    let one_past = l.with_bits(l.or_u(digits, l.splat_u(middle)));
    let u = l.add(one_past, l.splat(-1.0));
    let mut at = [one_past; N];
    at[0] = u;
    for k in 2..N {
        at[k] = l.add(l.splat(k as f32), u);
    }
    at
}

/// How many others go before an entry: larger magnitudes, and equal ones to its left.
#[inline(always)]
fn ranks<L: Lanewise, const M: usize>(l: L, a: &[L::F; M]) -> [L::U; M] {
    let mut rank = [l.splat_u(0); M];
    for i in 0..M {
        rank[i] = l.add_u(rank[i], l.splat_u((M - 1 - i) as u32));
        for j in i + 1..M {
            let first = l.le(a[j], a[i]);
            rank[i] = l.add_where(first, rank[i], l.splat_u(u32::MAX));
            rank[j] = l.add_where(first, rank[j], l.splat_u(1));
        }
    }
    rank
}

/// 1 for each of the N largest magnitudes (ties: the lower index), 0 for the others and for zeros, which give way to free
/// places further up; and the largest of the others, if it is wanted.
#[inline(always)]
fn largest<L: Lanewise, const N: usize, const M: usize>(
    l: L,
    a: &[L::F; M],
    with_dropped: bool,
) -> ([L::F; M], L::F) {
    let (zero, one) = (l.splat(0.0), l.splat(1.0));
    let mut length = *a;
    if M > BY_RANK {
        let sorted = descending(l, *a);
        let (least, dropped) = (sorted[N - 1], sorted[N]);
        let mut count = zero;
        for i in 0..M {
            let keep = l.and(l.le(least, a[i]), l.lt(zero, a[i]));
            length[i] = l.select(keep, one, zero);
            count = l.add(count, length[i]);
        }
        // More than N only where some tie with the least.
        if l.all(l.le(count, l.splat(N as f32))) {
            return (length, dropped);
        }
        if M > TIES_BY_RANK {
            return (first_of_ties::<L, N, M>(l, a, least), dropped);
        }
    }
    let rank = ranks(l, a);
    let mut dropped = a[0];
    for i in 0..M {
        let keep = l.and(l.le_u(rank[i], l.splat_u(N as u32 - 1)), l.lt(zero, a[i]));
        length[i] = l.select(keep, one, zero);
    }
    if with_dropped {
        for i in 0..M {
            dropped = l.select(l.eq_u(rank[i], l.splat_u(N as u32)), a[i], dropped);
        }
    }
    (length, dropped)
}

/// Groups of at most so many are ranked by comparing all pairs; longer ones are sorted, by about M log^2 M exchanges, and
/// looked at again only where there are ties.
const BY_RANK: usize = 4;
/// Groups of at most so many are then ranked, as M (M - 1) / 2 comparisons are few; in longer ones the ties are counted.
const TIES_BY_RANK: usize = 8;

/// 1 for each magnitude above `least`, the N-th in descending order, and for the first of those that equal it, so many that
/// there are N; 0 for the others and for zeros.
#[inline(always)]
fn first_of_ties<L: Lanewise, const N: usize, const M: usize>(
    l: L,
    a: &[L::F; M],
    least: L::F,
) -> [L::F; M] {
    let (zero, one) = (l.splat(0.0), l.splat(1.0));
    let mut count = zero;
    for i in 0..M {
        count = l.plus_where(l.lt(least, a[i]), count, one);
    }
    let mut length = *a;
    for i in 0..M {
        let above = l.lt(least, a[i]);
        let ties = l.and(l.eq(a[i], least), l.lt(zero, a[i]));
        let first = l.and(ties, l.lt(count, l.splat(N as f32)));
        length[i] = l.select(l.or(above, first), one, zero);
        count = l.plus_where(first, count, one);
    }
    length
}

/// Sorts lane-wise, the largest first: Batcher's odd-even merging network.
#[inline(always)]
pub(crate) fn descending<L: Lanewise, const M: usize>(l: L, mut a: [L::F; M]) -> [L::F; M] {
    let mut size = 1;
    while size < M {
        let mut step = size;
        while step > 0 {
            let mut start = step % size;
            while start + step < M {
                for i in start..(start + step).min(M - step) {
                    if i / (2 * size) == (i + step) / (2 * size) {
                        (a[i], a[i + step]) = (l.max(a[i], a[i + step]), l.min(a[i], a[i + step]));
                    }
                }
                start += 2 * step;
            }
            step /= 2;
        }
        size *= 2;
    }
    a
}

#[inline(always)]
fn magnitudes<L: Lanewise, const M: usize>(l: L, x: [L::F; M]) -> [L::F; M] {
    let mut a = x;
    for i in 0..M {
        a[i] = l.abs(x[i]);
    }
    a
}

/// The sum as a balanced tree of neighbours.
#[inline(always)]
pub(super) fn tree_sum<L: Lanewise, const M: usize>(l: L, mut a: [L::F; M]) -> L::F {
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
fn prefix_sums<L: Lanewise, const M: usize>(l: L, mut length: [L::F; M]) -> [L::F; M] {
    for i in 1..M {
        length[i] = l.add(length[i - 1], length[i]);
    }
    length
}

/// The middles of the first N unit intervals.
#[inline(always)]
fn middles<L: Lanewise, const N: usize>(l: L) -> [L::F; N] {
    let mut at = [l.splat(0.0); N];
    for (k, at) in at.iter_mut().enumerate() {
        *at = l.splat(k as f32 + 0.5);
    }
    at
}

/// The entries whose intervals (ending at `edge`) hold the ascending positions `at`; made distinct
/// and kept in range where rounding would have it otherwise.
///
/// An index is held in unary: `within[j]` says that it does not exceed j. As the edges ascend, that
/// is `at[k] < edge[j]`, and that the index before it does not exceed j - 1; and the k-th index lies in
/// `k ..= k + M - N`, so that only these j matter. This makes `min(max(count, before + 1), M - N + k)`
/// of N (M - N) comparisons and no arithmetic.
#[inline(always)]
fn pick<L: Lanewise, const N: usize, const M: usize>(
    l: L,
    x: &[L::F; M],
    edge: [L::F; M],
    at: [L::F; N],
) -> Selection<L, N> {
    let width = index_bits(M);
    let mut code = l.splat_u(code_from::<N, M>(M - N));
    let mut values = at;
    let mut within = [l.lt(at[0], edge[0]); M];
    for k in 0..N {
        let place = (k * width) as u32;
        let (one, shift) = if L::COUNTS_ONES { (1u32, place) } else { (1 << place, 0) };
        let before = within;
        let mut kept = x[k];
        let mut count = l.splat_u(0);
        for j in k..k + (M - N) {
            within[j] = l.lt(at[k], edge[j]);
            if k > 0 {
                within[j] = l.and(within[j], before[j - 1]);
            }
            kept = l.select(within[j], kept, x[j + 1]);
            count = l.add_where(within[j], count, l.splat_u(one.wrapping_neg()));
        }
        values[k] = kept;
        code = l.add_u(code, l.shl(count, shift));
    }
    Selection { values, code }
}

/// What an entry `kept` has grown, or +0 where it is zero.
#[inline(always)]
fn unless_zero<L: Lanewise>(l: L, kept: L::F, grown: L::F) -> L::F {
    let zero = l.splat(0.0);
    l.select(l.eq(kept, zero), zero, grown)
}

/// A group whose magnitudes have no finite sum becomes the canonical NaN at indices 0 .. N.
#[inline(always)]
fn finish<L: Lanewise, const N: usize, const M: usize>(
    l: L,
    total: L::F,
    mut picked: Selection<L, N>,
) -> Selection<L, N> {
    let finite = l.lt(total, l.splat(f32::INFINITY));
    for kept in &mut picked.values {
        *kept = l.select(finite, *kept, l.splat(f32::NAN));
    }
    picked.code = l.select_u(finite, picked.code, l.splat_u(code_from::<N, M>(0)));
    picked
}

/// Indices `first .. first + N`, packed.
const fn code_from<const N: usize, const M: usize>(first: usize) -> u32 {
    let mut code = 0;
    let mut k = 0;
    while k < N {
        code |= ((first + k) as u32) << (k * index_bits(M));
        k += 1;
    }
    code
}
