//! What goes from and to memory while columns are compressed that fill more than caches.

use super::columns::{BAND, TALL};
use crate::kernels::generic::Lanes;
use crate::kernels::generic::lanes::LINE;
use crate::kernels::generic::shared::Shared;
use crate::kernels::{CompressJob, STREAM_ROOM};
use std::ops::Range;

/// Columns that are fetched ahead of those that the first band of a part begins with. See `benches/README.md`.
const AHEAD: usize = 16;

/// Lines of A that are fetched, and lines of values that are written past the caches, a few with each group of columns: many
/// at once would take all the places where a core keeps lines that are under way.
pub(crate) struct Stream {
    /// The next line of A to be fetched, of `left` lines of its column: what lies together in memory is fetched together.
    line: *const f32,
    left: usize,
    /// Lines of each column.
    height: usize,
    /// Columns to be fetched before those that begin at `next`; 0 or less where these are being fetched.
    columns: isize,
    next: *const f32,
    /// Values of all groups of a row.
    values: usize,
    /// Values of a chunk behind its last whole line, the first ones of a line that the next chunk completes. Partial lines
    /// would be read before they are written.
    tail: usize,
    /// The first of the rows of a block, whose tails `job.room` has.
    first_row: usize,
    /// A line of values of each of `rows` rows, of which `written` are written; the first goes to `target`.
    lines: *mut f32,
    target: *mut f32,
    rows: usize,
    written: usize,
}

impl Stream {
    /// For rows of so many `values`, of which `lead` lie before the first whole line.
    pub(super) fn new(job: &CompressJob, values: usize, lead: usize, lines: *mut f32) -> Self {
        Self {
            line: job.a,
            left: 1,
            height: 1,
            columns: 1,
            next: job.a,
            values,
            tail: (LINE - lead) % LINE,
            first_row: 0,
            lines,
            target: job.values,
            rows: 0,
            written: 0,
        }
    }

    /// The rows of a block, at most `most`, whose tails there is room for.
    pub(super) fn rows_of_block(&self, most: usize) -> usize {
        STREAM_ROOM.checked_div(self.tail).map_or(most, |rows| most.min(rows / TALL * TALL))
    }

    /// These rows and columns are computed now, of a block that begins with row `first_row`, and then those that begin with
    /// entry (row, column) `next`. Lines are fetched by their last rows: unless columns begin on a line, their first entries
    /// are in a line that the rows above have fetched.
    pub(super) fn begin(
        &mut self,
        job: &CompressJob,
        first_row: usize,
        (rows, columns): (Range<usize>, Range<usize>),
        next: (usize, usize),
    ) {
        // (Perhaps of no entry.)
        let line = |row: usize, column: usize| {
            let down = (row + BAND - 1).cast_signed().wrapping_mul(job.row_stride);
            let across = column.cast_signed().wrapping_mul(job.col_stride);
            job.a.wrapping_offset(down.wrapping_add(across))
        };
        self.first_row = first_row;
        self.height = rows.len().div_ceil(BAND);
        self.left = self.height;
        self.columns = columns.len().cast_signed() - AHEAD.cast_signed();
        self.next = line(next.0, next.1);
        let ahead = line(rows.start, columns.start + AHEAD);
        self.line = if self.columns > 0 { ahead } else { self.next };
    }

    /// Fetches `fetched` lines of A and writes `written` lines of values: see [`move_lines`].
    ///
    /// # Safety
    /// As there.
    #[cold]
    // It is not, but what it costs the registers of its callers should not be paid where nothing is streamed.
    #[inline(never)]
    pub(super) unsafe fn advance(
        &mut self,
        job: &CompressJob,
        shared: &Shared,
        fetched: usize,
        written: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { (shared.move_lines)(job, self, fetched, written) };
    }

    /// Writes what is left.
    ///
    /// # Safety
    /// As [`move_lines`].
    pub(super) unsafe fn finish(&mut self, job: &CompressJob, shared: &Shared) {
        // SAFETY: the caller's promise.
        unsafe { self.advance(job, shared, 0, BAND) };
    }

    /// Values of the line that value `at` of a row lies in which lie before it, and which the chunk before has left: none if
    /// the row begins here.
    fn before(&self, at: usize) -> usize {
        if at > 0 { (at + self.tail) % LINE } else { 0 }
    }

    /// What rows of a band carry from the chunk before, [`BAND`] apart.
    fn carried(&self, job: &CompressJob, row: usize) -> *mut f32 {
        job.room.wrapping_add((row - self.first_row) * self.tail)
    }

    /// Gives back what the rows of a band carry from the chunk that ended before value `at`, as [`put`](Self::put) took it; how
    /// many values of each.
    ///
    /// # Safety
    /// `tile` has room for them.
    #[cold] // As `advance`.
    #[inline(never)]
    pub(super) unsafe fn take(
        &self,
        job: &CompressJob,
        row: usize,
        at: usize,
        tile: *mut f32,
    ) -> usize {
        let before = self.before(at);
        // SAFETY: the caller's promise; they were put there.
        unsafe { tile.copy_from_nonoverlapping(self.carried(job, row), before * BAND) };
        before
    }

    /// Takes `count` values of each of a band's rows, which `tile` has, [`BAND`] apart, behind what [`take`](Self::take) gave
    /// back: those from value `at` of a row on, part of a line of memory. The rows are given as the first, how many, and how
    /// many of them make a strip.
    ///
    /// # Safety
    /// Strips are whole, and rows and values exist; what came before in the rows of the block was taken. Whole lines of values
    /// are lines of memory.
    #[cold] // As `advance`.
    #[inline(never)]
    pub(super) unsafe fn put(
        &mut self,
        job: &CompressJob,
        shared: &Shared,
        (tile, before): (*const f32, usize),
        (row, rows, strip): (usize, usize, usize),
        at: usize,
        count: usize,
    ) {
        debug_assert_eq!(before, self.before(at));
        let line = before + count;
        debug_assert!(line <= LINE);
        // SAFETY: the caller's promise; there is room for a line of each row of a band, and for what rows carry.
        unsafe {
            let target = job.values.add(row * job.ld_values + at).sub(before);
            let (to, ld) = if line == LINE {
                self.finish(job, shared);
                (self.target, self.rows, self.written) = (target, rows, 0);
                (self.lines, LINE)
            } else if (at + self.tail).is_multiple_of(LINE) && at + count < self.values {
                self.carried(job, row).copy_from_nonoverlapping(tile, count * BAND);
                return;
            } else {
                // A row's first values, or its last.
                (target, job.ld_values)
            };
            for rows in (0..rows).step_by(strip) {
                (shared.write_lines)(job, tile.add(rows), (to.add(rows * ld), ld), line);
            }
        }
    }
}

/// Fetches `fetched` lines of A, and writes `written` lines of values, as far as there are.
///
/// # Safety
/// What was [`put`](Stream::put) is still writable.
#[inline(always)]
pub(crate) unsafe fn move_lines<L: Lanes>(
    l: L,
    job: &CompressJob,
    stream: &mut Stream,
    fetched: usize,
    written: usize,
) {
    for _ in 0..fetched {
        l.prefetch_lines(job.far_into_l2, stream.line, 1);
        stream.line = stream.line.wrapping_add(BAND);
        stream.left -= 1;
        if stream.left == 0 {
            stream.left = stream.height;
            let up = (stream.height * BAND).cast_signed();
            stream.line = stream.line.wrapping_offset(job.col_stride.wrapping_sub(up));
            stream.columns -= 1;
            if stream.columns == 0 {
                stream.line = stream.next;
            }
        }
    }
    let end = stream.rows.min(stream.written + written);
    for row in stream.written..end {
        for at in (0..LINE).step_by(L::COUNT) {
            // SAFETY: the caller's promise; `lines` has a line of each row.
            unsafe {
                let values = l.load(stream.lines.add(row * LINE + at));
                l.stream(stream.target.add(row * job.ld_values + at), values);
            }
        }
    }
    stream.written = end;
}
