//! Rows of A contiguous: groups in lanes.

use super::{CHUNK, aligned};
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::Estimator;
use crate::kernels::generic::lanes::{MAX_LANES, copy_elements};
use crate::kernels::generic::philox::{ROW_BEGUN, row_begun, row_ended};
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

/// Rows of A contiguous (`col_stride` 1): a group to a lane, neighbouring groups in neighbouring lanes.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn); `job.col_stride` must be 1.
#[inline(always)]
pub(crate) unsafe fn rows<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
    shared: &Shared,
) {
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    // Two chunks of each word that an estimator may draw. Arrays apart: the one unused costs nothing.
    let (mut words, mut second) = ([0u32; 2 * CHUNK], [0u32; 2 * CHUNK]);
    let words = [words.as_mut_ptr(), second.as_mut_ptr()];
    // Indices, and room for their bytes where a row ends within a chunk.
    let (mut codes, mut bytes) = ([0u32; CHUNK], [0u8; 4 * CHUNK]);
    // The last groups of a row, as many in every row, where they are no whole vector: zeros behind them stay.
    let (mut padded, mut kept) = ([0.0; 16 * MAX_LANES], [0.0; 8 * MAX_LANES]);
    // Where whole chunks draw the next one's words meanwhile: this one's, whether they are drawn, and room.
    let meanwhile =
        E::WORDS == 1 && meanwhile::<L>(N, M) && job.group0.is_multiple_of(CHUNK as u32);
    let (mut now, mut drawn) = (words[0], false);
    let mut next = words[0].wrapping_add(CHUNK);
    let (rows_ahead, cols_ahead) = (AHEAD / job.cols, AHEAD % job.cols);
    let gap = job.row_stride.wrapping_sub(job.cols.cast_signed());
    let in_order = (0..PAGE.cast_signed()).contains(&gap);
    for i in 0..job.rows {
        // SAFETY: row i of A, of the values and of the metadata.
        let (a, values, meta) = unsafe {
            (
                job.a.offset(i.cast_signed() * job.row_stride),
                job.values.add(i * job.ld_values),
                job.meta.add(i * job.ld_meta),
            )
        };
        let row = job.row0 + i as u32;
        let mut first = 0;
        while first < groups {
            let count = CHUNK.min(groups - first);
            let (row_ahead, col_ahead) = match first * M + cols_ahead {
                col if col < job.cols => (i + rows_ahead, col),
                col => (i + rows_ahead + 1, col - job.cols),
            };
            let ahead = row_ahead.cast_signed().wrapping_mul(job.row_stride);
            let ahead = job.a.wrapping_offset(ahead).wrapping_add(col_ahead);
            if in_order {
                touch_pages::<L, N, M>(l, ahead, values.wrapping_add(first * N));
            }
            if meanwhile && (first + CHUNK) * M <= job.cols {
                let group = job.group0 + first as u32;
                let last = first + CHUNK >= groups;
                // (Of no use after the last row.)
                let after = if last { (row + 1, job.group0) } else { (row, group + CHUNK as u32) };
                // SAFETY: a chunk of whole groups; two chunks of words; a chunk of codes, and its bytes.
                unsafe {
                    if !drawn {
                        (shared.words_of_row)(&job.key, row, group, 0, now);
                    }
                    let (a, values) = (a.add(first * M), values.add(first * N));
                    let chunk = Chunk { selector: job.selector, a, values, ahead };
                    let codes = codes.as_mut_ptr();
                    chunk.select::<L, E, N, M>(l, &job.key, after, (now, next), codes);
                    pack::<L, N, M>(l, codes, meta.add(first / 8 * bits));
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
                let (from, chunks);
                (from, offset, chunks) = aligned(job.group0 + first as u32, count);
                for draw in 0..E::WORDS {
                    for chunk in 0..chunks {
                        let from = from + (chunk * CHUNK) as u32;
                        // SAFETY: two chunks of each draw.
                        unsafe {
                            let words = words[draw].add(chunk * CHUNK);
                            (shared.words_of_row)(&job.key, row, from, draw as u32, words);
                        }
                    }
                }
            }
            let mut v = 0;
            while v < count {
                let g = first + v;
                // SAFETY: offset < CHUNK, v + COUNT <= CHUNK; the entries and values of the groups
                // from g on that exist, COUNT of them where all are whole.
                unsafe {
                    let mut drawn = [l.splat_u(0); 2];
                    for (draw, word) in drawn.iter_mut().enumerate().take(E::WORDS) {
                        *word = l.load_u(words[draw].add(offset + v));
                    }
                    let codes = codes.as_mut_ptr().add(v);
                    let whole = (g + L::COUNT) * M <= job.cols;
                    let (mut from, mut to) = (a.add(g * M), values.add(g * N));
                    if !whole {
                        copy_elements(from, padded.as_mut_ptr(), job.cols - g * M);
                        (from, to) = (padded.as_ptr(), kept.as_mut_ptr());
                    }
                    some_groups::<L, E, N, M>(l, job.selector, from, drawn, to, codes);
                    l.prefetch_lines(true, ahead.wrapping_add(v * M), L::COUNT * M);
                    if !whole {
                        copy_elements(to, values.add(g * N), (groups - g) * N);
                    }
                }
                v += L::COUNT;
            }
            // SAFETY: `first` is a multiple of 64, so this is where its byte begins; the bytes of
            // `count` groups are written.
            unsafe {
                let target = meta.add(first / 8 * bits);
                codes[count..].fill(0);
                let whole = count == CHUNK;
                pack::<L, N, M>(l, codes.as_ptr(), if whole { target } else { bytes.as_mut_ptr() });
                if !whole {
                    let len = (count * bits).div_ceil(8);
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, len);
                }
            }
            first += CHUNK;
        }
    }
}

/// When the entries at `ahead` begin a run of [`PAGES`] pages, prefetches a line of each page of the next run, and of the pages
/// that their kept values go to. What is kept of the entries [`AHEAD`] before goes to `values`.
#[inline(always)]
fn touch_pages<L: Lanes, const N: usize, const M: usize>(
    l: L,
    ahead: *const f32,
    values: *const f32,
) {
    let begun = ahead.addr() / size_of::<f32>() % (PAGES * PAGE);
    if begun >= CHUNK * M {
        return;
    }
    let behind = PAGES * PAGE - begun;
    let values = values.wrapping_add((AHEAD + behind) * N / M);
    for page in 0..PAGES {
        l.prefetch_far(ahead.wrapping_add(behind + page * PAGE));
        if page * M < PAGES * N {
            l.prefetch_far(values.wrapping_add(page * PAGE));
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

/// Selects of `COUNT` whole groups.
///
/// # Safety
/// `COUNT` groups must be readable at `a`, and room for their values and codes.
#[inline(always)]
unsafe fn some_groups<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    selector: Selector,
    a: *const f32,
    drawn: [L::U; 2],
    values: *mut f32,
    codes: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let picked = E::select::<L, N, M>(l, selector, l.load_runs::<M>(a), drawn);
        l.store_u(codes, picked.code);
        l.store_runs::<N>(values, picked.values);
    }
}

/// A chunk of whole groups of a row, and where its values go.
struct Chunk {
    selector: Selector,
    a: *const f32,
    values: *mut f32,
    /// As many entries to fetch.
    ahead: *const f32,
}

impl Chunk {
    /// Selects by the words at `now`, and draws those of `after`, which is (row, group), into `next`: neither waits for
    /// the other, and each alone would wait for its own results.
    ///
    /// # Safety
    /// The entries, room for the values, and a chunk of words, twice, and of codes.
    #[inline(always)]
    unsafe fn select<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        key: &RngKey,
        (row, group): (u32, u32),
        (now, next): (*const u32, *mut u32),
        codes: *mut u32,
    ) {
        for part in 0..16 / L::COUNT {
            let mut counters = row_begun(l, key, (row, group, 0), part);
            macro_rules! quarter {
                ($q:literal $from:literal $to:literal) => {
                    let v = (4 * part + $q) * L::COUNT;
                    l.prefetch_lines(true, self.ahead.wrapping_add(v * M), L::COUNT * M);
                    // SAFETY: v + COUNT <= CHUNK, or v + 2 * COUNT of every second.
                    unsafe {
                        if !in_pairs::<L>(M) {
                            let drawn = [l.load_u(now.add(v)), l.splat_u(0)];
                            let (a, values) = (self.a.add(v * M), self.values.add(v * N));
                            some_groups::<L, E, N, M>(
                                l,
                                self.selector,
                                a,
                                drawn,
                                values,
                                codes.add(v),
                            );
                        } else if $q % 2 == 0 {
                            self.two::<L, E, N, M>(l, v, now, codes);
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
        codes: *mut u32,
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
                l.store_u(codes.add(at[h]), picked.code[h]);
                l.store_runs::<N>(self.values.add(at[h] * N), values);
            }
        }
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
