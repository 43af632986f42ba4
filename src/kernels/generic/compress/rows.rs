//! Rows of A contiguous: groups in lanes.

use super::{CHUNK, aligned};
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::{Estimator, Selection};
use crate::kernels::generic::expand::spread;
use crate::kernels::generic::lanes::{MAX_LANES, copy_elements};
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
    // Elements of the output for each group.
    let each = if DENSE { M } else { N };
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    // Two chunks of each word that an estimator may draw. Arrays apart: the one unused costs nothing.
    let (mut words, mut second) = ([0u32; 2 * CHUNK], [0u32; 2 * CHUNK]);
    let words = [words.as_mut_ptr(), second.as_mut_ptr()];
    let mut codes = [0u32; CHUNK];
    // The last groups of a row, as many in every row, where they are no whole vector: zeros behind them stay.
    let (mut padded, mut kept) = ([0.0; 16 * MAX_LANES], Room::<f32, { 16 * MAX_LANES }>::new());
    let kept = kept.pointer();
    // Where whole chunks draw the next one's words meanwhile: this one's, whether they are drawn, and room.
    let meanwhile =
        E::WORDS == 1 && meanwhile::<L>(N, M) && job.group0.is_multiple_of(CHUNK as u32);
    let (mut now, mut drawn) = (words[0], false);
    let mut next = words[0].wrapping_add(CHUNK);
    let gap = job.row_stride.wrapping_sub(job.cols.cast_signed());
    let in_order = (0..PAGE.cast_signed()).contains(&gap);
    for i in 0..job.rows {
        let a = job.a.wrapping_offset(i.cast_signed() * job.row_stride);
        let meta = job.meta.wrapping_add(i * job.ld_meta);
        let out = match &job.dense {
            Some(dense) if DENSE => dense.entry(i, 0),
            _ => job.values.wrapping_add(i * job.ld_values),
        };
        let row = job.row0 + i as u32;
        let mut first = 0;
        while first < groups {
            let count = CHUNK.min(groups - first);
            let ahead = entry_ahead(job, i, first * M);
            if in_order {
                touch_pages::<L, M>(l, ahead, out.wrapping_add(first * each), each);
            }
            if meanwhile && (first + CHUNK) * M <= job.cols {
                let group = job.group0 + first as u32;
                let last = first + CHUNK >= groups;
                // (Of no use after the last row.)
                let after = if last { (row + 1, job.group0) } else { (row, group + CHUNK as u32) };
                // SAFETY: a chunk of whole groups, and room for it; two chunks of words; a chunk of codes, and its bytes.
                unsafe {
                    if !drawn {
                        (shared.words_of_row)(&job.key, row, group, 0, now);
                    }
                    let (a, out) = (a.add(first * M), out.add(first * each));
                    let codes = codes.as_mut_ptr();
                    let chunk = Chunk::<DENSE> { selector: job.selector, a, out, codes, ahead };
                    chunk.select::<L, E, N, M>(l, &job.key, after, (now, next));
                    if !DENSE {
                        pack::<L, N, M>(l, codes, meta.add(first / 8 * bits));
                    }
                }
                std::mem::swap(&mut now, &mut next);
                drawn = true;
                first += CHUNK;
                continue;
            }
            let mut offset = 0;
            if drawn {
                // SAFETY: a chunk of words; `now` is the first of two, or the second.
                unsafe { std::ptr::copy(now, words[0], CHUNK) };
                drawn = false;
            } else {
                // SAFETY: two chunks of each draw.
                offset = unsafe { draw::<E>(job, shared, (row, first), count, words) };
            }
            let mut v = 0;
            while v < count {
                let g = first + v;
                // SAFETY: offset < CHUNK, v + COUNT <= CHUNK; the entries of the groups from g on that exist, COUNT of them
                // where all are whole, and room for what is kept of them.
                unsafe {
                    let mut drawn = [l.splat_u(0); 2];
                    for (draw, word) in drawn.iter_mut().enumerate().take(E::WORDS) {
                        *word = l.load_u(words[draw].add(offset + v));
                    }
                    let codes = codes.as_mut_ptr().add(v);
                    let whole = (g + L::COUNT) * M <= job.cols;
                    let (mut from, mut to) = (a.add(g * M), out.add(g * each));
                    if !whole {
                        copy_elements(from, padded.as_mut_ptr(), job.cols - g * M);
                        (from, to) = (padded.as_ptr(), kept);
                    }
                    let x = l.load_runs::<M>(from);
                    put::<L, N, M, DENSE>(l, E::select(l, job.selector, x, drawn), to, codes);
                    l.prefetch_lines(true, ahead.wrapping_add(v * M), L::COUNT * M);
                    if !whole {
                        let count = if DENSE { job.cols - g * M } else { (groups - g) * N };
                        copy_elements(kept, out.add(g * each), count);
                    }
                }
                v += L::COUNT;
            }
            if !DENSE {
                // SAFETY: `first` is a multiple of 64, so this is where its byte begins.
                unsafe { write_codes::<L, N, M>(l, &mut codes, count, meta.add(first / 8 * bits)) };
            }
            first += CHUNK;
        }
    }
}

/// The address [`AHEAD`] entries behind entry (i, j), by rows; past the last row, where one would be.
#[inline(always)]
fn entry_ahead(job: &CompressJob, i: usize, j: usize) -> *const f32 {
    let (rows, cols) = (AHEAD / job.cols, AHEAD % job.cols);
    let (row, col) = match j + cols {
        col if col < job.cols => (i + rows, col),
        col => (i + rows + 1, col - job.cols),
    };
    job.a.wrapping_offset(row.cast_signed().wrapping_mul(job.row_stride)).wrapping_add(col)
}

/// Draws the words of `count` groups of a row of the whole matrix, from the job's group `first` on; how many words of other
/// groups come before them.
///
/// # Safety
/// `words` has room for two chunks of each draw.
#[inline(always)]
unsafe fn draw<E: Estimator>(
    job: &CompressJob,
    shared: &Shared,
    (row, first): (u32, usize),
    count: usize,
    words: [*mut u32; 2],
) -> usize {
    let (from, offset, chunks) = aligned(job.group0 + first as u32, count);
    for draw in 0..E::WORDS {
        for chunk in 0..chunks {
            let from = from + (chunk * CHUNK) as u32;
            // SAFETY: the caller's promise.
            unsafe {
                let words = words[draw].add(chunk * CHUNK);
                (shared.words_of_row)(&job.key, row, from, draw as u32, words);
            }
        }
    }
    offset
}

/// Packs the first `count` codes.
///
/// # Safety
/// Their bytes are writable.
#[inline(always)]
unsafe fn write_codes<L: Lanes, const N: usize, const M: usize>(
    l: L,
    codes: &mut [u32; CHUNK],
    count: usize,
    target: *mut u8,
) {
    let mut bytes = Room::<u8, { 4 * CHUNK }>::new();
    // SAFETY: the bytes of a chunk, or those that exist.
    unsafe {
        if count == CHUNK {
            pack::<L, N, M>(l, codes.as_ptr(), target);
        } else {
            codes[count..].fill(0);
            pack::<L, N, M>(l, codes.as_ptr(), bytes.pointer());
            target.copy_from(bytes.pointer(), (count * N * index_bits(M)).div_ceil(8));
        }
    }
}

/// When the entries at `ahead` begin a run of [`PAGES`] pages, prefetches a line of each page of the next run, and of the pages
/// that what is kept of them goes to, `each` elements of a group. What is kept of the entries [`AHEAD`] before goes to `out`.
#[inline(always)]
fn touch_pages<L: Lanes, const M: usize>(l: L, ahead: *const f32, out: *const f32, each: usize) {
    let begun = ahead.addr() / size_of::<f32>() % (PAGES * PAGE);
    if begun >= CHUNK * M {
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
unsafe fn put<L: Lanes, const N: usize, const M: usize, const DENSE: bool>(
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
unsafe fn pack<L: Lanes, const N: usize, const M: usize>(l: L, codes: *const u32, target: *mut u8) {
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
