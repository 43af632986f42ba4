//! Known answers, worked out by hand: no expectation here comes from code.

mod common;

use common::{Dense, ORDERS, Order, levels, same_bits};
use spnm::{
    Compressed, CompressedRef, Method, Options, Pattern, Rng, Scratch, compress, decompress, gemm,
    prune, prune_gemm,
};

const MVUE: Method = Method::Mvue(Rng::new(0, 0));
const APPROX: Method = Method::MvueApprox(Rng::new(0, 0));
const SOFT: Method = Method::SoftThreshold;

/// Compresses one row on every level, from every storage, and compares with the bytes expected.
#[track_caller]
fn row(method: Method, pattern: Pattern, x: &[f32], values: &[f32], meta: &[u8]) {
    for isa in levels() {
        for order in ORDERS {
            let a = Dense::new(x, 1, x.len(), order, 0);
            let mut out = Compressed::new(1, x.len(), pattern).expect("memory");
            compress(&Options::new().isa(isa), method, a.view(), out.as_mut()).expect("compress");
            let what = format!("{pattern} of {x:?}, {isa:?}, {order:?}");
            assert_eq!(out.meta(), meta, "{what}");
            assert_eq!(out.values().len(), values.len(), "{what}");
            for (got, want) in out.values().iter().zip(values) {
                assert_eq!(got.to_bits(), want.to_bits(), "{:?}: {what}", out.values());
            }
        }
    }
}

/// NVIDIA's codes for two of four: `i0 | i1 << 2`.
#[test]
fn nibbles_of_two_of_four() {
    for (x, values, nibble) in [
        ([1.0, 2.0, 0.0, 0.0], [1.0, 2.0], 0x4),
        ([1.0, 0.0, 2.0, 0.0], [1.0, 2.0], 0x8),
        ([0.0, 1.0, 2.0, 0.0], [1.0, 2.0], 0x9),
        ([1.0, 0.0, 0.0, 2.0], [1.0, 2.0], 0xC),
        ([0.0, 1.0, 0.0, 2.0], [1.0, 2.0], 0xD),
        ([0.0, 0.0, 1.0, 2.0], [1.0, 2.0], 0xE),
    ] {
        row(Method::Keep, Pattern::N2M4, &x, &values, &[nibble]);
        row(Method::Magnitude, Pattern::N2M4, &x, &values, &[nibble]);
        for method in [MVUE, APPROX, SOFT] {
            row(method, Pattern::N2M4, &x, &values, &[nibble]);
        }
    }
}

/// Fewer than two non-zeros: +0 at the highest free positions.
#[test]
fn canonical_fill() {
    for (x, values, nibble) in [
        ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0], 0xE),
        ([0.0, 0.0, 0.0, 5.0], [0.0, 5.0], 0xE),
        ([0.0, 0.0, 5.0, 0.0], [5.0, 0.0], 0xE),
        ([0.0, 5.0, 0.0, 0.0], [5.0, 0.0], 0xD),
        ([5.0, 0.0, 0.0, 0.0], [5.0, 0.0], 0xC),
        // A negative zero is a zero, and comes out as +0.
        ([-0.0, -0.0, -0.0, -0.0], [0.0, 0.0], 0xE),
        ([-0.0, 5.0, -0.0, -0.0], [5.0, 0.0], 0xD),
    ] {
        for method in [Method::Keep, Method::Magnitude, MVUE, APPROX, SOFT] {
            row(method, Pattern::N2M4, &x, &values, &[nibble]);
        }
    }
}

/// The metadata word 0xEEEE (-4370 as 16 bits with a sign) of rows [0, 0, 1, 1, 0, 0, 1, 1, ...].
#[test]
fn the_word_of_the_published_example() {
    let x: Vec<f32> = (0..16).map(|i| if i % 4 < 2 { 0.0 } else { 1.0 }).collect();
    row(Method::Keep, Pattern::N2M4, &x, &[1.0; 8], &[0xEE, 0xEE]);
    assert_eq!(i16::from_le_bytes([0xEE, 0xEE]), -4370);
}

#[test]
fn bytes_of_other_patterns() {
    // One bit a group: indices 0 1 1 0 1 1 0 1, then 1; the third group is empty, filled at 1.
    let x =
        [5.0, 0.0, 0.0, 6.0, 0.0, 0.0, 7.0, 0.0, 0.0, 8.0, 0.0, 9.0, 1.5, 0.0, 0.0, 2.5, 0.0, -3.0];
    let values = [5.0, 6.0, 0.0, 7.0, 8.0, 9.0, 1.5, 2.5, -3.0];
    row(Method::Keep, Pattern::N1M2, &x, &values, &[0b1011_0110, 0b1]);

    // Two bits a group: indices 2 0 3 1, then 3.
    let x = [
        0.0, 0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0,
        0.0, 6.0,
    ];
    row(Method::Keep, Pattern::N1M4, &x, &[3.0, 4.0, 0.0, 5.0, 6.0], &[0b0111_0010, 0b11]);

    // Four nibbles a group: 0 2 4 6; then 1 and 6 with fill at 7 and 5.
    let x = [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0];
    let values = [1.0, 2.0, 3.0, 4.0, 9.0, 0.0, 8.0, 0.0];
    row(Method::Keep, Pattern::N4M8, &x, &values, &[0x20, 0x64, 0x51, 0x76]);

    // One nibble a group, two groups and a half: 3, 0, and 1 of the half.
    let mut x = [0.0; 20];
    (x[3], x[8], x[17]) = (1.0, 2.0, 3.0);
    row(Method::Keep, Pattern::N1M8, &x, &[1.0, 2.0, 3.0], &[0x03, 0x01]);

    // Two nibbles: 3 and 7.
    let x = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0];
    row(Method::Keep, Pattern::N2M8, &x, &[1.0, 2.0], &[0x73]);

    // Sixteen entries, every second one.
    let x: Vec<f32> = (0..16u8).map(|i| if i % 2 == 1 { 0.0 } else { f32::from(i + 1) }).collect();
    let values = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0];
    row(Method::Keep, Pattern::N8M16, &x, &values, &[0x20, 0x64, 0xA8, 0xEC]);
    // Its largest: 15 (at 14), and so on down.
    row(Method::Magnitude, Pattern::N1M16, &x, &[15.0], &[0x0E]);
    row(Method::Magnitude, Pattern::N2M16, &x, &[13.0, 15.0], &[0xEC]);
    row(Method::Magnitude, Pattern::N4M16, &x, &[9.0, 11.0, 13.0, 15.0], &[0xA8, 0xEC]);
}

/// A short last group behaves as if padded with zeros: its fill may lie past the columns.
#[test]
fn short_last_groups() {
    row(Method::Keep, Pattern::N2M4, &[0.0, 1.0, 2.0, 0.0, 7.0], &[1.0, 2.0, 7.0, 0.0], &[0xC9]);
    row(Method::Magnitude, Pattern::N2M4, &[1.0, 2.0, 3.0], &[2.0, 3.0], &[0x9]);
    row(MVUE, Pattern::N1M2, &[-4.0], &[-4.0], &[0x0]);
    row(MVUE, Pattern::N1M2, &[0.0], &[0.0], &[0x1]);
}

/// Ties go to the lower index; signs do not count.
#[test]
fn ties() {
    row(Method::Magnitude, Pattern::N2M4, &[2.0, -2.0, 2.0, -2.0], &[2.0, -2.0], &[0x4]);
    row(Method::Magnitude, Pattern::N2M4, &[1.0, -2.0, 3.0, 2.0], &[-2.0, 3.0], &[0x9]);
    row(Method::Magnitude, Pattern::N1M4, &[1.0, -3.0, 3.0, 2.0], &[-3.0], &[0x1]);
}

/// A group that is not finite becomes canonical NaNs at indices 0 .. n, whatever was in it.
#[test]
fn poison() {
    let nan = f32::from_bits(0x7FC0_0000);
    let odd = f32::from_bits(0xFFA1_2345);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, odd] {
        for method in [Method::Magnitude, MVUE, APPROX, SOFT] {
            for at in 0..4 {
                let mut x = [1.0; 4];
                x[at] = bad;
                row(method, Pattern::N2M4, &x, &[nan, nan], &[0x4]);
                if method == APPROX {
                    continue;
                }
                row(method, Pattern::N1M4, &x, &[nan], &[0x0]);
            }
        }
    }
    // Finite entries without a finite sum.
    for method in [Method::Magnitude, MVUE, APPROX, SOFT] {
        row(method, Pattern::N2M4, &[3e38, 3e38, 0.0, 0.0], &[nan, nan], &[0x4]);
    }
    // KEEP takes what is there as it is.
    let x = [0.0, f32::INFINITY, 0.0, f32::NEG_INFINITY];
    row(Method::Keep, Pattern::N2M4, &x, &[f32::INFINITY, f32::NEG_INFINITY], &[0xD]);
}

/// What is kept shrinks by the largest magnitude that is not.
#[test]
fn soft_thresholds() {
    row(SOFT, Pattern::N2M4, &[4.0, -3.0, 1.0, 0.0], &[3.0, -2.0], &[0x4]);
    row(SOFT, Pattern::N2M4, &[1.0, -8.0, -2.0, 5.0], &[-6.0, 3.0], &[0xD]);
    row(SOFT, Pattern::N1M4, &[1.0, -8.0, -2.0, 5.0], &[-3.0], &[0x1]);
    row(SOFT, Pattern::N4M8, &[1., 2., 3., 4., 5., 6., 7., 8.], &[1., 2., 3., 4.], &[0x54, 0x76]);
    // Short: the padding is what is dropped.
    row(SOFT, Pattern::N2M4, &[4.0, -3.0], &[4.0, -3.0], &[0x4]);
    // Ties with what is dropped become zeros, with their signs.
    row(SOFT, Pattern::N2M4, &[-2.0, 2.0, 2.0, -5.0], &[-0.0, -3.0], &[0xC]);
}

/// Four equal entries: each is drawn with probability 1/4 + 3 (1/4 1/3), and 1 / p = 2. One of 8 beside three of 1:
/// 8/11 + 3 (1/11 8/10) of 8 and 1/11 + 8/11 1/3 + 2 (1/11 1/10) of 1.
#[test]
fn two_draws() {
    for isa in levels() {
        for seed in 0..50 {
            let method = Method::MvueApprox(Rng::new(seed, 9));
            let of = |x: &[f32]| {
                let out = common::compressed(isa, method, x, (1, 4), Pattern::N2M4);
                (out.values().to_vec(), out.meta()[0])
            };
            assert_eq!(of(&[1.0, 1.0, 1.0, 1.0]).0, [2.0, 2.0]);
            let (values, meta) = of(&[1.0, 8.0, -1.0, 1.0]);
            let [eight, one] =
                [8.0 / (104.0 / 110.0), 1.0 / (10.0 / 110.0 + 80.0 / 330.0 + 2.0 / 110.0)];
            let want = match meta {
                0x4 => [one, eight],  // 0 and 1
                0x8 => [one, -one],   // 0 and 2
                0x9 => [eight, -one], // 1 and 2
                0xC => [one, one],    // 0 and 3
                0xD => [eight, one],  // 1 and 3
                0xE => [-one, one],   // 2 and 3
                other => panic!("metadata {other:#x}"),
            };
            for (got, want) in values.iter().zip(want) {
                assert!((got - want).abs() < 1e-6 * want.abs(), "{values:?} for {want:?}");
            }
        }
    }
}

/// Groups whose estimate hardly depends on the random word.
#[test]
fn water_levels() {
    // Four equal entries: tau = 4 / 2, so the two that stay become 2.
    // One entry above the level: 8 > (8 + 3) / 2, so tau = 3 and 8 stays as it is, for certain.
    // 1:4: tau is the sum of the magnitudes. 4:8 with one large: tau = 7 / 3 of the others.
    for isa in levels() {
        for seed in 0..50 {
            let method = Method::Mvue(Rng::new(seed, 9));
            let of = |p: Pattern, x: &[f32]| {
                let out = common::compressed(isa, method, x, (1, x.len()), p);
                (out.values().to_vec(), out.meta()[0])
            };
            let (values, _) = of(Pattern::N2M4, &[1.0, 1.0, 1.0, 1.0]);
            assert_eq!(values, [2.0, 2.0]);
            let (values, meta) = of(Pattern::N2M4, &[1.0, 8.0, -1.0, 1.0]);
            match meta {
                0x4 => assert_eq!(values, [3.0, 8.0]),  // 0 and 1
                0x9 => assert_eq!(values, [8.0, -3.0]), // 1 and 2
                0xD => assert_eq!(values, [8.0, 3.0]),  // 1 and 3
                other => panic!("metadata {other:#x}"),
            }
            let (values, meta) = of(Pattern::N1M4, &[1.0, -2.0, 3.0, -4.0]);
            assert_eq!(values, [if meta % 2 == 0 { 10.0 } else { -10.0 }]);
            let (values, _) = of(Pattern::N4M8, &[3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 100.0]);
            assert_eq!(values, [7.0, 7.0, 7.0, 100.0]);
        }
    }
}

/// The published words of Philox4x32-10 for counter and key zero are 0x6627E8D5, 0xE169C58D,
/// 0xBC57AC4C, 0x9B00DBD8: they serve groups 0, 16, 32, 48 of row 0, and as fractions of 2^32 are
/// 0.39904, 0.88053, 0.73571, 0.60548. With tau = 1000, entry 0 of `[x, 1000 - x]` stays if the
/// fraction is below x / 1000.
#[test]
fn published_random_words_choose() {
    for (group, below, above) in
        [(0, 399.0, 400.0), (16, 880.0, 881.0), (32, 735.0, 736.0), (48, 605.0, 606.0)]
    {
        for (x, index) in [(below, 1), (above, 0)] {
            let mut row = vec![0.0; 2 * 50];
            (row[2 * group], row[2 * group + 1]) = (x, 1000.0 - x);
            for isa in levels() {
                let out = common::compressed(isa, MVUE, &row, (1, row.len()), Pattern::N1M2);
                assert_eq!(out.values()[group], 1000.0, "{isa:?}, group {group}, {x}");
                assert_eq!(
                    out.meta()[group / 8] >> (group % 8) & 1,
                    index,
                    "{isa:?}, {group}, {x}"
                );
            }
        }
    }
}

/// u is the *middle* of its cell of 2^-23: the first word of key and counter zero is the published 6627e8d5, so u 2^23 is
/// 3347444 and a half, between intervals that end there and one further.
#[test]
fn the_middle_of_a_cell() {
    const CELL: u32 = 0x6627_E8D5 >> 9;
    for (below, index) in [(CELL, 1), (CELL + 1, 0)] {
        let x = [below, (1 << 23) - below].map(|x| x as f32);
        row(MVUE, Pattern::N1M2, &x, &[8_388_608.0], &[index]);
    }
}

/// Two are drawn with one u, of cells twice as wide: 2^-22.
#[test]
fn the_middle_of_a_cell_for_two() {
    const CELL: f32 = (0x6627_E8D5 >> 10) as f32;
    const TAU: f32 = 4_194_304.0;
    for (below, meta) in [(CELL + 0.25, 0b10_01), (CELL + 0.75, 0b10_00)] {
        let x = [below, TAU - below, TAU / 2.0, TAU / 2.0];
        row(MVUE, Pattern::N2M4, &x, &[TAU, TAU], &[meta]);
    }
}

/// Four rows of eight, pruned by magnitude to 2:4, compressed, multiplied.
#[test]
fn a_product_by_hand() {
    let a = [
        1.0, -4.0, 3.0, 2.0, 0.0, 5.0, 0.0, -6.0, //
        2.0, 2.0, 2.0, 2.0, 7.0, 0.0, 0.0, 0.0, //
        0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 8.0, 1.0, //
        9.0, 1.0, -3.0, -9.0, 0.5, 0.25, 0.125, 0.75,
    ];
    let pruned = [
        0.0, -4.0, 3.0, 0.0, 0.0, 5.0, 0.0, -6.0, //
        2.0, 2.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0, //
        0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 8.0, 0.0, //
        9.0, 0.0, 0.0, -9.0, 0.5, 0.0, 0.0, 0.75,
    ];
    let values = [
        -4.0, 3.0, 5.0, -6.0, //
        2.0, 2.0, 7.0, 0.0, //
        0.0, 0.0, -1.0, 8.0, //
        9.0, -9.0, 0.5, 0.75,
    ];
    let meta = [0xD9, 0xC4, 0x8E, 0xCC];
    let b = [
        1.0, 0.0, 2.0, //
        0.0, 1.0, -1.0, //
        3.0, -2.0, 0.0, //
        1.0, 1.0, 1.0, //
        2.0, 0.0, -4.0, //
        -1.0, 3.0, 0.0, //
        0.0, 5.0, 1.0, //
        4.0, -2.0, 8.0,
    ];
    let product = [
        -20.0, 17.0, -44.0, //
        16.0, 2.0, -26.0, //
        -2.0, 40.0, 12.0, //
        4.0, -10.5, 13.0,
    ];
    // 2 A.B - 10
    let combined = [
        -50.0, 24.0, -98.0, //
        22.0, -6.0, -62.0, //
        -14.0, 70.0, 14.0, //
        -2.0, -31.0, 16.0,
    ];
    let p = Pattern::N2M4;
    let mut scratch = Scratch::new();
    for isa in levels() {
        let options = Options::new().isa(isa);
        for order in ORDERS {
            let a = Dense::new(&a, 4, 8, order, 0);
            let mut dense = Dense::new(&[7.0; 32], 4, 8, order, 0);
            prune(&options, Method::Magnitude, p, a.view(), dense.view_mut()).expect("prune");
            assert!(same_bits(&dense.data(), &pruned), "{isa:?} {order:?}");
            let mut packed = Compressed::new(4, 8, p).expect("memory");
            compress(&options, Method::Magnitude, a.view(), packed.as_mut()).expect("compress");
            assert!(same_bits(packed.values(), &values), "{isa:?} {order:?}");
            assert_eq!(packed.meta(), meta, "{isa:?} {order:?}");
            let mut dense = Dense::new(&[7.0; 32], 4, 8, Order::Cols, 0);
            decompress(&options, packed.as_ref(), dense.view_mut()).expect("decompress");
            assert!(same_bits(&dense.data(), &pruned), "{isa:?} {order:?}");

            let b = Dense::new(&b, 8, 3, order, 0);
            for (alpha, beta, want) in [(1.0, 0.0, product), (2.0, -1.0, combined)] {
                let mut c = Dense::new(&[10.0; 12], 4, 3, order, 0);
                let to = c.view_mut();
                gemm(&options, &mut scratch, alpha, packed.as_ref(), b.view(), beta, to)
                    .expect("gemm");
                assert_eq!(c.data(), want, "gemm, {isa:?} {order:?}");
                let mut c = Dense::new(&[10.0; 12], 4, 3, order, 0);
                let to = c.view_mut();
                let (a, b) = (a.view(), b.view());
                prune_gemm(&options, &mut scratch, Method::Magnitude, p, alpha, a, b, beta, to)
                    .expect("prune_gemm");
                assert_eq!(c.data(), want, "prune_gemm, {isa:?} {order:?}");
            }
        }
    }
}

/// One rounding a step: products that a multiplication rounded on its own would lose.
#[test]
fn multiply_adds_are_fused() {
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 exactly; -(1 + 2^-11) leaves 2^-24, which a product
    // rounded to 24 bits has lost.
    let x = 1.0 + 2f32.powi(-12);
    let y = 1.0 + 2f32.powi(-11);
    let mut scratch = Scratch::new();
    for isa in levels() {
        let packed = common::compressed(isa, Method::Keep, &[x, 0.0], (1, 2), Pattern::N1M2);
        for cols in [1, 40] {
            let mut b = vec![0.0; 2 * cols];
            b[..cols].fill(x);
            let b = Dense::new(&b, 2, cols, Order::Rows, 0);
            let mut c = Dense::new(&vec![-y; cols], 1, cols, Order::Rows, 0);
            let options = Options::new().isa(isa);
            let to = c.view_mut();
            gemm(&options, &mut scratch, 1.0, packed.as_ref(), b.view(), 1.0, to).expect("gemm");
            assert!(c.data().iter().all(|&c| c == 2f32.powi(-24)), "{isa:?}: {:?}", c.data());
        }
    }
}

/// Pruned entries do not multiply; kept zeros do; an index past `inner` does not.
#[test]
fn what_multiplies() {
    let inf = f32::INFINITY;
    let mut scratch = Scratch::new();
    for isa in levels() {
        let options = Options::new().isa(isa);
        let mut product = |a: &[f32], b: &[f32]| {
            let packed = common::compressed(isa, Method::Magnitude, a, (1, a.len()), Pattern::N2M4);
            let b = Dense::new(b, b.len(), 1, Order::Rows, 0);
            let mut c = Dense::new(&[0.0], 1, 1, Order::Rows, 0);
            let to = c.view_mut();
            gemm(&options, &mut scratch, 1.0, packed.as_ref(), b.view(), 0.0, to).expect("gemm");
            c.data()[0]
        };
        assert_eq!(product(&[3.0, 2.0, 1.0, 1.0], &[1.0, 1.0, inf, f32::NAN]), 5.0, "{isa:?}");
        // [1, 0, 0, 0] fills up at index 3: 0 times infinity.
        assert!(product(&[1.0, 0.0, 0.0, 0.0], &[1.0, 1.0, 1.0, inf]).is_nan(), "{isa:?}");
        assert_eq!(product(&[1.0, 0.0, 0.0, 0.0], &[1.0, inf, inf, 1.0]), 1.0, "{isa:?}");
        // A group of one column fills up past it.
        assert_eq!(product(&[4.0], &[0.25]), 1.0, "{isa:?}");
        // Nor does what somebody else left there.
        let one = CompressedRef::new(&[4.0, f32::NAN], &[0b11_00], 1, 1, Pattern::N2M4, 2, 1);
        let b = Dense::new(&[0.25], 1, 1, Order::Rows, 0);
        let mut c = Dense::new(&[0.0], 1, 1, Order::Rows, 0);
        gemm(&options, &mut scratch, 1.0, one.expect("a matrix"), b.view(), 0.0, c.view_mut())
            .expect("gemm");
        assert_eq!(c.data(), [1.0], "{isa:?}");
    }
}
