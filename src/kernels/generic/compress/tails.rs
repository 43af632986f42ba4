//! What whole chunks leave of contiguous rows, or short rows: several together, their groups one after the other in lanes.

use super::CHUNK;
use super::rows::{Fetched, draw_words, in_order, kept_at, pack, put, touch_pages};
use crate::kernels::CompressJob;
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::Estimator;
use crate::kernels::generic::lanes::{MAX_LANES, copy_in};
use crate::kernels::generic::philox::{COUNTERS, RowCounters};
use crate::kernels::generic::room::Room;
use crate::kernels::generic::shared::Shared;
use crate::pattern::index_bits;
use std::ops::Range;

/// Groups, and entries, of the rows that go together.
const GROUPS: usize = 256;
const ENTRIES: usize = 1024;
/// Room for words and codes, a chunk behind those of groups, and for entries, a vector of groups behind them.
const WORDS: usize = GROUPS + CHUNK;
const COPY: usize = ENTRIES + 16 * MAX_LANES;
/// Rows that go together behind whole chunks: these must not drive each other out of the caches.
const LONG: usize = 16;

/// How many rows [`tails`] takes, of rows of so many groups, `whole` of them in whole chunks.
#[inline(always)]
pub(super) fn tails_together<L: Lanes>(m: usize, whole: usize, groups: usize) -> usize {
    let tail = groups - whole;
    let idle = tail.next_multiple_of(L::COUNT) - tail;
    let rows = (GROUPS.min(ENTRIES / m) / tail).max(1);
    if (whole > 0 || rows < 4) && 2 * tail >= CHUNK && 8 * idle <= tail {
        // Little is idle in a row alone, which needs no copy.
        return 1;
    }
    if whole > 0 { rows.min(LONG) } else { rows }
}

/// [`rows`](super::rows::rows) of some rows, no more than [`tails_together`], from group `first`, behind whole chunks, on.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tails<
    L: Lanes,
    E: Estimator,
    const N: usize,
    const M: usize,
    const DENSE: bool,
>(
    l: L,
    job: &CompressJob,
    shared: &Shared,
    fetched: Fetched,
    rows: Range<usize>,
    first: usize,
) {
    let cols = job.cols - first * M;
    let groups = cols.div_ceil(M);
    let (top, rows) = (rows.start, rows.len());
    let count = rows * groups;
    let a = job.a.wrapping_offset(top.cast_signed() * job.row_stride).wrapping_add(first * M);
    let (out, meta) = kept_at::<N, M, DENSE>(job, top, first);
    let (mut copy, mut kept) = (Room::<f32, COPY>::new(), Room::<f32, COPY>::new());
    let from = Part {
        data: a.cast_mut(),
        stride: job.row_stride,
        rows,
        groups,
        each: M,
        elements: cols,
        copy: copy.pointer(),
    };
    let (each, elements) = if DENSE { (M, cols) } else { (N, groups * N) };
    let stride = match &job.dense {
        Some(dense) if DENSE => dense.row_stride,
        _ => job.ld_values.cast_signed(),
    };
    let to = Part { data: out, stride, each, elements, copy: kept.pointer(), ..from };
    let (read, written) = (from.in_place::<L>(), to.in_place::<L>());

    let (mut words, mut second) = (Room::<u32, WORDS>::new(), Room::<u32, WORDS>::new());
    let mut words =
        [words.pointer(), second.pointer()].map(|words| Words { words, counters: None });
    let (row, group) = (job.row0 + top as u32, job.group0 + first as u32);
    for draw in 0..E::WORDS {
        // SAFETY: there is room for the words of `count` groups, and a chunk more.
        unsafe { words[draw].begin(job, shared, (row, group, draw as u32), (rows, groups)) };
    }
    let ahead = fetched.behind(job, top, first * M);
    if first == 0 && in_order(job) {
        touch_pages::<L, M>(l, (ahead, count * M), out, each);
    }
    if read == 0 {
        for i in 0..rows {
            l.prefetch_lines(true, fetched.behind(job, top + i, first * M), cols);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { from.copy_in(l, read) };

    let mut codes = Room::<u32, WORDS>::new();
    let codes = codes.pointer();
    // Whether one row is read or written at a time, and which is next.
    let close = rows == 1 || from.close() && to.close();
    let apart = groups.is_multiple_of(L::COUNT) && !close && (read == count || written == count);
    let (mut row, mut begin) = (0, 0);
    while begin < count {
        // What lies together on both sides.
        let mut end = if apart { (row + 1) * groups } else { count };
        for bound in [read, written] {
            end = if bound > begin { end.min(bound) } else { end };
        }
        let (from, to) = (from.at(begin, row, read), to.at(begin, row, written));
        // (Behind copies, what is there already.)
        let ahead = match begin < read {
            true if apart => fetched.behind(job, top + row, first * M),
            true => ahead.wrapping_add(begin * M),
            false => a,
        };
        for v in (begin..end).step_by(L::COUNT) {
            // SAFETY: words, entries and codes of the groups from v on, and room for what is kept of them.
            unsafe {
                let mut drawn = [l.splat_u(0); 2];
                for draw in 0..E::WORDS {
                    drawn[draw] = words[draw].next(l, job, shared, v);
                }
                let at = v - begin;
                l.prefetch_lines(true, ahead.wrapping_add(at * M), L::COUNT * M);
                let x = l.load_runs::<M>(from.add(at * M));
                let picked = E::select(l, job.selector, x, drawn);
                put::<L, N, M, DENSE>(l, picked, to.add(at * each), codes.add(v));
            }
        }
        (row, begin) = (row + usize::from(apart), end);
    }
    // SAFETY: what is kept of the groups from `written` on is in the copy; the codes, a chunk of zeros behind them, and their
    // bytes.
    unsafe {
        to.copy_out(l, written);
        if !DENSE {
            codes.add(count).write_bytes(0, CHUNK);
            write_codes::<L, N, M>(l, codes, (rows, groups), (meta, job.ld_meta));
        }
    }
}

/// Entries of rows, or what is kept of them.
#[derive(Clone, Copy)]
struct Part {
    data: *mut f32,
    stride: isize,
    rows: usize,
    /// Groups of a row, elements of a group, and those of a row: of a short last group fewer.
    groups: usize,
    each: usize,
    elements: usize,
    /// Room for [`COPY`] elements.
    copy: *mut f32,
}

impl Part {
    /// Whether there is nothing between rows, or one alone, and groups are whole.
    #[inline(always)]
    fn close(&self) -> bool {
        let of_row = self.groups * self.each;
        self.elements == of_row && (self.stride == of_row.cast_signed() || self.rows == 1)
    }

    /// How many of the groups of all rows are where vectors of groups can read or write them: all if rows are whole vectors;
    /// whole vectors if there is one row, or nothing between rows; else none.
    #[inline(always)]
    fn in_place<L: Lanes>(&self) -> usize {
        let whole = self.elements / self.each / L::COUNT * L::COUNT;
        if whole == self.groups {
            self.rows * self.groups
        } else if self.rows == 1 {
            whole
        } else if self.close() {
            self.rows * self.groups / L::COUNT * L::COUNT
        } else {
            0
        }
    }

    /// Where group `at` of all is, `in_place` of them being in place; reckoned from the beginning of a row that nothing
    /// separates it from.
    #[inline(always)]
    fn at(&self, at: usize, row: usize, in_place: usize) -> *mut f32 {
        if at >= in_place {
            return self.copy.wrapping_add((at - in_place) * self.each);
        }
        self.row(row).wrapping_add((at - row * self.groups) * self.each)
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *mut f32 {
        self.data.wrapping_offset(row.cast_signed() * self.stride)
    }

    /// Copies the others, zeros behind those of each row and behind all, to whole vectors.
    ///
    /// # Safety
    /// They must be readable, no more than the copy has room for.
    #[inline(always)]
    unsafe fn copy_in<L: Lanes>(&self, l: L, in_place: usize) {
        let count = self.rows * self.groups;
        let all = (count - in_place).next_multiple_of(L::COUNT) * self.each;
        // SAFETY: the caller's promise.
        unsafe {
            if in_place > 0 || self.rows == 1 {
                let whole = in_place * self.each;
                let left = self.elements * self.rows - whole;
                copy_padded(l, self.data.wrapping_add(whole), self.copy, (left, all));
                return;
            }
            for i in 0..self.rows {
                let of_row = self.groups * self.each;
                copy_padded(l, self.row(i), self.copy.add(i * of_row), (self.elements, of_row));
            }
            let behind = count * self.each;
            copy_padded(l, self.copy, self.copy.add(behind), (0, all - behind));
        }
    }

    /// Copies the others from the copy.
    ///
    /// # Safety
    /// They must be writable.
    #[inline(always)]
    unsafe fn copy_out<L: Lanes>(&self, l: L, in_place: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if in_place > 0 || self.rows == 1 {
                let whole = in_place * self.each;
                let left = self.elements * self.rows - whole;
                copy_exactly(l, self.copy, self.data.wrapping_add(whole), left);
                return;
            }
            for i in 0..self.rows {
                let from = self.copy.add(i * self.groups * self.each);
                copy_exactly(l, from, self.row(i), self.elements);
            }
        }
    }
}

/// The words of one draw, of all groups of all rows.
struct Words {
    /// Room for [`WORDS`].
    words: *mut u32,
    /// Those of the next, where rows have few groups: words are then drawn as they are needed, and neither waits for the other.
    counters: Option<RowCounters>,
}

impl Words {
    /// Begins with so many groups of each of some rows, of the first `at` as in [`draw_words`].
    ///
    /// # Safety
    /// There is room for their words, and for a chunk more.
    #[inline(always)]
    unsafe fn begin(
        &mut self,
        job: &CompressJob,
        shared: &Shared,
        at: (u32, u32, u32),
        (rows, groups): (usize, usize),
    ) {
        if rows > 1 && groups <= COUNTERS && at.1.is_multiple_of(CHUNK as u32) {
            self.counters = Some(RowCounters::new(at, groups as u32));
        } else {
            // SAFETY: the caller's promise.
            unsafe { words_of_tails(job, shared, at, (rows, groups), self.words) };
        }
    }

    /// Those of a vector of groups from `v` on, which follows the last.
    ///
    /// # Safety
    /// The group is one of them.
    #[inline(always)]
    unsafe fn next<L: Lanes>(
        &mut self,
        l: L,
        job: &CompressJob,
        shared: &Shared,
        v: usize,
    ) -> L::U {
        // SAFETY: the caller's promise; vectors make up whole draws.
        unsafe {
            let words = self.words.add(v);
            if let Some(counters) = &mut self.counters
                && v.is_multiple_of(COUNTERS)
            {
                (shared.words_of_rows)(&job.key, counters, words);
            }
            l.load_u(words)
        }
    }
}

/// Draws the words of so many groups of each of some rows, row after row; of the first `at` as in [`draw_words`].
///
/// # Safety
/// `words` has room for them, and for a chunk more.
unsafe fn words_of_tails(
    job: &CompressJob,
    shared: &Shared,
    (row, group, draw): (u32, u32, u32),
    (rows, groups): (usize, usize),
    words: *mut u32,
) {
    let mut two = Room::<u32, { 2 * CHUNK }>::new();
    for (i, row) in (0..rows).zip(row..) {
        let words = words.wrapping_add(i * groups);
        // SAFETY: two chunks; the caller's promise: what of a chunk is not this row's, the next one overwrites.
        unsafe {
            if group.is_multiple_of(CHUNK as u32) {
                (shared.words_of_row)(&job.key, row, group, draw, words);
            } else {
                let drawn = draw_words(job, shared, (row, group, draw), groups, two.pointer());
                words.copy_from_nonoverlapping(drawn, groups);
            }
        }
    }
    // SAFETY: less than a chunk: what vectors read behind the last.
    unsafe { words.add(rows * groups).write_bytes(0, MAX_LANES) };
}

/// Copies `count` elements, and writes zeros behind them, `padded` elements in all, and up to a vector more.
///
/// # Safety
/// They must be readable and writable.
#[inline(always)]
unsafe fn copy_padded<L: Lanes>(
    l: L,
    from: *const f32,
    to: *mut f32,
    (count, padded): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        copy_in(l, from, to, count);
        for k in (count.next_multiple_of(L::COUNT)..padded).step_by(L::COUNT) {
            l.store(to.add(k), l.splat(0.0));
        }
    }
}

/// Copies `count` elements, and touches no others, which [`copy_out`](crate::kernels::generic::lanes::copy_out) reads: behind
/// those of the last row nothing need have been written.
///
/// # Safety
/// They must be readable and writable.
#[inline(always)]
unsafe fn copy_exactly<L: Lanes>(l: L, from: *const f32, to: *mut f32, count: usize) {
    for k in (0..count).step_by(L::COUNT) {
        let some = L::COUNT.min(count - k);
        // SAFETY: elements below `count`.
        unsafe { l.store_first(to.add(k), l.load_first(from.add(k), some), some) };
    }
}

/// Packs the codes of `rows` rows of `groups` groups; the metadata of each begins on a byte, `ld_meta` bytes behind that of the
/// one before.
///
/// # Safety
/// As many codes, and a chunk behind them, are readable, and the bytes of the rows writable.
#[inline(always)]
unsafe fn write_codes<L: Lanes, const N: usize, const M: usize>(
    l: L,
    codes: *const u32,
    (rows, groups): (usize, usize),
    (meta, ld_meta): (*mut u8, usize),
) {
    let bits = N * index_bits(M);
    let of_row = groups * bits;
    let mut bytes = Room::<u8, { 4 * (GROUPS + CHUNK) + 8 }>::new();
    let bytes = bytes.pointer();
    // SAFETY: whole chunks of codes; their bytes, and eight more.
    unsafe {
        for first in (0..rows * groups).step_by(CHUNK) {
            pack::<L, N, M>(l, codes.add(first), bytes.add(first / 8 * bits));
        }
        if of_row.is_multiple_of(8) && (ld_meta == of_row / 8 || rows == 1) {
            meta.copy_from_nonoverlapping(bytes, rows * of_row / 8);
            return;
        }
        bytes.add((rows * of_row).next_multiple_of(CHUNK * bits) / 8).write_bytes(0, 8);
        for i in 0..rows {
            copy_bits(bytes, i * of_row, of_row, meta.add(i * ld_meta));
        }
    }
}

/// Copies `count` bits, from bit `at` on; zeros follow them in their last byte.
///
/// # Safety
/// Their bytes, and seven more behind them, must be readable, and as many as they need writable.
#[inline(always)]
unsafe fn copy_bits(from: *const u8, mut at: usize, mut count: usize, mut to: *mut u8) {
    // Whole bytes that eight hold wherever in a byte they begin.
    const MOST: usize = 56;
    while count > 0 {
        let some = count.min(MOST);
        // SAFETY: the caller's promise.
        unsafe {
            let word = u64::from_le(from.add(at / 8).cast::<u64>().read_unaligned()) >> (at % 8);
            let word = word & ((1 << some) - 1);
            to = write_bytes(word, some.div_ceil(8), to);
        }
        (at, count) = (at + some, count - some);
    }
}

/// Writes the `count` lowest bytes of a word, fewer than eight; where the next goes.
///
/// # Safety
/// They must be writable.
#[inline(always)]
unsafe fn write_bytes(mut word: u64, count: usize, mut to: *mut u8) -> *mut u8 {
    // SAFETY: four bytes and two and one are `count`.
    unsafe {
        if count & 4 != 0 {
            to.cast::<u32>().write_unaligned((word as u32).to_le());
            (word, to) = (word >> 32, to.add(4));
        }
        if count & 2 != 0 {
            to.cast::<u16>().write_unaligned((word as u16).to_le());
            (word, to) = (word >> 16, to.add(2));
        }
        if count & 1 != 0 {
            to.write(word as u8);
            to = to.add(1);
        }
        to
    }
}
