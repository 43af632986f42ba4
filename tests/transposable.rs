//! Transposable masks: what the oracle computed (`tests/oracle/transposable.py`) is what every level returns, every
//! level returns the bits of the reference, and the masks are what they are said to be.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::vectors::Reader;
use common::{
    Data, Dense, ORDERS, Order, assert_bits, by_effort, dense_of, index_of, levels, same_bits,
    transposed,
};
use spnm::{
    Compressed, CompressedMut, Isa, MatMut, MatRef, Method, Options, Pattern, Pool, Scratch,
    compress, compress_transposable, decompress, gemm, prune_transposable,
    prune_transposable_in_place, validate,
};

static VECTORS: &[u8] = include_bytes!("oracle/transposable.bin");
const P: Pattern = Pattern::N2M4;

/// W's 2:4 form and that of its transpose.
struct Both {
    out: Compressed,
    out_t: Compressed,
}

fn both(options: &Options<'_>, w: MatRef<'_>) -> Both {
    let mut out = Compressed::new(w.rows(), w.cols(), P).expect("memory");
    let mut out_t = Compressed::new(w.cols(), w.rows(), P).expect("memory");
    compress_transposable(options, w, Some(out.as_mut()), Some(out_t.as_mut())).expect("valid");
    Both { out, out_t }
}

fn dense(a: &Compressed) -> Vec<f32> {
    let view = a.as_ref();
    dense_of(a.values(), a.meta(), view.rows(), view.cols(), P)
}

// ---------------------------------------------------------------- the oracle

struct Case {
    name: String,
    rows: usize,
    cols: usize,
    w: Vec<f32>,
    values: Vec<f32>,
    meta: Vec<u8>,
    values_t: Vec<f32>,
    meta_t: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let mut file = Reader::new(VECTORS, b"SPNMTRN1");
    let cases = (0..file.u32())
        .map(|_| {
            let name = file.text();
            let (rows, cols) = (file.u32() as usize, file.u32() as usize);
            let w = file.floats(rows * cols);
            let values = file.floats(rows * P.row_values(cols));
            let meta = file.take(rows * P.row_meta(cols)).to_vec();
            let values_t = file.floats(cols * P.row_values(rows));
            let meta_t = file.take(cols * P.row_meta(rows)).to_vec();
            Case { name, rows, cols, w, values, meta, values_t, meta_t }
        })
        .collect();
    file.end();
    cases
}

#[test]
fn every_level_equals_the_oracle() {
    let cases = cases();
    assert!(cases.len() > 80, "{} cases", cases.len());
    let poisoned = cases.iter().flat_map(|case| &case.values).filter(|x| x.is_nan()).count();
    assert!(poisoned > 1000, "{poisoned} poisoned values");
    for isa in levels() {
        let options = Options::new().isa(isa);
        for (number, case) in cases.iter().enumerate() {
            let Case { ref name, rows, cols, .. } = *case;
            for order in ORDERS {
                let what = format!("{name}, {rows} x {cols}, {isa:?}, {order:?}");
                let w = Dense::new(&case.w, rows, cols, order, number % 3);
                let Both { out, out_t } = both(&options, w.view());
                assert_bits(out.values(), &case.values, &what);
                assert_eq!(out.meta(), case.meta, "{what}");
                assert_bits(out_t.values(), &case.values_t, &what);
                assert_eq!(out_t.meta(), case.meta_t, "{what}");
                validate(out.as_ref()).expect(&what);
                validate(out_t.as_ref()).expect(&what);

                let other = ORDERS[(number + order as usize) % 3];
                let mut pruned = Dense::new(&vec![5.0; rows * cols], rows, cols, other, 1);
                prune_transposable(&options, w.view(), pruned.view_mut()).expect(&what);
                assert_bits(&pruned.data(), &dense(&out), &what);
                assert!(pruned.slack_is_untouched(), "{what}");
                let mut within = w.clone();
                prune_transposable_in_place(&options, within.view_mut()).expect(&what);
                assert_bits(&within.data(), &dense(&out), &what);
                assert!(within.slack_is_untouched(), "{what}");
            }
        }
    }
}

// ---------------------------------------------------------------- the levels

/// Numbers of every kind: `kind` 0 to 4 as [`Data::matrix`]; then subnormals, ties, and NaN, infinity
/// and overflow strewn in.
fn matrix(data: &mut Data, kind: usize, len: usize) -> Vec<f32> {
    match kind {
        5 => (0..len).map(|_| f32::from_bits(data.word() & 0x8000_0007)).collect(),
        6 => (0..len).map(|_| [1.0, -1.0, 0.0, -0.0][data.below(4)]).collect(),
        7 => data.mixture(len),
        kind => data.matrix(kind, len),
    }
}

/// Compresses into buffers with slack, both outputs or one, and compares with `want`.
#[track_caller]
fn compare(options: &Options<'_>, w: MatRef<'_>, want: &Both, slack: usize, what: &str) {
    let (rows, cols) = (w.rows(), w.cols());
    for (with, with_t) in [(true, true), (true, false), (false, true)] {
        let ld = |cols| (P.row_values(cols) + slack, P.row_meta(cols) + slack);
        let buffers = |rows: usize, (v, m): (usize, usize)| {
            (vec![777.0f32; rows * v], vec![0xA5u8; rows * m])
        };
        let (mut v, mut m) = buffers(rows, ld(cols));
        let (mut vt, mut mt) = buffers(cols, ld(rows));
        let out = CompressedMut::new(&mut v, &mut m, rows, cols, P, ld(cols).0, ld(cols).1);
        let out_t = CompressedMut::new(&mut vt, &mut mt, cols, rows, P, ld(rows).0, ld(rows).1);
        let (out, out_t) = (out.expect("buffers"), out_t.expect("buffers"));
        compress_transposable(options, w, with.then_some(out), with_t.then_some(out_t))
            .expect(what);
        let check = |written: bool, want: &Compressed, values: &[f32], meta: &[u8], ld| {
            let (ldv, ldm): (usize, usize) = ld;
            let (kept, bytes) = (ldv - slack, ldm - slack);
            for i in 0..want.as_ref().rows() {
                let (row, gap) = values[i * ldv..][..ldv].split_at(kept);
                let expected = &want.values()[i * kept..][..kept];
                match written {
                    true => assert!(same_bits(row, expected), "values of row {i}: {what}"),
                    false => assert!(row.iter().all(|&x| x == 777.0), "{what}"),
                }
                assert!(gap.iter().all(|&x| x == 777.0), "slack of row {i}: {what}");
                let (row, gap) = meta[i * ldm..][..ldm].split_at(bytes);
                match written {
                    true => assert_eq!(row, &want.meta()[i * bytes..][..bytes], "row {i}: {what}"),
                    false => assert!(row.iter().all(|&b| b == 0xA5), "{what}"),
                }
                assert!(gap.iter().all(|&b| b == 0xA5), "slack of row {i}: {what}");
            }
        };
        check(with, &want.out, &v, &m, ld(cols));
        check(with_t, &want.out_t, &vt, &mt, ld(rows));
    }
}

#[test]
fn every_level_equals_the_reference() {
    let reference = Options::new().isa(Isa::Reference);
    let pools = [2, 3].map(|threads| Pool::new(threads).expect("a small pool"));
    let mut data = Data::new(0x7A);
    let edges = (0..10).flat_map(|rows| (0..10).map(move |cols| (rows, cols)));
    let larger = [
        (33, 65),
        (64, 256),
        (67, 300),
        (32, 64),
        (31, 515),
        (300, 70),
        (515, 34),
        (1, 1030),
        (1030, 1),
        (130, 2),
        (40, 700),
        (700, 16),
    ];
    let mut count = 0usize;
    for (rows, cols) in edges.chain(larger) {
        for kind in (0..8).step_by(by_effort(1, 3)) {
            let source = matrix(&mut data, kind, rows * cols);
            let want = both(&reference, Dense::new(&source, rows, cols, Order::Rows, 0).view());
            for isa in levels() {
                for order in ORDERS {
                    let mut options = Options::new().isa(isa);
                    if !count.is_multiple_of(3) {
                        options = options.pool(&pools[count % 3 - 1]);
                    }
                    let what = format!("{rows}x{cols} kind {kind} {isa:?} {order:?} {count}");
                    let w = Dense::new(&source, rows, cols, order, count % 2);
                    compare(&options, w.view(), &want, count % 3, &what);
                    let mut out = w.clone();
                    prune_transposable_in_place(&options, out.view_mut()).expect(&what);
                    assert!(same_bits(&out.data(), &dense(&want.out)), "{what}");
                    assert!(out.slack_is_untouched(), "{what}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 900, "{count} cases");
}

/// Strides that reach backwards, or nowhere.
#[test]
fn odd_strides() {
    let mut data = Data::new(0x7B);
    let buffer = data.mixture(60_000);
    let middle = &raw const buffer[30_000];
    for (rows, cols) in [(19, 70), (3, 9), (37, 66)] {
        for (rs, cs) in
            [(0, 0), (0, 1), (1, 0), (-1, -100), (-131, 1), (131, -1), (-3, 2), (7, 100), (-90, -1)]
        {
            // SAFETY: the strides stay within 30000 elements of the middle.
            let w = unsafe { MatRef::from_raw_parts(middle, rows, cols, rs, cs) };
            let copy: Vec<f32> = (0..rows * cols).map(|e| w.at(e / cols, e % cols)).collect();
            let plain = MatRef::row_major(&copy, rows, cols).expect("its own buffer");
            let want = both(&Options::new().isa(Isa::Reference), plain);
            for isa in levels() {
                let options = Options::new().isa(isa);
                let what = format!("{isa:?} {rows}x{cols}, strides {rs} {cs}");
                compare(&options, w, &want, 0, &what);
                let mut out = vec![0.0; rows * cols];
                let to = MatMut::row_major(&mut out, rows, cols).expect("its own buffer");
                prune_transposable(&options, w, to).expect(&what);
                assert!(same_bits(&out, &dense(&want.out)), "{what}");
            }
        }
    }
}

// ---------------------------------------------------------------- the masks

/// The kept columns of row `i` of the matrix in its tile in group `g`.
fn kept_columns(a: &Compressed, i: usize, g: usize) -> [usize; 2] {
    let bytes = P.row_meta(a.as_ref().cols());
    [0, 1].map(|k| index_of(&a.meta()[i * bytes..], 2 * g + k, P))
}

/// All sets of two entries of every row and column of a tile, as 16 bits by rows.
fn all_masks() -> Vec<u16> {
    let two = |x: u16| (x & 0x000F).count_ones() == 2;
    let column = |m: u16, j: u32| m >> j & 0x1111;
    (0..=u16::MAX)
        .filter(|&m| (0..4).all(|i| two(m >> (4 * i)) && column(m, i).count_ones() == 2))
        .collect()
}

/// Two of every row and column; no mask keeps more; kept entries as they are.
#[test]
fn masks_are_the_best() {
    let masks = all_masks();
    assert_eq!(masks.len(), 90);
    let mut data = Data::new(0x7C);
    let (rows, cols) = (44, 132);
    for kind in 0..8 {
        let w = matrix(&mut data, kind, rows * cols);
        for isa in levels() {
            let view = MatRef::row_major(&w, rows, cols).expect("its own buffer");
            let Both { out, .. } = both(&Options::new().isa(isa), view);
            let pruned = dense(&out);
            for (down, right) in (0..rows / 4).flat_map(|d| (0..cols / 4).map(move |r| (d, r))) {
                let what = format!("{isa:?} kind {kind} tile {down} {right}");
                let mut mask = 0u16;
                for i in 0..4 {
                    for j in kept_columns(&out, 4 * down + i, right) {
                        mask |= 1 << (4 * i + j);
                    }
                }
                assert!(masks.contains(&mask), "{mask:016b}: {what}");
                let entry =
                    |data: &[f32], e: usize| data[(4 * down + e / 4) * cols + 4 * right + e % 4];
                let sum = |mask: u16| -> f64 {
                    let kept = (0..16).filter(|e| mask >> e & 1 == 1);
                    kept.map(|e| f64::from(entry(&w, e).abs())).sum()
                };
                let total = sum(u16::MAX);
                if !total.is_finite() || total > f64::from(f32::MAX) {
                    assert_eq!(mask, 0b1100_1100_0011_0011, "{what}");
                }
                for e in 0..16 {
                    let (x, got) = (entry(&w, e), entry(&pruned, e));
                    match mask >> e & 1 {
                        0 => assert_eq!(got.to_bits(), 0, "{what}"),
                        _ if !total.is_finite() || total > f64::from(f32::MAX) => {
                            assert_eq!(got.to_bits(), 0x7FC0_0000, "{what}");
                        }
                        _ if x == 0.0 => assert_eq!(got.to_bits(), 0, "{what}"),
                        _ => assert_eq!(got.to_bits(), x.to_bits(), "{what}"),
                    }
                }
                if total.is_finite() && total <= f64::from(f32::MAX) {
                    let most = masks.iter().map(|&m| sum(m)).fold(0.0, f64::max);
                    assert!(sum(mask) >= most * (1.0 - 4.0 * f64::from(f32::EPSILON)), "{what}");
                }
            }
        }
    }
}

/// Ties by hand: the first mask in the lexicographic order of the rows' pairs.
#[test]
fn ties_take_the_first_mask() {
    // Nine masks hold the diagonal, the first of all among them.
    let identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1].map(|x: i8| f32::from(x));
    // Rows 2 and 3 ask for columns 0 and 1: the others are left to rows 0 and 1.
    let lower = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0].map(|x: i8| f32::from(x));
    for (tile, want) in [
        ([0.0; 16], [0x4, 0x4, 0xE, 0xE]),
        ([1.0; 16], [0x4, 0x4, 0xE, 0xE]),
        ([-0.0; 16], [0x4, 0x4, 0xE, 0xE]),
        (identity, [0x4, 0x4, 0xE, 0xE]),
        (lower, [0xE, 0xE, 0x4, 0x4]),
    ] {
        for isa in levels() {
            let view = MatRef::row_major(&tile, 4, 4).expect("its own buffer");
            let Both { out, .. } = both(&Options::new().isa(isa), view);
            assert_eq!(out.meta(), want, "{tile:?} {isa:?}");
            assert!(out.values().iter().all(|x| *x != 0.0 || x.to_bits() == 0), "{isa:?}");
        }
    }
}

/// Both forms are of one matrix, and one call for the transpose is the other way round where the sums are exact and
/// the best mask is unique.
#[test]
fn transposing_swaps() {
    let mut data = Data::new(0x7D);
    for (rows, cols) in [(40, 72), (37, 66), (4, 9), (130, 35)] {
        // Distinct powers of two in every tile: no two masks have the same sum.
        let mut w = vec![0.0; rows * cols];
        for (i, j) in (0..rows).step_by(4).flat_map(|i| (0..cols).step_by(4).map(move |j| (i, j))) {
            let mut order: Vec<usize> = (0..16).collect();
            for e in (1..16).rev() {
                order.swap(e, data.below(e + 1));
            }
            for (e, power) in order.into_iter().enumerate() {
                let (i, j) = (i + e / 4, j + e % 4);
                if i < rows && j < cols {
                    let sign = if data.word() & 1 == 0 { 1.0 } else { -1.0 };
                    w[i * cols + j] = sign * (1u32 << power) as f32;
                }
            }
        }
        for isa in levels() {
            let options = Options::new().isa(isa);
            let view = MatRef::row_major(&w, rows, cols).expect("its own buffer");
            let Both { out, out_t } = both(&options, view);
            assert_eq!(transposed(&dense(&out), rows, cols), dense(&out_t), "{isa:?}");
            let swapped = both(&options, view.t());
            // At the edges masks may differ in padding alone.
            if rows % 4 == 0 && cols % 4 == 0 {
                assert!(swapped.out == out_t && swapped.out_t == out, "{isa:?} {rows}x{cols}");
            }
            assert_eq!(dense(&swapped.out), dense(&out_t), "{isa:?} {rows}x{cols}");
            assert_eq!(dense(&swapped.out_t), dense(&out), "{isa:?} {rows}x{cols}");
        }
    }
}

/// A NaN or an infinity, anywhere in a tile, in the edge ones too, is seen in every form.
#[test]
fn what_is_not_finite_never_vanishes() {
    for isa in levels() {
        let options = Options::new().isa(isa);
        for (rows, cols) in (1..10).flat_map(|rows| (1..10).map(move |cols| (rows, cols))) {
            for at in 0..rows * cols {
                let mut w = vec![1.0; rows * cols];
                w[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][at % 3];
                let view = MatRef::row_major(&w, rows, cols).expect("its own buffer");
                let Both { out, out_t } = both(&options, view);
                let what = format!("{rows}x{cols} {at} {isa:?}");
                let corner = (at / cols / 4 * 4, at % cols / 4 * 4);
                let pruned = dense(&out);
                assert!(pruned[corner.0 * cols + corner.1].is_nan(), "{what}");
                assert!(dense(&out_t)[corner.1 * rows + corner.0].is_nan(), "{what}");
                // Nothing but its own tile is poisoned.
                for (e, x) in pruned.iter().enumerate() {
                    let tile = (e / cols / 4 * 4, e % cols / 4 * 4);
                    assert!(tile == corner || !x.is_nan(), "{what}");
                }
            }
        }
    }
}

/// Two entries that have no finite sum, anywhere in a tile.
#[test]
fn what_overflows_never_vanishes() {
    for isa in levels() {
        for (p, q) in (0..16).flat_map(|q| (0..q).map(move |p| (p, q))) {
            let mut tile = [1.0f32; 16];
            tile[p] = f32::MAX;
            tile[q] = -f32::MAX;
            let view = MatRef::row_major(&tile, 4, 4).expect("its own buffer");
            let Both { out, out_t } = both(&Options::new().isa(isa), view);
            let all_nan = |a: &Compressed| a.values().iter().all(|x| x.is_nan());
            assert!(all_nan(&out) && all_nan(&out_t), "{p} and {q}, {isa:?}");
        }
    }
}

/// Past the edge a group holds +0, or, where its tile is poisoned, NaN; both multiply nothing.
#[test]
fn padding_multiplies_nothing() {
    let mut data = Data::new(0x7E);
    let mut scratch = Scratch::new();
    for isa in levels() {
        let options = Options::new().isa(isa);
        for (rows, cols) in (1..10).flat_map(|rows| (1..10).map(move |cols| (rows, cols))) {
            let w = data.matrix(0, rows * cols);
            let view = MatRef::row_major(&w, rows, cols).expect("its own buffer");
            let Both { out, out_t } = both(&options, view);
            for (a, width) in [(&out, cols), (&out_t, rows)] {
                let view = a.as_ref();
                for i in 0..view.rows() {
                    for e in 0..P.row_values(width) {
                        let j = e / 2 * 4 + index_of(&a.meta()[i * P.row_meta(width)..], e, P);
                        let value = a.values()[i * P.row_values(width) + e];
                        assert!(j < width || value.to_bits() == 0, "{rows}x{cols} {isa:?}");
                    }
                }
                let b = data.matrix(0, width * 3);
                let mut c = vec![0.0; view.rows() * 3];
                let mut want = c.clone();
                common::naive_gemm(1.0, a, &b, 0.0, &mut want);
                let b = MatRef::row_major(&b, width, 3).expect("its own buffer");
                let to = MatMut::row_major(&mut c, view.rows(), 3).expect("its own buffer");
                gemm(&options, &mut scratch, 1.0, view, b, 0.0, to).expect("gemm");
                assert!(same_bits(&c, &want), "{rows}x{cols} {isa:?}");
            }
        }
    }
}

/// A matrix that is pruned already comes back as it is, also by way of KEEP.
#[test]
fn pruning_twice_changes_nothing() {
    let mut data = Data::new(0x7F);
    let (rows, cols) = (68, 132);
    let w = data.matrix(1, rows * cols);
    for isa in levels() {
        let options = Options::new().isa(isa);
        let view = MatRef::row_major(&w, rows, cols).expect("its own buffer");
        let Both { out, out_t } = both(&options, view);
        let pruned = dense(&out);
        let view = MatRef::row_major(&pruned, rows, cols).expect("its own buffer");
        let again = both(&options, view);
        assert!(again.out == out && again.out_t == out_t, "{isa:?}");
        for (view, want) in [(view, &out), (view.t(), &out_t)] {
            let mut kept = Compressed::new(view.rows(), view.cols(), P).expect("memory");
            compress(&options, Method::Keep, view, kept.as_mut()).expect("it is 2:4");
            assert!(kept == *want, "{isa:?}");
            let mut back = Dense::new(&w, view.rows(), view.cols(), Order::Rows, 0);
            decompress(&options, want.as_ref(), back.view_mut()).expect("decompress");
            assert_bits(&back.data(), &dense(want), "decompress");
        }
    }
}
