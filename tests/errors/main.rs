//! Every way to be refused: the variant, the argument and the numbers in the message, and outputs
//! that are as they were. And what looks odd but is legal.
//!
//! `Error::Memory` of a call is in tests/allocation.rs; `Error::NoThread` depends on the system: tests/faults.rs.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

#[path = "../common/mod.rs"]
mod common;
mod limits;
mod methods;
mod overlap;
mod views;

use common::{Data, Dense, Order, levels, same_bits, view, view_mut};
use spnm::{
    Compressed, CompressedMut, CompressedRef, Error, Isa, MatMut, MatRef, Method, Options, Pattern,
    Pool, Rng, Scratch, compress, compress_transposable, decompress, gemm, prune, prune_gemm,
    prune_in_place, prune_threshold, prune_transposable, prune_transposable_in_place, validate,
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
    let says = match value {
        usize::MAX => "too large for the address space".to_owned(),
        value => format!("too large: {value}"),
    };
    refused(result, Error::Overflow { what, value }, &[what, &says]);
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

/// Element addresses of a view that coincide, by trying all.
fn aliases(rows: usize, cols: usize, rs: isize, cs: isize) -> bool {
    let mut seen = HashSet::new();
    (0..rows as isize).any(|i| (0..cols as isize).any(|j| !seen.insert(i * rs + j * cs)))
}
