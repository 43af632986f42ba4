//! Prune and compress in one pass, from either storage of A.

use super::Lanes;
use super::estimators::Estimator;
use super::lanes::{MAX_LANES, copy_elements, deinterleave, interleave};
use super::philox::{ROW_BEGUN, WORD_GROUPS, row_begun, row_ended, words_of_row, words_of_strip};
use super::twice::Twice;
use crate::kernels::{CompressJob, RngKey};
use crate::pattern::index_bits;
use crate::rng::PHILOX_ROUNDS;
use std::mem::MaybeUninit;

/// Groups that are selected before their indices are packed: whole bytes for every pattern.
const CHUNK: usize = WORD_GROUPS;

/// Where the words of a chunk lie: the aligned group to draw from, and the chunk's offset from it.
#[inline(always)]
fn aligned(group: u32) -> (u32, usize) {
    let offset = group % CHUNK as u32;
    (group - offset, offset as usize)
}

/// Rows of A contiguous (`col_stride` 1): a block to a lane, neighbouring groups in neighbouring lanes.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn); `job.col_stride` must be 1.
#[inline(always)]
pub(crate) unsafe fn rows<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
) {
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    // Two chunks of each word that an estimator may draw. Arrays apart: the one unused costs nothing.
    let (mut words, mut second) = ([0u32; 2 * CHUNK], [0u32; 2 * CHUNK]);
    let words = [words.as_mut_ptr(), second.as_mut_ptr()];
    let mut codes = [0u32; CHUNK];
    // Where whole chunks draw the next one's words meanwhile: this one's, whether they are drawn, and room.
    let meanwhile =
        E::WORDS == 1 && meanwhile::<L>(N, M) && job.group0.is_multiple_of(CHUNK as u32);
    let (mut now, mut drawn) = (words[0], false);
    let mut next = words[0].wrapping_add(CHUNK);
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
            if meanwhile && (first + CHUNK) * M <= job.cols {
                let group = job.group0 + first as u32;
                let last = first + CHUNK >= groups;
                // (Of no use after the last row.)
                let after = if last { (row + 1, job.group0) } else { (row, group + CHUNK as u32) };
                // SAFETY: a chunk of whole groups; two chunks of words; a chunk of codes, and its bytes.
                unsafe {
                    if !drawn {
                        words_of_row(l, &job.key, row, group, 0, now);
                    }
                    let chunk = Chunk { a: a.add(first * M), values: values.add(first * N) };
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
                for draw in 0..E::WORDS {
                    let from;
                    (from, offset) = aligned(job.group0 + first as u32);
                    // SAFETY: two chunks of each draw.
                    unsafe {
                        let words = words[draw];
                        words_of_row(l, &job.key, row, from, draw as u32, words);
                        if offset + count > CHUNK {
                            let next = from + CHUNK as u32;
                            words_of_row(l, &job.key, row, next, draw as u32, words.add(CHUNK));
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
                    let whole = (g + L::COUNT) * M <= job.cols;
                    let x = if whole {
                        load_groups::<L, M>(l, a.add(g * M))
                    } else {
                        let mut padded = [0.0; 16 * MAX_LANES];
                        copy_elements(a.add(g * M), padded.as_mut_ptr(), job.cols - g * M);
                        load_groups::<L, M>(l, padded.as_ptr())
                    };
                    let picked = E::select::<L, N, M>(l, x, drawn);
                    l.store_u(codes.as_mut_ptr().add(v), picked.code);
                    if whole {
                        store_groups::<L, N>(l, values.add(g * N), picked.values);
                    } else {
                        let mut padded = [0.0; 8 * MAX_LANES];
                        store_groups::<L, N>(l, padded.as_mut_ptr(), picked.values);
                        copy_elements(padded.as_ptr(), values.add(g * N), (groups - g) * N);
                    }
                }
                v += L::COUNT;
            }
            // SAFETY: `first` is a multiple of 64, so this is where its byte begins; the bytes of
            // `count` groups are written.
            unsafe {
                let target = meta.add(first / 8 * bits);
                if count == CHUNK {
                    pack::<L, N, M>(l, codes.as_ptr(), target);
                } else {
                    codes[count..].fill(0);
                    let mut padded = [0u8; 4 * CHUNK];
                    pack::<L, N, M>(l, codes.as_ptr(), padded.as_mut_ptr());
                    let bytes = (count * bits).div_ceil(8);
                    std::ptr::copy_nonoverlapping(padded.as_ptr(), target, bytes);
                }
            }
            first += CHUNK;
        }
    }
}

/// Whether whole chunks of contiguous rows draw the next one's words between their selections: where these are short, and
/// drawing is much of the work.
const fn meanwhile<L: Lanes>(n: usize, m: usize) -> bool {
    m <= 4 || (m == 8 && n <= 2 && L::WRITTEN_OUT)
}

/// A chunk of whole groups of a row, and where its values go.
struct Chunk {
    a: *const f32,
    values: *mut f32,
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
                    // SAFETY: v + COUNT <= CHUNK, or v + 2 * COUNT of every second.
                    unsafe {
                        if M == 2 {
                            self.one::<L, E, N, M>(l, v, now, codes);
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

    /// Groups `v .. v + COUNT`.
    ///
    /// # Safety
    /// As [`select`](Self::select), of these groups.
    #[inline(always)]
    unsafe fn one<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        v: usize,
        words: *const u32,
        codes: *mut u32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = load_groups::<L, M>(l, self.a.add(v * M));
            let picked = E::select::<L, N, M>(l, x, [l.load_u(words.add(v)), l.splat_u(0)]);
            l.store_u(codes.add(v), picked.code);
            store_groups::<L, N>(l, self.values.add(v * N), picked.values);
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
            let left = load_groups::<L, M>(l, self.a.add(at[0] * M));
            let right = load_groups::<L, M>(l, self.a.add(at[1] * M));
            let mut x = [[left[0]; 2]; M];
            for i in 0..M {
                x[i] = [left[i], right[i]];
            }
            let drawn = [l.load_u(words.add(at[0])), l.load_u(words.add(at[1]))];
            let picked = E::select::<Twice<L>, N, M>(Twice(l), x, [drawn, [l.splat_u(0); 2]]);
            for h in 0..2 {
                let mut values = [l.splat(0.0); N];
                for k in 0..N {
                    values[k] = picked.values[k][h];
                }
                l.store_u(codes.add(at[h]), picked.code[h]);
                store_groups::<L, N>(l, self.values.add(at[h] * N), values);
            }
        }
    }
}

/// Memory that need not be cleared first.
pub(super) const fn uninit<T, const LEN: usize>() -> [MaybeUninit<T>; LEN] {
    [const { MaybeUninit::uninit() }; LEN]
}

#[inline(always)]
pub(super) fn pointer<T, const LEN: usize>(memory: &mut [MaybeUninit<T>; LEN]) -> *mut T {
    memory.as_mut_ptr().cast()
}

/// The entries of COUNT consecutive groups, entry i of each in vector i.
///
/// # Safety
/// `M * COUNT` elements must be readable.
#[inline(always)]
pub(super) unsafe fn load_groups<L: Lanes, const M: usize>(l: L, a: *const f32) -> [L::F; M] {
    let mut x = [l.splat(0.0); M];
    for (i, x) in x.iter_mut().enumerate() {
        // SAFETY: i < M.
        *x = unsafe { l.load(a.add(i * L::COUNT)) };
    }
    deinterleave(l, x)
}

/// The inverse of [`load_groups`].
///
/// # Safety
/// `N * COUNT` elements must be writable.
#[inline(always)]
unsafe fn store_groups<L: Lanes, const N: usize>(l: L, values: *mut f32, kept: [L::F; N]) {
    let kept = interleave(l, kept);
    for (k, &kept) in kept.iter().enumerate() {
        // SAFETY: k < N.
        unsafe { l.store(values.add(k * L::COUNT), kept) };
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

/// Rows that go through a chunk together: a cache line of each column of A.
const BAND: usize = 16;
/// The words of a band: two chunks.
const DRAW: usize = 2 * CHUNK * BAND;
/// The most strips of a band.
const STRIPS: usize = BAND / 4;
/// Values of a line of the caches.
const LINE: usize = 64 / size_of::<f32>();

/// Any strides, made for columns of A contiguous (`row_stride` 1): a row to a lane.
///
/// Bands of rows go through a chunk of groups together, strip by strip of COUNT rows; a batch of
/// groups whose values fill a line is transposed at a time, as compressed rows are contiguous.
/// What is not a full strip of unit stride goes through a small padded copy first.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn).
#[inline(always)]
pub(crate) unsafe fn cols<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
) {
    let groups = job.cols.div_ceil(M);
    let mut words = uninit::<u32, { 2 * DRAW }>();
    let mut codes = uninit::<u32, { CHUNK * BAND }>();
    let mut first = 0;
    while first < groups {
        let count = CHUNK.min(groups - first);
        let mut row = 0;
        while row < job.rows {
            let rows = BAND.min(job.rows - row);
            let (words, codes) = (pointer(&mut words), pointer(&mut codes));
            let mut band = Band { row, rows, first, count, words, codes };
            // SAFETY: there is room for two chunks of a band's words, twice; the rows and groups exist.
            unsafe {
                if E::WORDS > 0 {
                    band.draw::<L, E>(l, job);
                }
                band.compress::<L, E, N, M>(l, job);
                band.write_codes::<N, M>(job);
            }
            row += BAND;
        }
        first += CHUNK;
    }
}

/// Some rows of A on their way through a chunk.
struct Band {
    row: usize,
    rows: usize,
    first: usize,
    count: usize,
    /// For each strip two chunks of words, a vector a group, and [`DRAW`] behind them those of a second
    /// draw; those of the band begin at `words`.
    words: *mut u32,
    /// The packed indices, 32 bits of each row after another: `BAND` rows a word.
    codes: *mut u32,
}

impl Band {
    /// Draws the words, and moves `words` to the first of them.
    ///
    /// # Safety
    /// `words` has room for two chunks of every strip, for every draw.
    #[inline(always)]
    unsafe fn draw<L: Lanes, E: Estimator>(&mut self, l: L, job: &CompressJob) {
        let (from, offset) = aligned(job.group0 + self.first as u32);
        for draw in 0..E::WORDS {
            for strip in 0..self.rows.div_ceil(L::COUNT) {
                let row = job.row0 + (self.row + strip * L::COUNT) as u32;
                // SAFETY: the strip's own two chunks.
                unsafe {
                    let words = self.words.add(draw * DRAW + strip * 2 * CHUNK * L::COUNT);
                    words_of_strip(l, &job.key, row, from, draw as u32, words);
                    if offset + self.count > CHUNK {
                        let (next, half) = (from + CHUNK as u32, words.add(CHUNK * L::COUNT));
                        words_of_strip(l, &job.key, row, next, draw as u32, half);
                    }
                }
            }
        }
        self.words = self.words.wrapping_add(offset * L::COUNT);
    }

    /// # Safety
    /// The contract of [`cols`]; the rows and groups of the band exist, and their words are drawn.
    #[inline(always)]
    unsafe fn compress<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        job: &CompressJob,
    ) {
        let batch = (LINE / N).max(1);
        let mut codes = [l.splat_u(0); STRIPS];
        let end = self.first + self.count;
        let mut g = self.first;
        while g < end {
            let here = batch.min(end - g);
            // SAFETY: `here` groups of the band.
            unsafe { self.batch::<L, E, N, M>(l, job, (g, here, batch), &mut codes) };
            g += batch;
        }
    }

    /// `here` groups from `g` on, strip by strip of each: what their columns share of a line is read at a time. `codes`
    /// hold the indices of each strip that are not written yet.
    ///
    /// # Safety
    /// As [`compress`](Self::compress).
    #[inline(always)]
    unsafe fn batch<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        job: &CompressJob,
        (g, here, batch): (usize, usize, usize),
        codes: &mut [L::U; STRIPS],
    ) {
        let bits = N * index_bits(M);
        // (Known to be one where it is: the loop goes.)
        let strips = if L::COUNT >= BAND { 1 } else { self.rows.div_ceil(L::COUNT) };
        let full = self.rows == strips * L::COUNT && here == batch && (g + batch) * M <= job.cols;
        let mut padded = uninit::<f32, { 16 * 16 * BAND }>();
        let padded = pointer(&mut padded);
        let mut tile = uninit::<f32, { LINE * BAND }>();
        let tile = pointer(&mut tile);
        // SAFETY: full: the entries of `batch` groups of whole strips. Otherwise the entries that exist are copied to
        // `padded`, which holds batch * M <= 16 * 16 columns of the band.
        let (source, stride) = unsafe {
            if full && job.row_stride == 1 {
                (job.entry(self.row, g * M), job.col_stride)
            } else {
                padded.write_bytes(0, here * M * BAND);
                for c in 0..(here * M).min(job.cols - g * M) {
                    for i in 0..self.rows {
                        let entry = job.entry(self.row + i, g * M + c).read_unaligned();
                        *padded.add(c * BAND + i) = entry;
                    }
                }
                (padded.cast_const(), BAND.cast_signed())
            }
        };
        // The last row of the next band in the same columns: the line that this band, if it is not
        // aligned, does not read as well. Strides defeat the hardware's guesses.
        let ahead = (BAND + L::COUNT - 1).cast_signed();
        for t in 0..here {
            let bit = (g + t) * bits;
            let end = g + t + 1 == self.first + self.count;
            for strip in 0..strips {
                let rows = strip * L::COUNT;
                let mut x = [l.splat(0.0); M];
                for (i, x) in x.iter_mut().enumerate() {
                    let column = source.wrapping_offset((t * M + i).cast_signed() * stride);
                    // SAFETY: column t * M + i of the source.
                    *x = unsafe { l.load(column.wrapping_add(rows)) };
                    if strip == 0 {
                        let next = column.wrapping_offset(ahead);
                        if job.far_into_l2 { l.prefetch_far(next) } else { l.prefetch(next) }
                    }
                }
                // SAFETY: the words of group g + t; `tile` holds batch * N <= 16 rows of the band.
                let picked = unsafe {
                    let mut drawn = [l.splat_u(0); 2];
                    for (draw, word) in drawn.iter_mut().enumerate().take(E::WORDS) {
                        let at = strip * 2 * CHUNK + (g - self.first + t);
                        *word = l.load_u(self.words.add(draw * DRAW + at * L::COUNT));
                    }
                    let picked = E::select::<L, N, M>(l, x, drawn);
                    for k in 0..N {
                        l.store(tile.add((t * N + k) * BAND + rows), picked.values[k]);
                    }
                    picked
                };
                let mut code = l.or_u(codes[strip], l.shl(picked.code, (bit % 32) as u32));
                if (bit + bits).is_multiple_of(32) || end {
                    // SAFETY: word (bit - first bit) / 32 of this strip's rows.
                    unsafe {
                        let word = (bit - self.first * bits) / 32;
                        l.store_u(self.codes.add(word * BAND + rows), code);
                    }
                    code = l.splat_u(0);
                }
                codes[strip] = code;
            }
        }
        // SAFETY: the values of groups g .. g + here of the band's rows; full: batch * N of each.
        unsafe {
            let target = job.values.add(self.row * job.ld_values + g * N);
            let stride = job.ld_values.cast_signed();
            if !full {
                for i in 0..self.rows {
                    let row = target.offset(i.cast_signed() * stride);
                    for j in 0..here * N {
                        row.add(j).write_unaligned(*tile.add(j * BAND + i));
                    }
                }
                return;
            }
            for strip in 0..strips {
                let rows = strip * L::COUNT;
                let target = target.offset(rows.cast_signed() * stride);
                // The lines of the next band: where stores are less than a line, they are read before they are
                // written.
                if job.far_into_l2 || L::COUNT < LINE {
                    for lane in 0..L::COUNT {
                        let next = (lane + BAND).cast_signed();
                        let next = target.wrapping_offset(next.wrapping_mul(stride));
                        if job.far_into_l2 { l.prefetch_far(next) } else { l.prefetch(next) }
                    }
                }
                for square in 0..(batch * N) / L::COUNT {
                    l.transpose(
                        tile.add(square * L::COUNT * BAND + rows),
                        BAND.cast_signed(),
                        target.add(square * L::COUNT),
                        stride,
                    );
                }
            }
        }
    }

    /// Writes the packed indices, a row at a time: what a row gets of a chunk lies together.
    ///
    /// # Safety
    /// The rows and groups of the band exist in the metadata, and [`compress`](Self::compress) has
    /// packed them.
    #[inline(always)]
    unsafe fn write_codes<const N: usize, const M: usize>(&self, job: &CompressJob) {
        let bits = N * index_bits(M);
        let bytes = (self.count * bits).div_ceil(8);
        for i in 0..self.rows {
            // SAFETY: `first` is a multiple of 64, so the chunk's indices begin on this byte of the
            // row, and fill `bytes`.
            unsafe {
                let target = job.meta.add((self.row + i) * job.ld_meta + self.first / 8 * bits);
                for word in 0..bytes / 4 {
                    // Volatile, or LLVM gathers, which takes longer.
                    let code = self.codes.add(word * BAND + i).read_volatile().to_le_bytes();
                    target.add(4 * word).cast::<[u8; 4]>().write(code);
                }
                if !bytes.is_multiple_of(4) {
                    let code = (*self.codes.add(bytes / 4 * BAND + i)).to_le_bytes();
                    let tail = target.add(bytes / 4 * 4);
                    std::ptr::copy_nonoverlapping(code.as_ptr(), tail, bytes % 4);
                }
            }
        }
    }
}
