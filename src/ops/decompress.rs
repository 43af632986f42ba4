//! N:M form -> dense form.

use super::tiles::{PastCaches, for_each_tile, tile_of, write_rows};
use super::{Options, check};
use crate::compressed::CompressedRef;
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::{ExpandJob, Level};
use crate::matrix::{MatMut, Output};

/// Writes a compressed matrix as a dense one with zeros.
///
/// # Shapes
/// `a` and `out` are rows x cols; `out` of any strides.
///
/// # Determinism, NaN and infinity
/// Values are copied bit by bit.
///
/// # Malformed metadata
/// An index counts modulo m, of equal indices the last one wins, and one that points past the
/// columns is dropped. See [`validate`](crate::validate).
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing. From 32 MiB of `out` on, AVX2 and AVX-512 write whole cache lines with
/// non-temporal stores, which is faster: of contiguous rows of 512 columns and more, and of contiguous columns a multiple of 16
/// elements apart.
///
/// # Errors
/// [`Error::Shape`], [`Error::LeadingDimension`], [`Error::Aliased`], [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`]. `out` is untouched then.
///
/// # Examples
/// ```
/// use spnm::{CompressedRef, MatMut, Options, Pattern, decompress};
///
/// let (values, meta) = ([3.0, 2.0], [0b11_00]);
/// let a = CompressedRef::new(&values, &meta, 1, 4, Pattern::N2M4, 2, 1)?;
/// let mut dense = [f32::NAN; 4];
/// decompress(&Options::new(), a, MatMut::row_major(&mut dense, 1, 4)?)?;
/// assert_eq!(dense, [3.0, 0.0, 0.0, 2.0]);
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn decompress(
    options: &Options<'_>,
    a: CompressedRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.output();
    check::shape_of_out((to.rows, to.cols), (a.rows, a.cols))?;
    let spans = check::compressed(&check::A, a)?;
    let out_span = check::output("out", *to)?;
    check::apart("out", &out_span, "a.values", &spans.values)?;
    check::apart("out", &out_span, "a.meta", &spans.meta)?;
    let kernels = kernels_for(options.isa)?;
    if a.is_empty() {
        return Ok(());
    }
    let past = PastCaches::of(to);
    let tile = (tile_of(a.cols.min(past.tile_cols())), past.lead());
    for_each_tile(options, to, tile, |row, col, rows, cols| {
        // SAFETY: views were checked, and tiles are disjoint; `col` is a multiple of 8 groups.
        unsafe {
            let part = a.part(row, col / a.pattern.m(), rows, cols);
            let begun = row % a.pattern.group();
            expand_tile(
                kernels,
                part,
                begun,
                to.part(row..row + rows, col..col + cols),
                past.any(),
            );
        }
    });
    Ok(())
}

/// Expands a tile of at most `TILE_ROWS * TILE_COLS` entries, which begins `begun` rows into a group of
/// rows that share indices; past the caches, if `stream`, which is for contiguous rows or columns.
///
/// # Safety
/// `a` is readable and `out` writable; where its rows are not contiguous, or `stream`, the tile is no larger than that.
pub(super) unsafe fn expand_tile(
    kernels: Level,
    a: CompressedRef<'_>,
    begun: usize,
    out: Output<'_>,
    stream: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        write_rows(kernels, out, stream, |rows| {
            expand_rows(kernels, a, begun, rows.data(), rows.row_stride);
        });
    }
}

/// The rows of a tile, columns contiguous, without a buffer on the stack; rows that share indices go
/// together, or all do.
///
/// # Safety
/// As [`expand_tile`].
pub(super) unsafe fn expand_rows(
    kernels: Level,
    a: CompressedRef<'_>,
    begun: usize,
    out: *mut f32,
    out_stride: isize,
) {
    let group = a.pattern.group();
    let a = if out_stride == a.cols.cast_signed() { a.without_gaps().unwrap_or(a) } else { a };
    let mut i = 0;
    while i < a.rows {
        let (rows, ld_meta) = match group {
            1 => (a.rows, a.ld_meta),
            _ => ((group - (begun + i) % group).min(a.rows - i), 0),
        };
        let job = ExpandJob {
            values: a.values.wrapping_add(i * a.ld_values),
            ld_values: a.ld_values,
            meta: a.meta.wrapping_add((begun + i) / group * a.ld_meta),
            ld_meta,
            rows,
            cols: a.cols,
            out: out.wrapping_offset(i.cast_signed() * out_stride),
            out_stride,
        };
        // SAFETY: the caller's promise.
        unsafe { (kernels.of(a.pattern).expand)(&job) };
        i += rows;
    }
}
