//! Every check of every argument, once. What passes here cannot make a kernel touch memory that is
//! not the caller's, given that the caller told the truth about its pointers.

use super::Method;
use crate::compressed::CompressedRef;
use crate::error::Error;
use crate::matrix::MatRef;
use crate::pattern::Pattern;
use crate::rng::Rng;
use std::ops::Range;

/// The addresses that an operand spans, in bytes.
pub(super) type Span = Range<usize>;

/// Rows of A stay below this, so that a row fits the generator's counter beside the draw.
const MAX_ROWS: u64 = 1 << 31;
/// Groups of a row of A stay within a word of the generator's counter.
const MAX_IN_A_ROW: u64 = 1 << 32;

pub(super) fn same(what: &'static str, got: usize, expected: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Shape { what, got, expected }) }
}

/// The rows and columns of `out`.
pub(super) fn shape_of_out(got: (usize, usize), expected: (usize, usize)) -> Result<(), Error> {
    same("rows of `out`", got.0, expected.0)?;
    same("columns of `out`", got.1, expected.1)
}

/// `count` elements of `size` bytes from `low` elements past `data`.
fn span(data: usize, low: isize, count: usize, size: usize) -> Option<Span> {
    let bytes = count.checked_mul(size).filter(|&b| isize::try_from(b).is_ok())?;
    let offset = low.checked_mul(isize::try_from(size).ok()?)?;
    let start = data.checked_add_signed(offset)?;
    Some(start..start.checked_add(bytes)?)
}

/// A view that is read: not null, within the address space.
pub(super) fn input(argument: &'static str, view: MatRef<'_>) -> Result<Span, Error> {
    if view.is_empty() {
        return Ok(0..0);
    }
    if view.data.is_null() {
        return Err(Error::Null { argument });
    }
    let extent = || {
        let (low, high) = view.offsets()?;
        let count = high.checked_sub(low)?.checked_add(1)?;
        span(view.data.addr(), low, usize::try_from(count).ok()?, size_of::<f32>())
    };
    extent().ok_or(Error::Overflow { what: argument, value: usize::MAX })
}

/// A view that is written: as [`input`], and no two elements share memory.
pub(super) fn output(argument: &'static str, view: MatRef<'_>) -> Result<Span, Error> {
    let aliased = Error::Aliased {
        argument,
        rows: view.rows,
        cols: view.cols,
        row_stride: view.row_stride,
        col_stride: view.col_stride,
    };
    if !view.is_empty() && view.data.is_null() {
        return Err(Error::Null { argument });
    }
    if !view.is_empty() && self_aliasing(view) {
        return Err(aliased);
    }
    input(argument, view)
}

/// Whether i, j with |i| < rows, |j| < cols, not both 0, have `i * row_stride + j * col_stride = 0`:
/// the least such are the strides over their greatest common divisor, crosswise.
fn self_aliasing(view: MatRef<'_>) -> bool {
    let (r, c) = (view.row_stride.unsigned_abs(), view.col_stride.unsigned_abs());
    match gcd(r, c) {
        0 => view.rows > 1 || view.cols > 1,
        g => c / g < view.rows && r / g < view.cols,
    }
}

/// The limits of A's shape, whichever form it has.
fn shape_of_a(rows: usize, groups: usize) -> Result<(), Error> {
    shape(("rows of `a`", rows), ("groups in a row of `a`", groups))
}

/// These limits, by the names that rows and groups have.
fn shape(rows: (&'static str, usize), groups: (&'static str, usize)) -> Result<(), Error> {
    for ((what, value), limit) in [(rows, MAX_ROWS), (groups, MAX_IN_A_ROW)] {
        if value as u64 >= limit {
            return Err(Error::Overflow { what, value });
        }
    }
    Ok(())
}

/// A dense A that is to be pruned.
pub(super) fn prunable(a: MatRef<'_>, pattern: Pattern) -> Result<Span, Error> {
    let span = input("a", a)?;
    shape_of_a(a.rows, pattern.groups(a.cols))?;
    Ok(span)
}

/// A dense W whose tiles get masks; rows and columns change places in its transpose, so one limit
/// holds for both.
pub(super) fn tiled(w: MatRef<'_>) -> Result<Span, Error> {
    let span = input("w", w)?;
    for (what, value) in [("rows of `w`", w.rows), ("columns of `w`", w.cols)] {
        if value as u64 >= MAX_ROWS {
            return Err(Error::Overflow { what, value });
        }
    }
    Ok(span)
}

/// The pattern of transposable masks.
pub(crate) fn two_of_four(p: Pattern) -> Result<(), Error> {
    match (p.n(), p.m(), p.group()) {
        (2, 4, 1) => Ok(()),
        (2, 4, rows) => Err(Error::Ungrouped { rows }),
        _ => Err(p.refused()),
    }
}

/// The spans of a compressed matrix's values and metadata.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    pub(super) values: Span,
    pub(super) meta: Span,
}

/// The names of a compressed argument's parts.
pub(super) struct Names {
    pub(super) values: &'static str,
    pub(super) meta: &'static str,
    pub(super) ld_values: &'static str,
    pub(super) ld_meta: &'static str,
}

pub(super) const A: Names = Names {
    values: "a.values",
    meta: "a.meta",
    ld_values: "`a.ld_values`",
    ld_meta: "`a.ld_meta`",
};
pub(super) const OUT: Names = Names {
    values: "out.values",
    meta: "out.meta",
    ld_values: "`out.ld_values`",
    ld_meta: "`out.ld_meta`",
};
pub(super) const OUT_T: Names = Names {
    values: "out_t.values",
    meta: "out_t.meta",
    ld_values: "`out_t.ld_values`",
    ld_meta: "`out_t.ld_meta`",
};

/// A compressed matrix, read or written.
pub(super) fn compressed(names: &Names, a: CompressedRef<'_>) -> Result<Spans, Error> {
    shape_of_a(a.rows, a.pattern.groups(a.cols))?;
    if a.is_empty() {
        return Ok(Spans { values: 0..0, meta: 0..0 });
    }
    for (argument, null) in [(names.values, a.values.is_null()), (names.meta, a.meta.is_null())] {
        if null {
            return Err(Error::Null { argument });
        }
    }
    a.leading_dimensions(names.ld_values, names.ld_meta)?;
    let (values, meta) = a.spans();
    // A leading dimension that no memory has room for, or memory that ends too soon for one that fits.
    let place = |argument, data: usize, size, count: Option<usize>, what, ld| {
        let count = count.filter(|&count| span(0, 0, count, size).is_some());
        let count = count.ok_or(Error::Overflow { what, value: ld })?;
        span(data, 0, count, size).ok_or(Error::Overflow { what: argument, value: usize::MAX })
    };
    let (v, m) = (a.values.addr(), a.meta.addr());
    Ok(Spans {
        values: place(names.values, v, size_of::<f32>(), values, names.ld_values, a.ld_values)?,
        meta: place(names.meta, m, 1, meta, names.ld_meta, a.ld_meta)?,
    })
}

/// The smallest leading dimensions of a compressed matrix: values in elements, metadata in bytes.
#[cfg(feature = "capi")]
pub(crate) fn layout(rows: usize, cols: usize, p: Pattern) -> Result<(usize, usize), Error> {
    shape(("`rows`", rows), ("groups in `cols`", p.groups(cols)))?;
    let (values, meta) = (p.row_values(cols), p.row_meta(cols));
    let parts = [
        ("`ld_values`", rows, values, size_of::<f32>()),
        ("`ld_meta`", p.meta_rows(rows), meta, 1),
    ];
    for (what, rows, row, size) in parts {
        let count = rows.checked_mul(row).ok_or(Error::Overflow { what, value: row })?;
        span(0, 0, count, size).ok_or(Error::Overflow { what, value: row })?;
    }
    Ok((values, meta))
}

/// The patterns that a method has.
pub(super) fn method(method: Method, p: Pattern) -> Result<(), Error> {
    match method {
        Method::MvueApprox(_) | Method::SoftThreshold if p.group() > 1 => {
            Err(Error::Ungrouped { rows: p.group() })
        }
        Method::MvueApprox(_) if p.n() != 2 => Err(p.refused()),
        _ => Ok(()),
    }
}

/// The generator's coordinates for a matrix of this shape.
pub(super) fn rng(rng: Option<Rng>, rows: usize, cols: usize, p: Pattern) -> Result<(), Error> {
    let Some(rng) = rng else { return Ok(()) };
    let m = p.m() as u64;
    if rng.col0 % m != 0 {
        return Err(Error::ShardColumn { col0: rng.col0, m: p.m() });
    }
    if rng.row0 % p.group() as u64 != 0 {
        return Err(Error::ShardRow { row0: rng.row0, group: p.group() });
    }
    ends("`row0` + rows", rng.row0, rows, MAX_ROWS)?;
    ends("`col0` / m + groups", rng.col0 / m, p.groups(cols), MAX_IN_A_ROW)
}

/// The generator's coordinates for a word an entry.
pub(super) fn rng_of_entries(rng: Rng, rows: usize, cols: usize) -> Result<(), Error> {
    ends("`row0` + rows", rng.row0, rows, MAX_ROWS)?;
    ends("`col0` + columns", rng.col0, cols, MAX_IN_A_ROW)
}

/// A shard that ends at most at `most`.
fn ends(what: &'static str, first: u64, count: usize, most: u64) -> Result<(), Error> {
    let end = first.saturating_add(count as u64);
    if end > most {
        return Err(Error::Overflow { what, value: usize::try_from(end).unwrap_or(usize::MAX) });
    }
    Ok(())
}

/// A number that `fits`.
pub(super) fn value(
    argument: &'static str,
    value: f64,
    fits: bool,
    expected: &'static str,
) -> Result<(), Error> {
    if fits { Ok(()) } else { Err(Error::Value { argument, bits: value.to_bits(), expected }) }
}

/// No byte of `a` is a byte of `b`, by the ranges that they span.
pub(super) fn apart(
    output: &'static str,
    a: &Span,
    other: &'static str,
    b: &Span,
) -> Result<(), Error> {
    if a.start < b.end && b.start < a.end && !a.is_empty() && !b.is_empty() {
        return Err(Error::Overlap { output, other });
    }
    Ok(())
}

/// An [`output`] that may be the input itself (the same elements at the same places), and otherwise is [`views_apart`] from
/// it.
pub(super) fn out_same_or_apart(
    out: MatRef<'_>,
    input: &'static str,
    (a, a_span): (MatRef<'_>, &Span),
) -> Result<(), Error> {
    let out_span = output("out", out)?;
    // A stride that no element is reached by may be anything.
    let stride = |count: usize, stride: isize| if count > 1 { stride } else { 0 };
    let place =
        |v: MatRef<'_>| (v.data, stride(v.rows, v.row_stride), stride(v.cols, v.col_stride));
    if place(a) == place(out) {
        return Ok(());
    }
    views_apart("out", (out, &out_span), input, (a, a_span))
}

/// No element of the output is an element of the other view.
///
/// Views of one buffer may interleave. Of two column ranges with contiguous rows (or row ranges with contiguous columns) and
/// one leading dimension, be it negative, this is seen exactly; and of views whose strides have a common factor, as real and
/// imaginary parts have, where that keeps them apart. Otherwise ranges of addresses that meet count as an overlap.
pub(super) fn views_apart(
    output: &'static str,
    (a, a_span): (MatRef<'_>, &Span),
    other: &'static str,
    (b, b_span): (MatRef<'_>, &Span),
) -> Result<(), Error> {
    let Err(error) = apart(output, a_span, other, b_span) else { return Ok(()) };
    for (a, b) in [(a, b), (a.t(), b.t())] {
        let lead = a.row_stride.unsigned_abs();
        let fits = |v: MatRef<'_>| v.col_stride == 1 && v.cols <= lead;
        // (What is too long for the address space is the stride of a single row, whose range is exact.)
        let Some(bytes) = lead.checked_mul(size_of::<f32>()) else { continue };
        if lead > 0 && lead == b.row_stride.unsigned_abs() && fits(a) && fits(b) {
            // Where b begins within a row of a, in bytes.
            let distance = distance(a, b, bytes);
            let after_a = a.cols * size_of::<f32>() <= distance;
            let before_a = distance + b.cols * size_of::<f32>() <= bytes;
            if after_a && before_a {
                return Ok(());
            }
        }
    }
    let strides = |v: MatRef<'_>| [(v.rows, v.row_stride), (v.cols, v.col_stride)];
    let steps = [a, b].into_iter().flat_map(strides).filter(|&(count, _)| count > 1);
    let factor = steps.fold(0, |factor, (_, stride)| gcd(factor, stride.unsigned_abs()));
    if let Some(bytes) = factor.checked_mul(size_of::<f32>()).filter(|&bytes| bytes > 0) {
        let distance = distance(a, b, bytes);
        if distance >= size_of::<f32>() && distance + size_of::<f32>() <= bytes {
            return Ok(());
        }
    }
    Err(error)
}

/// From a's first element to b's, modulo `bytes`.
fn distance(a: MatRef<'_>, b: MatRef<'_>, bytes: usize) -> usize {
    let (a, b) = (a.data.addr(), b.data.addr());
    if b >= a { (b - a) % bytes } else { (bytes - (a - b) % bytes) % bytes }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
