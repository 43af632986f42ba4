//! Copies of matrices, transposing or not: what packs B, and brings results to where they belong.

use super::Lanes;
use super::lanes::{LINE, MAX_LANES, copy_elements, copy_square};
use super::room::Room;
use crate::kernels::CopyJob;
use std::ops::Range;

/// Rows or columns that an edge has at least where it goes through registers, too. (Squares of four have no such edges.)
const EDGE: usize = 4;

/// `target[j][i] = source[i][j]`, squares of COUNT in registers.
///
/// # Safety
/// The contract of [`CopyFn`](crate::kernels::CopyFn).
#[inline(always)]
pub(crate) unsafe fn transpose<L: Lanes>(l: L, job: &CopyJob) {
    let whole = |n: usize| n - n % L::COUNT;
    let (rows, cols) = (whole(job.rows), whole(job.cols));
    let mut i = 0;
    while i < rows {
        let mut j = 0;
        while j < cols {
            // SAFETY: a square that lies in both.
            unsafe {
                if let Some(ahead) = job.ahead
                    && j.is_multiple_of(LINE)
                {
                    for k in 0..L::COUNT {
                        l.prefetch_far(job.source_at(i + k, j).wrapping_offset(ahead));
                    }
                }
                if job.far_next && i.is_multiple_of(LINE) {
                    // The last of a line's length of elements: if they begin within a line, that one is fetched, or
                    // written, already.
                    for k in 0..L::COUNT {
                        l.prefetch_far(job.target_at(j + k, i + job.rows + LINE - 1));
                    }
                }
                l.transpose(job.source_at(i, j), job.from, job.target_at(j, i), job.to);
            }
            j += L::COUNT;
        }
        i += L::COUNT;
    }
    // SAFETY: what lies beside the squares, and below them.
    unsafe {
        transpose_edge(l, job, 0..rows, cols..job.cols);
        transpose_edge(l, job, rows..job.rows, 0..job.cols);
    }
}

/// [`transpose`], past the caches where columns of the target begin with lines of memory: a line of each of COUNT columns at
/// a time.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn transpose_streamed<L: Lanes>(l: L, job: &CopyJob) {
    let lines = job.target.addr().is_multiple_of(size_of::<[f32; LINE]>())
        && job.to.unsigned_abs().is_multiple_of(LINE);
    if !L::STREAMS || !lines {
        // SAFETY: the caller's promise.
        return unsafe { transpose(l, job) };
    }
    let (rows, cols) = (job.rows / LINE * LINE, job.cols / L::COUNT * L::COUNT);
    let mut room = Room::<f32, { LINE * MAX_LANES }>::new();
    let room = room.pointer();
    // SAFETY: squares that lie in the source; a line of each of COUNT columns of the target, and room for them; then what lies
    // beside these, and below them.
    unsafe {
        for i in (0..rows).step_by(LINE) {
            for j in (0..cols).step_by(L::COUNT) {
                for at in (0..LINE).step_by(L::COUNT) {
                    let source = job.source_at(i + at, j);
                    l.transpose(source, job.from, room.add(at), LINE.cast_signed());
                }
                for k in 0..L::COUNT {
                    stream_line(l, room.add(k * LINE), job.target_at(j + k, i));
                }
            }
        }
        transpose_edge(l, job, 0..rows, cols..job.cols);
        transpose_edge(l, job, rows..job.rows, 0..job.cols);
    }
    l.end_of_streams();
}

/// Copies a line's length of elements to a line, past the caches.
///
/// # Safety
/// They are readable and writable, and the line begins there.
#[inline(always)]
unsafe fn stream_line<L: Lanes>(l: L, from: *const f32, to: *mut f32) {
    for at in (0..LINE).step_by(L::COUNT) {
        // SAFETY: the caller's promise; vectors are parts of lines.
        unsafe { l.stream(to.add(at), l.load(from.add(at))) };
    }
}

/// [`transpose`] of these rows and columns of the source, which make no whole squares.
///
/// # Safety
/// They lie in the source, and where they go in the target.
#[inline(always)]
unsafe fn transpose_edge<L: Lanes>(l: L, job: &CopyJob, rows: Range<usize>, cols: Range<usize>) {
    if rows.len().min(cols.len()) < EDGE {
        for i in rows {
            for j in cols.clone() {
                // SAFETY: i and j lie in both.
                unsafe {
                    job.target_at(j, i).write_unaligned(job.source_at(i, j).read_unaligned());
                }
            }
        }
        return;
    }
    for i in rows.clone().step_by(L::COUNT) {
        for j in cols.clone().step_by(L::COUNT) {
            let part = (i..rows.end.min(i + L::COUNT), j..cols.end.min(j + L::COUNT));
            // SAFETY: at most a square, of what lies in both.
            unsafe { transpose_part(l, job, part.0, part.1) };
        }
    }
}

/// [`transpose`] of part of a square: through whole ones in memory, as the edges of the matrix are not read past.
///
/// # Safety
/// At most COUNT rows and columns, which lie in the source, and where they go in the target.
#[inline(always)]
unsafe fn transpose_part<L: Lanes>(l: L, job: &CopyJob, rows: Range<usize>, cols: Range<usize>) {
    let mut square = Room::<f32, { MAX_LANES * MAX_LANES }>::new();
    let mut turned = Room::<f32, { MAX_LANES * MAX_LANES }>::new();
    let (square, turned) = (square.pointer(), turned.pointer());
    let stride = L::COUNT.cast_signed();
    // SAFETY: either buffer holds a square; all of the first is written, then all of the other. Elements of these rows and
    // columns, no others.
    unsafe {
        let source = job.source_at(rows.start, cols.start);
        copy_square(l, (source, job.from), (rows.len(), cols.len()), square);
        l.transpose(square, stride, turned, stride);
        for k in 0..cols.len() {
            let column = l.load(turned.add(k * L::COUNT));
            l.store_first(job.target_at(cols.start + k, rows.start), column, rows.len());
        }
    }
}

/// `target[i][j] = source[i][j]`.
///
/// # Safety
/// The contract of [`CopyFn`](crate::kernels::CopyFn).
#[inline(always)]
pub(crate) unsafe fn pack<L: Lanes>(l: L, job: &CopyJob) {
    for i in 0..job.rows {
        let source = job.source_at(i, 0);
        let target = job.target_at(i, 0);
        let mut j = 0;
        // SAFETY: the elements below `cols` of row i of both.
        unsafe {
            while j + L::COUNT <= job.cols {
                l.store(target.add(j), l.load(source.add(j)));
                if let Some(ahead) = job.ahead {
                    l.prefetch(source.wrapping_add(j).wrapping_offset(ahead));
                }
                j += L::COUNT;
            }
            if j < job.cols {
                l.store_first(
                    target.add(j),
                    l.load_first(source.add(j), job.cols - j),
                    job.cols - j,
                );
            }
        }
    }
}

/// [`pack`], whole lines of the target past the caches.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn pack_streamed<L: Lanes>(l: L, job: &CopyJob) {
    for i in 0..job.rows {
        // SAFETY: the elements below `cols` of row i of both.
        unsafe { stream_row(l, job.source_at(i, 0), job.target_at(i, 0), job.cols) };
    }
    l.end_of_streams();
}

/// Copies `count` elements, whole lines of the target past the caches.
///
/// # Safety
/// They are readable and writable, and do not overlap.
#[inline(always)]
unsafe fn stream_row<L: Lanes>(l: L, from: *const f32, to: *mut f32, count: usize) {
    let head = to.align_offset(size_of::<[f32; LINE]>()).min(count);
    // SAFETY: elements of both; behind the head whole lines.
    unsafe {
        copy_elements(from, to, head);
        let mut i = head;
        while i + LINE <= count {
            stream_line(l, from.add(i), to.add(i));
            i += LINE;
        }
        copy_elements(from.add(i), to.add(i), count - i);
    }
}
