//! Dense forms of pruned matrices.

use super::compress::{Target, compress_block, keepable};
use super::{Method, Options, check};
use crate::compressed::CompressedRef;
use crate::error::Error;
use crate::isa::kernels_for;
use crate::kernels::{CopyJob, ExpandJob, Kernels};
use crate::matrix::{MatMut, MatRef};
use crate::pattern::Pattern;
use crate::pool;

/// Rows and entries of a tile that is pruned or expanded on the stack at a time; the entries are whole
/// groups of every pattern, and whole draws of the generator for m up to 4.
pub(super) const TILE_ROWS: usize = 16;
pub(super) const TILE_COLS: usize = 256;

/// Prunes `a`, and writes it as a dense matrix with zeros.
///
/// The same selection as [`compress`](crate::compress), followed by
/// [`decompress`](crate::decompress).
///
/// # Shapes
/// `a` and `out` are rows x cols, of any strides each. See [`prune_in_place`] for `out` = `a`.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// As [`compress`](crate::compress), and [`Error::Aliased`] if elements of `out` share memory.
pub fn prune(
    options: &Options<'_>,
    method: Method,
    pattern: Pattern,
    a: MatRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.view;
    check::method(method, pattern)?;
    check::same("rows of `out`", to.rows, a.rows)?;
    check::same("columns of `out`", to.cols, a.cols)?;
    let a_span = check::prunable(a, pattern)?;
    let out_span = check::output("out", to)?;
    check::rng(method.rng(), a.rows, a.cols, pattern)?;
    let in_place = (a.data, a.row_stride, a.col_stride) == (to.data, to.row_stride, to.col_stride);
    if !in_place {
        check::views_apart("out", (to, &out_span), "a", (a, &a_span))?;
    }
    let kernels = kernels_for(options.isa)?;
    keepable(method, a, pattern)?;
    for_each_tile(options, a.rows, a.cols, |row, col, rows, cols| {
        let (mut values, mut meta) =
            ([0.0f32; TILE_ROWS * TILE_COLS / 2], [0u8; TILE_ROWS * TILE_COLS / 4]);
        let (ld_values, ld_meta) = (pattern.row_values(cols), pattern.row_meta(cols));
        let part = (row..row + rows, col..col + cols);
        let target =
            Target { values: values.as_mut_ptr(), ld_values, meta: meta.as_mut_ptr(), ld_meta };
        // SAFETY: views were checked, tiles are disjoint, and a tile is read whole before it is
        // written; n <= m / 2 values and at most two bits of metadata an entry fit the buffers.
        unsafe {
            let a = a.part(part.0.clone(), part.1.clone());
            compress_block(kernels, pattern, method, a, (row, col), target);
            let kept = CompressedRef::from_raw_parts(
                values.as_ptr(),
                meta.as_ptr(),
                rows,
                cols,
                pattern,
                ld_values,
                ld_meta,
            );
            expand_tile(kernels, kept, to.part(part.0, part.1));
        }
    });
    Ok(())
}

/// [`prune`] with `out` = `a`.
///
/// # Errors
/// As [`prune`].
pub fn prune_in_place(
    options: &Options<'_>,
    method: Method,
    pattern: Pattern,
    a: MatMut<'_>,
) -> Result<(), Error> {
    prune(options, method, pattern, a.view, a)
}

/// Writes a compressed matrix as a dense one with zeros.
///
/// # Shapes
/// `a` and `out` are rows x cols; `out` of any strides.
///
/// # Malformed metadata
/// An index counts modulo m, of equal indices the last one wins, and one that points past the
/// columns is dropped. See [`validate`](crate::validate).
///
/// # Errors
/// [`Error::Shape`], [`Error::LeadingDimension`], [`Error::Aliased`], [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`]. `out` is untouched then.
pub fn decompress(
    options: &Options<'_>,
    a: CompressedRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.view;
    check::same("rows of `out`", to.rows, a.rows)?;
    check::same("columns of `out`", to.cols, a.cols)?;
    let spans = check::compressed(&check::A, a)?;
    let out_span = check::output("out", to)?;
    check::apart("out", &out_span, "a.values", &spans.values)?;
    check::apart("out", &out_span, "a.meta", &spans.meta)?;
    let kernels = kernels_for(options.isa)?;
    for_each_tile(options, a.rows, a.cols, |row, col, rows, cols| {
        // SAFETY: views were checked, and tiles are disjoint; `col` is a multiple of 8 groups.
        unsafe {
            let part = a.part(row, col / a.pattern.m(), rows, cols);
            expand_tile(kernels, part, to.part(row..row + rows, col..col + cols));
        }
    });
    Ok(())
}

/// Calls `work(row, col, rows, cols)` for tiles of a matrix, in parallel by rows.
pub(super) fn for_each_tile(
    options: &Options<'_>,
    rows: usize,
    cols: usize,
    work: impl Fn(usize, usize, usize, usize) + Sync,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    pool::run(options.pool, rows.div_ceil(TILE_ROWS), |task, _| {
        let row = task * TILE_ROWS;
        for col in (0..cols).step_by(TILE_COLS) {
            work(row, col, TILE_ROWS.min(rows - row), TILE_COLS.min(cols - col));
        }
    });
}

/// Expands a tile of at most `TILE_ROWS` x `TILE_COLS`.
///
/// # Safety
/// `a` is readable and `out` writable.
pub(super) unsafe fn expand_tile(kernels: &Kernels, a: CompressedRef<'_>, out: MatRef<'_>) {
    let mut job = ExpandJob {
        values: a.values,
        ld_values: a.ld_values,
        meta: a.meta,
        ld_meta: a.ld_meta,
        rows: a.rows,
        cols: a.cols,
        out: out.data.cast_mut(),
        out_stride: out.row_stride,
    };
    let expand = kernels.of(a.pattern).expand;
    if out.col_stride == 1 {
        // SAFETY: the caller's promise; the level is one that the CPU has.
        unsafe { expand(&job) };
        return;
    }
    let mut rows = [0.0f32; TILE_ROWS * TILE_COLS];
    job.out = rows.as_mut_ptr();
    job.out_stride = TILE_COLS.cast_signed();
    // SAFETY: the buffer holds the tile; then as above.
    unsafe {
        expand(&job);
        if out.row_stride == 1 {
            (kernels.transpose)(&CopyJob {
                source: rows.as_ptr(),
                from: TILE_COLS.cast_signed(),
                target: out.data.cast_mut(),
                to: out.col_stride,
                rows: a.rows,
                cols: a.cols,
            });
        } else {
            for i in 0..a.rows {
                for j in 0..a.cols {
                    let to = out.address(i, j).cast_mut();
                    to.write_unaligned(rows[i * TILE_COLS + j]);
                }
            }
        }
    }
}
