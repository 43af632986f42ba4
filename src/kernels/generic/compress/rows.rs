//! Rows of A contiguous: groups in lanes.

use super::tails::{tails, tails_together};
use super::{CHUNK, aligned};
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::{Estimator, Selection};
use crate::kernels::generic::expand::spread;
use crate::kernels::generic::philox::{COUNTERS, ROW_BEGUN, row_begun, row_ended};
use crate::kernels::generic::room::Room;
use crate::kernels::generic::shared::Shared;
use crate::kernels::generic::twice::Twice;
use crate::kernels::{CompressJob, RngKey, Selector};
use crate::pattern::index_bits;
use crate::rng::PHILOX_ROUNDS;

/// Elements of a page of memory.
const PAGE: usize = 4096 / size_of::<f32>();
/// Prefetch distance in entries: hardware prefetchers stop at the ends of pages.
const AHEAD: usize = PAGE;
/// Pages that are touched together, so that their TLB misses overlap.
const PAGES: usize = 4;

/// Rows of A contiguous (`col_stride` 1): a group to a lane, neighbouring groups in neighbouring lanes. If `DENSE`, the
/// pruned entries are written, to contiguous rows, too, instead of values and metadata.
///
/// Whole chunks go row by row; of what is behind them, several rows go together.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn); `job.col_stride` must be 1, and there is a dense output by
/// rows if `DENSE`, else none.
#[inline(always)]
pub(crate) unsafe fn rows<
    L: Lanes,
    E: Estimator,
    const N: usize,
    const M: usize,
    const DENSE: bool,
>(
    l: L,
    job: &CompressJob,
    shared: &Shared,
) {
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    let whole = job.cols / (CHUNK * M) * CHUNK;
    let together = if whole == groups { job.rows } else { tails_together::<L>(M, whole, groups) };
    // Two chunks of each word that an estimator may draw. Arrays apart: the one unused costs nothing.
    let (mut words, mut second) =
        (Room::<u32, { 2 * CHUNK }>::new(), Room::<u32, { 2 * CHUNK }>::new());
    let words = [words.pointer(), second.pointer()];
    let mut codes = Room::<u32, CHUNK>::new();
    let codes = codes.pointer();
    // Where chunks draw the next one's words meanwhile: this one's, whether they are drawn, and room.
    let meanwhile =
        E::WORDS == 1 && meanwhile::<L>(N, M) && job.group0.is_multiple_of(CHUNK as u32);
    let (mut now, mut drawn) = (words[0], false);
    let mut next = words[0].wrapping_add(CHUNK);
    let (in_order, fetched) = (in_order(job), Fetched::new(job));
    let mut top = 0;
    while top < job.rows {
        let bottom = job.rows.min(top + together);
        for i in top..bottom {
            let (out, meta) = kept_at::<N, M, DENSE>(job, i, 0);
            let a = job.a.wrapping_offset(i.cast_signed() * job.row_stride);
            let row = job.row0 + i as u32;
            for first in (0..whole).step_by(CHUNK) {
                let ahead = fetched.behind(job, i, first * M);
                let each = if DENSE { M } else { N };
                let (a, out) = (a.wrapping_add(first * M), out.wrapping_add(first * each));
                if in_order {
                    touch_pages::<L, M>(l, (ahead, CHUNK * M), out, each);
                }
                let chunk = Chunk::<DENSE> { selector: job.selector, a, out, codes, ahead };
                let group = job.group0 + first as u32;
                // SAFETY: a chunk of whole groups, and room for what is kept of it; two chunks of each draw.
                unsafe {
                    if meanwhile {
                        // (Of no use after the last row.)
                        let last = first + CHUNK == whole;
                        let after =
                            if last { (row + 1, job.group0) } else { (row, group + CHUNK as u32) };
                        if !drawn {
                            (shared.words_of_row)(&job.key, row, group, 0, now);
                        }
                        chunk.select::<L, E, N, M>(l, &job.key, after, (now, next));
                        std::mem::swap(&mut now, &mut next);
                        drawn = true;
                    } else {
                        let mut at: [*const u32; 2] = [words[0], words[1]];
                        for draw in 0..E::WORDS {
                            let (from, to) = ((row, group, draw as u32), words[draw]);
                            at[draw] = draw_words(job, shared, from, CHUNK, to);
                        }
                        chunk.one_by_one::<L, E, N, M>(l, at);
                    }
                    if !DENSE {
                        pack::<L, N, M>(l, codes, meta.wrapping_add(first / 8 * bits));
                    }
                }
            }
        }
        if whole < groups {
            // SAFETY: the caller's promise.
            unsafe { tails::<L, E, N, M, DENSE>(l, job, shared, fetched, top..bottom, whole) };
        }
        top = bottom;
    }
}

/// Whether rows follow each other in memory, closely: what is ahead is known.
#[inline(always)]
pub(super) fn in_order(job: &CompressJob) -> bool {
    let gap = job.row_stride.wrapping_sub(job.cols.cast_signed());
    (0..PAGE.cast_signed()).contains(&gap)
}

/// Where what is kept of row i goes from group `first`, a multiple of 8, on: values or dense entries, and metadata.
#[inline(always)]
pub(super) fn kept_at<const N: usize, const M: usize, const DENSE: bool>(
    job: &CompressJob,
    i: usize,
    first: usize,
) -> (*mut f32, *mut u8) {
    let meta = job.meta.wrapping_add(i * job.ld_meta + first / 8 * N * index_bits(M));
    let out = match &job.dense {
        Some(dense) if DENSE => dense.entry(i, first * M),
        _ => job.values.wrapping_add(i * job.ld_values + first * N),
    };
    (out, meta)
}

/// What is fetched: the entries [`AHEAD`] of others, by rows.
#[derive(Clone, Copy)]
pub(super) struct Fetched {
    rows: usize,
    cols: usize,
}

impl Fetched {
    #[inline(always)]
    fn new(job: &CompressJob) -> Self {
        Self { rows: AHEAD / job.cols, cols: AHEAD % job.cols }
    }

    /// The address of those behind entry (i, j); past the last row, where they would be.
    #[inline(always)]
    pub(super) fn behind(self, job: &CompressJob, i: usize, j: usize) -> *const f32 {
        let (row, col) = match j + self.cols {
            col if col < job.cols => (i + self.rows, col),
            col => (i + self.rows + 1, col - job.cols),
        };
        job.a.wrapping_offset(row.cast_signed().wrapping_mul(job.row_stride)).wrapping_add(col)
    }
}

/// Draws the words of `count` groups of a row of the whole matrix, no more than a chunk, from `group` on; where they are.
///
/// # Safety
/// `words` has room for two chunks.
#[inline(always)]
pub(super) unsafe fn draw_words(
    job: &CompressJob,
    shared: &Shared,
    (row, group, draw): (u32, u32, u32),
    count: usize,
    words: *mut u32,
) -> *mut u32 {
    let (from, offset, chunks) = aligned(group, count);
    for chunk in 0..chunks {
        let from = from + (chunk * CHUNK) as u32;
        // SAFETY: the caller's promise.
        unsafe { (shared.words_of_row)(&job.key, row, from, draw, words.add(chunk * CHUNK)) };
    }
    words.wrapping_add(offset)
}

/// When a run of [`PAGES`] pages begins with the `count` entries at `ahead`, prefetches a line of each page of the next run, and of the pages
/// that what is kept of them goes to, `each` elements of a group. What is kept of the entries [`AHEAD`] before goes to `out`.
#[inline(always)]
pub(super) fn touch_pages<L: Lanes, const M: usize>(
    l: L,
    (ahead, count): (*const f32, usize),
    out: *const f32,
    each: usize,
) {
    let begun = ahead.addr() / size_of::<f32>() % (PAGES * PAGE);
    if begun >= count {
        return;
    }
    let behind = PAGES * PAGE - begun;
    let out = out.wrapping_add((AHEAD + behind) * each / M);
    for page in 0..PAGES {
        l.prefetch_far(ahead.wrapping_add(behind + page * PAGE));
        if page * M < PAGES * each {
            l.prefetch_far(out.wrapping_add(page * PAGE));
        }
    }
}

/// Whether whole chunks of contiguous rows draw the next one's words between their selections: where these are short, and
/// drawing is much of the work.
const fn meanwhile<L: Lanes>(n: usize, m: usize) -> bool {
    L::WRITTEN_OUT && (m <= 4 || (m == 8 && n <= 2))
}

/// Whether two vectors of groups go side by side then: where their chains are short, M of 2, nothing is gained.
const fn in_pairs<L: Lanes>(m: usize) -> bool {
    m == 4 || (m == 8 && L::REGISTERS >= 32)
}

/// Writes what is kept of `COUNT` groups: values and codes, or entries if `DENSE`.
///
/// # Safety
/// There is room for them.
#[inline(always)]
pub(super) unsafe fn put<L: Lanes, const N: usize, const M: usize, const DENSE: bool>(
    l: L,
    picked: Selection<L, N>,
    out: *mut f32,
    codes: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if DENSE {
            l.store_runs::<M>(out, spread(l, picked.values, picked.code));
        } else {
            l.store_u(codes, picked.code);
            l.store_runs::<N>(out, picked.values);
        }
    }
}

/// A chunk of whole groups of a row, and where what is kept of it goes: see [`put`].
struct Chunk<const DENSE: bool> {
    selector: Selector,
    a: *const f32,
    out: *mut f32,
    codes: *mut u32,
    /// As many entries to fetch.
    ahead: *const f32,
}

impl<const DENSE: bool> Chunk<DENSE> {
    /// Selects by the words of each draw.
    ///
    /// # Safety
    /// The entries, room for what is kept, and a chunk of words of each draw, and of codes.
    #[inline(always)]
    unsafe fn one_by_one<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        words: [*const u32; 2],
    ) {
        for v in (0..CHUNK).step_by(L::COUNT) {
            l.prefetch_lines(true, self.ahead.wrapping_add(v * M), L::COUNT * M);
            // SAFETY: v + COUNT <= CHUNK.
            unsafe {
                let mut drawn = [l.splat_u(0); 2];
                for draw in 0..E::WORDS {
                    drawn[draw] = l.load_u(words[draw].add(v));
                }
                let x = l.load_runs::<M>(self.a.add(v * M));
                self.put::<L, N, M>(l, v, E::select(l, self.selector, x, drawn));
            }
        }
    }

    /// Selects by the words at `now`, and draws those of `after`, which is (row, group), into `next`: neither waits for
    /// the other, and each alone would wait for its own results.
    ///
    /// # Safety
    /// The entries, room for what is kept, and a chunk of words, twice, and of codes.
    #[inline(always)]
    unsafe fn select<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        key: &RngKey,
        (row, group): (u32, u32),
        (now, next): (*const u32, *mut u32),
    ) {
        for part in 0..COUNTERS / L::COUNT {
            let mut counters = row_begun(l, key, (row, group, 0), part);
            macro_rules! quarter {
                ($q:literal $from:literal $to:literal) => {
                    let v = (4 * part + $q) * L::COUNT;
                    l.prefetch_lines(true, self.ahead.wrapping_add(v * M), L::COUNT * M);
                    // SAFETY: v + COUNT <= CHUNK, or v + 2 * COUNT of every second.
                    unsafe {
                        if !in_pairs::<L>(M) {
                            let x = l.load_runs::<M>(self.a.add(v * M));
                            let drawn = [l.load_u(now.add(v)), l.splat_u(0)];
                            let picked = E::select(l, self.selector, x, drawn);
                            self.put::<L, N, M>(l, v, picked);
                        } else if $q % 2 == 0 {
                            self.two::<L, E, N, M>(l, v, now);
                        }
                    }
                    counters = counters.rounds::<$from, $to>(l, key);
                };
            }
            const { assert!(ROW_BEGUN == 2 && PHILOX_ROUNDS == 10) };
            quarter!(0 2 4);
            quarter!(1 4 6);
            quarter!(2 6 8);
            quarter!(3 8 10);
            // SAFETY: the caller's promise.
            unsafe { row_ended(l, counters, part, next) };
        }
    }

    /// Groups `v .. v + 2 * COUNT`.
    ///
    /// # Safety
    /// As [`select`](Self::select), of these groups.
    #[inline(always)]
    unsafe fn two<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        v: usize,
        words: *const u32,
    ) {
        let at = [v, v + L::COUNT];
        // SAFETY: the caller's promise.
        unsafe {
            let left = l.load_runs::<M>(self.a.add(at[0] * M));
            let right = l.load_runs::<M>(self.a.add(at[1] * M));
            let mut x = [[left[0]; 2]; M];
            for i in 0..M {
                x[i] = [left[i], right[i]];
            }
            let drawn = [l.load_u(words.add(at[0])), l.load_u(words.add(at[1]))];
            let words = [drawn, [l.splat_u(0); 2]];
            let picked = E::select::<Twice<L>, N, M>(Twice(l), self.selector, x, words);
            for h in 0..2 {
                let mut values = [l.splat(0.0); N];
                for k in 0..N {
                    values[k] = picked.values[k][h];
                }
                self.put::<L, N, M>(l, at[h], Selection { values, code: picked.code[h] });
            }
        }
    }

    /// Writes what is kept of groups `v .. v + COUNT`.
    ///
    /// # Safety
    /// As [`select`](Self::select), of these groups.
    #[inline(always)]
    unsafe fn put<L: Lanes, const N: usize, const M: usize>(
        &self,
        l: L,
        v: usize,
        picked: Selection<L, N>,
    ) {
        let each = if DENSE { M } else { N };
        // SAFETY: the caller's promise.
        unsafe { put::<L, N, M, DENSE>(l, picked, self.out.add(v * each), self.codes.add(v)) };
    }
}

/// [`Lanes::pack_codes`] with the bits of an N:M group.
///
/// # Safety
/// As [`Lanes::pack_codes`].
#[inline(always)]
pub(super) unsafe fn pack<L: Lanes, const N: usize, const M: usize>(
    l: L,
    codes: *const u32,
    target: *mut u8,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match N * index_bits(M) {
            1 => l.pack_codes::<1>(codes, target),
            2 => l.pack_codes::<2>(codes, target),
            4 => l.pack_codes::<4>(codes, target),
            8 => l.pack_codes::<8>(codes, target),
            16 => l.pack_codes::<16>(codes, target),
            _ => l.pack_codes::<32>(codes, target),
        }
    }
}
