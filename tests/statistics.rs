//! The estimator is what it claims: inclusion probabilities, mean, variance and independence.
//!
//! Seeds are fixed, so every run sees the same numbers. Bounds follow from tails of the binomial and the
//! normal distribution (common/statistics.rs).
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::statistics::{bound, chi_square, deviation, inclusion, magnitudes};
use common::{Data, by_effort, index_of};
use spnm::{Compressed, MatRef, Method, Options, Pattern, Rng, compress};

/// Groups of four kinds: normal, lognormal, sparse, equal.
fn groups(p: Pattern, count: usize) -> Vec<Vec<f32>> {
    let mut data = Data::new(p.m() as u64 * 100 + p.n() as u64);
    (0..count)
        .map(|g| match g % 4 {
            3 => (0..p.m()).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
            kind => data.matrix(kind, p.m()),
        })
        .collect()
}

/// Compresses `rows` copies of a row of groups.
fn draws(p: Pattern, row: &[f32], rows: usize, rng: Rng) -> Compressed {
    draws_of(Method::Mvue(rng), p, row, rows)
}

fn draws_of(method: Method, p: Pattern, row: &[f32], rows: usize) -> Compressed {
    let a = MatRef::new(row, rows, row.len(), 0, 1).expect("copies of a row");
    let mut out = Compressed::new(rows, row.len(), p).expect("memory");
    compress(&Options::new(), method, a, out.as_mut()).expect("compress");
    out
}

/// Calls `each(draw, group, values, indices)` for every group of every row.
fn for_each_group(out: &Compressed, mut each: impl FnMut(usize, usize, &[f32], &[usize])) {
    let (view, p) = (out.as_ref(), out.as_ref().pattern());
    let (kept, bytes) = (p.row_values(view.cols()), p.row_meta(view.cols()));
    let mut index = vec![0; p.n()];
    for i in 0..view.rows() {
        let meta = &out.meta()[i * bytes..][..bytes];
        for g in 0..p.groups(view.cols()) {
            for (k, index) in index.iter_mut().enumerate() {
                *index = index_of(meta, g * p.n() + k, p);
            }
            each(i, g, &out.values()[i * kept + g * p.n()..][..p.n()], &index);
        }
    }
}

/// Inclusion frequency of every slot, unbiasedness, variance, and the number kept.
#[test]
fn inclusion_mean_and_variance() {
    inclusion_of(groups, by_effort(60_000, 2_000));
}

/// The same for gradients of a language model: the groups run along the tokens of one unit, as in the
/// product for a weight gradient.
#[test]
fn inclusion_mean_and_variance_of_real_gradients() {
    // `cargo run --release --example train -- --methods dense --steps 300 --gradients tests/gradients.bin`
    let numbers: Vec<f32> = include_bytes!("gradients.bin")
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect();
    const SIDE: usize = 64;
    assert_eq!(numbers.len(), 2 * SIDE * SIDE, "two layers");
    let units: Vec<Vec<f32>> = numbers
        .chunks(SIDE * SIDE)
        .flat_map(|d| (0..SIDE).map(|j| (0..SIDE).map(|i| d[i * SIDE + j]).collect()))
        .collect();
    let real = |p: Pattern, count: usize| -> Vec<Vec<f32>> {
        // Spread over the units and tokens; those with anything to choose from.
        let all = units.iter().flat_map(|unit| unit.chunks(p.m()).map(<[f32]>::to_vec));
        let wide: Vec<Vec<f32>> =
            all.filter(|g| g.iter().filter(|x| **x != 0.0).count() > p.n()).collect();
        assert!(wide.len() >= count, "{p}: {} groups", wide.len());
        (0..count).map(|i| wide[i * wide.len() / count].clone()).collect()
    };
    inclusion_of(real, by_effort(20_000, 2_000));
}

fn inclusion_of(groups: impl Fn(Pattern, usize) -> Vec<Vec<f32>>, t: usize) {
    const GROUPS: usize = 24;
    for &p in Pattern::ALL {
        let (n, m) = (p.n(), p.m());
        let groups = groups(p, GROUPS);
        let row = groups.concat();
        let out = draws(p, &row, t, Rng::new(0xC0FFEE, p.m() as u64));
        let mut seen = vec![0u32; GROUPS * m];
        let mut sum = vec![0.0f64; GROUPS * m];
        let mut square = [0.0f64; GROUPS];
        for_each_group(&out, |_, g, values, index| {
            let mut error: f64 = row[g * m..][..m].iter().map(|&x| f64::from(x).powi(2)).sum();
            for (&i, &value) in index.iter().zip(values) {
                let (x, value) = (f64::from(row[g * m + i]), f64::from(value));
                error += (value - x).powi(2) - x * x;
                if value != 0.0 {
                    seen[g * m + i] += 1;
                    sum[g * m + i] += value;
                }
            }
            square[g] += error;
        });
        let comparisons = 3 * GROUPS * m * Pattern::ALL.len();
        for (g, group) in groups.iter().enumerate() {
            let (q, tau) = inclusion(&magnitudes(group), n);
            for (i, &x) in group.iter().enumerate() {
                let slot = g * m + i;
                let what = format!("{p}, group {g} {group:?}, slot {i}");
                let (tf, probability) = (t as f64, q[i]);
                let error = (f64::from(seen[slot]) - tf * probability).abs();
                if probability == 0.0 || probability == 1.0 {
                    assert_eq!(f64::from(seen[slot]), tf * probability, "{what}");
                } else {
                    // 1e-6: the positions are rounded to 23 bits, the level to 24.
                    let allowed =
                        deviation(comparisons, tf, probability * (1.0 - probability), 1.0);
                    assert!(error <= allowed + 1e-6 * tf, "{what}: off by {error}, {allowed}");
                }
                // What is kept is max(|x|, tau): the mean follows.
                let size = f64::from(x).abs().max(tau);
                let variance = size * size * probability * (1.0 - probability);
                let allowed = deviation(comparisons, tf, variance, size) + 1e-5 * tf * size;
                let error = (sum[slot] - tf * f64::from(x)).abs();
                assert!(error <= allowed, "mean of {what}: off by {error}, {allowed}");
            }
            // The squared error of a group: between 0 and what it is when all it can is lost.
            let closed: f64 = group
                .iter()
                .zip(&q)
                .filter(|(_, q)| **q > 0.0)
                .map(|(&x, q)| f64::from(x).powi(2) * (1.0 / q - 1.0))
                .sum();
            let largest: f64 =
                n as f64 * tau * tau + group.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            // Var(E) <= mean * largest for a variable in [0, largest].
            let allowed = deviation(comparisons, t as f64, closed * largest, largest);
            let error = (square[g] - t as f64 * closed).abs();
            assert!(
                error <= allowed + 1e-5 * t as f64 * largest,
                "variance of {p}, group {g}: {error}"
            );
            // And the bound says something: it is a small part of the variance itself.
            if closed > 0.1 * largest && t >= 20_000 {
                assert!(allowed < 0.3 * t as f64 * closed, "{p}, group {g}: {allowed}");
            }
        }
    }
}

/// Two draws without replacement: the frequency of every pair, hence of every entry; unbiasedness; the variance, and that it
/// is no less than the exact estimate's.
#[test]
fn pairs_mean_and_variance_of_two_draws() {
    const GROUPS: usize = 12;
    let t = by_effort(60_000, 2_000);
    let tf = t as f64;
    let patterns: Vec<Pattern> = Pattern::ALL.iter().copied().filter(|p| p.n() == 2).collect();
    for &p in &patterns {
        let m = p.m();
        let groups = groups(p, GROUPS);
        let row = groups.concat();
        let out = draws_of(Method::MvueApprox(Rng::new(0xC0FFEE, m as u64)), p, &row, t);
        let mut pairs = vec![0u32; GROUPS * m * m];
        let mut sum = vec![0.0f64; GROUPS * m];
        let mut square = [0.0f64; GROUPS];
        for_each_group(&out, |_, g, values, index| {
            pairs[(g * m + index[0]) * m + index[1]] += 1;
            let mut error: f64 = groups[g].iter().map(|&x| f64::from(x).powi(2)).sum();
            for (&i, &value) in index.iter().zip(values) {
                let (x, value) = (f64::from(groups[g][i]), f64::from(value));
                error += (value - x).powi(2) - x * x;
                sum[g * m + i] += value;
            }
            square[g] += error;
        });
        let comparisons = GROUPS * (m * m + m + 1) * patterns.len();
        for (g, group) in groups.iter().enumerate() {
            let few = group.iter().filter(|&&x| x != 0.0).count() <= 2;
            let a: Vec<f64> = group.iter().map(|&x| f64::from(x).abs()).collect();
            let others = |i: usize| (0..m).filter(|&j| j != i).map(|j| a[j]).sum::<f64>();
            let total: f64 = a.iter().sum();
            for i in (0..m).filter(|_| !few) {
                for j in i + 1..m {
                    let probability =
                        a[i] / total * a[j] / others(i) + a[j] / total * a[i] / others(j);
                    let seen = f64::from(pairs[(g * m + i) * m + j]);
                    let allowed =
                        deviation(comparisons, tf, probability * (1.0 - probability), 1.0);
                    let error = (seen - tf * probability).abs();
                    let what = format!("{p}, group {g} {group:?}, {i} and {j}");
                    assert!(
                        error <= allowed + 1e-6 * tf,
                        "{what}: {seen}, off by {error}, {allowed}"
                    );
                    assert!(probability > 0.0 || seen == 0.0, "{what}: {seen}");
                }
            }
            let (mut closed, mut largest) = (0.0, 0.0f64);
            let mut energy = 0.0;
            for (i, &x) in group.iter().enumerate() {
                let x = f64::from(x);
                let q = if few { 1.0 } else { common::chance(group, i) };
                let size = if x == 0.0 { 0.0 } else { x.abs() / q };
                let allowed =
                    deviation(comparisons, tf, size * size * q * (1.0 - q).max(0.0), size);
                let error = (sum[g * m + i] - tf * x).abs();
                let what = format!("mean of {p}, group {g}, slot {i}");
                assert!(error <= allowed + 1e-5 * tf * size, "{what}: off by {error}, {allowed}");
                closed += x.abs() * (size - x.abs());
                largest = largest.max(size * size);
                energy += x * x;
            }
            // The squared error of a group: all of it lost, and two entries come out as large as they can.
            let largest = energy + 2.0 * largest;
            let allowed = deviation(comparisons, tf, closed * largest, largest);
            let error = (square[g] - tf * closed).abs();
            let what = format!("variance of {p}, group {g}");
            assert!(error <= allowed + 1e-5 * tf * largest, "{what}: off by {error}, {allowed}");
            // By the closed forms, so for every group; and twice as much is the limit.
            let (exact, _) = inclusion(&magnitudes(group), 2);
            let least: f64 =
                (0..m).filter(|&i| a[i] > 0.0).map(|i| a[i] * a[i] * (1.0 / exact[i] - 1.0)).sum();
            assert!(closed >= least * (1.0 - 1e-12), "{what}: {closed} below {least}");
            assert!(closed <= 2.0 * least * (1.0 + 1e-12), "{what}: {closed} above twice {least}");
        }
    }
}

/// No other estimator with N kept has less variance: the uniform choice, scaled, has more.
#[test]
fn variance_is_below_that_of_the_uniform_choice() {
    let t = by_effort(1_000, 300);
    for &p in Pattern::ALL {
        let mut data = Data::new(5);
        let row = data.matrix(0, 64 * p.m());
        let out = draws(p, &row, t, Rng::new(1, 1));
        let mut got = 0.0f64;
        for_each_group(&out, |_, g, values, index| {
            for (&i, &value) in index.iter().zip(values) {
                let x = f64::from(row[g * p.m() + i]);
                got += (f64::from(value) - x).powi(2) - x * x;
            }
        });
        let energy: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
        let got = got / t as f64 + energy;
        // Kept with probability n/m and scaled by m/n: x^2 (m/n - 1) each.
        let uniform = energy * (p.m() as f64 / p.n() as f64 - 1.0);
        assert!(got < 0.9 * uniform, "{p}: {got} of {uniform}");
    }
}

/// A row of fair coins: groups [1, 1] of 1:2, index 0 or 1 with probability 1/2.
fn coins(rows: usize, cols: usize, rng: Rng) -> Vec<Vec<bool>> {
    let out = draws(Pattern::N1M2, &vec![1.0; 2 * cols], rows, rng);
    let bytes = cols.div_ceil(8);
    (0..rows)
        .map(|i| (0..cols).map(|g| out.meta()[i * bytes + g / 8] >> (g % 8) & 1 == 1).collect())
        .collect()
}

/// How far the number of agreements of two sequences of fair coins is from a half, in standard
/// deviations.
fn agreement<'a>(pairs: impl Iterator<Item = (&'a bool, &'a bool)>) -> f64 {
    let (mut agree, mut count) = (0u64, 0u64);
    for (x, y) in pairs {
        agree += u64::from(x == y);
        count += 1;
    }
    (agree as f64 - count as f64 / 2.0).abs() / (count as f64 / 4.0).sqrt()
}

#[test]
fn coins_are_fair_and_groups_independent() {
    const COLS: usize = 512;
    let rows = by_effort(2_000, 300);
    let coins = coins(rows, COLS, Rng::new(11, 12));
    // Distances that a lane, a draw (16, 32, 48), a vector or a call may confuse.
    let distances: Vec<usize> =
        (1..=70).chain([96, 112, 127, 128, 192, 255, 256, 257, 320, 384, 448]).collect();
    let z = bound(2 * COLS + distances.len());
    for g in 0..COLS {
        let heads = coins.iter().filter(|row| row[g]).count() as f64;
        let off = (heads - rows as f64 / 2.0).abs() / (rows as f64 / 4.0).sqrt();
        assert!(off < z, "group {g}: {off} standard deviations");
    }
    for d in distances {
        let off = agreement(coins.iter().flat_map(|row| row.iter().zip(&row[d..])));
        assert!(off < z, "groups {d} apart: {off} standard deviations");
    }
}

#[test]
fn rows_a_power_of_two_apart_are_independent() {
    const COLS: usize = 4096;
    let z = bound(64 * 10);
    for first in [0u64, 1, 77, 12_345] {
        let base = coins(1, COLS, Rng::new(3, 4).at(first, 0));
        for k in 0..31 {
            let other = coins(1, COLS, Rng::new(3, 4).at(first + (1 << k), 0));
            let off = agreement(base[0].iter().zip(&other[0]));
            assert!(off < z, "rows {first} and 2^{k} further: {off} standard deviations");
        }
    }
    // And groups a power of two apart: groups 64 further have a counter of their own.
    for k in 6..31 {
        let base = coins(1, COLS, Rng::new(3, 4));
        let other = coins(1, COLS, Rng::new(3, 4).at(0, 2u64 << k));
        // From COLS on the two ranges are disjoint; below, one is the other shifted.
        let shift = 1usize << k;
        if shift < COLS {
            assert_eq!(base[0][shift..], other[0][..COLS - shift], "2^{k}");
        }
        let off = agreement(base[0].iter().zip(&other[0]));
        assert!(off < z, "groups 2^{k} apart: {off} standard deviations");
    }
}

#[test]
fn streams_and_seeds_are_independent() {
    const COLS: usize = 8192;
    let base = coins(1, COLS, Rng::new(0, 0));
    let z = bound(300);
    let mut seen = vec![base[0].clone()];
    for k in 0..64 {
        for rng in [Rng::new(1 << k, 0), Rng::new(0, 1 << k)] {
            let other = coins(1, COLS, rng).remove(0);
            let off = agreement(base[0].iter().zip(&other));
            assert!(off < z, "{rng:?}: {off} standard deviations");
            assert!(!seen.contains(&other), "{rng:?} repeats another");
            seen.push(other);
        }
    }
    // A stream is not a seed, nor a row: single steps of each.
    for rng in [Rng::new(1, 0), Rng::new(0, 1), Rng::new(0, 0).at(1, 0), Rng::new(1, 1)] {
        let other = coins(1, COLS, rng).remove(0);
        let off = agreement(base[0].iter().zip(&other));
        assert!(off < z, "{rng:?}: {off} standard deviations");
    }
}

/// Chi-square over the joint outcome of neighbouring groups of 1:4 with equal entries: 16 cells.
#[test]
fn joint_outcomes_of_neighbouring_groups() {
    const GROUPS: usize = 130;
    let t = by_effort(4_000, 800);
    let p = Pattern::N1M4;
    let out = draws(p, &vec![1.0; GROUPS * 4], t, Rng::new(21, 22));
    let mut index = vec![vec![0u8; GROUPS]; t];
    for_each_group(&out, |i, g, _, at| index[i][g] = at[0] as u8);
    let distances = [1, 2, 8, 15, 16, 17, 32, 48, 64, 65];
    for d in distances {
        let mut cells = [0u64; 16];
        for row in &index {
            for g in 0..GROUPS - d {
                cells[usize::from(row[g] * 4 + row[g + d])] += 1;
            }
        }
        let (chi, limit) = chi_square(&cells, distances.len());
        assert!(chi < limit, "groups {d} apart: chi-square {chi}, limit {limit}");
    }
}

/// Chi-square over the joint outcome of the same groups of 1:4 with equal entries, in rows 2^k apart, in
/// streams and in seeds that differ in one bit: 16 cells a pair, from several starting points.
#[test]
fn joint_outcomes_of_rows_streams_and_seeds() {
    const GROUPS: usize = 8192;
    let p = Pattern::N1M4;
    let row = vec![1.0; GROUPS * 4];
    let indices = |rng: Rng| {
        let mut index = vec![0u8; GROUPS];
        for_each_group(&draws(p, &row, 1, rng), |_, g, _, at| index[g] = at[0] as u8);
        index
    };
    let starts = [
        Rng::new(0, 0),
        Rng::new(1, 1).at(1, 0),
        Rng::new(0xDEAD_BEEF_0123_4567, 0x89AB_CDEF).at(12_345, 4096),
        Rng::new(u64::MAX, u64::MAX).at(77, 64),
    ];
    let starts = &starts[..by_effort(4, 1)];
    let mut pairs: Vec<(Rng, Rng)> = Vec::new();
    for &rng in starts {
        pairs.extend((0..30).map(|k| (rng, Rng { row0: rng.row0 + (1 << k), ..rng })));
        pairs.extend((0..64).map(|k| (rng, Rng { stream: rng.stream ^ (1 << k), ..rng })));
        pairs.extend((0..64).map(|k| (rng, Rng { seed: rng.seed ^ (1 << k), ..rng })));
        // A step of the one is not a step of the other.
        pairs.push((Rng { seed: rng.seed ^ 1, ..rng }, Rng { stream: rng.stream ^ 1, ..rng }));
        pairs.push((Rng { row0: rng.row0 + 1, ..rng }, Rng { stream: rng.stream ^ 1, ..rng }));
    }
    let mut sum = 0.0;
    for &(one, other) in &pairs {
        let mut cells = [0u64; 16];
        for (x, y) in indices(one).into_iter().zip(indices(other)) {
            cells[usize::from(x * 4 + y)] += 1;
        }
        let (chi, limit) = chi_square(&cells, pairs.len());
        assert!(chi < limit, "{one:?} and {other:?}: chi-square {chi}, limit {limit}");
        sum += chi;
    }
    // All pairs of a starting point share its row, so their statistics are not quite independent; the mean
    // must be near 15 all the same: neither dependence nor too much evenness, in many small amounts.
    let mean = sum / pairs.len() as f64;
    let deviation = (30.0 / pairs.len() as f64).sqrt();
    println!("{} pairs, mean chi-square {mean:.2} of 15", pairs.len());
    assert!((mean - 15.0).abs() < 6.0 * deviation, "mean chi-square {mean}, expected 15");
}
