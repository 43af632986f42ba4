//! Groups of rows that share indices: the oracle's bits (`tests/oracle/groups.py`) on every level, from
//! every storage; and that the estimate is what it claims.
#![allow(clippy::cast_possible_truncation, reason = "the sizes of tests are small")]
#![allow(clippy::needless_range_loop, reason = "a block numbers several arrays at once")]

mod common;

use common::forms::{Multiplied, Pruned};
use common::statistics::{deviation, inclusion};
use common::vectors::Reader;
use common::{Data, Dense, ORDERS, Order, by_effort, dense_of, index_of, levels, naive_gemm};
use common::{compressed, same_bits};
use spnm::{
    Compressed, CompressedRef, Isa, MatRef, Method, Options, Pattern, Pool, Rng, Scratch, compress,
    decompress, gemm, prune, prune_gemm, validate,
};

static VECTORS: &[u8] = include_bytes!("oracle/groups.bin");

/// The groups that are tested for every pattern.
const GROUPS: [u32; 7] = [2, 3, 4, 7, 8, 16, 64];

fn grouped(p: Pattern, rows: u32) -> Pattern {
    p.grouped(rows).expect("a group of rows")
}

/// A case of groups.bin, in its order.
struct Case {
    p: Pattern,
    method: Method,
    shape: (usize, usize, usize),
    alpha: f32,
    beta: f32,
    a: Vec<f32>,
    values: Vec<f32>,
    meta: Vec<u8>,
    b: Vec<f32>,
    c: Vec<f32>,
    result: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let mut r = Reader::new(VECTORS, b"SPNMGRP1");
    let cases: Vec<Case> = (0..r.u32())
        .map(|_| {
            let p = Pattern::new(r.u32(), r.u32()).and_then(|p| p.grouped(r.u32())).expect("n:m");
            let method = r.u32();
            let rng = r.rng();
            let method = [Method::Keep, Method::Magnitude, Method::Mvue(rng)][method as usize];
            let shape @ (rows, inner, cols) =
                (r.u32() as usize, r.u32() as usize, r.u32() as usize);
            let (alpha, beta) = (r.f32(), r.f32());
            let a = r.floats(rows * inner);
            let values = r.floats(rows * p.row_values(inner));
            let meta = r.take(p.meta_rows(rows) * p.row_meta(inner)).to_vec();
            let (b, c) = (r.floats(inner * cols), r.floats(rows * cols));
            let result = r.floats(rows * cols);
            Case { p, method, shape, alpha, beta, a, values, meta, b, c, result }
        })
        .collect();
    r.end();
    assert!(cases.len() > 30, "{} cases", cases.len());
    cases
}

#[test]
fn every_level_equals_the_oracle() {
    let pool = Pool::new(3).expect("a small pool");
    let mut scratch = Scratch::new();
    for (number, case) in cases().iter().enumerate() {
        let Case { p, method, shape: (rows, inner, cols), alpha, beta, .. } = *case;
        let dense = dense_of(&case.values, &case.meta, rows, inner, p);
        let (ldv, ldm) = (p.row_values(inner), p.row_meta(inner));
        let compressed = CompressedRef::new(&case.values, &case.meta, rows, inner, p, ldv, ldm);
        validate(compressed.expect("buffers")).expect("metadata");
        for isa in levels() {
            for (turn, order) in ORDERS.into_iter().enumerate() {
                let other = ORDERS[(turn + number) % 3];
                let options = Options::new().isa(isa);
                let options = if turn == 1 { options.pool(&pool) } else { options };
                let what =
                    format!("{p}, {rows} x {inner} x {cols}, {method:?}, {isa:?}, {order:?}");
                let pruned = Pruned {
                    p,
                    method,
                    shape: (rows, inner),
                    source: &case.a,
                    values: &case.values,
                    meta: &case.meta,
                    dense: &dense,
                };
                pruned.check(&options, (order, other), turn, &what);
                // But for groups that are poisoned and short: what lies past `inner` is gone.
                if inner % p.m() == 0 || !dense.iter().any(|x| x.is_nan()) {
                    pruned.check_keep(&options, other, &what);
                }
                let (b, c, result) = (&case.b, &case.c, &case.result);
                let product = Multiplied { pruned, cols, alpha, b, beta, c, result };
                let orders = [order, other, order];
                product.check(&options, &mut scratch, orders, turn, &what);
            }
        }
    }
}

/// Larger than the parts and bands that the work is cut into, with slack everywhere.
#[test]
fn every_level_equals_the_reference() {
    let reference = Options::new().isa(Isa::Reference);
    let pool = Pool::new(2).expect("a small pool");
    let mut scratch = Scratch::new();
    let mut data = Data::new(61);
    let mut number = 0;
    for rows_of_group in GROUPS.into_iter().chain([5, 9, 33, 63]) {
        for &p in Pattern::ALL.iter().skip(number % 3).step_by(3) {
            number += 1;
            let p = grouped(p, rows_of_group);
            let g = p.group();
            let (rows, inner) = [
                (g + 1, 1030),
                (3 * g - 1, 300 + number),
                (1, 77),
                (2 * g, 515),
                (5 * g + g / 2, 140),
            ][number % 5];
            let cols = [1, 16, 70, 41][number % 4];
            let rng = Rng::new(9, number as u64).at((4 * g) as u64, (13 * p.m()) as u64);
            let mut dense = data.mixture(rows * inner);
            let mut method = Method::Mvue(rng);
            match number % 4 {
                0 => method = Method::Magnitude,
                1 => {
                    let a = Dense::new(&dense, rows, inner, Order::Rows, 0);
                    let mut out = a.clone();
                    prune(&reference, method, p, a.view(), out.view_mut()).expect("prune");
                    (dense, method) = (out.data(), Method::Keep);
                }
                _ => {}
            }
            let want = compressed(Isa::Reference, method, &dense, (rows, inner), p);
            let want_dense = dense_of(want.values(), want.meta(), rows, inner, p);
            let (b, start) = (data.bells(inner * cols), data.bells(rows * cols));
            let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (2.5, -0.7)][number % 3];
            let mut product = start.clone();
            naive_gemm(alpha, &want, &b, beta, &mut product);
            for (turn, isa) in levels().into_iter().enumerate() {
                for (nth, order) in ORDERS.into_iter().enumerate() {
                    let options = Options::new().isa(isa);
                    let options = if (turn + nth) % 2 == 0 { options.pool(&pool) } else { options };
                    let what = format!("{p} {rows}x{inner}x{cols} {method:?} {isa:?} {order:?}");
                    let pruned = Pruned::new(&want, method, &dense, &want_dense);
                    let (other, slack) = (ORDERS[(number + nth) % 3], nth + 3 * (turn % 3));
                    pruned.check(&options, (order, other), slack, &what);
                    let (c, result) = (&start, &product);
                    let product = Multiplied { pruned, cols, alpha, b: &b, beta, c, result };
                    let orders = [order, other, ORDERS[(number / 3 + nth) % 3]];
                    product.check(&options, &mut scratch, orders, slack, &what);
                }
            }
        }
    }
    assert!(number > 30, "{number} cases");
}

/// `Keep` takes what is not zero as it is: a NaN's sign and payload, a signalling one too, infinities and subnormals; and a
/// zero, of either sign, as +0.
#[test]
fn keep_takes_every_bit_as_it_is() {
    let bits = [
        0x7FC1_2345u32, // quiet, with a payload
        0xFFC0_0001,
        0x7F81_2345, // signalling
        0xFF80_0001,
        0x7F80_0000, // infinities
        0xFF80_0000,
        0x0000_0001, // subnormals
        0x8000_0001,
        0x8000_0000, // zeros
        0x0000_0000,
        0xC123_4567,
    ];
    for (number, rows_of_group) in [1].into_iter().chain(GROUPS).enumerate() {
        let p = grouped(Pattern::ALL[(3 * number + 1) % Pattern::ALL.len()], rows_of_group);
        let (rows, cols) = (2 * p.group() + 1, 37 * p.m() + p.m() / 2 + number % 2);
        let mut dense = vec![0.0f32; rows * cols];
        for (i, row) in dense.chunks_exact_mut(cols).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                // The first N positions of a group, or the last, or what of these is there.
                let at =
                    if (j / p.m()).is_multiple_of(2) { j % p.m() } else { p.m() - 1 - j % p.m() };
                if at < p.n() {
                    *x = f32::from_bits(bits[(7 * i + j) % bits.len()]);
                } else if (i + j).is_multiple_of(3) {
                    *x = -0.0;
                }
            }
        }
        let want: Vec<u32> =
            dense.iter().map(|x| if *x == 0.0 { 0 } else { x.to_bits() }).collect();
        for isa in levels() {
            for order in ORDERS {
                let options = Options::new().isa(isa);
                let what = format!("{p}, {rows} x {cols}, {isa:?}, {order:?}");
                let a = Dense::new(&dense, rows, cols, order, 1);
                let mut pruned = a.clone();
                prune(&options, Method::Keep, p, a.view(), pruned.view_mut()).expect("prune");
                let got: Vec<u32> = pruned.data().iter().map(|x| x.to_bits()).collect();
                assert_eq!(got, want, "prune: {what}");
                let mut kept = Compressed::new(rows, cols, p).expect("memory");
                compress(&options, Method::Keep, a.view(), kept.as_mut()).expect("compress");
                let mut expanded = a.clone();
                decompress(&options, kept.as_ref(), expanded.view_mut()).expect("decompress");
                let got: Vec<u32> = expanded.data().iter().map(|x| x.to_bits()).collect();
                assert_eq!(got, want, "compress: {what}");
            }
        }
    }
}

/// Several staged blocks and slices of a product, and every height of a block of rows.
#[test]
fn long_products() {
    let pool = Pool::new(2).expect("a small pool");
    let mut scratch = Scratch::new();
    let mut data = Data::new(62);
    for (number, rows_of_group) in (2..=20).chain([31, 64]).enumerate().step_by(by_effort(1, 4)) {
        let p = grouped(Pattern::ALL[number % Pattern::ALL.len()], rows_of_group);
        let (rows, inner, cols) =
            (520, by_effort(1040, 320) + number, [33, 150, 16, 7][number % 4]);
        let method = Method::Mvue(Rng::new(6, 6));
        let dense_a = data.matrix(0, rows * inner);
        let (b, start) = (data.bells(inner * cols), data.bells(rows * cols));
        let packed = compressed(Isa::Reference, method, &dense_a, (rows, inner), p);
        let mut want = start.clone();
        naive_gemm(1.0, &packed, &b, 0.5, &mut want);
        for isa in levels() {
            let options = Options::new().isa(isa);
            let options = if number % 2 == 0 { options.pool(&pool) } else { options };
            let order = |i: usize| ORDERS[(number + i) % 3];
            let what = format!("{p} {rows}x{inner}x{cols} {isa:?}");
            let b = Dense::new(&b, inner, cols, order(1), 0);
            let mut c = Dense::new(&start, rows, cols, order(2), 1);
            let to = c.view_mut();
            gemm(&options, &mut scratch, 1.0, packed.as_ref(), b.view(), 0.5, to).expect("gemm");
            assert!(same_bits(&c.data(), &want), "gemm {what}");
            let a = Dense::new(&dense_a, rows, inner, order(0), 0);
            let mut c = Dense::new(&start, rows, cols, order(2), 1);
            let (a, b, to) = (a.view(), b.view(), c.view_mut());
            prune_gemm(&options, &mut scratch, method, p, 1.0, a, b, 0.5, to).expect("prune_gemm");
            assert!(same_bits(&c.data(), &want), "prune_gemm {what}");
        }
    }
}

/// A part of the rows that begins with a group, and of the columns, is pruned as in the whole.
#[test]
fn shards_are_parts_of_the_whole() {
    let mut data = Data::new(63);
    for (number, rows_of_group) in GROUPS.into_iter().enumerate() {
        let p = grouped(Pattern::ALL[(3 * number + 2) % Pattern::ALL.len()], rows_of_group);
        let (rows, cols) = (5 * p.group() + 1, 40 * p.m());
        let dense = data.matrix(1, rows * cols);
        let whole_rng = Rng::new(3, 4).at(p.group() as u64, p.m() as u64);
        let isa = Isa::effective();
        let whole = compressed(isa, Method::Mvue(whole_rng), &dense, (rows, cols), p);
        let (row, col) = (2 * p.group(), 8 * p.m());
        let rng = whole_rng.at(whole_rng.row0 + row as u64, whole_rng.col0 + col as u64);
        let a = MatRef::row_major(&dense, rows, cols).expect("a row-major matrix");
        let part = a.part(row..rows, col..cols);
        let mut out = Compressed::new(part.rows(), part.cols(), p).expect("memory");
        compress(&Options::new(), Method::Mvue(rng), part, out.as_mut()).expect("compress");
        let (kept, bytes) = (p.row_values(cols), p.row_meta(cols));
        let (skip, skip_bytes) = (p.row_values(col), p.row_meta(col));
        for i in 0..part.rows() {
            let want = &whole.values()[(row + i) * kept..][skip..kept];
            assert!(same_bits(&out.values()[i * (kept - skip)..][..kept - skip], want), "{p} {i}");
        }
        for i in 0..p.meta_rows(part.rows()) {
            let want = &whole.meta()[(row / p.group() + i) * bytes..][skip_bytes..bytes];
            assert_eq!(&out.meta()[i * want.len()..][..want.len()], want, "{p} {i}");
        }
    }
}

/// No scale loses entries: a matrix times a power of two is pruned alike, where squares would
/// over- or underflow too.
#[test]
fn norms_of_every_scale() {
    let p = grouped(Pattern::N2M4, 8);
    let (rows, cols) = (24, 96);
    let dense = Data::new(64).bells(rows * cols);
    for isa in levels() {
        let plain = compressed(isa, Method::Mvue(Rng::new(1, 1)), &dense, (rows, cols), p);
        for exponent in [-110i8, -90, -45, 45, 90, 115] {
            // Two factors: 2^exponent itself may be subnormal's reciprocal.
            let half = 2f32.powi(i32::from(exponent / 2));
            let factor = [half, 2f32.powi(i32::from(exponent - exponent / 2))];
            let scaled =
                |x: &[f32]| x.iter().map(|x| x * factor[0] * factor[1]).collect::<Vec<_>>();
            let method = Method::Mvue(Rng::new(1, 1));
            let out = compressed(isa, method, &scaled(&dense), (rows, cols), p);
            assert_eq!(out.meta(), plain.meta(), "2^{exponent} {isa:?}");
            let want = scaled(plain.values());
            for (x, want) in out.values().iter().zip(want) {
                assert!((x - want).abs() <= want.abs() * 1e-5, "{x} {want} 2^{exponent} {isa:?}");
            }
        }
    }
}

/// Inclusion frequencies of positions, mean of every entry, and the squared error of the group: what
/// independent draws, by groups of rows that are copies of one, come to.
#[test]
fn inclusion_mean_and_variance() {
    const BLOCKS: usize = 16;
    let draws = by_effort(20_000, 2_000);
    for (number, &p) in Pattern::ALL.iter().enumerate() {
        let p = grouped(p, [2, 3, 8][number % 3]);
        let (n, m, g) = (p.n(), p.m(), p.group());
        let mut data = Data::new(70 + number as u64);
        let cols = BLOCKS * m;
        // Rows of different kinds, and so of different shares in the norms.
        let group: Vec<f32> = (0..g).flat_map(|i| data.matrix([0, 1, 3][i % 3], cols)).collect();
        let copies = group.repeat(draws);
        let rng = Rng::new(0xC0FFEE, number as u64);
        let isa = Isa::effective();
        let out = compressed(isa, Method::Mvue(rng), &copies, (draws * g, cols), p);
        let (mut seen, mut sum) = (vec![0.0; cols], vec![0.0; g * cols]);
        let mut error = [0.0; BLOCKS];
        let square = |x: f32| f64::from(x).powi(2);
        let column = |j: usize| (0..g).map(move |i| (i, i * cols + j));
        for draw in 0..draws {
            let meta = &out.meta()[draw * p.row_meta(cols)..];
            for (block, error) in error.iter_mut().enumerate() {
                *error += (block * m..(block + 1) * m)
                    .flat_map(column)
                    .map(|(_, at)| square(group[at]))
                    .sum::<f64>();
                for k in block * n..(block + 1) * n {
                    let j = block * m + index_of(meta, k, p);
                    let mut any = false;
                    for (i, at) in column(j) {
                        let value = out.values()[(draw * g + i) * p.row_values(cols) + k];
                        let (value, x) = (f64::from(value), f64::from(group[at]));
                        sum[at] += value;
                        *error += (value - x).powi(2) - x * x;
                        any |= value != 0.0;
                    }
                    seen[j] += f64::from(u8::from(any));
                }
            }
        }
        let t = draws as f64;
        let comparisons = (2 + g) * cols * Pattern::ALL.len();
        for (block, error) in error.into_iter().enumerate() {
            let norms: Vec<f64> = (block * m..(block + 1) * m)
                .map(|j| column(j).map(|(_, at)| square(group[at])).sum::<f64>().sqrt())
                .collect();
            if norms.iter().filter(|&&x| x > 0.0).count() <= n {
                continue;
            }
            let (q, tau) = inclusion(&norms, n);
            let mut closed = 0.0;
            for (slot, &q) in q.iter().enumerate().filter(|(_, q)| **q > 0.0) {
                let j = block * m + slot;
                let what = format!("{p}, block {block}, slot {slot}, p {q}");
                let off = (seen[j] - t * q).abs();
                let allowed = deviation(comparisons, t, q * (1.0 - q), 1.0) + 1e-6 * t;
                assert!(off <= allowed, "{what}: off by {off}, {allowed}");
                for (_, at) in column(j) {
                    let x = f64::from(group[at]);
                    closed += x * x * (1.0 / q - 1.0);
                    let size = x.abs() / q;
                    let allowed = deviation(comparisons, t, size * size * q * (1.0 - q), size)
                        + 1e-5 * t * size;
                    let off = (sum[at] - t * x).abs();
                    assert!(off <= allowed, "mean of {what}: off by {off}, {allowed}");
                }
            }
            // The squared error of a block lies in [0, largest].
            let largest = n as f64 * tau * tau + norms.iter().map(|x| x * x).sum::<f64>();
            let allowed = deviation(comparisons, t, closed * largest, largest) + 1e-5 * t * largest;
            let off = (error - t * closed).abs();
            assert!(off <= allowed, "variance of {p}, block {block}: off by {off}, {allowed}");
        }
    }
}
