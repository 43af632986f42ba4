//! Every level returns the bits of the reference level, whatever the storage, shape and shard.

mod common;

use common::forms::{Multiplied, Pruned, three_orders};
use common::{Data, Dense, ORDERS, Order, by_effort, levels, naive_gemm, naive_product, same_bits};
use spnm::{
    Compressed, CompressedRef, Isa, Method, Options, Pattern, Pool, Rng, Scratch, compress, gemm,
    prune,
};

const SHAPES: [(usize, usize); 14] = [
    (1, 4),
    (3, 7),
    (17, 64),
    (16, 256),
    (33, 129),
    (5, 2),
    (2, 515),
    (1, 1),
    (16, 1028),
    (40, 33),
    (8, 300),
    (0, 8),
    (8, 0),
    (31, 1100),
];

/// `small` under an emulator of x86-64, whose levels run natively elsewhere: those of other architectures may run under
/// emulators alone.
fn by_effort_on_x86(full: usize, small: usize) -> usize {
    if cfg!(target_arch = "x86_64") { by_effort(full, small) } else { full }
}

/// Every second one under such an emulator, without the largest, half of the time: `long_products`, where it runs, has longer rows.
fn shapes() -> impl Iterator<Item = (usize, usize)> {
    let most = by_effort_on_x86(usize::MAX, 8192);
    let some = SHAPES.into_iter().step_by(by_effort_on_x86(1, 2));
    some.filter(move |(rows, cols)| rows * cols <= most)
}

/// A matrix that is N:M already, for KEEP.
fn kept(options: &Options<'_>, data: &[f32], rows: usize, cols: usize, p: Pattern) -> Vec<f32> {
    let a = Dense::new(data, rows, cols, Order::Rows, 0);
    let mut out = a.clone();
    prune(options, Method::Magnitude, p, a.view(), out.view_mut()).expect("prune");
    out.data()
}

#[test]
fn compress_prune_and_decompress() {
    let reference = Options::new().isa(Isa::Reference);
    let pool = Pool::new(3).expect("a small pool");
    let mut data = Data::new(1);
    let mut cases = 0;
    for &p in Pattern::ALL {
        for (rows, cols) in shapes() {
            let dense = {
                let kind = data.below(5);
                data.matrix(kind, rows * cols)
            };
            let row0 = data.below(1000) as u64;
            let col0 = (data.below(100) * p.m()) as u64;
            let rng = Rng::new(data.below(1 << 40) as u64, 77).at(row0, col0);
            for method in common::methods(p, rng) {
                let dense = match method {
                    Method::Keep => kept(&reference, &dense, rows, cols, p),
                    _ => dense.clone(),
                };
                let source = Dense::new(&dense, rows, cols, Order::Rows, 0);
                let mut want = Compressed::new(rows, cols, p).expect("memory");
                compress(&reference, method, source.view(), want.as_mut()).expect("reference");
                let mut want_dense = Dense::new(&dense, rows, cols, Order::Rows, 0);
                prune(&reference, method, p, source.view(), want_dense.view_mut()).expect("prune");

                let expanded = want_dense.data();
                let pruned = Pruned::new(&want, method, &dense, &expanded);
                for isa in levels() {
                    for order in ORDERS {
                        let options = Options::new().isa(isa);
                        let options = if cases % 3 == 0 { options.pool(&pool) } else { options };
                        let orders = (order, ORDERS[cases / 3 % 3]);
                        let what = format!("{p} {rows}x{cols} {method:?} {isa:?} {orders:?}");
                        pruned.check(&options, orders, cases, &what);
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 1000, "{cases} cases");
}

/// Groups of few magnitudes, the lower index of which wins where they are equal; some with fewer than n, some not finite.
#[test]
fn ties() {
    let reference = Options::new().isa(Isa::Reference);
    let mut data = Data::new(5);
    let (rows, cols) = (by_effort(64, 8), 1024);
    for &p in Pattern::ALL {
        for most in [1, 2, 5, 20] {
            let dense: Vec<f32> = (0..rows * cols)
                .map(|_| match data.below(800) {
                    0 => f32::NAN,
                    1 => f32::NEG_INFINITY,
                    2 => -0.0,
                    // One in `most` is any of these.
                    _ if data.below(most) > 0 => 0.0,
                    _ => [-2.0, -1.0, 0.0, 1.0, 2.0][data.below(5)],
                })
                .collect();
            for (method, order) in [Method::Magnitude, Method::SoftThreshold]
                .into_iter()
                .flat_map(|method| [Order::Rows, Order::Cols].map(|order| (method, order)))
            {
                let a = Dense::new(&dense, rows, cols, order, 0);
                let mut want = Compressed::new(rows, cols, p).expect("memory");
                compress(&reference, method, a.view(), want.as_mut()).expect("reference");
                for isa in levels() {
                    let what = format!("{p} {method:?} {isa:?} {order:?}, one in {most}");
                    let mut out = Compressed::new(rows, cols, p).expect("memory");
                    let options = Options::new().isa(isa);
                    compress(&options, method, a.view(), out.as_mut()).expect(&what);
                    assert!(same_bits(out.values(), want.values()), "{what}");
                    assert_eq!(out.meta(), want.meta(), "{what}");
                }
            }
        }
    }
}

#[test]
fn products() {
    let reference = Options::new().isa(Isa::Reference);
    let pool = Pool::new(2).expect("a small pool");
    let mut scratch = Scratch::new();
    let mut data = Data::new(2);
    let mut cases = 0;
    for &p in Pattern::ALL {
        for (rows, inner) in shapes() {
            for cols in [1, 16, 33, by_effort_on_x86(150, 70), 0] {
                let rng = Rng::new(5, cols as u64);
                let kind = if cols == 33 { 4 } else { data.below(4) };
                let dense_a = data.matrix(kind, rows * inner);
                let dense_b = data.matrix(0, inner * cols);
                let dense_c = data.matrix(0, rows * cols);
                let a = Dense::new(&dense_a, rows, inner, Order::Rows, 0);
                let method = Method::Mvue(rng);
                let mut packed = Compressed::new(rows, inner, p).expect("memory");
                compress(&reference, method, a.view(), packed.as_mut()).expect("compress");
                let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (2.3, 0.0), (1.0, -0.7)][cases % 4];
                let mut want = dense_c.clone();
                naive_gemm(alpha, &packed, &dense_b, beta, &mut want);
                let pruned = Pruned::new(&packed, method, &dense_a, &[]);
                let (b, c, result) = (&dense_b, &dense_c, &want);
                let product = Multiplied { pruned, cols, alpha, b, beta, c, result };
                for isa in levels() {
                    let options = Options::new().isa(isa);
                    let options = if cases % 2 == 0 { options.pool(&pool) } else { options };
                    let orders = three_orders(cases);
                    let what =
                        format!("{p} {rows}x{inner}x{cols} {alpha} {beta} {isa:?} {orders:?}");
                    product.check(&options, &mut scratch, orders, cases, &what);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > by_effort_on_x86(1000, 500), "{cases} cases");
}

/// Products of few columns, alone and behind wider panels, which have rows in lanes, in groups or not: rows and kept values
/// around vectors, and every index, those that point past the end or count modulo m too.
#[test]
fn few_columns() {
    let pool = Pool::new(3).expect("a small pool");
    let mut scratch = Scratch::new();
    let mut data = Data::new(4);
    let mut cases = 0;
    for &p in Pattern::ALL {
        let words = 32 / p.index_bits() / p.n() * p.m();
        let inners = [1, p.m() - 1, 9 * p.m() + 1, words, 5 * words + 2 * p.m(), 18 * words + 1];
        for inner in inners.into_iter().step_by(by_effort(1, 2)) {
            for rows in [1, 3, 4, 7, 11, 12, 15, 16, 17, 31, 33, 49] {
                let cols = [1, 2, 3, 4, 5, 7, 8, 9, 17, 20, 50][data.below(11)];
                let p = p.grouped([1, 1, 2, 5, 8][data.below(5)]).expect("a group of rows");
                let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (-1.5, 0.7)][data.below(3)];
                let (kept, bytes) = (p.row_values(inner), p.row_meta(inner));
                let kind = [0, 1, 2, 4][data.below(4)];
                let mut values = data.matrix(kind, rows * kept);
                let meta: Vec<u8> =
                    (0..p.meta_rows(rows) * bytes).map(|_| data.word().to_le_bytes()[0]).collect();
                let (mut dense_b, mut dense_c) =
                    (data.matrix(0, inner * cols), data.matrix(0, rows * cols));
                if data.below(4) == 0 {
                    // Sums that stay -0, which one link too many, of zeros, would make +0.
                    values.fill(-0.0);
                    dense_b.iter_mut().for_each(|x| *x = x.abs());
                    dense_c.fill(-0.0);
                }
                let a = CompressedRef::new(&values, &meta, rows, inner, p, kept, bytes);
                let a = a.expect("buffers of that shape");
                let mut want = dense_c.clone();
                let shape = (rows, inner);
                naive_product(alpha, (&values, &meta), shape, p, &dense_b, beta, &mut want);
                for isa in levels() {
                    let options = Options::new().isa(isa);
                    let options = if data.below(2) == 0 { options.pool(&pool) } else { options };
                    let (order_b, order_c) = (ORDERS[data.below(3)], ORDERS[data.below(3)]);
                    let what = format!(
                        "{p} {rows}x{inner}x{cols} {alpha} {beta} {isa:?} {order_b:?} {order_c:?}"
                    );
                    let b = Dense::new(&dense_b, inner, cols, order_b, data.below(4));
                    let mut c = Dense::new(&dense_c, rows, cols, order_c, data.below(5));
                    let to = c.view_mut();
                    gemm(&options, &mut scratch, alpha, a, b.view(), beta, to).expect("gemm");
                    assert!(same_bits(&c.data(), &want), "{what}");
                    assert!(c.slack_is_untouched(), "slack {what}");
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 500, "{cases} cases");
}

/// Products of so few rows, and so large a B, that rows of B are read along; the last columns less than a panel, or so few
/// that rows of A go in lanes.
#[test]
fn few_rows_beside_a_large_b() {
    let mut scratch = Scratch::new();
    let mut data = Data::new(4);
    let grouped = Pattern::N2M4.grouped(8).expect("a group of rows");
    let cases = [
        (grouped, 21),
        (Pattern::N2M4, 13),
        (Pattern::N2M4, 3),
        (Pattern::N1M16, 37),
        (grouped, 150),
    ];
    for (p, rows) in cases.into_iter().take(by_effort(5, 3)) {
        let (inner, cols) = (1031, if rows == 13 { 517 } else { 600 });
        let method = Method::Mvue(Rng::new(6, 6));
        let dense_a = data.matrix(0, rows * inner);
        let (b, c) = (data.matrix(0, inner * cols), data.matrix(0, rows * cols));
        let packed = common::compressed(Isa::Reference, method, &dense_a, (rows, inner), p);
        let (alpha, beta) = (1.0, 0.5);
        let mut result = c.clone();
        naive_gemm(alpha, &packed, &b, beta, &mut result);
        let pruned = Pruned::new(&packed, method, &dense_a, &[]);
        let product = Multiplied { pruned, cols, alpha, b: &b, beta, c: &c, result: &result };
        for isa in levels() {
            let orders = [Order::Cols, Order::Rows, Order::Rows];
            let what = format!("{p} {rows}x{inner}x{cols} {isa:?}");
            product.check(&Options::new().isa(isa), &mut scratch, orders, 3, &what);
        }
    }
}

/// Products whose inner dimension takes several staged blocks of A, and several slices of B.
#[test]
fn long_products() {
    let pool = Pool::new(2).expect("a small pool");
    let mut scratch = Scratch::new();
    let mut data = Data::new(3);
    // Some patterns under such an emulator; under any one pair of factors each.
    for (number, &p) in Pattern::ALL.iter().enumerate().step_by(by_effort_on_x86(1, 3)) {
        // Blocks of 128 rows stage some 256 kept values at a time.
        let (rows, inner, cols) =
            (129, 3 * 256 * (p.m() / p.n()) + p.m() + 1, 17 + 20 * (number % 3));
        let method = Method::Mvue(Rng::new(6, 6).at(5, 3 * p.m() as u64));
        let dense_a = data.matrix(0, rows * inner);
        let (dense_b, dense_c) = (data.matrix(0, inner * cols), data.matrix(0, rows * cols));
        let packed = common::compressed(Isa::Reference, method, &dense_a, (rows, inner), p);
        let pairs = [(1.0, 0.5), (-1.5, 1.0)].into_iter().cycle().skip(number % 2);
        for (alpha, beta) in pairs.take(by_effort(2, 1)) {
            let mut want = dense_c.clone();
            naive_gemm(alpha, &packed, &dense_b, beta, &mut want);
            let pruned = Pruned::new(&packed, method, &dense_a, &[]);
            let (b, c, result) = (&dense_b, &dense_c, &want);
            let product = Multiplied { pruned, cols, alpha, b, beta, c, result };
            for (turn, isa) in levels().into_iter().enumerate() {
                let options = Options::new().isa(isa);
                let options = if turn % 2 == 0 { options.pool(&pool) } else { options };
                let orders = [0, 1, 2].map(|i| ORDERS[(number + turn + i) % 3]);
                let what = format!("{p} {rows}x{inner}x{cols} {alpha} {beta} {isa:?} {orders:?}");
                product.check(&options, &mut scratch, orders, turn, &what);
            }
        }
    }
}
