//! What is said and done of whole tensors: threshold pruning, the lognormal model, the criterion. Against
//! the oracle (`tests/oracle/tensor.py`, vectors of `tests/oracle/make_tensor.py`), on every level, from every storage, with
//! and without threads; and what the draws must be like.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::statistics::{bound, deviation};
use common::vectors::{Matrix, Reader};
use common::{Data, Dense, ORDERS, Order, by_effort, levels, numbers, same_bits};
use spnm::{
    Error, Isa, LogNormal, MatMut, MatRef, Method, Options, Pattern, Pool, Rng, analyse,
    lognormal_fit, prune, prune_threshold, prune_threshold_in_place, recommend,
    threshold_for_sparsity,
};

static VECTORS: &[u8] = include_bytes!("oracle/tensor.bin");

struct Pruning {
    a: usize,
    alpha: f32,
    rng: Rng,
    out: Vec<f32>,
}

struct Fit {
    a: usize,
    numbers: [f64; 5],
}

struct Case {
    a: usize,
    pattern: Pattern,
    numbers: [f64; 8],
}

struct Vectors {
    matrices: Vec<Matrix>,
    prunings: Vec<Pruning>,
    fits: Vec<Fit>,
    cases: Vec<Case>,
}

fn vectors() -> Vectors {
    let mut file = Reader::new(VECTORS, b"SPNMTEN1");
    let matrices = file.matrices();
    let prunings = (0..file.u32())
        .map(|_| {
            let (a, alpha) = (file.u32() as usize, file.f32());
            let rng = file.rng();
            let out = file.floats(matrices[a].data.len());
            Pruning { a, alpha, rng, out }
        })
        .collect();
    let mut fits: Vec<Fit> =
        (0..file.u32()).map(|_| Fit { a: file.u32() as usize, numbers: [0.0; 5] }).collect();
    let mut cases: Vec<Case> = (0..file.u32())
        .map(|_| {
            let a = file.u32() as usize;
            let pattern = Pattern::new(file.u32(), file.u32()).expect("a pattern");
            let pattern = pattern.grouped(file.u32()).expect("a group of rows");
            Case { a, pattern, numbers: [0.0; 8] }
        })
        .collect();
    for fit in &mut fits {
        fit.numbers = fit.numbers.map(|_| file.f64());
    }
    for case in &mut cases {
        case.numbers = case.numbers.map(|_| file.f64());
    }
    file.end();
    Vectors { matrices, prunings, fits, cases }
}

impl Matrix {
    fn dense(&self, order: Order, slack: usize) -> Dense {
        Dense::new(&self.data, self.rows, self.cols, order, slack)
    }
}

/// Every level with every storage, alone and with threads.
fn places(pool: &Pool) -> impl Iterator<Item = (Options<'_>, Order, String)> {
    levels().into_iter().flat_map(move |isa| {
        ORDERS.into_iter().flat_map(move |order| {
            [None, Some(pool)].into_iter().map(move |pool| {
                let what = format!("{isa:?} {order:?} {}", pool.map_or(1, Pool::threads));
                let options = Options::new().isa(isa);
                (pool.map_or(options, |pool| options.pool(pool)), order, what)
            })
        })
    })
}

#[track_caller]
fn close(got: f64, want: f64, what: &str) {
    let same = got == want || got.is_nan() && want.is_nan();
    assert!(same || (got - want).abs() <= 1e-11 * want.abs() + 1e-13, "{what}: {got} for {want}");
}

#[test]
fn threshold_pruning_equals_the_oracle() {
    let vectors = vectors();
    let pool = Pool::new(3).expect("a small pool");
    for (options, order, what) in places(&pool) {
        for (number, case) in vectors.prunings.iter().enumerate() {
            let Pruning { alpha, rng, .. } = *case;
            let a = &vectors.matrices[case.a];
            let what = format!("{what}, pruning {number}, alpha {alpha}");
            let source = a.dense(order, number % 3);
            // Into another storage, then in place.
            let other = ORDERS[(number + 1) % 3];
            let mut out = Dense::new(&vec![0.0; a.data.len()], a.rows, a.cols, other, 2);
            prune_threshold(&options, rng, alpha, source.view(), out.view_mut()).expect("prune");
            assert!(same_bits(&out.data(), &case.out), "{what}");
            assert!(out.slack_is_untouched(), "{what}");
            let mut place = source;
            prune_threshold_in_place(&options, rng, alpha, place.view_mut()).expect("in place");
            assert!(same_bits(&place.data(), &case.out), "in place: {what}");
            assert!(place.slack_is_untouched(), "in place: {what}");
        }
    }
}

#[test]
fn a_shard_is_pruned_as_the_whole_is() {
    let (rows, cols) = (70, 300);
    let data = Data::new(3).bells(rows * cols);
    let rng = Rng::new(5, 6).at(1, 2);
    let options = Options::new();
    let mut whole = Dense::new(&data, rows, cols, Order::Rows, 0);
    prune_threshold_in_place(&options, rng, 1.5, whole.view_mut()).expect("whole");
    for (row, col) in [(0, 63), (1, 1), (65, 130), (33, 299)] {
        for order in ORDERS {
            let source = Dense::new(&data, rows, cols, order, 1);
            let part = source.view().part(row..rows, col..cols);
            let mut out = vec![0.0; (rows - row) * (cols - col)];
            let to = MatMut::row_major(&mut out, rows - row, cols - col).expect("a view");
            let at = Rng { row0: 1 + row as u64, col0: 2 + col as u64, ..rng };
            prune_threshold(&options, at, 1.5, part, to).expect("shard");
            let want = Dense { strides: whole.strides, ..whole.clone() };
            let want: Vec<f32> = (row..rows)
                .flat_map(|i| (col..cols).map(move |j| (i, j)))
                .map(|(i, j)| want.buffer[want.at(i, j)])
                .collect();
            assert!(same_bits(&out, &want), "{row} {col} {order:?}");
        }
    }
}

#[test]
fn the_sums_are_the_oracles_and_the_same_bits_everywhere() {
    let vectors = vectors();
    let pool = Pool::new(3).expect("a small pool");
    let reference = Options::new().isa(Isa::Reference);
    let by_rows: Vec<Dense> = vectors.matrices.iter().map(|a| a.dense(Order::Rows, 0)).collect();
    let mut solved = 0;
    for fit in &vectors.fits {
        let got = lognormal_fit(&reference, by_rows[fit.a].view()).expect("fit");
        let [mu, sigma, zeros, sparsity, alpha] = fit.numbers;
        for (got, want) in [(got.mu, mu), (got.sigma, sigma), (got.zeros, zeros)] {
            close(got, want, &format!("fit of matrix {}", fit.a));
        }
        if !alpha.is_nan() {
            solved += 1;
            let got = f64::from(threshold_for_sparsity(&got, sparsity).expect("a threshold"));
            assert!((got - alpha).abs() <= 1e-7 * alpha, "matrix {}: {got} {alpha}", fit.a);
        }
    }
    assert!(solved >= 3, "too few thresholds were compared: {solved}");
    let of = |case: &Case, options: &Options<'_>, a: &Dense| {
        numbers(&analyse(options, case.pattern, a.view()).expect("analyse"))
    };
    let want: Vec<[f64; 8]> =
        vectors.cases.iter().map(|case| of(case, &reference, &by_rows[case.a])).collect();
    for (case, got) in vectors.cases.iter().zip(&want) {
        let Case { a, pattern, .. } = *case;
        for (place, (&got, want)) in got.iter().zip(case.numbers).enumerate() {
            close(got, want, &format!("number {place} of matrix {a}, {pattern}"));
        }
    }
    // A step that meets every pattern and every group.
    let step = by_effort(1, 7);
    for (options, order, what) in places(&pool) {
        let matrices: Vec<Dense> = vectors.matrices.iter().map(|a| a.dense(order, 1)).collect();
        for fit in &vectors.fits {
            let bits = |fit: LogNormal| [fit.mu, fit.sigma, fit.zeros].map(f64::to_bits);
            let want = lognormal_fit(&reference, by_rows[fit.a].view()).expect("fit");
            let got = lognormal_fit(&options, matrices[fit.a].view()).expect("fit");
            assert_eq!(bits(got), bits(want), "{what}");
        }
        for (case, want) in vectors.cases.iter().zip(&want).step_by(step) {
            let got = of(case, &options, &matrices[case.a]);
            assert_eq!(got.map(f64::to_bits), want.map(f64::to_bits), "{what} {}", case.pattern);
        }
    }
}

#[test]
fn large_sums_are_the_same_bits_with_any_threads() {
    // Several chunks of tiles, down and across.
    let (rows, cols) = (by_effort(700, 130), 4500);
    let data = Data::new(11).bells(rows * cols);
    let a = Dense::new(&data, rows, cols, Order::Rows, 0);
    let t = Dense::new(&data, rows, cols, Order::Cols, 0);
    let pool = Pool::new(4).expect("a small pool");
    let alone = Options::new();
    let shared = alone.pool(&pool);
    let p = Pattern::N2M8.grouped(3).expect("a group of rows");
    let want = numbers(&analyse(&alone, p, a.view()).expect("analyse"));
    for (options, a) in [(&shared, &a), (&alone, &t), (&shared, &t)] {
        let got = numbers(&analyse(options, p, a.view()).expect("analyse"));
        assert_eq!(got.map(f64::to_bits), want.map(f64::to_bits));
        let fit = lognormal_fit(options, a.view()).expect("fit");
        assert_eq!(fit, lognormal_fit(&alone, t.view()).expect("fit"));
    }
}

#[test]
fn threshold_pruning_is_unbiased_and_keeps_in_proportion() {
    let trials = by_effort(40_000, 4_000);
    let x = [0.0, 1e-4, 0.02, -0.25, 0.5, -0.9, 0.999, 1.0, -3.0, 1e20];
    let data: Vec<f32> = (0..trials).flat_map(|_| x).collect();
    let mut a = Dense::new(&data, trials, x.len(), Order::Rows, 0);
    prune_threshold_in_place(&Options::new(), Rng::new(8, 9), 1.0, a.view_mut()).expect("prune");
    for (j, &x) in x.iter().enumerate() {
        let column: Vec<f32> = (0..trials).map(|i| a.buffer[a.at(i, j)]).collect();
        if x.abs() >= 1.0 {
            assert!(column.iter().all(|&y| y == x), "{x} is not below the threshold");
            continue;
        }
        assert!(column.iter().all(|&y| y == 0.0 || y == 1f32.copysign(x)), "{x}");
        let (p, t) = (f64::from(x.abs()), trials as f64);
        let allowed = deviation(10, t, p * (1.0 - p), 1.0);
        let kept = column.iter().filter(|&&y| y != 0.0).count() as f64;
        assert!((kept - t * p).abs() <= allowed, "{x}: kept {kept} of {t}");
        // The mean of sign(x) alpha over as many is x.
        let mean = column.iter().map(|&y| f64::from(y)).sum::<f64>() / t;
        assert!((mean - f64::from(x)).abs() <= allowed / t + 1e-9, "{x}: mean {mean}");
        // And their mean squared error |x| (alpha - |x|): one keeping more or less changes it by at most alpha^2.
        let error = |&y: &f32| (f64::from(y) - f64::from(x)).powi(2);
        let mean = column.iter().map(error).sum::<f64>() / t;
        assert!((mean - p * (1.0 - p)).abs() <= allowed / t + 1e-9, "{x}: squared error {mean}");
    }
}

/// The criterion says what pruning does: the greedy choice's error and cosine, which blocks have an entry that is kept as it
/// is, and the mean squared error of the random methods over many streams.
#[test]
fn the_criterion_says_what_pruning_does() {
    let (rows, cols) = (25, 110);
    let draws = by_effort(400, 40);
    let options = Options::new();
    let mut comparisons = 0;
    for (number, &p) in Pattern::ALL.iter().enumerate() {
        for group in [1, 2, 7] {
            let p = p.grouped(group).expect("a group of rows");
            // Normal numbers, and such with many zeros.
            let data = Data::new(40 + number as u64).matrix(2 * (number % 2), rows * cols);
            let a = MatRef::row_major(&data, rows, cols).expect("a view");
            let analysis = analyse(&options, p, a).expect("analyse");
            let pruned = |method| {
                let mut out = vec![0.0; data.len()];
                let to = MatMut::row_major(&mut out, rows, cols).expect("a view");
                prune(&options, method, p, a, to).expect("prune");
                out
            };
            let error = |out: &[f32]| -> f64 {
                data.iter().zip(out).map(|(&x, &y)| (f64::from(y) - f64::from(x)).powi(2)).sum()
            };
            let product = |x: &[f32], y: &[f32]| -> f64 {
                x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
            };
            // But for the norms' rounding to binary32, where there are any.
            let near = |got: f64, want: f64| (got - want).abs() <= 1e-6 * want;
            let out = pruned(Method::Magnitude);
            assert!(near(analysis.greedy_mse, error(&out)), "{p}: {analysis:?}");
            let cosine =
                product(&data, &out) / (product(&data, &data) * product(&out, &out)).sqrt();
            assert!(near(analysis.greedy_cosine, cosine), "{p}: {analysis:?}, cosine {cosine}");

            let out = pruned(Method::Mvue(Rng::new(5, 5)));
            let blocks = rows.div_ceil(p.group()) * p.groups(cols);
            let as_it_is = |block: usize| {
                let (top, left) =
                    (block / p.groups(cols) * p.group(), block % p.groups(cols) * p.m());
                let entries = (top..rows.min(top + p.group()))
                    .flat_map(|i| (left..cols.min(left + p.m())).map(move |j| i * cols + j));
                entries.into_iter().any(|e| data[e] != 0.0 && data[e] == out[e])
            };
            let above = (0..blocks).filter(|&block| as_it_is(block)).count();
            close(analysis.above_water_level, above as f64 / blocks as f64, &format!("{p}, above"));

            let check = |what: &str, method: &dyn Fn(Rng) -> Method, variance: f64| {
                let errors: Vec<f64> =
                    (0..draws).map(|d| error(&pruned(method(Rng::new(77, d as u64))))).collect();
                let mean = errors.iter().sum::<f64>() / draws as f64;
                let spread = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
                let deviation = (spread / (draws * (draws - 1)) as f64).sqrt();
                let off = (mean - variance).abs();
                assert!(off <= 6.0 * deviation + 1e-6 * variance, "{what} {p}: {mean} {variance}");
                assert!(deviation < 0.1 * variance, "{what} {p}: nothing can be told");
            };
            check("mvue", &Method::Mvue, analysis.mvue_variance);
            comparisons += 1;
            if p.n() == 2 && group == 1 {
                check("two draws", &Method::MvueApprox, analysis.mvue_approx_variance);
                comparisons += 1;
            }
        }
    }
    println!("{comparisons} variances, {draws} draws each");
}

#[test]
fn draws_of_entries_are_independent_of_each_other_and_of_mvue() {
    // What half of the entries do, and which of two equal entries MVUE keeps: signs that must not correlate.
    let (rows, cols) = (by_effort(256, 128), 512);
    let rng = Rng::new(21, 22);
    let options = Options::new();
    let mut out = vec![0.5; rows * cols];
    let to = MatMut::row_major(&mut out, rows, cols).expect("a view");
    prune_threshold_in_place(&options, rng, 1.0, to).expect("threshold");
    let kept: Vec<f64> = out.iter().map(|&y| if y == 0.0 { -1.0 } else { 1.0 }).collect();
    let mut out = vec![1.0; rows * cols];
    let ones = vec![1.0; rows * cols];
    let (a, to) = (MatRef::row_major(&ones, rows, cols), MatMut::row_major(&mut out, rows, cols));
    let (a, to) = (a.expect("a view"), to.expect("a view"));
    prune(&options, Method::Mvue(rng), Pattern::N1M2, a, to).expect("mvue");
    // One sign for each group, from its first entry.
    let first: Vec<f64> =
        out.iter().step_by(2).map(|&y| if y == 0.0 { -1.0 } else { 1.0 }).collect();
    let correlate = |what: &str, pairs: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut count) = (0.0, 0.0f64);
        for product in pairs {
            sum += product;
            count += 1.0;
        }
        assert!(sum.abs() / count.sqrt() < bound(300), "{what}: {sum} over {count}");
    };
    correlate("mean", &mut kept.iter().copied());
    for lag in (1..130).chain([cols, 2 * cols, cols + 1, 64 * cols]) {
        correlate("lag", &mut kept.iter().zip(&kept[lag..]).map(|(x, y)| x * y));
    }
    // Group g of a row beside entry g, and beside its own entries.
    let group = |e: usize| first[e / cols * (cols / 2) + e % cols];
    let here = (0..rows * cols).filter(|e| e % cols < cols / 2);
    correlate("same number", &mut here.map(|e| kept[e] * group(e)));
    for j in 0..2 {
        correlate("same place", &mut first.iter().enumerate().map(|(g, f)| f * kept[2 * g + j]));
    }
}

/// exp(sigma N) with signs, a share of them zero.
fn lognormal(data: &mut Data, len: usize, sigma: f32, zeros: f32) -> Vec<f32> {
    (0..len)
        .map(|_| {
            let x = (sigma * data.normal() - 7.0).exp();
            let x = if data.word() & 1 == 0 { x } else { -x };
            if data.uniform() < zeros { 0.0 } else { x }
        })
        .collect()
}

#[test]
fn lognormal_data_reach_the_sparsity_asked_for() {
    let mut data = Data::new(31);
    let (rows, cols) = (500, 600);
    let options = Options::new();
    for sigma in [0.3, 1.0, 2.0, 4.0] {
        for zeros in [0.0, 0.4] {
            let mut a = lognormal(&mut data, rows * cols, sigma, zeros);
            let fit = lognormal_fit(&options, MatRef::row_major(&a, rows, cols).expect("a view"))
                .expect("fit");
            let near = |got: f64, want: f64| (got - want).abs() < 0.01 * f64::from(sigma);
            assert!(near(fit.mu, -7.0) && near(fit.sigma, sigma.into()), "{fit:?}");
            for sparsity in [0.5, 0.85, 0.95] {
                let alpha = threshold_for_sparsity(&fit, sparsity).expect("a threshold");
                let mut out = a.clone();
                let to = MatMut::row_major(&mut out, rows, cols).expect("a view");
                prune_threshold_in_place(&options, Rng::new(1, 2), alpha, to).expect("prune");
                let share = out.iter().filter(|&&x| x == 0.0).count() as f64 / out.len() as f64;
                assert!((share - sparsity).abs() < 0.005, "{sigma} {zeros} {sparsity}: {share}");
            }
            // NaN and infinity are left out, and stay.
            (a[5], a[77]) = (f32::NAN, f32::NEG_INFINITY);
            let again = lognormal_fit(&options, MatRef::row_major(&a, rows, cols).expect("a view"))
                .expect("fit");
            assert!((again.mu - fit.mu).abs() < 1e-3 && again.mu != fit.mu, "{again:?}");
        }
    }
}

#[test]
fn corners_of_the_lognormal_model() {
    let options = Options::new();
    let fit = |data: &[f32]| {
        lognormal_fit(&options, MatRef::row_major(data, 1, data.len()).expect("a view"))
            .expect("fit")
    };
    assert_eq!(fit(&[]), LogNormal { mu: 0.0, sigma: 0.0, zeros: 0.0 });
    assert_eq!(fit(&[0.0, -0.0]), LogNormal { mu: 0.0, sigma: 0.0, zeros: 1.0 });
    assert_eq!(fit(&[f32::NAN, 0.0]), LogNormal { mu: 0.0, sigma: 0.0, zeros: 0.5 });
    let subnormal = fit(&[f32::from_bits(1)]);
    assert!((subnormal.mu + 149.0 * std::f64::consts::LN_2).abs() < 1e-13, "{subnormal:?}");
    // Equal magnitudes c: at c / (1 - S) each is dropped with probability S.
    let equal = LogNormal { mu: 0.0, sigma: 0.0, zeros: 0.0 };
    assert_eq!(threshold_for_sparsity(&equal, 0.75), Ok(4.0));
    // Zeros that suffice: nothing need be pruned.
    let half = LogNormal { zeros: 0.5, ..equal };
    assert_eq!(threshold_for_sparsity(&half, 0.5), Ok(0.0));
    assert_eq!(threshold_for_sparsity(&half, 0.75), Ok(2.0));
    let wide = LogNormal { mu: 80.0, sigma: 9.0, zeros: 0.0 };
    assert_eq!(threshold_for_sparsity(&wide, 0.999), Ok(f32::MAX));
    // Deviations that no matrix of f32s has, but a caller may write down.
    for sigma in [1e-320, 1e100, 1e160, 1e307, f64::MAX] {
        for mu in [-1e308, 0.0, 1e308] {
            let fit = LogNormal { mu, sigma, zeros: 0.0 };
            let alphas = [0.1, 0.9].map(|s| threshold_for_sparsity(&fit, s).expect("a threshold"));
            assert!(0.0 <= alphas[0] && alphas[0] <= alphas[1], "{fit:?}: {alphas:?}");
        }
        let fit = LogNormal { mu: 0.0, sigma, zeros: 0.0 };
        let alphas = [0.1, 0.9].map(|s| threshold_for_sparsity(&fit, s).expect("a threshold"));
        assert!(sigma < 1.0 || alphas == [0.0, f32::MAX], "{fit:?}: {alphas:?}");
    }
}

#[test]
fn recommendations() {
    let options = Options::new();
    let (rows, cols) = (32, 64);
    let view = |data: &'static [f32]| MatRef::row_major(data, rows, cols).expect("a view");
    let leak = |data: Vec<f32>| view(data.leak());
    let a = leak(Data::new(5).bells(rows * cols));
    let variance = |p| analyse(&options, p, a).expect("analyse").relative_variance();
    // Every limit gives the sparsest that meets it, and of equals the best.
    for limit in [0.0, 0.05, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0, 20.0, f64::INFINITY] {
        let got = recommend(&options, 1, a, limit).expect("recommend");
        let kept = |p: Pattern| 16 * p.n() / p.m();
        let want = Pattern::ALL
            .iter()
            .copied()
            .filter(|&p| variance(p) <= limit)
            .min_by(|&p, &q| kept(p).cmp(&kept(q)).then(variance(p).total_cmp(&variance(q))));
        assert_eq!(got, want, "limit {limit}");
    }
    assert_eq!(recommend(&options, 1, a, 0.0), Ok(None));
    // Already sparse: nothing to lose. And what is not finite is left alone.
    let one = leak((0..rows * cols).map(|e| if e % 16 == 3 { 1.5 } else { 0.0 }).collect());
    assert_eq!(recommend(&options, 1, one, 0.0), Ok(Some(Pattern::N1M16)));
    // Of equals the first on the list: 1:8 and 2:16 both lose nothing of one in eight.
    let eighth = leak((0..rows * cols).map(|e| if e % 8 == 3 { 1.5 } else { 0.0 }).collect());
    assert_eq!(recommend(&options, 1, eighth, 0.0), Ok(Some(Pattern::N1M8)));
    let zero = leak(vec![0.0; rows * cols]);
    assert_eq!(recommend(&options, 4, zero, 0.0), Ok(Pattern::N1M16.grouped(4).ok()));
    let bad = leak((0..rows * cols).map(|e| if e == 9 { f32::NAN } else { 1.0 }).collect());
    assert_eq!(recommend(&options, 1, bad, f64::INFINITY), Ok(None));
}

#[test]
fn a_sum_that_overflows_is_known_to_poison() {
    let ones = [1.0f32; 8 * 16];
    let with = |places: &[usize]| {
        let mut data = ones;
        places.iter().for_each(|&at| data[at] = 3e38);
        data
    };
    // One such entry has a norm and a sum; two in a group of M, or in a column of a group of rows, have none.
    let cases = [
        (with(&[3]), 1, false),
        (with(&[2, 3]), 1, true),
        (with(&[3, 4]), 1, false),
        (with(&[3, 16 + 2]), 1, false),
        (with(&[3]), 4, false),
        (with(&[3, 16 + 3]), 4, true),
        (with(&[3, 16 + 2]), 4, true),
        (with(&[5 * 16 + 3, 6 * 16 + 3]), 5, true),
        (with(&[4 * 16 + 3, 6 * 16 + 3]), 5, false),
    ];
    for isa in levels() {
        let options = Options::new().isa(isa);
        for (case, (data, group, poisoned)) in cases.iter().enumerate() {
            let pattern = Pattern::N2M4.grouped(*group).expect("a group");
            let a = MatRef::row_major(data, 8, 16).expect("a view");
            let mut out = [0.0; 8 * 16];
            let to = MatMut::row_major(&mut out, 8, 16).expect("a view");
            prune(&options, Method::Mvue(Rng::default()), pattern, a, to).expect("prune");
            assert_eq!(out.iter().any(|x| x.is_nan()), *poisoned, "{isa:?} {case}");
            let found = analyse(&options, pattern, a).expect("analyse");
            assert!(found.energy.is_finite() && found.zeros == 0.0, "{isa:?} {case} {found:?}");
            let others = [found.mvue_variance, found.greedy_mse, found.greedy_cosine];
            assert_eq!(others.map(f64::is_nan), [*poisoned; 3], "{isa:?} {case} {found:?}");
        }
        // Every pattern poisons two neighbours.
        let a = MatRef::row_major(&cases[1].0, 8, 16).expect("a view");
        assert_eq!(recommend(&options, 1, a, f64::INFINITY), Ok(None));
    }
}

#[test]
fn refusals() {
    let options = Options::new();
    let mut data = [1.0f32; 24];
    let a = |data: &[f32; 24]| {
        // SAFETY: used while the array lives.
        unsafe { MatRef::from_raw_parts(data.as_ptr(), 4, 6, 6, 1) }
    };
    for alpha in [-1.0, -1e-45, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut out = [7.0f32; 24];
        let to = MatMut::row_major(&mut out, 4, 6).expect("a view");
        let error = prune_threshold(&options, Rng::default(), alpha, a(&data), to)
            .expect_err("not a threshold");
        let bits = f64::from(alpha).to_bits();
        let expected = "finite and not negative";
        assert_eq!(error, Error::Value { argument: "alpha", bits, expected });
        assert!(error.to_string().contains(&format!("`alpha` is {}", f64::from(alpha))), "{error}");
        assert_eq!(out, [7.0; 24], "written to");
    }
    let mut prune = |rng: Rng, rows: usize, cols: usize, offset: usize| {
        let base = data.as_mut_ptr();
        // SAFETY: refused, or within the array.
        let to = unsafe { MatMut::from_raw_parts(base.add(offset), rows, cols, 6, 1) };
        // SAFETY: as above.
        let from = unsafe { MatRef::from_raw_parts(base, 2, 5, 6, 1) };
        prune_threshold(&options, rng, 0.5, from, to)
    };
    let rng = Rng::default();
    let shape = |what, got, expected| Err(Error::Shape { what, got, expected });
    assert_eq!(prune(rng, 3, 5, 0), shape("rows of `out`", 3, 2));
    assert_eq!(prune(rng, 2, 6, 0), shape("columns of `out`", 6, 5));
    assert_eq!(prune(rng, 2, 5, 1), Err(Error::Overlap { output: "out", other: "a" }));
    let far = Error::Overflow { what: "`row0` + rows", value: (1 << 31) + 1 };
    assert_eq!(prune(rng.at((1 << 31) - 1, 0), 2, 5, 0), Err(far));
    let far = Error::Overflow { what: "`col0` + columns", value: (1 << 32) + 1 };
    assert_eq!(prune(rng.at(0, (1 << 32) - 4), 2, 5, 0), Err(far));
    assert_eq!(prune(rng.at((1 << 31) - 2, (1 << 32) - 5), 2, 5, 0), Ok(()));
    assert!(data.iter().filter(|&&x| x == 1.0).count() >= 14, "more than the view was written");

    let fit = LogNormal { mu: 1.0, sigma: 2.0, zeros: 0.25 };
    for (fit, sparsity, argument) in [
        (fit, -0.1, "sparsity"),
        (fit, 1.0, "sparsity"),
        (fit, f64::NAN, "sparsity"),
        (LogNormal { mu: f64::INFINITY, ..fit }, 0.5, "fit.mu"),
        (LogNormal { sigma: -1.0, ..fit }, 0.5, "fit.sigma"),
        (LogNormal { sigma: f64::NAN, ..fit }, 0.5, "fit.sigma"),
        (LogNormal { zeros: 1.5, ..fit }, 0.5, "fit.zeros"),
    ] {
        let error = threshold_for_sparsity(&fit, sparsity).expect_err("out of range");
        assert!(matches!(error, Error::Value { argument: a, .. } if a == argument), "{error}");
    }
    let a = MatRef::row_major(&[1.0; 8], 2, 4).expect("a view");
    for rows in [0, 65, u32::MAX] {
        assert_eq!(recommend(&options, rows, a, 1.0), Err(Error::Group { rows }));
    }
    for limit in [-1e-300, f64::NAN] {
        let error = recommend(&options, 1, a, limit).expect_err("no limit");
        let is = |argument| argument == "max_relative_variance";
        assert!(matches!(error, Error::Value { argument, .. } if is(argument)), "{error}");
    }
    // SAFETY: refused before anything is read.
    let null = unsafe { MatRef::from_raw_parts(std::ptr::null(), 2, 4, 4, 1) };
    let is_null = Error::Null { argument: "a" };
    assert_eq!(analyse(&options, Pattern::N2M4, null), Err(is_null));
    assert_eq!(lognormal_fit(&options, null), Err(is_null));
    // SAFETY: as above.
    let huge = unsafe { MatRef::from_raw_parts([0.0f32; 4].as_ptr(), 1 << 31, 1, 0, 0) };
    let far = Error::Overflow { what: "rows of `a`", value: 1 << 31 };
    assert_eq!(analyse(&options, Pattern::N2M4, huge), Err(far));
}
