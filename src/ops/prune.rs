//! Dense forms of pruned matrices.

mod columns;
mod groups;
mod rows;
#[cfg(test)]
mod tests;

use super::compress::{STREAM_FROM, Target, by_copies, compress_block, far};
use super::keep::keepable;
use super::{Method, Options, check, copies};
use crate::compressed::{CompressedRef, Line};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::cpu::cpu;
use crate::kernels::generic::philox::WORD_GROUPS;
use crate::kernels::{ExpandJob, Level};
use crate::matrix::{MatMut, MatRef, Output};
use crate::pattern::Pattern;
use crate::pool;
use std::mem::MaybeUninit;

/// Rows and columns of a tile that is pruned or expanded on the stack at a time; the columns are whole
/// groups of every pattern, and whole draws of the generator for m up to 4.
pub(super) const TILE_ROWS: usize = 16;
pub(super) const TILE_COLS: usize = 256;
const TILE: usize = TILE_ROWS * TILE_COLS;
/// Columns of a tile whose rows are written past the caches, in long runs.
const STREAM_COLS: usize = 1024;

/// Prunes `a`, and writes it as a dense matrix with zeros.
///
/// The same selection as [`compress`](crate::compress), followed by
/// [`decompress`](crate::decompress).
///
/// # Shapes
/// `a` and `out` are rows x cols, of any strides each. See [`prune_in_place`] for `out` = `a`.
///
/// # Determinism, NaN and infinity
/// As [`compress`](crate::compress) and [`Method`].
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing. From 32 MiB of `out` on, AVX2 and AVX-512 write whole cache lines with
/// non-temporal stores, which is faster: of contiguous rows of 512 columns and more, and of contiguous columns a multiple of 16
/// elements apart (AVX2, where those of `a` are contiguous, too: m up to 4). Where rows share indices, not from rows to
/// columns, and of columns those that begin on a cache line, in groups of rows that divide 16, or are a multiple of it.
///
/// # Errors
/// As [`compress`](crate::compress), and [`Error::Aliased`] if elements of `out` share memory.
///
/// # Examples
/// ```
/// use spnm::{MatMut, MatRef, Method, Options, Pattern, Rng, prune};
///
/// // Without bias: entries above the water level, 4 here, stay; the others become 4 or 0.
/// let (data, steps) = ([6.0, 1.0, 2.0, 1.0], 2000);
/// let a = MatRef::row_major(&data, 1, 4)?;
/// let (mut once, mut mean) = ([0.0; 4], [0.0; 4]);
/// for step in 0..steps {
///     let method = Method::Mvue(Rng::new(1, step));
///     prune(&Options::new(), method, Pattern::N2M4, a, MatMut::row_major(&mut once, 1, 4)?)?;
///     assert!(once[0] == 6.0 && once[1..].iter().sum::<f32>() == 4.0);
///     mean.iter_mut().zip(once).for_each(|(m, x)| *m += x / steps as f32);
/// }
/// assert!(mean.iter().zip(data).all(|(m, x)| (m - x).abs() < 0.2));
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn prune(
    options: &Options<'_>,
    method: Method,
    pattern: Pattern,
    a: MatRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.output();
    check::method(method, pattern)?;
    check::shape_of_out((to.rows, to.cols), (a.rows, a.cols))?;
    let a_span = check::prunable(a, pattern)?;
    check::rng(method.rng(), a.rows, a.cols, pattern)?;
    check::out_same_or_apart(*to, "a", (a, &a_span))?;
    let kernels = kernels_for(options.isa)?;
    // SAFETY: `a` was checked.
    unsafe { keepable(options, kernels, method, a, pattern)? };
    if a.is_empty() {
        return Ok(());
    }
    if pattern.group() > 1 {
        // SAFETY: both views were checked.
        unsafe { groups::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    let by_columns = a.row_stride == 1 && to.row_stride == 1 && a.rows > 1;
    let few = 2 * a.rows < kernels.lanes && by_copies(kernels, a) == a.rows;
    if by_columns && !few {
        // SAFETY: both views were checked.
        unsafe { columns::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    if rows::suits(pattern, a) {
        // SAFETY: both views were checked.
        unsafe { rows::prune(options, kernels, (method, pattern), a, to) };
        return Ok(());
    }
    let by_rows = a.col_stride == 1 && to.col_stride == 1;
    let (stream, lead) = past_caches(to);
    let most = if by_rows && stream {
        STREAM_COLS
    } else if by_rows && method.rng().is_some() {
        // Whole draws of the generator.
        TILE_COLS.max(WORD_GROUPS * pattern.m())
    } else {
        TILE_COLS
    };
    let tile = (tile_of(a.cols.min(most)), lead);
    for_each_tile(options, to, tile, |row, col, rows, cols| {
        let mut tile: KeptTile = KeptTile::new();
        let target = Target { from_far: far(a), ..tile.target(pattern, rows, cols) };
        let part = (row..row + rows, col..col + cols);
        // SAFETY: views were checked, tiles are disjoint, and a tile is read whole before it is
        // written, as what is kept of it is before that is read.
        unsafe {
            let a = a.part(part.0.clone(), part.1.clone());
            compress_block(kernels, pattern, method, a, (row, col), target);
            let kept = tile.kept(pattern, rows, cols);
            expand_tile(kernels, kept, 0, to.part(part.0, part.1), stream);
        }
    });
    Ok(())
}

/// Rows and columns of a tile of so many columns.
fn tile_of(cols: usize) -> (usize, usize) {
    let cols = cols.next_multiple_of(16);
    let rows = TILE / cols;
    (if rows < 16 { rows } else { rows / 16 * 16 }, cols)
}

/// Entries that keep a line of values at most.
pub(super) const OF_A_LINE: usize = 2 * Line::LEN;

/// Room for the compressed form of a tile of so many times [`OF_A_LINE`] entries, row by row without gaps.
pub(super) struct KeptTile<const LINES: usize = { TILE / OF_A_LINE }> {
    // n <= m / 2 values and at most two bits of metadata an entry, where rows are long.
    values: MaybeUninit<[Line; LINES]>,
    meta: MaybeUninit<[[u8; OF_A_LINE / 4]; LINES]>,
}

impl<const LINES: usize> KeptTile<LINES> {
    pub(super) const fn new() -> Self {
        Self { values: MaybeUninit::uninit(), meta: MaybeUninit::uninit() }
    }

    /// Where what is kept of `rows` x `cols` entries goes, a short last group counted whole.
    pub(super) fn target(&mut self, p: Pattern, rows: usize, cols: usize) -> Target {
        assert!(rows * cols.next_multiple_of(p.m()) <= OF_A_LINE * LINES, "a tile");
        assert!(rows * p.row_meta(cols) <= size_of_val(&self.meta), "a tile's indices");
        let (values, meta) = (self.values.as_mut_ptr().cast(), self.meta.as_mut_ptr().cast());
        Target::new(values, p.row_values(cols), meta, p.row_meta(cols))
    }

    /// What is kept of `rows` x `cols` entries.
    ///
    /// # Safety
    /// It was written to [`target`](Self::target) of the same.
    pub(super) unsafe fn kept(&self, p: Pattern, rows: usize, cols: usize) -> CompressedRef<'_> {
        let (values, meta) = (self.values.as_ptr().cast(), self.meta.as_ptr().cast());
        let (ld_values, ld_meta) = (p.row_values(cols), p.row_meta(cols));
        // SAFETY: the caller's promise.
        unsafe { CompressedRef::from_raw_parts(values, meta, rows, cols, p, ld_values, ld_meta) }
    }
}

/// [`prune`] with `out` = `a`.
///
/// # Errors
/// As [`prune`].
///
/// # Examples
/// ```
/// use spnm::{Isa, MatMut, Method, Options, Pattern, Pool, prune_in_place};
///
/// let pool = Pool::new(2)?;
/// let options = Options::new().isa(Isa::Portable).pool(&pool); // neither changes the result
/// let mut data = [3.0, -1.0, 0.5, 2.0];
/// prune_in_place(&options, Method::Magnitude, Pattern::N2M4, MatMut::row_major(&mut data, 1, 4)?)?;
/// assert_eq!(data, [3.0, 0.0, 0.0, 2.0]);
/// # Ok::<(), spnm::Error>(())
/// ```
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
    let (stream, lead) = past_caches(to);
    let most = if streams_rows(to) { STREAM_COLS } else { TILE_COLS };
    let tile = (tile_of(a.cols.min(most)), lead);
    for_each_tile(options, to, tile, |row, col, rows, cols| {
        // SAFETY: views were checked, and tiles are disjoint; `col` is a multiple of 8 groups.
        unsafe {
            let part = a.part(row, col / a.pattern.m(), rows, cols);
            let begun = row % a.pattern.group();
            expand_tile(kernels, part, begun, to.part(row..row + rows, col..col + cols), stream);
        }
    });
    Ok(())
}

/// Whether an output is more than caches hold: written past them by whole lines, it need not be read before.
fn fills_caches(out: Output<'_>) -> bool {
    out.rows.saturating_mul(out.cols) >= STREAM_FROM
}

/// Whether its rows are written past the caches, which are contiguous: many of their lines are whole.
fn streams_rows(out: Output<'_>) -> bool {
    out.col_stride == 1 && out.cols >= STREAM_COLS / 2 && fills_caches(out)
}

/// Whether its columns are, which are contiguous and whole lines apart.
fn streams_columns(out: Output<'_>) -> bool {
    out.row_stride == 1 && out.col_stride % Line::LEN.cast_signed() == 0 && fills_caches(out)
}

/// Whether it is written past the caches, and how many rows go first, alone, so that the next tile begins with a line of every
/// column.
pub(super) fn past_caches(out: Output<'_>) -> (bool, usize) {
    let by_columns = streams_columns(out);
    let lead = if by_columns { out.data().align_offset(size_of::<Line>()) } else { 0 };
    (by_columns || streams_rows(out), lead)
}

/// Calls `work(row, col, rows, cols)` for tiles of `out`, in parallel by rows, or by columns where one tile holds all rows.
/// Where columns are contiguous, tile below tile, so that what follows in memory is not far behind. The first `lead` rows go
/// alone.
pub(super) fn for_each_tile(
    options: &Options<'_>,
    out: Output<'_>,
    (tile, lead): ((usize, usize), usize),
    work: impl Fn(usize, usize, usize, usize) + Sync,
) {
    let lead = lead.min(out.rows);
    for part in [0..lead, lead..out.rows] {
        let first = part.start;
        tiles(options, out.part(part, 0..out.cols), tile, |row, col, rows, cols| {
            work(first + row, col, rows, cols);
        });
    }
}

/// [`for_each_tile`] without rows that go alone.
fn tiles(
    options: &Options<'_>,
    out: Output<'_>,
    (tile_rows, tile_cols): (usize, usize),
    work: impl Fn(usize, usize, usize, usize) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let MatRef { rows, cols, .. } = *out;
    let (tall, wide) = if rows <= tile_rows {
        (rows, pool::rows_of_tasks(options.pool, cols, rows, tile_cols))
    } else if out.row_stride == 1 {
        (pool::rows_of_tasks(options.pool, rows, cols, tile_rows), cols)
    } else {
        (tile_rows, cols)
    };
    let abreast = cols.div_ceil(wide);
    pool::run(options.pool, rows.div_ceil(tall) * abreast, |task, _| {
        let (top, left) = (task / abreast * tall, task % abreast * wide);
        let (bottom, right) = (rows.min(top + tall), cols.min(left + wide));
        for col in (left..right).step_by(tile_cols) {
            for row in (top..bottom).step_by(tile_rows) {
                work(row, col, tile_rows.min(bottom - row), tile_cols.min(right - col));
            }
        }
    });
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

/// Has contiguous rows written: those of `out`, or, where these are not contiguous, or `stream`, of a tile on the stack of at
/// most `TILE` entries, which is copied there; past the caches, if `stream`, which is for contiguous rows or columns.
///
/// # Safety
/// `out` is writable, and `write` writes all of the rows.
unsafe fn write_rows(
    kernels: Level,
    out: Output<'_>,
    stream: bool,
    write: impl FnOnce(Output<'_>),
) {
    if out.col_stride == 1 && !stream {
        return write(out);
    }
    let (tall, wide) = (out.rows, out.cols);
    debug_assert!(tall * wide <= TILE);
    let mut room = MaybeUninit::<[Line; TILE / Line::LEN]>::uninit();
    let rows: *mut f32 = room.as_mut_ptr().cast();
    // SAFETY: there is room for the tile; then the caller's promise.
    unsafe {
        write(MatMut::from_raw_parts(rows, tall, wide, wide.cast_signed(), 1).output());
        if stream {
            copies::stream(kernels, rows, wide, out);
        } else {
            // The tile below comes next.
            copies::scatter(kernels, rows, wide, out, cpu().far_into_l2);
        }
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
