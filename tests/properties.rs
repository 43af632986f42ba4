//! Properties that hold for every input, on a level drawn at random for each case.
//!
//! The cases are the same in every run; `PROPTEST_RNG_SEED` asks for others, `PROPTEST_CASES` for more.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::statistics::{magnitudes, water_level};
use common::{Data, Dense, ORDERS, Order, by_effort, compressed, dense_of, index_of, naive_gemm};
use common::{levels, same_bits};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use spnm::{
    Compressed, CompressedRef, Error, Isa, MatMut, MatRef, Method, Options, Pattern, Rng, Scratch,
    compress, decompress, gemm, prune, prune_gemm, validate,
};

fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { default.cases } else { by_effort(cases as usize, 10) as u32 };
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0x5EED),
        fixed => fixed,
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
}

/// What a case is drawn from; sizes shrink, the rest is a seed.
#[derive(Clone, Copy, Debug)]
struct Case {
    p: Pattern,
    rows: usize,
    cols: usize,
    kind: usize,
    isa: Isa,
    order: Order,
    rng: Rng,
    seed: u64,
}

fn cases(kinds: std::ops::Range<usize>) -> impl Strategy<Value = Case> {
    let levels = levels();
    (
        0..Pattern::ALL.len(),
        0..40usize,
        0..300usize,
        kinds,
        0..levels.len(),
        0..3usize,
        any::<u64>(),
    )
        .prop_map(move |(p, rows, cols, kind, isa, order, seed)| {
            let p = Pattern::ALL[p];
            let mut data = Data::new(seed);
            let (row0, group0) = (u64::from(data.word() >> 2), u64::from(data.word() >> 1));
            let rng = Rng::new(seed.rotate_left(17), seed ^ 0xABCD).at(row0, group0 * p.m() as u64);
            Case { p, rows, cols, kind, isa: levels[isa], order: ORDERS[order], rng, seed }
        })
}

impl Case {
    fn data(&self) -> Vec<f32> {
        Data::new(self.seed).matrix(self.kind, self.rows * self.cols)
    }

    fn options(&self) -> Options<'static> {
        Options::new().isa(self.isa)
    }

    fn dense(&self, data: &[f32]) -> Dense {
        Dense::new(data, self.rows, self.cols, self.order, (self.seed % 3) as usize)
    }

    fn compress(&self, method: Method, data: &[f32]) -> Compressed {
        let a = self.dense(data);
        let mut out = Compressed::new(self.rows, self.cols, self.p).expect("memory");
        compress(&self.options(), method, a.view(), out.as_mut()).expect("compress");
        out
    }

    fn prune(&self, method: Method, data: &[f32]) -> Vec<f32> {
        let a = self.dense(data);
        let mut out = self.dense(&vec![9.0; data.len()]);
        prune(&self.options(), method, self.p, a.view(), out.view_mut()).expect("prune");
        out.data()
    }

    /// All but KEEP, which not every matrix will do for.
    fn methods(&self) -> Vec<Method> {
        let all = common::methods(self.p, self.rng);
        all.into_iter().filter(|&method| method != Method::Keep).collect()
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// Indices ascend, padding is zero, and every kept value is what its method says.
    #[test]
    fn values_are_what_the_method_says(case in cases(0..5)) {
        let (p, data) = (case.p, case.data());
        let (n, m) = (p.n(), p.m());
        for method in case.methods() {
            let out = case.compress(method, &data);
            prop_assert_eq!(validate(out.as_ref()), Ok(()));
            for i in 0..case.rows {
                let row = &data[i * case.cols..][..case.cols];
                let kept = &out.values()[i * p.row_values(case.cols)..];
                let meta = &out.meta()[i * p.row_meta(case.cols)..];
                for (g, short) in row.chunks(m).enumerate() {
                    let mut group = vec![0.0; m];
                    group[..short.len()].copy_from_slice(short);
                    let values = &kept[g * n..][..n];
                    let index: Vec<usize> = (0..n).map(|k| index_of(meta, g * n + k, p)).collect();
                    let sum: f64 = group.iter().map(|&x| f64::from(x).abs()).sum();
                    if sum.is_nan() || sum > f64::from(f32::MAX) {
                        prop_assert!(values.iter().all(|x| x.to_bits() == 0x7FC0_0000));
                        prop_assert_eq!(index, (0..n).collect::<Vec<_>>());
                        continue;
                    }
                    let nonzeros = group.iter().filter(|&&x| x != 0.0).count();
                    let tau = water_level(&magnitudes(&group), n);
                    for (&i, &value) in index.iter().zip(values) {
                        let x = group[i];
                        if x == 0.0 {
                            prop_assert_eq!(value.to_bits(), 0);
                            prop_assert!(nonzeros < n, "a zero kept among {} non-zeros", nonzeros);
                        } else if method == Method::Magnitude || nonzeros <= n {
                            prop_assert_eq!(value.to_bits(), x.to_bits());
                        } else if method == Method::SoftThreshold {
                            prop_assert_eq!(value.is_sign_negative(), x.is_sign_negative());
                            let outside = (0..m).filter(|j| !index.contains(j));
                            let dropped = outside.map(|j| group[j].abs()).fold(0.0, f32::max);
                            prop_assert_eq!(value.abs(), x.abs() - dropped);
                        } else if let Method::MvueApprox(_) = method {
                            prop_assert_eq!(value.is_sign_negative(), x.is_sign_negative());
                            let want = f64::from(x).abs() / common::chance(&group, i);
                            let error = (f64::from(value).abs() - want).abs();
                            prop_assert!(error <= 1e-5 * want, "{value} for {x}, not {want}");
                        } else {
                            prop_assert_eq!(value.is_sign_negative(), x.is_sign_negative());
                            let want = f64::from(x).abs().max(tau);
                            let error = (f64::from(value).abs() - want).abs();
                            prop_assert!(error <= 4e-6 * want, "{value} for {x}, tau {tau}");
                        }
                    }
                    let lost = (0..m).filter(|i| group[*i] != 0.0 && !index.contains(i));
                    prop_assert_eq!(lost.count(), nonzeros.saturating_sub(n));
                    if matches!(method, Method::Magnitude | Method::SoftThreshold) {
                        let least = index.iter().map(|&i| group[i].abs()).fold(f32::MAX, f32::min);
                        for i in (0..m).filter(|i| !index.contains(i)) {
                            prop_assert!(group[i].abs() <= least);
                        }
                    }
                }
            }
        }
    }

    /// decompress(compress) = prune, and KEEP of a pruned matrix gives the same bytes back.
    #[test]
    fn forms_agree(case in cases(0..5)) {
        let data = case.data();
        for method in case.methods() {
            let out = case.compress(method, &data);
            let pruned = case.prune(method, &data);
            let want = dense_of(out.values(), out.meta(), case.rows, case.cols, case.p);
            prop_assert!(same_bits(&pruned, &want));
            let mut dense = case.dense(&vec![3.0; data.len()]);
            decompress(&case.options(), out.as_ref(), dense.view_mut()).expect("decompress");
            prop_assert!(same_bits(&dense.data(), &want));
            prop_assert!(dense.slack_is_untouched());
            // What poison put past the columns cannot come back, nor the place of an entry that shrank to nothing.
            let shrinks = method == Method::SoftThreshold;
            if (case.cols % case.p.m() == 0 || !want.iter().any(|x| x.is_nan())) && !shrinks {
                let kept = case.compress(Method::Keep, &pruned);
                prop_assert!(same_bits(kept.values(), out.values()));
                prop_assert_eq!(kept.meta(), out.meta());
            }
            if method == Method::Magnitude {
                prop_assert!(same_bits(&case.prune(method, &pruned), &pruned), "idempotent");
            }
        }
    }

    /// Scaling by a power of two scales exactly.
    #[test]
    fn powers_of_two_scale_exactly(case in cases(0..4), exponent in -40..40i32) {
        let data = case.data();
        let factor = 2f32.powi(exponent);
        for method in case.methods() {
            let plain = case.compress(method, &data);
            let scaled = case.compress(method, &common::scaled(&data, factor));
            prop_assert_eq!(plain.meta(), scaled.meta());
            prop_assert!(same_bits(&common::scaled(plain.values(), factor), scaled.values()));
        }
    }

    /// Permuting rows permutes the result of a method that draws nothing.
    #[test]
    fn permuted_rows(case in cases(0..5), key in any::<u64>()) {
        let data = case.data();
        let mut order: Vec<usize> = (0..case.rows).collect();
        let mut shuffle = Data::new(key);
        for i in (1..case.rows).rev() {
            order.swap(i, shuffle.below(i + 1));
        }
        let row = |of: &[f32], i: usize| of[i * case.cols..][..case.cols].to_vec();
        let permuted: Vec<f32> = order.iter().flat_map(|&i| row(&data, i)).collect();
        let plain = case.prune(Method::Magnitude, &data);
        let want: Vec<f32> = order.iter().flat_map(|&i| row(&plain, i)).collect();
        prop_assert!(same_bits(&case.prune(Method::Magnitude, &permuted), &want));
    }

    /// Shards that say where they lie are the whole.
    #[test]
    fn shards_are_the_whole(case in cases(0..5), cut in any::<(u16, u16)>()) {
        let (p, data) = (case.p, case.data());
        let groups = p.groups(case.cols);
        let row = usize::from(cut.0) % (case.rows + 1);
        let group = usize::from(cut.1) % (groups + 1);
        let a = case.dense(&data);
        let whole = case.compress(Method::Mvue(case.rng), &data);
        for (r, g) in [(0..row, 0..group), (0..row, group..groups), (row..case.rows, 0..group), (row..case.rows, group..groups)] {
            let c = (g.start * p.m()).min(case.cols)..(g.end * p.m()).min(case.cols);
            let rng = case.rng.at(case.rng.row0 + r.start as u64, case.rng.col0 + c.start.next_multiple_of(p.m()) as u64);
            let part = a.view().part(r.clone(), c.clone());
            let mut out = Compressed::new(r.len(), c.len(), p).expect("memory");
            compress(&case.options(), Method::Mvue(rng), part, out.as_mut()).expect("compress");
            for i in 0..r.len() {
                let (mine, all) = (p.row_values(c.len()), p.row_values(case.cols));
                let got = &out.values()[i * mine..][..mine];
                let want = &whole.values()[(r.start + i) * all + g.start * p.n()..][..mine];
                prop_assert!(same_bits(got, want));
                let got = &out.meta()[i * p.row_meta(c.len())..];
                let want = &whole.meta()[(r.start + i) * p.row_meta(case.cols)..];
                for e in 0..mine {
                    prop_assert_eq!(index_of(got, e, p), index_of(want, g.start * p.n() + e, p));
                }
            }
        }
    }

    /// NaN and infinity never vanish: not from the compressed form, not from the product.
    #[test]
    fn nothing_bad_vanishes(case in cases(0..4), at in any::<u64>(), which in 0..3usize) {
        prop_assume!(case.rows > 0 && case.cols > 0);
        let mut data = case.data();
        let at = (at % data.len() as u64) as usize;
        data[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][which];
        let (row, p) = (at / case.cols, case.p);
        let group = at % case.cols / p.m();
        for method in case.methods() {
            let out = case.compress(method, &data);
            let kept = p.row_values(case.cols);
            let poisoned = |e: usize| e / kept == row && e % kept / p.n() == group;
            for (e, x) in out.values().iter().enumerate() {
                prop_assert_eq!(x.is_nan(), poisoned(e));
            }
            let pruned = case.prune(method, &data);
            prop_assert!(pruned.iter().any(|x| x.is_nan()));

            let b = vec![1.0; case.cols * 20];
            let mut c = vec![0.0; case.rows * 20];
            let a = case.dense(&data);
            prune_gemm(
                &case.options(), &mut Scratch::new(), method, p, 1.0, a.view(),
                MatRef::row_major(&b, case.cols, 20).expect("b"), 0.0,
                MatMut::row_major(&mut c, case.rows, 20).expect("c"),
            ).expect("prune_gemm");
            for (e, x) in c.iter().enumerate() {
                prop_assert_eq!(x.is_nan(), e / 20 == row);
            }
        }
        // KEEP: as it is.
        let mut lone = vec![0.0; data.len()];
        lone[at] = data[at];
        let kept = case.compress(Method::Keep, &lone);
        prop_assert!(kept.values().iter().any(|x| x.to_bits() == data[at].to_bits()));
        prop_assert!(same_bits(&case.prune(Method::Keep, &lone), &lone));
    }
}

/// A product: its case, columns, alpha, beta.
fn product_cases() -> impl Strategy<Value = (Case, usize, f32, f32)> {
    let scalar = prop_oneof![Just(0.0f32), Just(1.0), Just(-1.0), -3.0..3.0f32];
    (cases(0..4), 0..90usize, scalar.clone(), scalar)
}

fn product(case: &Case, alpha: f32, a: &Compressed, b: &[f32], beta: f32, c: &[f32]) -> Vec<f32> {
    let cols = c.len().checked_div(case.rows).unwrap_or(0);
    let b = Dense::new(b, case.cols, cols, ORDERS[(case.seed % 3) as usize], 1);
    let mut c = Dense::new(c, case.rows, cols, ORDERS[(case.seed / 3 % 3) as usize], 2);
    let to = c.view_mut();
    gemm(&case.options(), &mut Scratch::new(), alpha, a.as_ref(), b.view(), beta, to)
        .expect("gemm");
    assert!(c.slack_is_untouched());
    c.data()
}

proptest! {
    #![proptest_config(config(300))]

    /// alpha A.B + beta C within the rounding of one chain, and the laws that hold exactly.
    #[test]
    fn alpha_and_beta((case, cols, alpha, beta) in product_cases()) {
        let p = case.p;
        let mut data = Data::new(!case.seed);
        let a = case.compress(Method::Mvue(case.rng), &case.data());
        let (b, c) = (data.matrix(0, case.cols * cols), data.matrix(0, case.rows * cols));
        let got = product(&case, alpha, &a, &b, beta, &c);
        let kept = p.row_values(case.cols);
        let dense = dense_of(a.values(), a.meta(), case.rows, case.cols, p);
        for i in 0..case.rows {
            for j in 0..cols {
                let (mut want, mut size) = (0.0f64, 0.0f64);
                for k in 0..case.cols {
                    let term = f64::from(alpha) * f64::from(dense[i * case.cols + k]) * f64::from(b[k * cols + j]);
                    want += term;
                    size += term.abs();
                }
                let start = f64::from(beta) * f64::from(c[i * cols + j]);
                want += start;
                size += start.abs();
                let bound = (kept + 3) as f64 * f64::from(f32::EPSILON) * size + 1e-40;
                let got = f64::from(got[i * cols + j]);
                prop_assert!((got - want).abs() <= bound, "{got} for {want} at ({i}, {j})");
            }
        }
        // To the bit: the definition, on this level.
        let mut want = c.clone();
        naive_gemm(alpha, &a, &b, beta, &mut want);
        prop_assert!(same_bits(&got, &want));
        // beta = 0 does not read C; powers of two in alpha scale exactly; beta = 1 is C itself.
        let nan = vec![f32::NAN; c.len()];
        let plain = product(&case, 1.0, &a, &b, 0.0, &nan);
        prop_assert!(plain.iter().all(|x| !x.is_nan()));
        let doubled = product(&case, -2.0, &a, &b, 0.0, &nan);
        let twice = common::scaled(&plain, -2.0);
        prop_assert!(doubled.iter().zip(&twice).all(|(x, y)| x == y));
        let zero = vec![0.0; c.len()];
        prop_assert!(same_bits(&product(&case, 1.0, &a, &b, 1.0, &zero), &plain));
    }

    /// The fused call is the two calls, for every alpha there is.
    #[test]
    fn fused_is_separate(
        case in cases(0..5),
        cols in 1..40usize,
        alpha in prop_oneof![Just(1.0f32), Just(-1.0), Just(0.0), Just(-0.0), Just(f32::INFINITY), Just(f32::NAN), Just(1e-30), any::<f32>()],
        beta in prop_oneof![Just(0.0f32), Just(1.0), any::<f32>()],
    ) {
        let mut data = Data::new(!case.seed);
        let source = case.data();
        let (b, mut c) = (data.matrix(0, case.cols * cols), data.matrix(0, case.rows * cols));
        for x in c.iter_mut().step_by(3) {
            *x = -0.0;
        }
        for method in case.methods() {
            let packed = case.compress(method, &source);
            let want = product(&case, alpha, &packed, &b, beta, &c);
            let mut out = c.clone();
            prune_gemm(
                &case.options(), &mut Scratch::new(), method, case.p, alpha, case.dense(&source).view(),
                MatRef::row_major(&b, case.cols, cols).expect("b"), beta,
                MatMut::row_major(&mut out, case.rows, cols).expect("c"),
            ).expect("prune_gemm");
            prop_assert!(same_bits(&out, &want));
        }
    }

    /// However a product is cut into calls by rows and columns: the same bits.
    #[test]
    fn cut_products((case, cols, alpha, beta) in product_cases(), cut in any::<(u16, u16)>()) {
        let p = case.p;
        let mut data = Data::new(!case.seed);
        let a = case.compress(Method::Mvue(case.rng), &case.data());
        let (b, c) = (data.matrix(0, case.cols * cols), data.matrix(0, case.rows * cols));
        let want = product(&case, alpha, &a, &b, beta, &c);
        let (row, col) = (usize::from(cut.0) % (case.rows + 1), usize::from(cut.1) % (cols + 1));
        let (kept, bytes) = (p.row_values(case.cols), p.row_meta(case.cols));
        let b = Dense::new(&b, case.cols, cols, Order::Rows, 0);
        let mut got = c;
        let mut scratch = Scratch::new();
        for r in [0..row, row..case.rows] {
            for j in [0..col, col..cols] {
                let part = CompressedRef::new(
                    &a.values()[r.start * kept..], &a.meta()[r.start * bytes..], r.len(), case.cols, p, kept, bytes,
                ).expect("rows of a");
                if r.is_empty() || j.is_empty() {
                    continue;
                }
                let c = MatMut::new(&mut got[r.start * cols + j.start..], r.len(), j.len(), cols as isize, 1).expect("part of c");
                let b = b.view().part(0..case.cols, j);
                gemm(&case.options(), &mut scratch, alpha, part, b, beta, c).expect("gemm");
            }
        }
        prop_assert!(same_bits(&got, &want));
    }

    /// validate finds what is malformed, and the first of it; everything else survives it with the
    /// bits of the documented meaning.
    #[test]
    fn corrupt_metadata(case in cases(0..4), flips in prop::collection::vec(any::<(u64, u8)>(), 1..4)) {
        let p = case.p;
        let good = case.compress(Method::Mvue(case.rng), &case.data());
        prop_assume!(!good.meta().is_empty());
        let mut meta = good.meta().to_vec();
        for (at, bits) in flips {
            let at = (at % meta.len() as u64) as usize;
            meta[at] ^= bits;
        }
        let (kept, bytes, groups) = (p.row_values(case.cols), p.row_meta(case.cols), p.groups(case.cols));
        let mut want = Ok(());
        'rows: for row in 0..case.rows {
            let meta = &meta[row * bytes..][..bytes];
            for group in 0..groups {
                let index = |k: usize| index_of(meta, group * p.n() + k, p) as u32;
                let width = p.index_bits();
                // A nibble of m = 8 can hold what is out of range.
                let raw = |k: usize| {
                    let bit = (group * p.n() + k) * width;
                    u32::from(meta[bit / 8] >> (bit % 8)) & ((1 << width) - 1)
                };
                let fine = (0..p.n()).all(|k| raw(k) == index(k) && (k == 0 || index(k - 1) < index(k)));
                if !fine {
                    want = Err(Error::Meta { row, group });
                    break 'rows;
                }
            }
            let used = groups * p.group_bits();
            if (used..8 * bytes).any(|bit| meta[bit / 8] >> (bit % 8) & 1 == 1) {
                want = Err(Error::Meta { row, group: groups });
                break;
            }
        }
        let view = CompressedRef::new(good.values(), &meta, case.rows, case.cols, p, kept, bytes).expect("buffers");
        prop_assert_eq!(validate(view), want);

        let mut dense = case.dense(&vec![3.0; case.rows * case.cols]);
        decompress(&case.options(), view, dense.view_mut()).expect("decompress");
        let expected = dense_of(good.values(), &meta, case.rows, case.cols, p);
        prop_assert!(same_bits(&dense.data(), &expected));
        prop_assert!(dense.slack_is_untouched());

        let b = Data::new(case.seed).matrix(0, case.cols * 17);
        let run = |isa: Isa| {
            let mut c = vec![0.0; case.rows * 17];
            gemm(
                &Options::new().isa(isa), &mut Scratch::new(), 1.0, view,
                MatRef::row_major(&b, case.cols, 17).expect("b"), 0.0,
                MatMut::row_major(&mut c, case.rows, 17).expect("c"),
            ).expect("gemm");
            c
        };
        prop_assert!(same_bits(&run(case.isa), &run(Isa::Reference)));
    }
}

/// A special value somewhere must not change any other group.
#[test]
fn special_values_stay_in_their_group() {
    for isa in levels() {
        for &p in Pattern::ALL {
            let mut data = Data::new(77).matrix(0, 3 * 20 * p.m());
            let method = Method::Mvue(Rng::new(1, 2));
            let shape = (3, 20 * p.m());
            let clean = compressed(isa, method, &data, shape, p);
            data[7 * p.m() + 1] = f32::NAN;
            let dirty = compressed(isa, method, &data, shape, p);
            for (e, (x, y)) in clean.values().iter().zip(dirty.values()).enumerate() {
                assert_eq!(y.is_nan(), e / p.n() == 7, "{p} {isa:?}");
                assert!(y.is_nan() || x.to_bits() == y.to_bits(), "{p} {isa:?}");
            }
        }
    }
}
