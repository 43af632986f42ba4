//! What is too large, and what is not there: extents, the generator, levels, pools, metadata.

use super::*;

#[test]
fn extents_beyond_the_address_space() {
    let mut t = Bench::new();
    let (a, b, packed) = (t.a(), t.b(), t.packed());
    let m = Method::Magnitude;
    let data = t.a.as_ptr();
    for (rs, cs) in [
        (isize::MAX, 1),
        (1, isize::MAX),
        (isize::MIN, 1),
        (isize::MAX / 4, isize::MAX / 4),
        (isize::MAX / 16, -isize::MAX / 16),
        (isize::MIN / 4, 1),
    ] {
        let wild = raw(data, ROWS, INNER, rs, cs);
        let out = t.out();
        overflows(compress(&OPTIONS, m, wild, out), "a", usize::MAX);
        let dense = t.dense();
        overflows(prune(&OPTIONS, m, P, wild, dense), "a", usize::MAX);
        let c = t.c();
        overflows(t.prune_gemm(m, wild, b, c), "a", usize::MAX);
        let wild = raw(data, INNER, COLS, rs, cs);
        let c = t.c();
        overflows(t.gemm(packed, wild, c), "b", usize::MAX);
    }
    let out = raw_mut(t.dense.as_mut_ptr(), ROWS, INNER, isize::MAX / 2, 1);
    overflows(prune(&OPTIONS, m, P, a, out), "out", usize::MAX);
    let out = raw_mut(t.dense.as_mut_ptr(), ROWS, INNER, isize::MAX / 2, 1);
    overflows(decompress(&OPTIONS, packed, out), "out", usize::MAX);
    let c = raw_mut(t.c.as_mut_ptr(), ROWS, COLS, isize::MAX / 2, 1);
    overflows(t.gemm(packed, b, c), "c", usize::MAX);
    // A pointer so high that the view would wrap around.
    let high = std::ptr::without_provenance(usize::MAX - 15);
    let out = t.out();
    overflows(compress(&OPTIONS, m, raw(high, ROWS, INNER, 8, 1), out), "a", usize::MAX);
    // Leading dimensions.
    let (v, meta) = (t.values.as_mut_ptr(), t.meta.as_mut_ptr());
    for ld in [usize::MAX, usize::MAX / 2, usize::MAX / 4] {
        let out = raw_out(v, meta, (ROWS, INNER), (ld, 1));
        overflows(compress(&OPTIONS, m, a, out), "`out.ld_values`", ld);
        let out = raw_out(v, meta, (ROWS, INNER), (4, ld));
        overflows(compress(&OPTIONS, m, a, out), "`out.ld_meta`", ld);
        let (values, indices) =
            (raw_in(v, meta, (ROWS, INNER), (ld, 1)), raw_in(v, meta, (ROWS, INNER), (4, ld)));
        overflows(validate(values), "`a.ld_values`", ld);
        overflows(validate(indices), "`a.ld_meta`", ld);
        let c = t.c();
        overflows(t.gemm(indices, b, c), "`a.ld_meta`", ld);
    }
    // Buffers so high that they would wrap around.
    let high = std::ptr::without_provenance_mut::<f32>(usize::MAX - 15);
    let bad = raw_in(high, meta, (ROWS, INNER), (4, 1));
    overflows(validate(bad), "a.values", usize::MAX);
    let bad = raw_in(v, high.cast::<u8>().wrapping_add(14), (ROWS, INNER), (4, 1));
    overflows(validate(bad), "a.meta", usize::MAX);
    // Owned.
    for (rows, cols) in [(usize::MAX, 4), (4, usize::MAX), (1 << 40, 1 << 40)] {
        let want = Error::Overflow { what: "a compressed matrix", value: usize::MAX };
        refused(Compressed::new(rows, cols, P), want, &["compressed"]);
    }
    // More than there is memory for, but not more than could be addressed.
    if usize::BITS == 64 {
        let made = Compressed::new(1 << 29, 1 << 29, P);
        let want = Error::Memory { bytes: 1 << 59 };
        refused(made, want, &[&(1u64 << 59).to_string()]);
    }
}

/// Rows below 2^31, groups below 2^32: strides of 0 make such views out of one element.
#[test]
fn limits_of_a() {
    let one = 1.0f32;
    let m = Method::Magnitude;
    let mut t = Bench::new();
    let rows = 1usize << 31;
    let tall = raw(&raw const one, rows, 1, 0, 0);
    let (v, meta) = (t.values.as_mut_ptr(), t.meta.as_mut_ptr());
    let out = raw_out(v, meta, (rows, 1), (2, 1));
    overflows(compress(&OPTIONS, m, tall, out), "rows of `a`", rows);
    overflows(validate(raw_in(v, meta, (rows, 1), (2, 1))), "rows of `a`", rows);
    let (b, c) = (raw(&raw const one, 1, 1, 0, 0), raw_mut(t.c.as_mut_ptr(), rows, 1, 1, 1));
    overflows(t.prune_gemm(m, tall, b, c), "rows of `a`", rows);
    let c = raw_mut(t.c.as_mut_ptr(), rows, 1, 1, 1);
    overflows(t.gemm(raw_in(v, meta, (rows, 1), (2, 1)), b, c), "rows of `a`", rows);
    if usize::BITS == 64 {
        let (cols, groups) = (1usize << 34, 1usize << 32);
        let wide = raw(&raw const one, 1, cols, 0, 0);
        let ld = (P.row_values(cols), P.row_meta(cols));
        let what = "groups in a row of `a`";
        overflows(compress(&OPTIONS, m, wide, raw_out(v, meta, (1, cols), ld)), what, groups);
        overflows(validate(raw_in(v, meta, (1, cols), ld)), what, groups);
    }
}

#[test]
fn limits_of_the_generator() {
    let mut t = Bench::new();
    let (a, b) = (t.a(), t.b());
    let groups = (INNER / P.m()) as u64;
    let (rows_end, groups_end) = (1u64 << 31, 1u64 << 32);
    let last_row = rows_end - ROWS as u64;
    let last_col = (groups_end - groups) * 4;
    for row0 in [last_row + 1, rows_end, u64::MAX] {
        let method = Method::Mvue(Rng::new(1, 1).at(row0, 0));
        let out = t.out();
        let (what, end) = ("`row0` + rows", row0.saturating_add(ROWS as u64) as usize);
        overflows(compress(&OPTIONS, method, a, out), what, end);
        let dense = t.dense();
        overflows(prune(&OPTIONS, method, P, a, dense), what, end);
        let c = t.c();
        overflows(t.prune_gemm(method, a, b, c), what, end);
    }
    for col0 in [last_col + 4, groups_end * 4, u64::MAX - 3] {
        let method = Method::Mvue(Rng::new(1, 1).at(0, col0));
        let out = t.out();
        let end = (col0 / 4 + groups) as usize;
        overflows(compress(&OPTIONS, method, a, out), "`col0` / m + groups", end);
    }
    // The last that fit.
    let method = Method::Mvue(Rng::new(1, 1).at(last_row, last_col));
    let mut out = Compressed::new(ROWS, INNER, P).expect("memory");
    compress(&OPTIONS, method, a, out.as_mut()).expect("the last rows and groups");
    // Methods that draw nothing have no such limits: they take no generator at all.
}

#[test]
fn malformed_metadata() {
    let values = [1.0f32; 16];
    let meta_error = |row, group| Error::Meta { row, group };
    // Row 2: equal, descending; a nibble of 2:4 is 4 bits, so nothing is out of range.
    for (byte, group) in [(0x40, 0), (0x45, 0), (0x41, 0), (0x04, 1), (0xF4, 1), (0x54, 1)] {
        let mut meta = [0x44u8; 4];
        meta[2] = byte;
        let view = CompressedRef::new(&values, &meta, 4, 8, P, 4, 1).expect("buffers");
        let says = ["row 2", &format!("group {group}")];
        refused(validate(view), meta_error(2, group), &says);
    }
    // Padding bits of a row with one group.
    let view = CompressedRef::new(&values, &[0x44, 0x04, 0x84], 3, 4, P, 2, 1).expect("buffers");
    refused(validate(view), meta_error(0, 1), &["row 0", "group 1"]);
    // 1:8 has nibbles: 8 and up are out of range.
    let view = CompressedRef::new(&values, &[0x87], 1, 16, Pattern::N1M8, 2, 1).expect("buffers");
    refused(validate(view), meta_error(0, 1), &["row 0", "group 1"]);
}

#[test]
fn levels_that_the_cpu_lacks() {
    let mut t = Bench::new();
    let (a, b, packed) = (t.a(), t.b(), t.packed());
    let m = Method::Magnitude;
    let lacking: Vec<Isa> = Isa::ALL.into_iter().filter(|isa| !isa.is_available()).collect();
    assert!(!lacking.is_empty(), "no CPU has the levels of two architectures");
    for isa in lacking {
        let options = OPTIONS.isa(isa);
        let want = Error::Isa { isa };
        let says = [isa.name()];
        let (out, dense) = (t.out(), t.dense());
        refused(compress(&options, m, a, out), want, &says);
        refused(prune(&options, m, P, a, dense), want, &says);
        let dense = t.dense();
        refused(decompress(&options, packed, dense), want, &says);
        let c = t.c();
        refused(gemm(&options, &mut t.scratch, 1.0, packed, b, 0.0, c), want, &says);
        let c = t.c();
        let scratch = &mut t.scratch;
        refused(prune_gemm(&options, scratch, m, P, 1.0, a, b, 0.0, c), want, &says);
    }
}

#[test]
fn patterns_and_pools() {
    for (n, m) in [(0, 4), (4, 4), (3, 4), (2, 3), (5, 2), (u32::MAX, 4)] {
        let says = [&*format!("{n}:{m}")];
        refused(Pattern::new(n, m), Error::Pattern { n, m }, &says);
    }
    for text in ["", "2", "2:", ":4", "2:4:8", "4:2", "-2:4", "two:four"] {
        assert!(matches!(text.parse::<Pattern>(), Err(Error::Pattern { .. })), "{text:?}");
    }
    for &p in Pattern::ALL {
        assert_eq!(p.to_string().parse(), Ok(p));
    }
    for rows in [0, Pattern::MAX_GROUP + 1, 256 + 8, u32::MAX] {
        refused(P.grouped(rows), Error::Group { rows }, &[&rows.to_string(), "1 to 64"]);
    }
    for text in ["2:4x", "2:4x0", "2:4x65", "2:4x-1", "2:4x2x2"] {
        assert!(matches!(text.parse::<Pattern>(), Err(Error::Group { .. })), "{text:?}");
    }
    for threads in [0, Pool::MAX_THREADS + 1] {
        refused(Pool::new(threads), Error::Threads { threads }, &[&threads.to_string()]);
    }
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse(), Ok(isa));
    }
    assert!("sse".parse::<Isa>().is_err());
}
