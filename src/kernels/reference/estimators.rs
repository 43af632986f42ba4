//! The estimators for one group, as their definitions read.
//!
//! x: the M entries; returned: the N kept values and their indices, ascending.

/// Sum as a balanced tree of neighbours: part of the definition of the bits.
pub(super) fn tree_sum<const M: usize>(mut a: [f32; M]) -> f32 {
    let mut len = M;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            a[i] = a[2 * i] + a[2 * i + 1];
        }
    }
    a[0]
}

fn magnitudes<const M: usize>(x: &[f32; M]) -> [f32; M] {
    x.map(f32::abs)
}

fn prefix_sums<const M: usize>(length: [f32; M]) -> [f32; M] {
    let mut edge = length;
    for j in 1..M {
        edge[j] = edge[j - 1] + length[j];
    }
    edge
}

/// Ascending indices of the intervals that hold the ascending positions `at`.
fn pick<const N: usize, const M: usize>(edge: &[f32; M], at: [f32; N]) -> [usize; N] {
    let mut index = [0; N];
    for k in 0..N {
        let mut i = edge[..M - 1].iter().filter(|&&e| e <= at[k]).count();
        if k > 0 {
            i = i.max(index[k - 1] + 1);
        }
        index[k] = i.min(M - N + k);
    }
    index
}

/// k + 1/2.
fn middles<const N: usize>() -> [f32; N] {
    std::array::from_fn(|k| k as f32 + 0.5)
}

/// Gathers, lets `scale` change what is not zero, and poisons groups without a finite sum.
fn finish<const N: usize, const M: usize>(
    x: &[f32; M],
    index: [usize; N],
    scale: impl Fn(f32) -> f32,
    total: f32,
) -> ([f32; N], [usize; N]) {
    if !total.is_finite() {
        return ([f32::NAN; N], std::array::from_fn(|k| k));
    }
    (index.map(|i| if x[i] == 0.0 { 0.0 } else { scale(x[i]) }), index)
}

/// Everything that is not zero, as it is: there are at most N.
pub(super) fn keep<const N: usize, const M: usize>(x: &[f32; M]) -> ([f32; N], [usize; N]) {
    let edge = prefix_sums(x.map(|x| if x == 0.0 { 0.0 } else { 1.0 }));
    finish(x, pick(&edge, middles()), |kept| kept, 0.0)
}

/// The N largest magnitudes as they are; ties: the lower index.
pub(super) fn magnitude<const N: usize, const M: usize>(x: &[f32; M]) -> ([f32; N], [usize; N]) {
    let a = magnitudes(x);
    let total = tree_sum(a);
    if !total.is_finite() {
        return finish(x, std::array::from_fn(|k| k), |kept| kept, total);
    }
    let mut order: [usize; M] = std::array::from_fn(|i| i);
    order.sort_unstable_by(|&i, &j| a[j].total_cmp(&a[i]).then(i.cmp(&j)));
    let mut length = [0.0; M];
    for &i in &order[..N] {
        length[i] = if a[i] > 0.0 { 1.0 } else { 0.0 };
    }
    finish(x, pick(&prefix_sums(length), middles()), |kept| kept, total)
}

/// tau with `sum(min(a, tau)) = N tau`.
fn water_level<const M: usize>(a: [f32; M], n: usize) -> f32 {
    let mut tau = tree_sum(a) / n as f32;
    for _ in 1..n {
        let above = a.iter().filter(|&&a| a > tau).count();
        let rest = tree_sum(a.map(|a| if a > tau { 0.0 } else { a }));
        tau = rest / n.saturating_sub(above).max(1) as f32;
    }
    tau
}

/// The middle of one of `2^bits` equal cells of (0, 1).
pub(super) fn unit_interval(word: u32, bits: u32) -> f32 {
    ((word >> (32 - bits)) as f32 + 0.5) * (-(bits as f32)).exp2()
}

/// The exact minimum-variance unbiased estimate: an entry is kept with probability
/// `min(1, |x| / tau)` and becomes `sign(x) max(|x|, tau)`.
pub(super) fn mvue<const N: usize, const M: usize>(
    x: &[f32; M],
    word: u32,
) -> ([f32; N], [usize; N]) {
    let a = magnitudes(x);
    let total = tree_sum(a);
    let few = a.iter().filter(|&&a| a > 0.0).count() <= N && total.is_finite();
    let tau = if few { 0.0 } else { water_level(a, N) };
    let length = a.map(|a| match few {
        true => (a > 0.0) as u8 as f32,
        // Not `f32::min`, which would turn a NaN into a number.
        false => {
            if a < tau {
                a
            } else {
                tau
            }
        }
    });
    let edge = prefix_sums(length);
    let step = if few { 1.0 } else { edge[M - 1] / N as f32 };
    let u = unit_interval(word, 23 - N.ilog2());
    let index = pick(&edge, std::array::from_fn(|k| (k as f32 + u) * step));
    finish(x, index, |kept| kept.abs().max(tau).copysign(kept), total)
}

/// +0 in the place of entry i.
fn without<const M: usize>(mut a: [f32; M], i: usize) -> [f32; M] {
    a[i] = 0.0;
    a
}

/// N = 2: two draws without replacement, each in proportion to the magnitudes. An entry becomes x / p, with p
/// the probability that one of the two draws it.
pub(super) fn mvue_approx<const N: usize, const M: usize>(
    x: &[f32; M],
    words: [u32; 2],
) -> ([f32; N], [usize; N]) {
    let a = magnitudes(x);
    let total = tree_sum(a);
    if a.iter().filter(|&&a| a > 0.0).count() <= N && total.is_finite() {
        return keep(x);
    }
    let others: [f32; M] = std::array::from_fn(|i| tree_sum(without(a, i)));
    let first = a.map(|a| a / total);
    let ratio: [f32; M] = std::array::from_fn(|i| first[i] / others[i]);
    let p = |i: usize| first[i] + a[i] * tree_sum(without(ratio, i));

    let [i] = pick(&prefix_sums(a), [unit_interval(words[0], 23) * total]);
    let [j] = pick(&prefix_sums(without(a, i)), [unit_interval(words[1], 23) * others[i]]);
    // As rounded, the second draw may be the first again where that is the last entry.
    let index = std::array::from_fn(|k| if k == 0 { i.min(j) } else { i.max(j) });
    let (mut kept, at) = finish(x, index, |kept| kept, total);
    if total.is_finite() {
        for k in 0..N {
            kept[k] = if kept[k] == 0.0 { 0.0 } else { kept[k] / p(index[k]) };
        }
    }
    (kept, at)
}

/// The N largest magnitudes, less the largest of the others; ties: the lower index.
pub(super) fn soft_threshold<const N: usize, const M: usize>(
    x: &[f32; M],
) -> ([f32; N], [usize; N]) {
    let mut a = magnitudes(x);
    let total = tree_sum(a);
    let (_, index) = magnitude(x);
    a.sort_unstable_by(|a, b| b.total_cmp(a));
    finish(x, index, |kept| (kept.abs() - a[N]).copysign(kept), total)
}
