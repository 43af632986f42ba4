//! Every way to be refused: the variant, the argument and the numbers in the message, and outputs
//! that are as they were. And what looks odd but is legal.
//!
//! `Error::Memory` of a call is in tests/allocation.rs; `Error::Panic` stands for a bug and cannot
//! be reached through the API.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::{Data, Dense, Order, levels, same_bits};
use spnm::{
    Compressed, CompressedMut, CompressedRef, Error, Isa, MatMut, MatRef, Method, Options, Pattern,
    Pool, Rng, Scratch, compress, compress_transposable, decompress, gemm, prune, prune_gemm,
    prune_in_place, prune_transposable, prune_transposable_in_place, validate,
};
use std::collections::HashSet;
use std::ptr::{null, null_mut};

const P: Pattern = Pattern::N2M4;
const OPTIONS: Options<'static> = Options::new();

/// Refused with this error, in a message that says these things.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, want: Error, says: &[&str]) {
    let error = result.expect_err("must be refused");
    assert_eq!(error, want);
    let message = error.to_string();
    for part in says {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[track_caller]
fn overlaps(result: Result<(), Error>, output: &'static str, other: &'static str) {
    refused(result, Error::Overlap { output, other }, &[output, other]);
}

#[track_caller]
fn is_null(result: Result<(), Error>, argument: &'static str) {
    refused(result, Error::Null { argument }, &[argument, "null"]);
}

#[track_caller]
fn shape(result: Result<(), Error>, what: &'static str, got: usize, expected: usize) {
    let says = [what, &got.to_string(), &expected.to_string()];
    refused(result, Error::Shape { what, got, expected }, &says);
}

#[track_caller]
fn overflows(result: Result<(), Error>, what: &'static str, value: usize) {
    refused(result, Error::Overflow { what, value }, &[what, &value.to_string()]);
}

fn view(data: &[f32], rows: usize, cols: usize) -> MatRef<'_> {
    MatRef::row_major(data, rows, cols).expect("a row-major matrix")
}

fn view_mut(data: &mut [f32], rows: usize, cols: usize) -> MatMut<'_> {
    MatMut::row_major(data, rows, cols).expect("a row-major matrix")
}

/// A view that no function may touch an element of.
fn raw(data: *const f32, rows: usize, cols: usize, rs: isize, cs: isize) -> MatRef<'static> {
    // SAFETY: used with extents that are refused, or with memory that is there.
    unsafe { MatRef::from_raw_parts(data, rows, cols, rs, cs) }
}

fn raw_mut(data: *mut f32, rows: usize, cols: usize, rs: isize, cs: isize) -> MatMut<'static> {
    // SAFETY: as `raw`.
    unsafe { MatMut::from_raw_parts(data, rows, cols, rs, cs) }
}

/// A compressed output for `rows` x `cols`, with leading dimensions of its own, in raw memory.
fn raw_out(
    values: *mut f32,
    meta: *mut u8,
    (rows, cols): (usize, usize),
    ld: (usize, usize),
) -> CompressedMut<'static> {
    // SAFETY: as `raw`.
    unsafe { CompressedMut::from_raw_parts(values, meta, rows, cols, P, ld.0, ld.1) }
}

fn raw_in(
    values: *const f32,
    meta: *const u8,
    (rows, cols): (usize, usize),
    ld: (usize, usize),
) -> CompressedRef<'static> {
    // SAFETY: as `raw`.
    unsafe { CompressedRef::from_raw_parts(values, meta, rows, cols, P, ld.0, ld.1) }
}

/// A 4 x 8 matrix, N:M, its compressed form, and one of each output.
struct Bench {
    a: Vec<f32>,
    packed: Compressed,
    values: Vec<f32>,
    meta: Vec<u8>,
    dense: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    scratch: Scratch,
}

const ROWS: usize = 4;
const INNER: usize = 8;
const COLS: usize = 5;

impl Bench {
    fn new() -> Self {
        let mut data = Data::new(3);
        let mut a = data.matrix(0, ROWS * INNER);
        prune_in_place(&OPTIONS, Method::Magnitude, P, view_mut(&mut a, ROWS, INNER))
            .expect("prune");
        let packed = common::compressed(Isa::Reference, Method::Magnitude, &a, (ROWS, INNER), P);
        Self {
            packed,
            values: vec![7.0; ROWS * 4],
            meta: vec![0xA5; ROWS],
            dense: vec![7.0; ROWS * INNER],
            b: data.matrix(0, INNER * COLS),
            c: vec![7.0; ROWS * COLS],
            scratch: Scratch::new(),
            a,
        }
    }

    fn a(&self) -> MatRef<'static> {
        raw(self.a.as_ptr(), ROWS, INNER, INNER as isize, 1)
    }

    fn b(&self) -> MatRef<'static> {
        raw(self.b.as_ptr(), INNER, COLS, COLS as isize, 1)
    }

    fn c(&mut self) -> MatMut<'static> {
        raw_mut(self.c.as_mut_ptr(), ROWS, COLS, COLS as isize, 1)
    }

    fn dense(&mut self) -> MatMut<'static> {
        raw_mut(self.dense.as_mut_ptr(), ROWS, INNER, INNER as isize, 1)
    }

    fn out(&mut self) -> CompressedMut<'static> {
        raw_out(self.values.as_mut_ptr(), self.meta.as_mut_ptr(), (ROWS, INNER), (4, 1))
    }

    fn packed(&self) -> CompressedRef<'static> {
        raw_in(self.packed.values().as_ptr(), self.packed.meta().as_ptr(), (ROWS, INNER), (4, 1))
    }

    fn gemm(&mut self, a: CompressedRef<'_>, b: MatRef<'_>, c: MatMut<'_>) -> Result<(), Error> {
        gemm(&OPTIONS, &mut self.scratch, 1.0, a, b, 0.5, c)
    }

    fn prune_gemm(
        &mut self,
        method: Method,
        a: MatRef<'_>,
        b: MatRef<'_>,
        c: MatMut<'_>,
    ) -> Result<(), Error> {
        prune_gemm(&OPTIONS, &mut self.scratch, method, P, 1.0, a, b, 0.5, c)
    }
}

impl Drop for Bench {
    /// Whatever was refused has written nothing.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (what, output) in [("values", &self.values), ("out", &self.dense), ("c", &self.c)] {
            assert!(output.iter().all(|&x| x == 7.0), "{what} was written");
        }
        assert!(self.meta.iter().all(|&x| x == 0xA5), "meta was written");
    }
}

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
fn shards_that_do_not_begin_a_group() {
    let mut t = Bench::new();
    let (a, b) = (t.a(), t.b());
    for &p in Pattern::ALL {
        for col0 in [1, p.m() as u64 - 1, p.m() as u64 + 1, u64::MAX] {
            let method = Method::Mvue(Rng::new(1, 2).at(0, col0));
            let want = Error::ShardColumn { col0, m: p.m() };
            let says = [&*col0.to_string(), &p.m().to_string(), "col0"];
            let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
            refused(compress(&OPTIONS, method, a, out.as_mut()), want, &says);
            assert!(out.values().iter().all(|&x| x == 0.0));
            let dense = t.dense();
            refused(prune(&OPTIONS, method, p, a, dense), want, &says);
            let c = t.c();
            refused(
                prune_gemm(&OPTIONS, &mut t.scratch, method, p, 1.0, a, b, 0.0, c),
                want,
                &says,
            );
        }
    }
}

#[test]
fn shards_that_do_not_begin_a_group_of_rows() {
    let mut t = Bench::new();
    let (a, b) = (t.a(), t.b());
    for (group, row0) in [(2, 1), (4, 6), (64, 32), (3, u64::MAX - 1)] {
        let p = P.grouped(group).expect("a group of rows");
        let method = Method::Mvue(Rng::new(1, 2).at(row0, 0));
        let want = Error::ShardRow { row0, group: group as usize };
        let says = [&*row0.to_string(), &group.to_string(), "row0"];
        let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
        refused(compress(&OPTIONS, method, a, out.as_mut()), want, &says);
        assert!(out.values().iter().all(|&x| x == 0.0));
        let dense = t.dense();
        refused(prune(&OPTIONS, method, p, a, dense), want, &says);
        let c = t.c();
        refused(prune_gemm(&OPTIONS, &mut t.scratch, method, p, 1.0, a, b, 0.0, c), want, &says);
        // A method that draws nothing has no place.
        compress(&OPTIONS, Method::Magnitude, a, out.as_mut()).expect("magnitude");
    }
}

#[test]
fn methods_without_groups_of_rows() {
    let mut t = Bench::new();
    let (a, b) = (t.a(), t.b());
    let p = P.grouped(4).expect("a group of rows");
    let want = Error::Ungrouped { rows: 4 };
    for method in [Method::MvueApprox(Rng::new(1, 2)), Method::SoftThreshold] {
        let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
        refused(compress(&OPTIONS, method, a, out.as_mut()), want, &["groups of 4 rows"]);
        assert!(out.values().iter().all(|&x| x == 0.0));
        let dense = t.dense();
        refused(prune(&OPTIONS, method, p, a, dense), want, &["4"]);
        let c = t.c();
        refused(prune_gemm(&OPTIONS, &mut t.scratch, method, p, 1.0, a, b, 0.0, c), want, &["4"]);
    }
    refused(spnm::soft_threshold_scale(&OPTIONS, p, a), want, &["4"]);
}

/// Rows that share indices share a row of metadata, and what one of them keeps all do.
#[test]
fn groups_of_rows_that_are_refused() {
    let p = P.grouped(4).expect("a group of rows");
    let (values, mut meta) = ([1.0f32; 36], [0x44u8; 3]);
    let ok = CompressedRef::new(&values, &meta, 9, 8, p, 4, 1).expect("three rows of metadata");
    assert_eq!(validate(ok), Ok(()));
    let short = CompressedRef::new(&values, &meta[..2], 9, 8, p, 4, 1).map(|_| ());
    refused(short, Error::OutOfSlice { needed: 3, len: 2 }, &["3", "2"]);
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
    let outside = |needed| Error::OutOfSlice { needed, len: 12 };
    for (rows, cols, rs, cs, needed) in
        [(4, 4, 4, 1, 16), (3, 4, 4, 3, 18), (13, 1, 1, 1, 13), (1, 2, 0, 12, 13)]
    {
        let says = [&*needed.to_string(), "12"];
        refused(MatRef::new(&data, rows, cols, rs, cs), outside(needed), &says);
        refused(MatMut::new(&mut [0.0; 12], rows, cols, rs, cs), outside(needed), &says);
    }
    // Negative strides reach before the slice.
    refused(MatRef::new(&data, 3, 4, -4, 1), outside(4), &["12"]);
    refused(MatRef::new(&data, 3, 4, 4, -1), outside(9), &["12"]);
    refused(MatRef::row_major(&data, 3, 5), outside(15), &["15", "12"]);
    // The whole slice is legal, and so is nothing beyond it.
    MatRef::new(&data, 3, 4, 4, 1).expect("the whole slice");
    MatRef::new(&data, 2, 6, 1, 2).expect("the whole slice, crosswise");
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
    let want = Error::OutOfSlice { needed: 16, len: 15 };
    refused(CompressedRef::new(&values, &meta, 4, 8, P, 4, 1), want, &["16", "15"]);
    let (values, meta) = ([0.0f32; 16], [0u8; 3]);
    let want = Error::OutOfSlice { needed: 4, len: 3 };
    refused(CompressedRef::new(&values, &meta, 4, 8, P, 4, 1), want, &["4", "3"]);
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

/// Element addresses of a view that coincide, by trying all.
fn aliases(rows: usize, cols: usize, rs: isize, cs: isize) -> bool {
    let mut seen = HashSet::new();
    (0..rows as isize).any(|i| (0..cols as isize).any(|j| !seen.insert(i * rs + j * cs)))
}

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
    let out = raw_out(v, meta, (ROWS, INNER), (usize::MAX, 1));
    let result = compress(&OPTIONS, m, a, out);
    assert!(matches!(result, Err(Error::Overflow { value: usize::MAX, .. })), "{result:?}");
    let bad = raw_in(v, meta, (ROWS, INNER), (4, usize::MAX));
    assert!(matches!(validate(bad), Err(Error::Overflow { value: usize::MAX, .. })));
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
        overflows(compress(&OPTIONS, method, a, out), "`row0` + rows", row0 as usize);
        let dense = t.dense();
        overflows(prune(&OPTIONS, method, P, a, dense), "`row0` + rows", row0 as usize);
        let c = t.c();
        overflows(t.prune_gemm(method, a, b, c), "`row0` + rows", row0 as usize);
    }
    for col0 in [last_col + 4, groups_end * 4, u64::MAX - 3] {
        let method = Method::Mvue(Rng::new(1, 1).at(0, col0));
        let out = t.out();
        overflows(compress(&OPTIONS, method, a, out), "`col0` / m + groups", col0 as usize);
    }
    // The last that fit.
    let method = Method::Mvue(Rng::new(1, 1).at(last_row, last_col));
    let mut out = Compressed::new(ROWS, INNER, P).expect("memory");
    compress(&OPTIONS, method, a, out.as_mut()).expect("the last rows and groups");
    // Methods that draw nothing have no such limits: they take no generator at all.
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

    is_null(call(w, None, None), "out` and `out_t");
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
    let result = call(t.a(), None, Some(to));
    assert!(matches!(result, Err(Error::Overflow { value: usize::MAX, .. })), "{result:?}");

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
