//! Transposable masks: one mask by which a matrix and its transpose are both 2:4.

use super::check::{self, Names, Spans};
use super::compress::Target;
use super::decompress::expand_tile;
use super::tiles::{KeptTile, PastCaches, TILE_COLS, TILE_ROWS, for_each_tile};
use super::{Options, check::Span};
use crate::compressed::{CompressedMut, CompressedRef};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::cpu::cpu;
use crate::kernels::{KeptRows, TransposableJob};
use crate::matrix::{MatMut, MatRef};
use crate::pattern::Pattern;
use crate::pool;

const PATTERN: Pattern = Pattern::N2M4;

/// Rows, or columns, of which a task takes a multiple: whole bytes of the metadata that lies along them (two tiles), and
/// whole lines of the values, which a vector kernel writes at once.
const UNIT: usize = 32;

/// Rows that are shared out by columns, as they would make one or two tasks.
const FEW_ROWS: usize = 2 * UNIT;

/// Prunes `w` by transposable masks and compresses it and its transpose, in one pass.
///
/// Each 4 x 4 tile of `w` gets the mask with two kept entries in every row and every column, of which there
/// are 90, that keeps the greatest sum of magnitudes (arXiv 2404.01847, 2102.08124). So W and its
/// transpose are 2:4 by one mask, and Y = X Wᵀ and dX = dY W can both be compressed products.
/// Entries are kept as they are: for weights.
///
/// `out` becomes the 2:4 form of the pruned W, `out_t` that of its transpose; either may be `None`.
///
/// # Which mask
/// The sum is formed in f32: the two magnitudes kept in each row, then rows 0 and 1, rows 2 and 3, then these
/// two. Of the masks with the greatest sum the first is taken, in the lexicographic order of the pairs
/// kept in rows 0, 1, 2, 3, where a row's pairs are 01, 02, 03, 12, 13, 23 in this order.
///
/// A tile with a NaN or an infinity, or whose magnitudes have no finite sum, is poisoned: it takes the first
/// mask (01, 01, 23, 23), and what this keeps becomes NaN. Its entry (0, 0) is among it, so that it never vanishes.
///
/// # Form
/// A group holds exactly the two indices of its mask, ascending: zeros that it keeps stay where they are,
/// as +0, and the canonical fill of the other methods does not apply. Tiles at the edges behave as if `w`
/// were padded with zeros; an index may then lie past the columns.
///
/// # Shapes
/// `w` and `out` are rows x cols, `out_t` is cols x rows; any strides of `w`. Rows contiguous
/// (`col_stride` 1) and columns contiguous (`row_stride` 1) are fast; others go through small copies.
///
/// # Determinism
/// Every bit is a function of the tile alone. What lies between the rows of the outputs is not written.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// [`Error::Null`] if both outputs are `None` (or for views from raw parts), [`Error::Pattern`] if an
/// output's is not 2:4, [`Error::Ungrouped`] if its rows share indices, [`Error::Shape`],
/// [`Error::LeadingDimension`], [`Error::Overlap`], [`Error::Overflow`] (also from 2^31 rows or columns on),
/// [`Error::Isa`]. The outputs are untouched then.
///
/// # Examples
/// ```
/// use spnm::{Compressed, MatRef, Options, Pattern, compress_transposable};
///
/// let w: Vec<f32> = (0..8 * 4).map(|i| (i as f32).cos()).collect();
/// let w = MatRef::row_major(&w, 8, 4)?;
/// let mut forward = Compressed::new(8, 4, Pattern::N2M4)?; // for W X
/// let mut backward = Compressed::new(4, 8, Pattern::N2M4)?; // for W^T dY
/// let (out, out_t) = (Some(forward.as_mut()), Some(backward.as_mut()));
/// compress_transposable(&Options::new(), w, out, out_t)?;
/// let sum = |of: &Compressed| of.values().iter().map(|&x| f64::from(x)).sum::<f64>();
/// assert!((sum(&forward) - sum(&backward)).abs() < 1e-9); // the same entries
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn compress_transposable(
    options: &Options<'_>,
    w: MatRef<'_>,
    out: Option<CompressedMut<'_>>,
    out_t: Option<CompressedMut<'_>>,
) -> Result<(), Error> {
    if out.is_none() && out_t.is_none() {
        return Err(Error::Null { argument: "out and out_t" });
    }
    let views = [&out, &out_t].map(|out| out.as_ref().map(|out| out.view));
    views.into_iter().flatten().try_for_each(|out| check::two_of_four(out.pattern))?;
    if let Some(out) = views[0] {
        check::shape_of_out((out.rows, out.cols), (w.rows, w.cols))?;
    }
    if let Some(out_t) = views[1] {
        check::same("rows of `out_t`", out_t.rows, w.cols)?;
        check::same("columns of `out_t`", out_t.cols, w.rows)?;
    }
    let w_span = check::tiled(w)?;
    let spans = |names: &'static Names, out: Option<CompressedRef<'_>>| {
        out.map(|out| check::compressed(names, out)).transpose()
    };
    let spans = [
        (&check::OUT, spans(&check::OUT, views[0])?),
        (&check::OUT_T, spans(&check::OUT_T, views[1])?),
    ];
    all_apart(&w_span, &spans)?;
    let kernels = kernels_for(options.isa)?;
    if w.is_empty() {
        return Ok(());
    }

    // What the kernel calls its matrix: W or its transpose.
    let (a, transposed) = for_lanes(w, kernels.lanes);
    let (along, across) = if transposed { (out_t, out) } else { (out, out_t) };
    let (along, across) = (along.map(Target::of), across.map(Target::of));
    // Few rows are shared out by columns.
    let by_columns = a.rows <= FEW_ROWS && a.rows < a.cols;
    let (side, other) = if by_columns { (a.cols, a.rows) } else { (a.rows, a.cols) };
    let block = pool::rows_of_tasks(options.pool, side, other, UNIT);
    pool::run(options.pool, side.div_ceil(block), |task, _| {
        let part = task * block..side.min((task + 1) * block);
        let (rows, cols) = if by_columns { (0..a.rows, part) } else { (part, 0..a.cols) };
        let along = along.as_ref().map(|to| rows_from(to, rows.start, cols.start));
        let across = across.as_ref().map(|to| rows_from(to, cols.start, rows.start));
        // SAFETY: everything was checked above; parts begin at multiples of 8, so tasks write different
        // bytes.
        unsafe { (kernels.transposable)(&job(a.part(rows, cols), transposed, along, across)) };
    });
    Ok(())
}

/// Prunes `w` by transposable masks, and writes it as a dense matrix with zeros.
///
/// The masks of [`compress_transposable`]: `out` has two of every four entries in every row and in every
/// column.
///
/// # Shapes
/// `w` and `out` are rows x cols, of any strides each. See [`prune_transposable_in_place`] for
/// `out` = `w`.
///
/// # Determinism, NaN and infinity
/// As [`compress_transposable`].
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing. From 32 MiB of `out` on, from rows to columns or back, AVX2 and AVX-512 write
/// whole cache lines with non-temporal stores, which is faster.
///
/// # Errors
/// [`Error::Shape`], [`Error::Aliased`] if elements of `out` share memory, [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`]. `out` is untouched then.
pub fn prune_transposable(
    options: &Options<'_>,
    w: MatRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.output();
    check::shape_of_out((to.rows, to.cols), (w.rows, w.cols))?;
    let w_span = check::tiled(w)?;
    check::out_same_or_apart(*to, "w", (w, &w_span))?;
    let kernels = kernels_for(options.isa)?;
    let (a, transposed) = for_lanes(w, kernels.lanes);
    let to = if transposed { to.t() } else { to };
    let (stream, lead) = match PastCaches::of(to) {
        // Tiles of the masks stay whole.
        PastCaches::Columns(lead) if lead.is_multiple_of(4) => (true, lead),
        // Rows go where they belong at once.
        _ => (false, 0),
    };
    for_each_tile(options, to, ((TILE_ROWS, TILE_COLS), lead), |row, col, rows, cols| {
        let mut tile: KeptTile = KeptTile::new();
        let part = (row..row + rows, col..col + cols);
        let along = rows_from(&tile.target(PATTERN, rows, cols), 0, 0);
        // SAFETY: views were checked; these tiles are of whole 4 x 4 ones, disjoint, and read whole before
        // they are written, as what is kept of them is before that is read.
        unsafe {
            let a = a.part(part.0.clone(), part.1.clone());
            (kernels.transposable)(&job(a, transposed, Some(along), None));
            let kept = tile.kept(PATTERN, rows, cols);
            expand_tile(kernels, kept, 0, to.part(part.0, part.1), stream);
        }
    });
    Ok(())
}

/// [`prune_transposable`] with `out` = `w`.
///
/// # Errors
/// As [`prune_transposable`].
pub fn prune_transposable_in_place(options: &Options<'_>, w: MatMut<'_>) -> Result<(), Error> {
    prune_transposable(options, w.view, w)
}

/// W or its transpose, and whether it is the latter: with the long side along the lanes where the other would leave many of
/// them idle, which costs more than entries read one by one; else whichever is closer to having its columns contiguous.
/// What becomes of a tile does not depend on it.
fn for_lanes(w: MatRef<'_>, lanes: usize) -> (MatRef<'_>, bool) {
    let (short, long) = (w.rows.min(w.cols), w.rows.max(w.cols));
    // A lane takes the four columns of a tile. Three idle to five at work are too many still.
    let idle = short.next_multiple_of(4 * lanes) - short;
    let transposed = if idle >= short / 5 * 3 && long / 2 > short {
        w.rows > w.cols
    } else {
        w.col_stride != 1
            && (w.row_stride == 1 || w.row_stride.unsigned_abs() < w.col_stride.unsigned_abs())
    };
    (if transposed { w.t() } else { w }, transposed)
}

/// No byte of an output is one of `w` or of another output.
fn all_apart(w: &Span, outputs: &[(&Names, Option<Spans>); 2]) -> Result<(), Error> {
    let parts = |k: usize| {
        let (names, spans) = &outputs[k];
        let spans = spans.as_ref();
        [(names.values, spans.map(|s| &s.values)), (names.meta, spans.map(|s| &s.meta))]
    };
    let [a, b] = parts(0);
    let [c, d] = parts(1);
    let w = ("w", Some(w));
    for (output, other) in
        [(a, w), (b, w), (a, b), (c, w), (d, w), (c, d), (c, a), (c, b), (d, a), (d, b)]
    {
        if let ((output, Some(x)), (other, Some(y))) = (output, other) {
            check::apart(output, x, other, y)?;
        }
    }
    Ok(())
}

/// The output's rows from `row` on, and of each what is kept from column `col` on.
fn rows_from(to: &Target, row: usize, col: usize) -> KeptRows {
    let Target { values, ld_values, meta, ld_meta, .. } = to.part(PATTERN, row, col);
    KeptRows { values, ld_values, meta, ld_meta }
}

fn job(
    a: MatRef<'_>,
    transposed: bool,
    along: Option<KeptRows>,
    across: Option<KeptRows>,
) -> TransposableJob {
    TransposableJob {
        a: a.data,
        row_stride: a.row_stride,
        col_stride: a.col_stride,
        rows: a.rows,
        cols: a.cols,
        transposed,
        along,
        across,
        far_into_l2: cpu().far_into_l2,
    }
}
