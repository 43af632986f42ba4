//! A -> N:M form.

#[cfg(test)]
mod tests;

use super::keep::keepable;
use super::{Method, Options, check, copies, group};
use crate::compressed::{CompressedMut, Line};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::cpu::cpu;
use crate::kernels::{CompressJob, Dense, LANES, Level, RngKey, STREAM_ROOM};
use crate::matrix::{MatRef, Output};
use crate::pattern::Pattern;
use crate::pool;
use std::mem::MaybeUninit;

/// So many values, 32 MiB, fill what caches a thread has to itself on most CPUs: written past them, they need not be read
/// before.
pub(super) const STREAM_FROM: usize = 1 << 23;

/// So many entries, 2 MiB, fill the second-level cache of most CPUs.
pub(super) const FAR_FROM: usize = 1 << 19;

/// Entries of a copy by rows of few rows whose columns are contiguous.
const COPY: usize = 8192;

/// Prunes `a` and compresses it, in one pass: `out = compressed(method(a))`.
///
/// # Shapes
/// `a` and `out` are rows x cols; strides may be anything. Groups are `m` consecutive entries of a row;
/// rows share indices as the pattern of `out` says, from row 0 on. Rows contiguous (`col_stride` 1) and
/// columns contiguous (`row_stride` 1) are the fast storages; others go through small copies.
///
/// # Determinism
/// Every bit of `out` is a function of `a`, the method, the seed, the stream and the position alone.
/// What lies between the rows of `out` is not written.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing. From 32 MiB of values on, with contiguous columns of `a`, no rows that
/// share indices, `ld_values` a multiple of 16 and values aligned to 4 n bytes (those of [`Compressed`](crate::Compressed)
/// are), AVX2 and AVX-512 write whole cache lines with non-temporal stores, which is faster, and fastest where the values and
/// `a` begin on a cache line.
///
/// # Errors
/// [`Error::Pattern`] (method [`MvueApprox`](Method::MvueApprox), and n is not 2), [`Error::Ungrouped`] (methods
/// [`MvueApprox`](Method::MvueApprox) and [`SoftThreshold`](Method::SoftThreshold), and rows share indices),
/// [`Error::Shape`] if rows or columns differ, [`Error::LeadingDimension`], [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::ShardColumn`], [`Error::ShardRow`], [`Error::Isa`], [`Error::NotNm`] (method
/// [`Keep`](Method::Keep)), [`Error::Null`] (views from raw parts). `out` is untouched then.
///
/// # Examples
/// ```
/// use spnm::{Compressed, MatRef, Method, Options, Pattern, compress};
///
/// let a = MatRef::row_major(&[3.0, -1.0, 0.5, 2.0], 1, 4)?;
/// let mut out = Compressed::new(1, 4, Pattern::N2M4)?;
/// compress(&Options::new(), Method::Magnitude, a, out.as_mut())?;
/// assert_eq!(out.values(), [3.0, 2.0]);
/// assert_eq!(out.meta(), [0b11_00]); // 0, then 3: two bits each, the first lowest
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn compress(
    options: &Options<'_>,
    method: Method,
    a: MatRef<'_>,
    out: CompressedMut<'_>,
) -> Result<(), Error> {
    let to = out.view;
    check::method(method, to.pattern)?;
    check::shape_of_out((to.rows, to.cols), (a.rows, a.cols))?;
    let a_span = check::prunable(a, to.pattern)?;
    let spans = check::compressed(&check::OUT, to)?;
    check::rng(method.rng(), a.rows, a.cols, to.pattern)?;
    check::apart("out.values", &spans.values, "a", &a_span)?;
    check::apart("out.meta", &spans.meta, "a", &a_span)?;
    check::apart("out.values", &spans.values, "out.meta", &spans.meta)?;
    let kernels = kernels_for(options.isa)?;
    // SAFETY: `a` was checked.
    unsafe { keepable(options, kernels, method, a, to.pattern)? };
    if a.is_empty() {
        return Ok(());
    }

    let whole = match to.pattern.group() {
        1 => kernels.lanes,
        _ => group::band(to.pattern),
    };
    let block = pool::rows_of_tasks(options.pool, a.rows, a.cols, whole);
    let many = a.rows * to.pattern.row_values(a.cols) >= STREAM_FROM;
    let stream = many && to.pattern.group() == 1;
    let target = Target { from_far: far(a), to_far: far(a), tall: tall(a), ..Target::of(out) };
    pool::run(options.pool, a.rows.div_ceil(block), |task, _| {
        let first = task * block;
        let last = a.rows.min(first + block);
        let (part, target) = (a.part(first..last, 0..a.cols), target.part(to.pattern, first, 0));
        let work = |room| {
            let target = Target { room, ..target };
            // SAFETY: everything was checked above; tasks write different rows.
            unsafe { compress_block(kernels, to.pattern, method, part, (first, 0), target) };
        };
        if stream { with_room(work) } else { work(std::ptr::null_mut()) }
    });
    Ok(())
}

/// Where compressed rows go.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) values: *mut f32,
    pub(super) ld_values: usize,
    pub(super) meta: *mut u8,
    pub(super) ld_meta: usize,
    /// Whether A comes from beyond a second-level cache, and whether what is kept goes there: see [`far`].
    pub(super) from_far: bool,
    pub(super) to_far: bool,
    /// See [`CompressJob::tall`] and [`room`](CompressJob::room).
    pub(super) tall: bool,
    pub(super) room: *mut f32,
    /// See [`CompressJob::dense`].
    pub(super) dense: Option<Dense>,
}

// SAFETY: pointers to memory of which each task writes rows of its own, or, of rows that it shares with others, whole bytes of
// its own.
unsafe impl Sync for Target {}

impl Target {
    /// What is read again soon, and not streamed, of an A that is neither far nor [`tall`].
    pub(super) fn new(values: *mut f32, ld_values: usize, meta: *mut u8, ld_meta: usize) -> Self {
        let room = std::ptr::null_mut();
        let (from_far, to_far, tall) = (false, false, false);
        Self { values, ld_values, meta, ld_meta, from_far, to_far, tall, room, dense: None }
    }

    /// Dense rows, contiguous as those of A are.
    pub(super) fn dense_rows(out: Output<'_>) -> Self {
        Self::dense(out, true, false)
    }

    /// Dense columns, contiguous as those of A are. `stream` as in [`Dense`].
    pub(super) fn dense_columns(out: Output<'_>, stream: bool) -> Self {
        Self::dense(out, false, stream)
    }

    fn dense(out: Output<'_>, by_rows: bool, stream: bool) -> Self {
        let nothing = Self::new(std::ptr::null_mut(), 0, std::ptr::null_mut(), 0);
        let (data, MatRef { row_stride, col_stride, .. }) = (out.data(), *out);
        Self { dense: Some(Dense { by_rows, data, row_stride, col_stride, stream }), ..nothing }
    }

    /// The rows of an output.
    pub(super) fn of(out: CompressedMut<'_>) -> Self {
        let out = out.view;
        Self::new(out.values.cast_mut(), out.ld_values, out.meta.cast_mut(), out.ld_meta)
    }

    /// Whether rows of values begin with lines of memory. (Where stores lie in two lines, tall jobs may lose.)
    fn whole_lines(&self) -> bool {
        Line::begin_rows(self.values, self.ld_values.cast_signed())
    }

    /// From row `row`, which begins a group of rows, and column `col`, which begins a byte, on.
    pub(super) fn part(&self, p: Pattern, row: usize, col: usize) -> Self {
        let (shared, group) = (row / p.group(), col / p.m());
        Self {
            values: self.values.wrapping_add(row * self.ld_values + group * p.n()),
            meta: self.meta.wrapping_add(shared * self.ld_meta + group * p.group_bits() / 8),
            ..*self
        }
    }
}

/// Whether a matrix comes from beyond a second-level cache; then all that is kept of it goes there.
pub(super) fn far(a: MatRef<'_>) -> bool {
    a.rows.saturating_mul(a.cols) >= FAR_FROM
}

/// Whether columns of A come from beyond a second-level cache, and are so far apart, a multiple of four lines,
/// that those of a chunk share few sets of a first-level one. (Measured where lines are fetched into the former.)
pub(super) fn tall(a: MatRef<'_>) -> bool {
    a.row_stride == 1 && a.col_stride % 64 == 0 && far(a) && cpu().far_into_l2
}

/// Does `work` with the room of a call that streams values.
#[inline(never)] // Others need not have it on their stack.
fn with_room(work: impl FnOnce(*mut f32)) {
    let mut room = [const { MaybeUninit::<f32>::uninit() }; STREAM_ROOM];
    work(room.as_mut_ptr().cast());
}

/// Compresses a part of A whose element (0, 0) is element `at` of the matrix that the method's
/// generator describes; `at.1` is a multiple of m.
///
/// # Safety
/// `a` is readable and `target` writable, for the whole part; they do not overlap, or each dense entry is that of A in the
/// same place. Rows that share indices have no dense target.
pub(super) unsafe fn compress_block(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    target: Target,
) {
    if pattern.group() > 1 {
        // SAFETY: the caller's promise.
        return unsafe { group::compress_block(kernels, pattern, method, a, at, target) };
    }
    let few = if target.dense.is_none() { by_copies(kernels, a) } else { 0 };
    if few > 0 {
        let rest = a.rows - few;
        let (above, below) = (a.part(0..rest, 0..a.cols), a.part(rest..a.rows, 0..a.cols));
        // SAFETY: the caller's promise.
        unsafe {
            if rest > 0 {
                compress_block(kernels, pattern, method, above, at, target);
            }
            let (at, target) = ((at.0 + rest, at.1), target.part(pattern, rest, 0));
            return compress_few(kernels, pattern, method, below, at, target);
        }
    }
    let Drawn { key, row0, group0 } = Drawn::new(method, pattern, at);
    let job = CompressJob {
        a: a.data,
        row_stride: a.row_stride,
        col_stride: a.col_stride,
        rows: a.rows,
        cols: a.cols,
        values: target.values,
        ld_values: target.ld_values,
        meta: target.meta,
        ld_meta: target.ld_meta,
        selector: method.selector(),
        key,
        row0,
        group0,
        far_into_l2: cpu().far_into_l2,
        tall: target.tall && target.whole_lines(),
        room: target.room,
        dense: target.dense,
    };
    let of = kernels.of(pattern);
    let by_storage = match target.dense {
        Some(dense) if dense.by_rows => &of.prune_rows,
        None if a.col_stride == 1 => &of.compress_rows,
        _ => &of.compress_cols,
    };
    // SAFETY: the caller's promise.
    unsafe { by_storage[job.selector.words()](&job) };
}

/// The last rows where columns are contiguous, if they are so few that most lanes would have none.
pub(super) fn by_copies(kernels: Level, a: MatRef<'_>) -> usize {
    let last = a.rows % kernels.lanes;
    let columns = a.row_stride == 1 && a.col_stride != 1;
    if columns && 2 * last <= kernels.lanes { last } else { 0 }
}

/// [`compress_block`] where that is so: a copy by rows of some columns at a time.
///
/// # Safety
/// As there; at most half of [`LANES`] rows.
#[inline(never)] // Others need not have the copy on their stack.
unsafe fn compress_few(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    target: Target,
) {
    const { assert!(2 * COPY / LANES >= 64 * 16, "whole draws of the generator, of 64 groups") };
    let mut copy = [const { MaybeUninit::<Line>::uninit() }; COPY / Line::LEN];
    let copy: *mut f32 = copy.as_mut_ptr().cast();
    let draw = 64 * pattern.m();
    let cols = COPY / a.rows / draw * draw;
    for first in (0..a.cols).step_by(cols) {
        let last = a.cols.min(first + cols);
        // SAFETY: the copy holds these columns; then the caller's promise.
        unsafe {
            let rows = copies::rows_of(kernels, a.part(0..a.rows, first..last), None, copy);
            let (at, target) = ((at.0, at.1 + first), target.part(pattern, 0, first));
            compress_block(kernels, pattern, method, rows, at, target);
        }
    }
}

/// What the words of a part of A are drawn by: see [`CompressJob`].
pub(super) struct Drawn {
    pub(super) key: RngKey,
    pub(super) row0: u32,
    pub(super) group0: u32,
}

impl Drawn {
    /// For a part whose element (0, 0) is element `at` of the matrix that the method's generator describes.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "check::rng has limited both, where words are drawn"
    )]
    pub(super) fn new(method: Method, pattern: Pattern, at: (usize, usize)) -> Self {
        let (rng, m) = (method.rng().unwrap_or_default(), pattern.m() as u64);
        Self {
            key: RngKey::new(rng.seed, rng.stream),
            row0: (rng.row0 + at.0 as u64) as u32,
            group0: (rng.col0 / m + at.1 as u64 / m) as u32,
        }
    }
}
