//! Views: pointers, shapes, strides, sizes of zero.

use super::*;

#[test]
fn null_pointers() {
    let mut t = Bench::new();
    let (a, b, packed) = (t.a(), t.b(), t.packed());
    let (no, no_mut) = (raw(null(), 4, 8, 8, 1), || raw_mut(null_mut(), 4, 8, 8, 1));
    let m = Method::Magnitude;
    let out = t.out();
    is_null(compress(&OPTIONS, m, no, out), "a");
    let meta = t.meta.as_mut_ptr();
    is_null(compress(&OPTIONS, m, a, raw_out(null_mut(), meta, (4, 8), (4, 1))), "out.values");
    let values = t.values.as_mut_ptr();
    is_null(compress(&OPTIONS, m, a, raw_out(values, null_mut(), (4, 8), (4, 1))), "out.meta");
    let dense = t.dense();
    is_null(prune(&OPTIONS, m, P, no, dense), "a");
    is_null(prune(&OPTIONS, m, P, a, no_mut()), "out");
    is_null(prune_in_place(&OPTIONS, m, P, no_mut()), "a");
    let no_values = raw_in(null(), t.packed.meta().as_ptr(), (4, 8), (4, 1));
    let no_meta = raw_in(t.packed.values().as_ptr(), null(), (4, 8), (4, 1));
    for (bad, name) in [(no_values, "a.values"), (no_meta, "a.meta")] {
        let (dense, c) = (t.dense(), t.c());
        is_null(decompress(&OPTIONS, bad, dense), name);
        is_null(validate(bad), name);
        is_null(t.gemm(bad, b, c), name);
    }
    is_null(decompress(&OPTIONS, packed, no_mut()), "out");
    let c = t.c();
    is_null(t.gemm(packed, raw(null(), 8, 5, 5, 1), c), "b");
    is_null(t.gemm(packed, b, raw_mut(null_mut(), 4, 5, 5, 1)), "c");
    let c = t.c();
    is_null(t.prune_gemm(m, no, b, c), "a");
    let c = t.c();
    is_null(t.prune_gemm(m, a, raw(null(), 8, 5, 5, 1), c), "b");
    is_null(t.prune_gemm(m, a, b, raw_mut(null_mut(), 4, 5, 5, 1)), "c");
}

#[test]
fn shapes_that_disagree() {
    let mut t = Bench::new();
    let (a, b, packed) = (t.a(), t.b(), t.packed());
    let m = Method::Magnitude;
    let out = t.out();
    shape(compress(&OPTIONS, m, a.part(0..3, 0..8), out), "rows of `out`", 4, 3);
    let out = t.out();
    shape(compress(&OPTIONS, m, a.part(0..4, 0..7), out), "columns of `out`", 8, 7);
    let dense = t.dense();
    shape(prune(&OPTIONS, m, P, a.part(0..3, 0..8), dense), "rows of `out`", 4, 3);
    let dense = t.dense();
    shape(prune(&OPTIONS, m, P, a.part(0..4, 0..7), dense), "columns of `out`", 8, 7);
    let dense = t.dense();
    shape(decompress(&OPTIONS, packed, dense.t()), "rows of `out`", 8, 4);
    let narrow = raw_mut(t.dense.as_mut_ptr(), 4, 7, 8, 1);
    shape(decompress(&OPTIONS, packed, narrow), "columns of `out`", 7, 8);
    for fused in [false, true] {
        let mut call = |b: MatRef<'_>, c: MatMut<'_>| match fused {
            true => t.prune_gemm(m, a, b, c),
            false => t.gemm(packed, b, c),
        };
        let c = |rows, cols| raw_mut(std::ptr::without_provenance_mut(64), rows, cols, 5, 1);
        shape(call(b.part(0..7, 0..5), c(4, 5)), "rows of `b`", 7, 8);
        shape(call(b, c(3, 5)), "rows of `c`", 3, 4);
        shape(call(b, c(4, 4)), "columns of `c`", 4, 5);
    }
}

#[test]
fn leading_dimensions_that_hold_no_row() {
    let mut t = Bench::new();
    let (a, b) = (t.a(), t.b());
    let (v, m) = (t.values.as_mut_ptr(), t.meta.as_mut_ptr());
    let too_short = |what: &'static str, got, needed| Error::LeadingDimension { what, got, needed };
    for (ld, bare, got, needed) in [((3, 1), "ld_values", 3, 4), ((4, 0), "ld_meta", 0, 1)] {
        let says = [bare, &*got.to_string(), &needed.to_string()];
        let named = |argument: &str| -> &'static str {
            match (argument, bare) {
                ("a", "ld_values") => "`a.ld_values`",
                ("a", _) => "`a.ld_meta`",
                (_, "ld_values") => "`out.ld_values`",
                _ => "`out.ld_meta`",
            }
        };
        let out = raw_out(v, m, (ROWS, INNER), ld);
        let want = too_short(named("out"), got, needed);
        refused(compress(&OPTIONS, Method::Magnitude, a, out), want, &says);
        let bad = raw_in(v, m, (ROWS, INNER), ld);
        let want = too_short(named("a"), got, needed);
        refused(validate(bad), want, &says);
        let (dense, c) = (t.dense(), t.c());
        refused(decompress(&OPTIONS, bad, dense), want, &says);
        refused(t.gemm(bad, b, c), want, &says);
        // The safe constructors refuse the same.
        let want = too_short(bare, got, needed);
        let made = CompressedRef::new(&t.values, &t.meta, ROWS, INNER, P, ld.0, ld.1);
        refused(made, want, &says);
        let made = CompressedMut::new(&mut t.values, &mut t.meta, ROWS, INNER, P, ld.0, ld.1);
        refused(made, want, &says);
    }
}

#[test]
fn views_that_leave_their_slice() {
    let data = [0.0f32; 12];
    let outside = |needed| Error::OutOfSlice { argument: "data", needed, len: 12 };
    let before = |elements| Error::BeforeSlice { argument: "data", elements };
    for (rows, cols, rs, cs, needed) in
        [(4, 4, 4, 1, 16), (3, 4, 4, 3, 18), (13, 1, 1, 1, 13), (1, 2, 0, 12, 13)]
    {
        let says = [&*needed.to_string(), "12"];
        refused(MatRef::new(&data, rows, cols, rs, cs), outside(needed), &says);
        refused(MatMut::new(&mut [0.0; 12], rows, cols, rs, cs), outside(needed), &says);
    }
    // Negative strides reach before the slice.
    refused(MatRef::new(&data, 3, 4, -4, 1), before(8), &["`data`", "8"]);
    refused(MatMut::new(&mut [0.0; 12], 3, 4, 4, -1), before(3), &["`data`", "3"]);
    refused(MatRef::row_major(&data, 3, 5), outside(15), &["15", "12"]);
    // The whole slice is legal, and so is nothing beyond it.
    MatRef::new(&data, 3, 4, 4, 1).expect("the whole slice");
    MatRef::new(&data, 2, 6, 1, 2).expect("the whole slice, crosswise");
    MatRef::new(&data, 1, 12, -1, 1).expect("the stride of a single row is not used");
    MatRef::new(&data, 0, 100, 100, 1).expect("no element");
    MatRef::new(&[], 100, 0, 1, 1).expect("no element");
    for (rows, cols, rs, cs) in
        [(3, 2, isize::MAX, 1), (2, 3, isize::MAX, isize::MAX), (usize::MAX, 2, 1, 1)]
    {
        let want = Error::Overflow { what: "the extent of a view", value: usize::MAX };
        refused(MatRef::new(&data, rows, cols, rs, cs), want, &["view"]);
    }
    refused(
        MatRef::row_major(&data, 2, usize::MAX),
        Error::Overflow { what: "a row", value: usize::MAX },
        &["row"],
    );

    let (values, meta) = ([0.0f32; 15], [0u8; 4]);
    let want = Error::OutOfSlice { argument: "values", needed: 16, len: 15 };
    refused(CompressedRef::new(&values, &meta, 4, 8, P, 4, 1), want, &["values", "16", "15"]);
    let (values, meta) = ([0.0f32; 16], [0u8; 3]);
    let want = Error::OutOfSlice { argument: "meta", needed: 4, len: 3 };
    refused(CompressedRef::new(&values, &meta, 4, 8, P, 4, 1), want, &["meta", "4", "3"]);
    let want = Error::Overflow { what: "the extent of a compressed matrix", value: usize::MAX };
    refused(CompressedRef::new(&values, &meta, 4, 8, P, usize::MAX, 1), want, &["compressed"]);
    refused(CompressedRef::new(&values, &meta, 4, 8, P, 4, usize::MAX), want, &["compressed"]);
    // The last row may end with its slice.
    CompressedRef::new(&[0.0; 34], &[0; 31], 4, 8, P, 10, 10).expect("three rows and a bit");
}

#[test]
fn what_parts_and_elements_refuse() {
    let data = [0.0f32; 12];
    let whole = view(&data, 3, 4);
    for (rows, cols) in [(0..4, 0..1), (0..1, 0..5), (4..4, 0..0), (0..0, 5..5)] {
        let caught = std::panic::catch_unwind(|| whole.part(rows.clone(), cols.clone()));
        assert!(caught.is_err(), "{rows:?} {cols:?}");
    }
    assert_eq!(whole.part(3..3, 4..4).rows(), 0);
    for (i, j) in [(3, 0), (0, 4)] {
        assert!(std::panic::catch_unwind(|| whole.at(i, j)).is_err(), "({i}, {j})");
    }
}

/// Zero sizes are valid no-ops, with any pointers and strides.
#[test]
fn nothing_to_do() {
    let mut scratch = Scratch::new();
    for isa in levels() {
        let options = OPTIONS.isa(isa);
        for method in [Method::Keep, Method::Magnitude, Method::Mvue(Rng::new(1, 1))] {
            for (rows, cols) in [(0, 0), (0, 5), (5, 0)] {
                let a = raw(null(), rows, cols, 0, isize::MAX);
                let out = raw_mut(null_mut(), rows, cols, 0, 0);
                let packed = raw_in(null(), null(), (rows, cols), (0, 0));
                let to = raw_out(null_mut(), null_mut(), (rows, cols), (0, 0));
                compress(&options, method, a, to).expect("compress");
                prune(&options, method, P, a, out).expect("prune");
                let out = raw_mut(null_mut(), rows, cols, 0, 0);
                prune_in_place(&options, method, P, out).expect("prune_in_place");
                let out = raw_mut(null_mut(), rows, cols, 0, 0);
                decompress(&options, packed, out).expect("decompress");
                validate(packed).expect("validate");
                // Products without a row or without a column.
                for width in [0, 3] {
                    if rows > 0 && width > 0 {
                        continue;
                    }
                    let (b, c) = (vec![1.0; cols * width], raw_mut(null_mut(), rows, width, 0, 0));
                    let b = view(&b, cols, width);
                    gemm(&options, &mut scratch, 1.0, packed, b, 2.0, c).expect("gemm");
                    let c = raw_mut(null_mut(), rows, width, 0, 0);
                    prune_gemm(&options, &mut scratch, method, P, 1.0, a, b, 2.0, c)
                        .expect("prune_gemm");
                }
            }
            // inner = 0 scales C by beta, and for beta = 0 does not read it.
            for (beta, want) in [(0.0, 0.0), (1.0, 3.0), (-0.5, -1.5)] {
                for order in common::ORDERS {
                    let start = if beta == 0.0 { f32::NAN } else { 3.0 };
                    let mut c = Dense::new(&[start; 5 * 21], 5, 21, order, 1);
                    let b = raw(null(), 0, 21, 0, 0);
                    let packed = raw_in(null(), null(), (5, 0), (0, 0));
                    gemm(&options, &mut scratch, 1.0, packed, b, beta, c.view_mut()).expect("gemm");
                    assert!(same_bits(&c.data(), &[want; 5 * 21]), "{isa:?} {beta} {order:?}");
                    assert!(c.slack_is_untouched());
                    let mut c = Dense::new(&[start; 5 * 21], 5, 21, order, 1);
                    let a = raw(null(), 5, 0, 0, 0);
                    let to = c.view_mut();
                    prune_gemm(&options, &mut scratch, method, P, 1.0, a, b, beta, to)
                        .expect("prune_gemm");
                    assert!(same_bits(&c.data(), &[want; 5 * 21]), "{isa:?} {beta} {order:?}");
                    assert!(c.slack_is_untouched());
                }
            }
        }
    }
}

/// Inputs of any strides, zero and negative ones included, are what a copy of them is.
#[test]
fn odd_strides() {
    let mut scratch = Scratch::new();
    let mut data = Data::new(12);
    let method = Method::Mvue(Rng::new(4, 4));
    for isa in levels() {
        let options = OPTIONS.isa(isa);
        for (rows, cols, width) in [(19, 70, 37), (3, 9, 5), (33, 130, 1), (1, 1, 40)] {
            let buffer = data.matrix(0, 40_000);
            let middle = &raw const buffer[20_000];
            for (rs, cs) in [
                (0, 0),
                (0, 1),
                (1, 0),
                (-1, -100),
                (-131, 1),
                (131, -1),
                (-3, 2),
                (7, 100),
                (1, 1),
            ] {
                let what = format!("{isa:?} {rows}x{cols}x{width}, strides {rs} {cs}");
                let copy = |rows: usize, cols: usize| -> Vec<f32> {
                    let v = raw(middle, rows, cols, rs, cs);
                    (0..rows * cols).map(|e| v.at(e / cols, e % cols)).collect()
                };
                let a = raw(middle, rows, cols, rs, cs);
                let packed = common::compressed(isa, method, &copy(rows, cols), (rows, cols), P);
                let mut out = Compressed::new(rows, cols, P).expect("memory");
                compress(&options, method, a, out.as_mut()).expect("compress");
                assert!(same_bits(out.values(), packed.values()), "{what}");
                assert_eq!(out.meta(), packed.meta(), "{what}");
                let b = raw(middle, cols, width, rs, cs);
                let mut want = vec![0.0; rows * width];
                common::naive_gemm(1.0, &packed, &copy(cols, width), 0.0, &mut want);
                let mut c = vec![0.0; rows * width];
                let to = view_mut(&mut c, rows, width);
                gemm(&options, &mut scratch, 1.0, out.as_ref(), b, 0.0, to).expect("gemm");
                assert!(same_bits(&c, &want), "{what}");
                let to = view_mut(&mut c, rows, width);
                prune_gemm(&options, &mut scratch, method, P, 1.0, a, b, 0.0, to)
                    .expect("prune_gemm");
                assert!(same_bits(&c, &want), "{what}");
                // The same strides for C, where its elements are distinct.
                if !aliases(rows, width, rs, cs) {
                    let mut target = vec![0.0; 40_000];
                    let to = raw_mut(&raw mut target[20_000], rows, width, rs, cs);
                    let dense_b = copy(cols, width);
                    let b = view(&dense_b, cols, width);
                    gemm(&options, &mut scratch, 1.0, out.as_ref(), b, 0.0, to).expect("gemm");
                    let got = raw(&raw const target[20_000], rows, width, rs, cs);
                    let got: Vec<f32> =
                        (0..rows * width).map(|e| got.at(e / width, e % width)).collect();
                    assert!(same_bits(&got, &want), "{what}");
                }
            }
        }
    }
}

/// Where there is one row, its leading dimension leads nowhere: any will do.
#[test]
fn leading_dimensions_of_a_single_row() {
    let far = usize::MAX / 2;
    let mut data = Data::new(9);
    for isa in levels() {
        let options = OPTIONS.isa(isa);
        for len in [1, 5, 9, 70, 300] {
            let a = data.matrix(0, len);
            let (kept, bytes) = (P.row_values(len), P.row_meta(len));
            let (mut values, mut meta) = (vec![7.0f32; kept], vec![0xA5u8; bytes]);
            let (v, m) = (values.as_mut_ptr(), meta.as_mut_ptr());
            let out = || raw_out(v, m, (1, len), (far, far));
            let check = |want: &Compressed, what: &str| {
                // SAFETY: what was written through the same pointers, whose buffers live.
                let (values, meta) = unsafe {
                    (std::slice::from_raw_parts(v, kept), std::slice::from_raw_parts(m, bytes))
                };
                assert!(
                    same_bits(values, want.values()) && meta == want.meta(),
                    "{what} {isa:?} {len}"
                );
            };
            let mut want = Compressed::new(1, len, P).expect("memory");

            let row = view(&a, 1, len);
            compress(&options, Method::Magnitude, row, want.as_mut()).expect("compress");
            compress(&options, Method::Magnitude, row, out()).expect("compress, far");
            check(&want, "compress");
            compress_transposable(&options, row, Some(want.as_mut()), None).expect("along");
            compress_transposable(&options, row, Some(out()), None).expect("along, far");
            check(&want, "along");
            let column = view(&a, len, 1);
            compress_transposable(&options, column, None, Some(want.as_mut())).expect("across");
            compress_transposable(&options, column, None, Some(out())).expect("across, far");
            check(&want, "across");

            let (mut dense, mut dense_far) = (vec![7.0; len], vec![7.0; len]);
            let given = raw_in(v, m, (1, len), (far, far));
            decompress(&options, want.as_ref(), view_mut(&mut dense, 1, len)).expect("decompress");
            decompress(&options, given, view_mut(&mut dense_far, 1, len)).expect("decompress, far");
            assert!(same_bits(&dense, &dense_far), "decompress {isa:?} {len}");
            let (mut c, mut c_far) = (vec![7.0; 3], vec![7.0; 3]);
            let (scratch, b) = (&mut Scratch::new(), data.matrix(0, 3 * len));
            let b = view(&b, len, 3);
            gemm(&options, scratch, 1.0, want.as_ref(), b, 0.0, view_mut(&mut c, 1, 3))
                .expect("gemm");
            gemm(&options, scratch, 1.0, given, b, 0.0, view_mut(&mut c_far, 1, 3))
                .expect("gemm, far");
            assert!(same_bits(&c, &c_far), "gemm {isa:?} {len}");
        }
    }
}
