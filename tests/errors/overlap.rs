//! Memory that operands share, and memory that they only seem to.

use super::*;

#[test]
fn outputs_that_share_memory_with_themselves() {
    let mut t = Bench::new();
    let b = t.b();
    let packed = t.packed();
    // Known cases; strides (2, 3) for 2 x 2 and 3 x 3 are legal: 3 * 2 = 2 * 3 needs a fourth row.
    assert!(!aliases(2, 2, 2, 3) && !aliases(3, 3, 2, 3) && aliases(4, 3, 2, 3));
    let mut buffer = vec![0.0f32; 200];
    let mut counts = [0, 0];
    for (rows, cols) in (1..6).flat_map(|r| (1..6).map(move |c| (r, c))) {
        let source = vec![1.0; rows * cols];
        for (rs, cs) in (-7..8).flat_map(|r| (-7..8).map(move |c| (r, c))) {
            let out = raw_mut(&raw mut buffer[100], rows, cols, rs, cs);
            let result = prune(&OPTIONS, Method::Magnitude, P, view(&source, rows, cols), out);
            let want = aliases(rows, cols, rs, cs);
            counts[usize::from(want)] += 1;
            if want {
                let argument = "out";
                let error = Error::Aliased { argument, rows, cols, row_stride: rs, col_stride: cs };
                refused(result, error, &["out", &rs.to_string(), &cs.to_string()]);
                assert!(buffer.iter().all(|&x| x == 0.0), "written: {rows}x{cols} {rs} {cs}");
            } else {
                result.expect("legal strides");
                let out = raw(&raw const buffer[100], rows, cols, rs, cs);
                let pruned = Dense::new(&source, rows, cols, Order::Rows, 0);
                let mut want = pruned.clone();
                prune(&OPTIONS, Method::Magnitude, P, pruned.view(), want.view_mut())
                    .expect("prune");
                for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
                    assert_eq!(out.at(i, j), want.view().at(i, j), "{rows}x{cols} {rs} {cs}");
                }
                assert_eq!(
                    buffer.iter().filter(|&&x| x != 0.0).count(),
                    want.data().iter().filter(|&&x| x != 0.0).count()
                );
                buffer.fill(0.0);
            }
        }
    }
    assert!(counts[0] > 1000 && counts[1] > 1000, "{counts:?}");

    let aliased = |argument, rows, cols| Error::Aliased {
        argument,
        rows,
        cols,
        row_stride: 1,
        col_stride: 1,
    };
    let out = raw_mut(t.dense.as_mut_ptr(), ROWS, INNER, 1, 1);
    refused(decompress(&OPTIONS, packed, out), aliased("out", ROWS, INNER), &["4 x 8", "1, 1"]);
    let c = |t: &mut Bench| raw_mut(t.c.as_mut_ptr(), ROWS, COLS, 1, 1);
    let to = c(&mut t);
    refused(t.gemm(packed, b, to), aliased("c", ROWS, COLS), &["`c`", "4 x 5"]);
    let (a, to) = (t.a(), c(&mut t));
    refused(t.prune_gemm(Method::Magnitude, a, b, to), aliased("c", ROWS, COLS), &["`c`"]);
}

#[test]
fn outputs_that_overlap_inputs() {
    let mut t = Bench::new();
    let (b, packed) = (t.b(), t.packed());
    let m = Method::Magnitude;
    // Within one buffer of 256 elements, at element offsets.
    let mut buffer = vec![1.0f32; 256];
    let before = buffer.clone();
    let base = buffer.as_mut_ptr();
    let at = |e: usize| base.wrapping_add(e);
    let a = raw(at(0), ROWS, INNER, INNER as isize, 1);
    for e in [0, 1, 31] {
        let out = raw_out(at(e), t.meta.as_mut_ptr(), (ROWS, INNER), (4, 1));
        overlaps(compress(&OPTIONS, m, a, out), "out.values", "a");
        let out = raw_out(t.values.as_mut_ptr(), at(e).cast(), (ROWS, INNER), (4, 1));
        overlaps(compress(&OPTIONS, m, a, out), "out.meta", "a");
    }
    for e in 40..56 {
        let out = raw_out(at(40), at(e).cast(), (ROWS, INNER), (4, 1));
        overlaps(compress(&OPTIONS, m, a, out), "out.values", "out.meta");
    }
    // The byte after the last value is free.
    let byte = at(55).cast::<u8>().wrapping_add(3);
    let out = raw_out(at(40), byte, (ROWS, INNER), (4, 1));
    overlaps(compress(&OPTIONS, m, a, out), "out.values", "out.meta");
    for e in [1, 4, 8, 31] {
        let out = || raw_mut(at(e), ROWS, INNER, INNER as isize, 1);
        overlaps(prune(&OPTIONS, m, P, a, out()), "out", "a");
    }
    // In place, but transposed: not in place.
    let square = raw(at(0), 4, 4, 4, 1);
    overlaps(prune(&OPTIONS, m, P, square, raw_mut(at(0), 4, 4, 1, 4)), "out", "a");
    let inside = |e| raw_in(at(e), t.packed.meta().as_ptr(), (ROWS, INNER), (4, 1));
    for e in [0, 31] {
        let out = || raw_mut(at(0), ROWS, INNER, INNER as isize, 1);
        overlaps(decompress(&OPTIONS, inside(e), out()), "out", "a.values");
        let meta = raw_in(t.packed.values().as_ptr(), at(e).cast(), (ROWS, INNER), (4, 1));
        overlaps(decompress(&OPTIONS, meta, out()), "out", "a.meta");
    }
    let c = || raw_mut(at(100), ROWS, COLS, COLS as isize, 1);
    let (values, meta) =
        (inside(119), raw_in(t.packed.values().as_ptr(), at(119).cast(), (ROWS, INNER), (4, 1)));
    overlaps(t.gemm(values, b, c()), "c", "a.values");
    overlaps(t.gemm(meta, b, c()), "c", "a.meta");
    for e in [61, 100, 119] {
        let b = raw(at(e), INNER, COLS, COLS as isize, 1);
        overlaps(t.gemm(packed, b, c()), "c", "b");
        let a = t.a();
        overlaps(t.prune_gemm(m, a, b, c()), "c", "b");
    }
    for e in [69, 100, 119] {
        let a = raw(at(e), ROWS, INNER, INNER as isize, 1);
        overlaps(t.prune_gemm(m, a, b, c()), "c", "a");
    }
    assert_eq!(buffer, before, "a refused call wrote");
    // Neighbours are legal.
    let b_before = raw(at(60), INNER, COLS, COLS as isize, 1);
    t.gemm(packed, b_before, c()).expect("b ends where c begins");
    let b_after = raw(at(120), INNER, COLS, COLS as isize, 1);
    t.gemm(packed, b_after, c()).expect("b begins where c ends");
}

/// Column ranges of one matrix share an address range, but no element.
#[test]
fn interleaved_views_are_legal() {
    let m = Method::Magnitude;
    let (rows, ld) = (6, 10);
    let mut data = Data::new(8);
    let a = data.matrix(0, rows * rows);
    let packed = common::compressed(Isa::Reference, m, &a, (rows, rows), P);
    let whole = data.matrix(0, rows * ld);
    let column = |of: &[f32], j: usize| -> Vec<f32> { (0..rows).map(|i| of[i * ld + j]).collect() };
    let mut scratch = Scratch::new();
    for isa in levels() {
        let options = OPTIONS.isa(isa);
        for (from_b, from_c, width, legal) in [
            (0, 5, 5, true),
            (5, 0, 5, true),
            (0, 7, 3, true),
            (2, 4, 2, true),
            (0, 4, 5, false),
            (5, 4, 2, false),
            (3, 3, 1, false),
        ] {
            for transposed in [false, true] {
                let mut buffer = whole.clone();
                let base = buffer.as_mut_ptr();
                let b = raw(base.wrapping_add(from_b), rows, width, ld as isize, 1);
                let c = raw_mut(base.wrapping_add(from_c), rows, width, ld as isize, 1);
                // Compressed times transposed views: A is square, so B^T and C^T fit if width = rows.
                let result = if transposed {
                    prune(&options, m, P, b.t(), c.t())
                } else {
                    gemm(&options, &mut scratch, 1.0, packed.as_ref(), b, 0.0, c)
                };
                let what = format!("{isa:?} {from_b} {from_c} {width} {transposed}");
                if !legal {
                    let (output, other) = if transposed { ("out", "a") } else { ("c", "b") };
                    if transposed && from_b == from_c {
                        result.expect("in place");
                    } else {
                        overlaps(result, output, other);
                        assert!(same_bits(&buffer, &whole), "{what}");
                    }
                    continue;
                }
                result.expect(&what);
                let apart: Vec<f32> =
                    (0..rows * width).map(|e| whole[e / width * ld + from_b + e % width]).collect();
                let mut want = vec![0.0; rows * width];
                if transposed {
                    let to = view_mut(&mut want, rows, width);
                    prune(&options, m, P, view(&apart, rows, width).t(), to.t()).expect("prune");
                } else {
                    common::naive_gemm(1.0, &packed, &apart, 0.0, &mut want);
                }
                for j in 0..ld {
                    if (from_c..from_c + width).contains(&j) {
                        let wanted: Vec<f32> =
                            (0..rows).map(|i| want[i * width + j - from_c]).collect();
                        assert!(same_bits(&column(&buffer, j), &wanted), "{what}");
                    } else {
                        assert!(same_bits(&column(&buffer, j), &column(&whole, j)), "{what}");
                    }
                }
            }
        }
    }
}

/// Column ranges of an image whose last row comes first.
#[test]
fn interleaved_views_with_a_negative_leading_dimension() {
    let (m, rows, ld) = (Method::Magnitude, 6, 10);
    let whole = Data::new(9).matrix(0, rows * ld);
    let mut apart = vec![0.0; rows * 4];
    prune(
        &OPTIONS,
        m,
        P,
        raw(&raw const whole[5 * ld + 6], rows, 4, -10, 1),
        view_mut(&mut apart, rows, 4),
    )
    .expect("another buffer");
    for (from, to, legal) in
        [(6, 0, true), (6, 2, true), (6, 3, false), (0, 4, true), (4, 2, false)]
    {
        let mut buffer = whole.clone();
        let last = buffer.as_mut_ptr().wrapping_add(5 * ld);
        let a = raw(last.wrapping_add(from), rows, 4, -10, 1);
        let result = prune(&OPTIONS, m, P, a, raw_mut(last.wrapping_add(to), rows, 4, -10, 1));
        if !legal {
            overlaps(result, "out", "a");
            assert!(same_bits(&buffer, &whole), "{from} {to}");
            continue;
        }
        result.expect("no element is shared");
        if from == 6 {
            for i in 0..rows {
                let row = &buffer[(5 - i) * ld + to..][..4];
                assert!(same_bits(row, &apart[4 * i..][..4]), "{to}, row {i}");
            }
        }
    }
}

/// The stride from row to row of a view with one row is not used, so it may be anything.
#[test]
fn single_rows_with_any_leading_dimension_that_overlap() {
    let m = Method::Magnitude;
    let whole = Data::new(9).matrix(0, 32);
    for ld in [1 << 62, (1 << 61) + 1, isize::MAX, isize::MIN, -8] {
        let mut buffer = whole.clone();
        let base = buffer.as_mut_ptr();
        let out = raw_mut(base.wrapping_add(1), 1, 8, ld, 1);
        overlaps(prune(&OPTIONS, m, P, raw(base, 1, 8, ld, 1), out), "out", "a");
        let out = raw_mut(base.wrapping_add(1), 8, 1, 1, ld);
        overlaps(prune(&OPTIONS, m, P, raw(base, 8, 1, 1, ld), out), "out", "a");
        assert!(same_bits(&buffer, &whole), "a refused call wrote");
        let out = raw_mut(base.wrapping_add(8), 1, 8, ld, 1);
        prune(&OPTIONS, m, P, raw(base, 1, 8, ld, 1), out).expect("neighbours");
    }
}

/// In place by a second view of the same memory, as a C caller has it.
#[test]
fn in_place_through_two_views() {
    let mut data = Data::new(5).matrix(1, 7 * 30);
    let mut want = vec![0.0; data.len()];
    let m = Method::Magnitude;
    prune(&OPTIONS, m, P, view(&data, 7, 30), view_mut(&mut want, 7, 30)).expect("prune");
    let base = data.as_mut_ptr();
    prune(&OPTIONS, m, P, raw(base, 7, 30, 30, 1), raw_mut(base, 7, 30, 30, 1)).expect("in place");
    assert!(same_bits(&data, &want));
}

/// A stride by which no element is reached says nothing about where elements are: single rows, columns and elements in
/// place, whatever it is.
#[test]
fn in_place_with_strides_that_are_not_used() {
    let whole = Data::new(6).matrix(1, 64);
    let m = Method::Magnitude;
    for (rows, cols, a, out) in [
        (1, 8, (8, 1), (1, 1)),
        (1, 8, (isize::MAX, -1), (isize::MIN, -1)),
        (8, 1, (1, 1), (1, 8)),
        (8, 1, (-3, 5), (-3, isize::MIN)),
        (1, 1, (0, 0), (7, -9)),
    ] {
        let first = if a.0.min(a.1) < 0 { 30 } else { 0 };
        let at = |i: usize, j: usize| {
            first + i as isize * stride(rows, a.0) + j as isize * stride(cols, a.1)
        };
        let places: Vec<usize> = (0..rows)
            .flat_map(|i| (0..cols).map(move |j| (i, j)))
            .map(|(i, j)| usize::try_from(at(i, j)).expect("an element of the buffer"))
            .collect();
        let apart: Vec<f32> = places.iter().map(|&e| whole[e]).collect();
        type Call = fn(MatRef<'_>, MatMut<'_>) -> Result<(), Error>;
        let calls: [Call; 3] = [
            |a, out| prune(&OPTIONS, Method::Magnitude, P, a, out),
            |a, out| prune_transposable(&OPTIONS, a, out),
            |a, out| prune_threshold(&OPTIONS, Rng::new(1, 1), 1.5, a, out),
        ];
        for call in calls {
            let mut pruned = vec![0.0; rows * cols];
            call(view(&apart, rows, cols), view_mut(&mut pruned, rows, cols)).expect("prune");
            let mut want = whole.clone();
            places.iter().zip(pruned).for_each(|(&e, x)| want[e] = x);
            let mut buffer = whole.clone();
            let data = buffer.as_mut_ptr().wrapping_offset(first);
            call(raw(data, rows, cols, a.0, a.1), raw_mut(data, rows, cols, out.0, out.1))
                .expect("in place");
            assert!(same_bits(&buffer, &want), "{rows} x {cols}, {a:?}, {out:?}");
        }
    }
    // A stride that is used.
    let mut buffer = whole.clone();
    let data = buffer.as_mut_ptr();
    overlaps(prune(&OPTIONS, m, P, raw(data, 8, 1, 8, 1), raw_mut(data, 8, 1, 1, 1)), "out", "a");
    overlaps(prune(&OPTIONS, m, P, raw(data, 2, 8, 8, 1), raw_mut(data, 2, 8, 9, 1)), "out", "a");
    assert!(same_bits(&buffer, &whole), "a refused call wrote");
}

/// The stride, if it is used.
fn stride(count: usize, stride: isize) -> isize {
    if count > 1 { stride } else { 0 }
}

/// With one leading dimension, but elements of a row that are not neighbours: 0 and 3 of each row, among which 2 and 3
/// lie.
#[test]
fn interleaved_views_with_gaps() {
    let mut buffer = vec![1.0; 64];
    let before = buffer.clone();
    let base = buffer.as_mut_ptr();
    let b = [1.0; 4];
    for (c_from, c_step, a_from, a_step) in [(0, 3, 2, 1), (2, 1, 0, 3)] {
        let a = raw(base.wrapping_add(a_from), 4, 2, 8, a_step);
        let c = raw_mut(base.wrapping_add(c_from), 4, 2, 8, c_step);
        let (m, b) = (Method::Magnitude, view(&b, 2, 2));
        overlaps(prune_gemm(&OPTIONS, &mut Scratch::new(), m, P, 1.0, a, b, 0.0, c), "c", "a");
    }
    assert!(same_bits(&buffer, &before));
}

/// Every second or third element, as real and imaginary parts lie: legal where no element is shared, by rows, by columns,
/// and backwards.
#[test]
fn interleaved_views_of_a_common_step() {
    let (rows, cols) = (5, 6);
    for step in [2isize, 3] {
        for from_a in 0..step {
            for from_c in 0..step {
                for backwards in [false, true] {
                    let mut buffer: Vec<f32> = (1..=200u8).map(f32::from).collect();
                    let before = buffer.clone();
                    let base = buffer.as_mut_ptr();
                    let a = raw(base.wrapping_offset(from_a), rows, cols, 6 * step, step);
                    let c = base.wrapping_offset(from_c);
                    let c = match backwards {
                        false => raw_mut(c, rows, cols, step, 5 * step),
                        true => raw_mut(c.wrapping_offset(29 * step), rows, cols, -6 * step, -step),
                    };
                    let result = prune(&OPTIONS, Method::Magnitude, P, a, c);
                    if from_a == from_c {
                        overlaps(result, "out", "a");
                        assert!(same_bits(&buffer, &before));
                    } else {
                        result.expect("no element is shared");
                        for (e, (x, y)) in buffer.iter().zip(&before).enumerate() {
                            let written = e as isize % step == from_c && e as isize / step < 30;
                            assert!(written || x == y, "{step} {from_a} {from_c}: element {e}");
                        }
                    }
                }
            }
        }
    }
    // By bytes: half an element apart they share some.
    let mut buffer = vec![1.0f32; 200];
    let base = buffer.as_mut_ptr();
    for (bytes, legal) in [(2, false), (4, true), (6, false)] {
        let a = raw(base, rows, cols, 12, 2);
        let c = raw_mut(base.wrapping_byte_add(bytes), rows, cols, 12, 2);
        assert_eq!(prune(&OPTIONS, Method::Magnitude, P, a, c).is_ok(), legal, "{bytes}");
    }
}

/// A and C as columns of one matrix, of every place and width: legal exactly where no element is shared.
#[test]
fn interleaved_views_of_every_width() {
    let (rows, ld) = (4, 10);
    let mut scratch = Scratch::new();
    let mut counts = [0, 0];
    let columns = || (0..ld).flat_map(|from| (1..=ld - from).map(move |width| (from, width)));
    for (from_a, inner) in columns() {
        for (from_c, cols) in columns() {
            for by_columns in [false, true] {
                let mut buffer: Vec<f32> = (1..=100u8).map(f32::from).collect();
                let before = buffer.clone();
                let base = buffer.as_mut_ptr();
                // By columns: transposes of such views, both inner x rows.
                let (a, c) = match by_columns {
                    false => (
                        raw(base.wrapping_add(from_a), rows, inner, ld as isize, 1),
                        raw_mut(base.wrapping_add(from_c), rows, cols, ld as isize, 1),
                    ),
                    true => (
                        raw(base.wrapping_add(from_a), inner, rows, 1, ld as isize),
                        raw_mut(base.wrapping_add(from_c), inner, rows, 1, ld as isize),
                    ),
                };
                let c_cols = if by_columns { inner } else { cols };
                if by_columns && from_c + inner > ld {
                    continue;
                }
                let shared = from_a < from_c + c_cols && from_c < from_a + inner;
                let b = vec![1.0; if by_columns { rows * rows } else { inner * cols }];
                let b = if by_columns { view(&b, rows, rows) } else { view(&b, inner, cols) };
                let m = Method::Magnitude;
                let result = prune_gemm(&OPTIONS, &mut scratch, m, P, 1.0, a, b, 0.0, c);
                counts[usize::from(shared)] += 1;
                if shared {
                    overlaps(result, "c", "a");
                    assert!(same_bits(&buffer, &before));
                } else {
                    let what = format!("A {from_a} + {inner}, C {from_c} + {cols}, {by_columns}");
                    result.expect(&what);
                    for (e, (x, y)) in buffer.iter().zip(&before).enumerate() {
                        let written =
                            (from_c..from_c + c_cols).contains(&(e % ld)) && e / ld < rows;
                        assert!(written || x == y, "{what}: element {e}");
                    }
                }
            }
        }
    }
    assert!(counts[0] > 500 && counts[1] > 500, "{counts:?}");
}
