//! Columns of A contiguous: rows in lanes.

use super::{CHUNK, aligned, pointer, uninit};
use crate::kernels::CompressJob;
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::Estimator;
use crate::kernels::generic::lanes::LINE;
use crate::kernels::generic::philox::words_of_strip;
use crate::pattern::index_bits;

/// Rows that go through a chunk together: a cache line of each column of A.
const BAND: usize = 16;
/// The words of a band: two chunks.
const DRAW: usize = 2 * CHUNK * BAND;
/// The most strips of a band.
const STRIPS: usize = BAND / 4;

/// Any strides, made for columns of A contiguous (`row_stride` 1): a row to a lane.
///
/// Bands of rows go through a chunk of groups together, a strip of COUNT rows to a vector; a batch of
/// groups whose values fill a line is transposed at a time, as compressed rows are contiguous.
/// What is not whole strips, and a whole batch, of unit stride goes through a small padded copy first.
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
    /// Vectors of rows; known to be one where a vector is as high as a band, so that loops over them go.
    #[inline(always)]
    const fn strips<L: Lanes>(&self) -> usize {
        if L::COUNT >= BAND { 1 } else { self.rows.div_ceil(L::COUNT) }
    }

    /// Draws the words, and moves `words` to the first of them.
    ///
    /// # Safety
    /// `words` has room for two chunks of every strip, for every draw.
    #[inline(always)]
    unsafe fn draw<L: Lanes, E: Estimator>(&mut self, l: L, job: &CompressJob) {
        let (from, offset, chunks) = aligned(job.group0 + self.first as u32, self.count);
        for draw in 0..E::WORDS {
            for strip in 0..self.strips::<L>() {
                let row = job.row0 + (self.row + strip * L::COUNT) as u32;
                for chunk in 0..chunks {
                    let from = from + (chunk * CHUNK) as u32;
                    // SAFETY: the strip's own two chunks.
                    unsafe {
                        let at = draw * DRAW + (2 * strip + chunk) * CHUNK * L::COUNT;
                        words_of_strip(l, &job.key, row, from, draw as u32, self.words.add(at));
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
        let strips = self.strips::<L>();
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
        let ahead = (2 * BAND - 1).cast_signed();
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
                        l.prefetch_lines(job.far_into_l2, next, 1);
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
                        l.prefetch_lines(job.far_into_l2, next, 1);
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
