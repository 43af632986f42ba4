//! Methods and patterns: shards, groups of rows, blocks of N of M, transposable masks.

use super::*;

/// `compress`, `prune` and `prune_gemm` refuse the method with this pattern.
#[track_caller]
fn refused_by_all(t: &mut Bench, method: Method, p: Pattern, want: Error, says: &[&str]) {
    let (a, b) = (t.a(), t.b());
    let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
    refused(compress(&OPTIONS, method, a, out.as_mut()), want, says);
    assert!(out.values().iter().all(|&x| x == 0.0));
    let dense = t.dense();
    refused(prune(&OPTIONS, method, p, a, dense), want, says);
    let c = t.c();
    refused(prune_gemm(&OPTIONS, &mut t.scratch, method, p, 1.0, a, b, 0.0, c), want, says);
}

#[test]
fn shards_that_do_not_begin_a_group() {
    let mut t = Bench::new();
    for &p in Pattern::ALL {
        for col0 in [1, p.m() as u64 - 1, p.m() as u64 + 1, u64::MAX] {
            let method = Method::Mvue(Rng::new(1, 2).at(0, col0));
            let want = Error::ShardColumn { col0, m: p.m() };
            let says = [&*col0.to_string(), &p.m().to_string(), "col0"];
            refused_by_all(&mut t, method, p, want, &says);
        }
    }
}

#[test]
fn shards_that_do_not_begin_a_group_of_rows() {
    let mut t = Bench::new();
    for (group, row0) in [(2, 1), (4, 6), (64, 32), (3, u64::MAX - 1)] {
        let p = P.grouped(group).expect("a group of rows");
        let method = Method::Mvue(Rng::new(1, 2).at(row0, 0));
        let want = Error::ShardRow { row0, group: group as usize };
        let says = [&*row0.to_string(), &group.to_string(), "row0"];
        refused_by_all(&mut t, method, p, want, &says);
        // A method that draws nothing has no place.
        let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
        compress(&OPTIONS, Method::Magnitude, t.a(), out.as_mut()).expect("magnitude");
    }
}

#[test]
fn methods_without_groups_of_rows() {
    let mut t = Bench::new();
    let p = P.grouped(4).expect("a group of rows");
    let want = Error::Ungrouped { rows: 4 };
    for method in [Method::MvueApprox(Rng::new(1, 2)), Method::SoftThreshold] {
        refused_by_all(&mut t, method, p, want, &["groups of 4 rows"]);
    }
    refused(spnm::soft_threshold_scale(&OPTIONS, p, t.a()), want, &["4"]);
}

/// Rows that share indices share a row of metadata, and what one of them keeps all do.
#[test]
fn groups_of_rows_that_are_refused() {
    let p = P.grouped(4).expect("a group of rows");
    let (values, mut meta) = ([1.0f32; 36], [0x44u8; 3]);
    let ok = CompressedRef::new(&values, &meta, 9, 8, p, 4, 1).expect("three rows of metadata");
    assert_eq!(validate(ok), Ok(()));
    let short = CompressedRef::new(&values, &meta[..2], 9, 8, p, 4, 1).map(|_| ());
    refused(short, Error::OutOfSlice { argument: "meta", needed: 3, len: 2 }, &["3", "2"]);
    meta[1] = 0x04;
    let bad = CompressedRef::new(&values, &meta, 9, 8, p, 4, 1).expect("buffers");
    refused(validate(bad), Error::Meta { row: 4, group: 1 }, &["row 4", "group 1"]);

    // Two non-zeros a row, three in all, in the second group of rows and the second of columns.
    let mut data = vec![0.0; 9 * 8];
    for (i, j) in [(4, 4), (4, 5), (7, 5), (7, 7)] {
        data[i * 8 + j] = 1.0;
    }
    let want = Error::NotNm { row: 4, group: 1, nonzeros: 3, pattern: p };
    for order in common::ORDERS {
        let a = Dense::new(&data, 9, 8, order, 1);
        let mut out = Compressed::new(9, 8, p).expect("memory");
        let says = ["row 4", "group 1", "2:4x4"];
        refused(compress(&OPTIONS, Method::Keep, a.view(), out.as_mut()), want, &says);
        let mut out = Compressed::new(9, 8, P).expect("memory");
        compress(&OPTIONS, Method::Keep, a.view(), out.as_mut()).expect("N:M row by row");
    }
}

/// Two draws are for n = 2: elsewhere refused, before anything else is looked at.
#[test]
fn patterns_of_two_draws() {
    let mut t = Bench::new();
    let method = Method::MvueApprox(Rng::new(1, 1).at(0, 1));
    for &p in Pattern::ALL.iter().filter(|p| p.n() != 2) {
        let want = Error::Pattern { n: p.n() as u32, m: p.m() as u32 };
        let says = [&*p.to_string(), "not one of this method"];
        let mut packed = Compressed::new(ROWS, INNER, p).expect("memory");
        refused(compress(&OPTIONS, method, t.a(), packed.as_mut()), want, &says);
        let (a, dense) = (t.a(), t.dense());
        refused(prune(&OPTIONS, method, p, a, dense), want, &says);
        let (b, c) = (t.b(), t.c());
        let scratch = &mut t.scratch;
        refused(prune_gemm(&OPTIONS, scratch, method, p, 1.0, a, b, 0.0, c), want, &says);
    }
}

#[test]
fn not_n_of_m() {
    let mut t = Bench::new();
    let b = t.b();
    for (bad, row, group, nonzeros) in [
        (vec![(2, 1), (2, 2), (2, 3)], 2, 0, 3),
        (vec![(3, 4), (3, 5), (3, 6), (3, 7), (1, 5), (1, 6), (1, 7)], 1, 1, 3),
        // Another row's earlier group does not come first.
        (vec![(3, 0), (3, 1), (3, 2), (0, 4), (0, 5), (0, 6), (0, 7)], 0, 1, 4),
    ] {
        let mut data = vec![0.0; ROWS * INNER];
        for (i, j) in bad {
            data[i * INNER + j] = if j == 6 { f32::NAN } else { 1.0 };
        }
        let want = Error::NotNm { row, group, nonzeros, pattern: P };
        let says =
            [&*format!("row {row}"), &format!("group {group}"), &nonzeros.to_string(), "2:4"];
        for order in common::ORDERS {
            let a = Dense::new(&data, ROWS, INNER, order, 1);
            for isa in levels() {
                let options = OPTIONS.isa(isa);
                let (out, dense, c) = (t.out(), t.dense(), t.c());
                refused(compress(&options, Method::Keep, a.view(), out), want, &says);
                refused(prune(&options, Method::Keep, P, a.view(), dense), want, &says);
                refused(
                    prune_gemm(&options, &mut t.scratch, Method::Keep, P, 1.0, a.view(), b, 0.0, c),
                    want,
                    &says,
                );
            }
        }
    }
}

/// Everything that transposable masks refuse: as the other functions, and the two outputs.
#[test]
fn transposable_masks() {
    fn call(
        w: MatRef<'_>,
        out: Option<CompressedMut<'_>>,
        out_t: Option<CompressedMut<'_>>,
    ) -> Result<(), Error> {
        compress_transposable(&OPTIONS, w, out, out_t)
    }
    let mut t = Bench::new();
    let w = t.a();
    // The transpose's form: 8 x 4 in 16 values and 8 bytes.
    let (mut values_t, mut meta_t) = (vec![7.0f32; 16], vec![0xA5u8; 8]);
    let (v, m) = (t.values.as_mut_ptr(), t.meta.as_mut_ptr());
    let (vt, mt) = (values_t.as_mut_ptr(), meta_t.as_mut_ptr());
    let out = || Some(raw_out(v, m, (ROWS, INNER), (4, 1)));
    let out_t = || Some(raw_out(vt, mt, (INNER, ROWS), (2, 1)));

    is_null(call(w, None, None), "out and out_t");
    let no = raw(null(), ROWS, INNER, 8, 1);
    is_null(call(no, out(), out_t()), "w");
    is_null(call(w, Some(raw_out(null_mut(), m, (4, 8), (4, 1))), None), "out.values");
    is_null(call(w, Some(raw_out(v, null_mut(), (4, 8), (4, 1))), None), "out.meta");
    is_null(call(w, out(), Some(raw_out(null_mut(), mt, (8, 4), (2, 1)))), "out_t.values");
    is_null(call(w, None, Some(raw_out(vt, null_mut(), (8, 4), (2, 1)))), "out_t.meta");
    let dense = t.dense();
    is_null(prune_transposable(&OPTIONS, no, dense), "w");
    is_null(prune_transposable(&OPTIONS, w, raw_mut(null_mut(), 4, 8, 8, 1)), "out");
    is_null(prune_transposable_in_place(&OPTIONS, raw_mut(null_mut(), 4, 8, 8, 1)), "w");

    for &p in Pattern::ALL.iter().filter(|&&p| p != P) {
        let want = Error::Pattern { n: p.n() as u32, m: p.m() as u32 };
        let mut other = Compressed::new(ROWS, INNER, p).expect("memory");
        refused(call(w, Some(other.as_mut()), out_t()), want, &[&p.to_string()]);
        let mut other = Compressed::new(INNER, ROWS, p).expect("memory");
        refused(call(w, out(), Some(other.as_mut())), want, &[&p.to_string()]);
    }

    let p = P.grouped(8).expect("a group of rows");
    let mut other = Compressed::new(ROWS, INNER, p).expect("memory");
    let want = Error::Ungrouped { rows: 8 };
    refused(call(w, Some(other.as_mut()), out_t()), want, &["groups of 8 rows"]);

    shape(call(w.part(0..3, 0..8), out(), None), "rows of `out`", 4, 3);
    shape(call(w.part(0..4, 0..7), out(), None), "columns of `out`", 8, 7);
    shape(call(w.part(0..4, 0..7), None, out_t()), "rows of `out_t`", 8, 7);
    shape(call(w.part(0..3, 0..8), None, out_t()), "columns of `out_t`", 4, 3);
    shape(call(w, out_t(), None), "rows of `out`", 8, 4);
    let dense = t.dense();
    shape(prune_transposable(&OPTIONS, w.part(0..3, 0..8), dense), "rows of `out`", 4, 3);
    let dense = t.dense();
    shape(prune_transposable(&OPTIONS, w.part(0..4, 0..7), dense), "columns of `out`", 8, 7);

    for (what, ld, ld_t, got, needed) in [
        ("`out.ld_values`", (3, 1), (2, 1), 3, 4),
        ("`out.ld_meta`", (4, 0), (2, 1), 0, 1),
        ("`out_t.ld_values`", (4, 1), (1, 1), 1, 2),
        ("`out_t.ld_meta`", (4, 1), (2, 0), 0, 1),
    ] {
        let both = (raw_out(v, m, (4, 8), ld), raw_out(vt, mt, (8, 4), ld_t));
        let want = Error::LeadingDimension { what, got, needed };
        refused(call(w, Some(both.0), Some(both.1)), want, &[what, &got.to_string()]);
    }

    // W in elements 32 to 63 of a buffer; each part of each output at its ends, and on each other part.
    let mut buffer = vec![1.0f32; 160];
    let before = buffer.clone();
    let base = buffer.as_mut_ptr();
    let at = |e: usize| base.wrapping_add(e);
    let byte = |e: usize| at(e / 4).cast::<u8>().wrapping_add(e % 4);
    let w = raw(at(32), ROWS, INNER, 8, 1);
    let by_rows = |v, m| Some(raw_out(v, m, (ROWS, INNER), (4, 1)));
    let by_cols = |v, m| Some(raw_out(v, m, (INNER, ROWS), (2, 1)));
    for e in [17, 32, 63] {
        overlaps(call(w, by_rows(at(e), m), out_t()), "out.values", "w");
        overlaps(call(w, out(), by_cols(at(e), mt)), "out_t.values", "w");
    }
    for e in [4 * 32 - 3, 4 * 32, 4 * 64 - 1] {
        overlaps(call(w, by_rows(v, byte(e)), out_t()), "out.meta", "w");
        overlaps(call(w, out(), by_cols(vt, byte(e))), "out_t.meta", "w");
    }
    overlaps(call(w, by_rows(at(70), byte(4 * 85)), None), "out.values", "out.meta");
    overlaps(call(w, None, by_cols(at(70), byte(4 * 85))), "out_t.values", "out_t.meta");
    let fixed = || by_rows(at(70), byte(4 * 90));
    overlaps(call(w, fixed(), by_cols(at(85), mt)), "out_t.values", "out.values");
    overlaps(call(w, fixed(), by_cols(at(90), mt)), "out_t.values", "out.meta");
    overlaps(call(w, fixed(), by_cols(vt, byte(4 * 86 - 1))), "out_t.meta", "out.values");
    overlaps(call(w, fixed(), by_cols(vt, byte(4 * 90 + 3))), "out_t.meta", "out.meta");
    let narrow = |e| raw_mut(at(e), ROWS, INNER, 8, 1);
    for e in [1, 31, 33, 63] {
        overlaps(prune_transposable(&OPTIONS, w, narrow(e)), "out", "w");
    }
    let square = raw(at(32), 4, 4, 4, 1);
    let turned = raw_mut(at(32), 4, 4, 1, 4);
    overlaps(prune_transposable(&OPTIONS, square, turned), "out", "w");
    let argument = "out";
    let (row_stride, col_stride) = (1, 1);
    let want = Error::Aliased { argument, rows: ROWS, cols: INNER, row_stride, col_stride };
    refused(prune_transposable(&OPTIONS, w, raw_mut(at(70), ROWS, INNER, 1, 1)), want, &["out"]);
    assert_eq!(buffer, before, "a refused call wrote");

    let data = t.a.as_ptr();
    let dense = t.dense();
    let wild = raw(data, ROWS, INNER, isize::MAX / 4, 1);
    overflows(call(wild, out(), out_t()), "w", usize::MAX);
    overflows(prune_transposable(&OPTIONS, wild, dense), "w", usize::MAX);
    let many = 1usize << 31;
    let (tall, wide) = (raw(data, many, 1, 0, 0), raw(data, 1, many, 0, 0));
    let to = raw_out(v, m, (many, 1), (2, 1));
    overflows(call(tall, Some(to), None), "rows of `w`", many);
    let to = raw_out(v, m, (1, many), (many / 2, many / 8));
    overflows(call(wide, Some(to), None), "columns of `w`", many);
    overflows(
        prune_transposable(&OPTIONS, tall, raw_mut(at(0), many, 1, 1, 1)),
        "rows of `w`",
        many,
    );
    let to = raw_out(vt, mt, (INNER, ROWS), (usize::MAX, 1));
    overflows(call(t.a(), None, Some(to)), "`out_t.ld_values`", usize::MAX);

    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let (options, want) = (OPTIONS.isa(isa), Error::Isa { isa });
        let refusal = compress_transposable(&options, t.a(), out(), out_t());
        refused(refusal, want, &[isa.name()]);
        let (a, dense) = (t.a(), t.dense());
        refused(prune_transposable(&options, a, dense), want, &[isa.name()]);
    }
    assert!(values_t.iter().all(|&x| x == 7.0) && meta_t.iter().all(|&x| x == 0xA5));

    // Legal: nothing to do, with any pointers and strides; parts that touch; columns of one matrix.
    for isa in levels() {
        let options = OPTIONS.isa(isa);
        for (rows, cols) in [(0, 0), (0, 5), (5, 0)] {
            let w = raw(null(), rows, cols, 0, isize::MAX);
            let out = raw_out(null_mut(), null_mut(), (rows, cols), (0, 0));
            let out_t = raw_out(null_mut(), null_mut(), (cols, rows), (0, 0));
            compress_transposable(&options, w, Some(out), Some(out_t)).expect("no elements");
            let out = raw_mut(null_mut(), rows, cols, 0, 0);
            prune_transposable(&options, w, out).expect("no elements");
            let out = raw_mut(null_mut(), rows, cols, 0, 0);
            prune_transposable_in_place(&options, out).expect("no elements");
        }
        let mut buffer = before.clone();
        let base = buffer.as_mut_ptr();
        let at = |e: usize| base.wrapping_add(e);
        let w = raw(at(32), ROWS, INNER, 8, 1);
        let first = raw_out(at(16), at(64).cast(), (ROWS, INNER), (4, 1));
        let second = raw_out(at(65), at(81).cast(), (INNER, ROWS), (2, 1));
        compress_transposable(&options, w, Some(first), Some(second)).expect("neighbours");
        let half = |from| raw(at(from), 4, 4, 8, 1);
        prune_transposable(&options, half(32), raw_mut(at(36), 4, 4, 8, 1)).expect("interleaved");
        let pruned: Vec<f32> = (0..16).map(|e| half(36).at(e / 4, e % 4)).collect();
        let ones = |nonzero: bool| if nonzero { 1.0 } else { 0.0 };
        let want: Vec<f32> = (0..16).map(|e| ones((e / 4 < 2) == (e % 4 < 2))).collect();
        assert!(same_bits(&pruned, &want), "{isa:?}");
    }
}
