//! Columns of A contiguous: rows in lanes.

use super::stream::Stream;
use super::{CHUNK, aligned};
use crate::kernels::generic::Lanes;
use crate::kernels::generic::estimators::Estimator;
use crate::kernels::generic::expand::spread;
use crate::kernels::generic::lanes::LINE;
use crate::kernels::generic::philox::COUNTERS;
use crate::kernels::generic::room::Room;
use crate::kernels::generic::shared::Shared;
use crate::kernels::{CompressJob, Dense};
use crate::pattern::index_bits;
use std::ops::Range;

/// Rows that go through a chunk together: a cache line of each column of A.
pub(super) const BAND: usize = 16;
/// The words of a chunk of a band.
const DRAW: usize = CHUNK * BAND;
/// How many of these there is room for: twice as many as a band needs that is drawn twice, each time for two chunks; streamed
/// and tall bands, which are drawn for together, use all of it.
const DRAWS: usize = 8;
/// The rows that they serve, one word a group.
pub(super) const TALL: usize = DRAWS * BAND;

/// Rows that go through all chunks before the next: those of a 4 KiB page of each column of A, so that TLB entries, of
/// these pages and of those of the values, are used up before others replace them.
const BLOCK: usize = 1024;

/// Any strides, made for columns of A contiguous (`row_stride` 1): a row to a lane.
///
/// Bands of 16 rows are processed one chunk of groups at a time, a strip of COUNT rows to a vector. Groups whose values
/// fill a cache line are transposed together, as compressed rows are contiguous. Edges and other strides go through a
/// small padded copy first. Where values are streamed, or the job is tall, several bands, one after another, go through a
/// narrow part of the chunk.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn).
#[inline(always)]
pub(crate) unsafe fn cols<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
    shared: &Shared,
) {
    let groups = job.cols.div_ceil(M);
    let lead = groups_before_line::<N>(job).filter(|_| L::STREAMS && !job.room.is_null());
    let mut words = Room::<u32, { DRAWS * DRAW }>::new();
    let words = words.pointer();
    let mut lines = Room::<f32, { LINE * BAND }>::new();
    let mut stream = Stream::new(job, groups * N, lead.unwrap_or(0) * N, lines.pointer());
    // What rows carry is of a chunk for the next one.
    let block = if groups > CHUNK { stream.rows_of_block(BLOCK) } else { BLOCK };
    // (Dense entries may be those of A, and must not be pruned twice.)
    let twice = job.dense.is_none() && (lead.is_some() || (L::STREAMS && job.tall));
    let line = rows_before_line(job).filter(|_| twice);
    let mut done = 0;
    while done < job.rows {
        let rows = next_rows(job.rows, line, block, done);
        for first in (0..groups).step_by(CHUNK) {
            let groups = first..groups.min(first + CHUNK);
            let part = (rows.clone(), groups);
            // SAFETY: rows and groups that exist; room for words.
            unsafe { chunk::<L, E, N, M>(l, job, shared, part, lead, words, &mut stream) };
        }
        if job.dense.is_some_and(|dense| dense.stream) {
            l.end_of_streams();
        }
        if lead.is_some() {
            // SAFETY: lines of rows that exist. The next rows may have some of them anew.
            unsafe { stream.finish(job, shared) };
            l.end_of_streams();
        }
        done = rows.end;
    }
}

/// A chunk of groups of some rows; their values are streamed if `lead`, the groups of a row before its first whole line of
/// values, is known.
///
/// # Safety
/// The contract of [`cols`]; the rows and groups exist; there is room for the words of all [`DRAWS`].
#[inline(always)]
unsafe fn chunk<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
    shared: &Shared,
    (rows, groups): (Range<usize>, Range<usize>),
    lead: Option<usize>,
    words: *mut u32,
    stream: &mut Stream,
) {
    let Range { start: first, end } = groups;
    let (drawn, offset, chunks) = aligned(job.group0 + first as u32, end - first);
    let draws = E::WORDS.max(1) * chunks;
    // A part is a line of values, of columns so few that hardware prefetchers can follow each, or the whole chunk.
    let moves = L::STREAMS && (lead.is_some() || job.tall);
    let (tall, width) = if moves { (DRAWS / draws * BAND, LINE / N) } else { (BAND, CHUNK) };
    for top in rows.clone().step_by(tall) {
        let bottom = rows.end.min(top + tall);
        let band = |row: usize| Band {
            row,
            rows: BAND.min(bottom - row),
            words: words.wrapping_add((row - top) / BAND * draws * DRAW),
            chunks,
            first,
            offset,
            moves,
            stream: lead.is_some(),
        };
        for row in (top..bottom).step_by(BAND) {
            // SAFETY: there is room for the words of all bands; their rows and groups exist.
            unsafe { band(row).draw::<L, E>(job, shared, drawn, end - first) };
        }
        if moves {
            let next = match end * M {
                _ if bottom < rows.end => (bottom, first * M),
                column if column < job.cols => (rows.start, column),
                _ => (rows.end, 0),
            };
            stream.begin(job, rows.start, (top..bottom, first * M..end * M), next);
        }
        let mut g = first;
        while g < end {
            let to_line = lead.filter(|&lead| g == first && lead > 0);
            let next = end.min(g + to_line.unwrap_or(width));
            for row in (top..bottom).step_by(BAND) {
                // The band to prefetch: the next in the same columns, else in the next part, else in the next chunk. By its
                // last row, whose line is not one that this band, unless it is aligned, reads as well.
                let (next_row, next_g) = match row + BAND {
                    below if below < bottom => (below, g),
                    _ if next < end => (top, next),
                    _ if bottom < rows.end => (bottom, first),
                    _ => (rows.start, end),
                };
                let down = (next_row + BAND - 1).cast_signed() - row.cast_signed();
                let across = (next_g.cast_signed() - g.cast_signed()) * M.cast_signed();
                let ahead = across.wrapping_mul(job.col_stride).wrapping_add(down);
                let part = Part { first: g, end: next, ahead };
                // SAFETY: the rows and groups exist, and their words are drawn.
                unsafe { band(row).compress::<L, E, N, M>(l, (job, shared), &part, stream) };
            }
            g = next;
        }
        if job.dense.is_some() {
            continue;
        }
        for row in (top..bottom).step_by(BAND) {
            // SAFETY: the rows and groups exist, and their indices are packed.
            unsafe { band(row).write_codes(job, end - first, N * index_bits(M), L::COUNT) };
        }
    }
}

/// How many groups of a row come before its first whole line of values, if that is the same number in all rows.
fn groups_before_line<const N: usize>(job: &CompressJob) -> Option<usize> {
    let values = job.values.align_offset(LINE * size_of::<f32>());
    let same = job.ld_values.is_multiple_of(LINE);
    (same && values < LINE && values.is_multiple_of(N)).then_some(values / N)
}

/// How many rows come before the first in which every column begins a line of memory, if that is neither the first nor in no
/// row, and if there are so many rows that to compute some of them twice costs little.
#[inline(never)]
fn rows_before_line(job: &CompressJob) -> Option<usize> {
    let rows = job.a.align_offset(LINE * size_of::<f32>());
    let same = job.row_stride == 1 && job.col_stride % LINE.cast_signed() == 0;
    (same && 0 < rows && rows < LINE && job.rows >= 16 * BAND).then_some(rows)
}

/// The rows after `done` that go through all chunks, at most a block. Where columns begin a line in row `line`, bands do, too,
/// and are read line by line. The first band and the last are whole, too, and share rows with their neighbours, which get the
/// same bits twice.
#[inline(never)] // Its registers are better spent elsewhere.
fn next_rows(rows: usize, line: Option<usize>, block: usize, done: usize) -> Range<usize> {
    let Some(line) = line else {
        return done..rows.min(done + block);
    };
    if done == 0 {
        return 0..BAND;
    }
    let begins = |row: usize| row - (row - line) % BAND;
    let (first, last) = (begins(done), begins(rows));
    if done < last { first..last.min(first + block) } else { rows - BAND..rows }
}

/// Some rows of A on their way through a chunk of groups.
struct Band {
    row: usize,
    rows: usize,
    /// Random words, as `[draw][strip][chunk][group][lane]`; those of group `first` are behind those of `offset` other
    /// groups. As groups go by, their indices take the place of the first draw, and are then packed from the beginning of the
    /// strip on, a vector for 32 bits of each row: no group has more.
    words: *mut u32,
    chunks: usize,
    first: usize,
    offset: usize,
    /// Lines are fetched, and written, between selections.
    moves: bool,
    /// Whole lines of values are written past the caches.
    stream: bool,
}

/// Groups that bands go through one after another.
struct Part {
    first: usize,
    end: usize,
    /// Elements from an entry of A to one that is fetched with it. Strides defeat the hardware's guesses.
    ahead: isize,
}

impl Band {
    /// Vectors of rows: the constant 1 where a vector spans the band, so that loops over them are eliminated.
    #[inline(always)]
    const fn strips<L: Lanes>(&self) -> usize {
        if L::COUNT >= BAND { 1 } else { self.rows.div_ceil(L::COUNT) }
    }

    /// Where the words of a strip begin.
    #[inline(always)]
    const fn drawn<L: Lanes>(&self, draw: usize, strip: usize) -> *mut u32 {
        self.words.wrapping_add(self.chunks * (draw * DRAW + strip * CHUNK * L::COUNT))
    }

    /// The words of group `g` of a strip.
    #[inline(always)]
    const fn word<L: Lanes>(&self, draw: usize, strip: usize, g: usize) -> *mut u32 {
        self.drawn::<L>(draw, strip).wrapping_add((self.offset + g - self.first) * L::COUNT)
    }

    /// Where the indices of group `g` of a strip are kept until they are packed: in place of its first words.
    #[inline(always)]
    const fn code<L: Lanes>(&self, strip: usize, g: usize) -> *mut u32 {
        self.word::<L>(0, strip, g)
    }

    /// Draws the words of `count` groups from `first` on, and those beside them in the chunks that begin at `from`.
    ///
    /// # Safety
    /// `words` has room for `chunks` of every strip, for every draw.
    #[inline(always)]
    unsafe fn draw<L: Lanes, E: Estimator>(
        &self,
        job: &CompressJob,
        shared: &Shared,
        from: u32,
        count: usize,
    ) {
        let (begun, all) = (self.offset % COUNTERS, 0..COUNTERS as u32);
        let few = begun + count <= COUNTERS;
        let counters = if few { begun as u32..(begun + count) as u32 } else { all };
        for draw in 0..E::WORDS {
            for strip in 0..self.strips::<L>() {
                let row = job.row0 + (self.row + strip * L::COUNT) as u32;
                for chunk in 0..self.chunks {
                    let from = from + (chunk * CHUNK) as u32;
                    // SAFETY: the strip's own chunks.
                    unsafe {
                        let words = self.drawn::<L>(draw, strip).add(chunk * CHUNK * L::COUNT);
                        let (counters, draw) = (counters.clone(), draw as u32);
                        (shared.words_of_strip)(&job.key, row, from, counters, draw, words);
                    }
                }
            }
        }
    }

    /// # Safety
    /// The contract of [`cols`]; the rows and groups exist, and their words are drawn.
    #[inline(always)]
    unsafe fn compress<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        (job, shared): (&CompressJob, &Shared),
        part: &Part,
        stream: &mut Stream,
    ) {
        for g in (part.first..part.end).step_by(LINE / N) {
            let here = (LINE / N).min(part.end - g);
            // SAFETY: `here` groups of the part.
            unsafe {
                let with = (job, shared);
                self.batch::<L, E, N, M>(l, with, part, (g, here), stream);
            }
        }
    }

    /// `here` groups from `g` on, at most a line of values, strip by strip of each: what their columns share of a line is
    /// read at a time.
    ///
    /// # Safety
    /// As [`compress`](Self::compress).
    #[inline(always)]
    unsafe fn batch<L: Lanes, E: Estimator, const N: usize, const M: usize>(
        &self,
        l: L,
        (job, shared): (&CompressJob, &Shared),
        part: &Part,
        (g, here): (usize, usize),
        stream: &mut Stream,
    ) {
        let strips = self.strips::<L>();
        let mut padded = Room::<f32, { 16 * 16 * BAND }>::new();
        let padded = padded.pointer();
        let mut tile = Room::<f32, { LINE * BAND }>::new();
        let tile = tile.pointer();
        if here < LINE / N {
            // SAFETY: its size. Whole lines are transposed.
            unsafe { tile.write_bytes(0, LINE * BAND) };
        }
        // Values of the line that the chunk before has left.
        let mut before = 0;
        if L::STREAMS && self.stream && g == self.first && self.whole::<L>() {
            // SAFETY: the tile has room for a line of each row.
            before = unsafe { stream.take(job, self.row, g * N, tile) };
        }
        let kept = tile.wrapping_add(before * BAND);
        // SAFETY: `padded` holds here * M <= 16 * 16 columns of the band.
        let (source, stride) = unsafe { self.columns::<L>((job, shared), g * M, here * M, padded) };
        for t in 0..here {
            // As many lines as a column of a tall block has: a call costs as much as some.
            let groups = (DRAWS / M).max(1);
            if L::STREAMS && self.moves && t % groups == 0 {
                // SAFETY: lines of rows that exist.
                unsafe { stream.advance(job, shared, groups * M, groups * N) };
            }
            for strip in 0..strips {
                let rows = strip * L::COUNT;
                let mut x = [l.splat(0.0); M];
                for (i, x) in x.iter_mut().enumerate() {
                    let column = source.wrapping_offset((t * M + i).cast_signed() * stride);
                    // SAFETY: column t * M + i of the source.
                    *x = unsafe { l.load(column.wrapping_add(rows)) };
                    if strip == 0 {
                        let next = column.wrapping_offset(part.ahead);
                        l.prefetch_lines(job.far_into_l2, next, 1);
                    }
                }
                // SAFETY: the words of group g + t; `tile` holds here * N <= 16 rows of the band.
                let picked = unsafe {
                    let mut drawn = [l.splat_u(0); 2];
                    for (draw, word) in drawn.iter_mut().enumerate().take(E::WORDS) {
                        *word = l.load_u(self.word::<L>(draw, strip, g + t));
                    }
                    let picked = E::select::<L, N, M>(l, job.selector, x, drawn);
                    for k in 0..N {
                        l.store(kept.add((t * N + k) * BAND + rows), picked.values[k]);
                    }
                    picked
                };
                // SAFETY: in place of the words of this group, which has gone by.
                unsafe { l.store_u(self.code::<L>(strip, g + t), picked.code) };
            }
        }
        // SAFETY: what is kept of these groups, and their indices.
        unsafe { self.write::<L, N, M>(l, (job, shared), (g, here), (tile, before), stream) };
    }

    /// Whether the band is whole strips.
    #[inline(always)]
    const fn whole<L: Lanes>(&self) -> bool {
        self.rows == self.strips::<L>() * L::COUNT
    }

    /// Where `count` columns from column `first` on are, and how far apart: in A, or else those entries of them that exist are
    /// copied to `padded`.
    ///
    /// # Safety
    /// As [`pad`](Self::pad).
    #[inline(always)]
    unsafe fn columns<L: Lanes>(
        &self,
        (job, shared): (&CompressJob, &Shared),
        first: usize,
        count: usize,
        padded: *mut f32,
    ) -> (*const f32, isize) {
        if self.whole::<L>() && first + count <= job.cols && job.row_stride == 1 {
            return (job.entry(self.row, first), job.col_stride);
        }
        // SAFETY: the caller's promise.
        unsafe {
            if L::MASKED && job.row_stride == 1 {
                (shared.pad_columns)(job, (self.row, self.rows), (first, count), padded);
            } else {
                self.pad(job, first, count, padded);
            }
        }
        (padded, BAND.cast_signed())
    }

    /// Writes what is kept of `here` groups from `g` on: dense columns; or values, and the indices to where they are packed.
    ///
    /// # Safety
    /// `tile` has the values of the band's rows, columns [`BAND`] apart, those of groups before g `before` them, and
    /// [`code`](Self::code) the indices.
    #[inline(always)]
    unsafe fn write<L: Lanes, const N: usize, const M: usize>(
        &self,
        l: L,
        (job, shared): (&CompressJob, &Shared),
        (g, here): (usize, usize),
        (tile, before): (*const f32, usize),
        stream: &mut Stream,
    ) {
        if let Some(dense) = &job.dense {
            for t in 0..here {
                let tile = tile.wrapping_add(t * N * BAND);
                // SAFETY: the values of group g + t, and their indices.
                unsafe { self.write_columns::<L, N, M>(l, (job, dense), g + t, tile) };
            }
            return;
        }
        for strip in 0..self.strips::<L>() {
            // SAFETY: the indices of these groups.
            unsafe { self.pack(l, strip, g..g + here, N * index_bits(M)) };
        }
        // SAFETY: the caller's promise.
        unsafe {
            let target = job.values.add(self.row * job.ld_values + g * N);
            if !self.whole::<L>() {
                self.write_values(job, tile, target, here * N);
            } else if L::STREAMS && self.stream {
                let rows = (self.row, self.rows, L::COUNT);
                stream.put(job, shared, (tile, before), rows, g * N, here * N);
            } else {
                for rows in (0..self.rows).step_by(L::COUNT) {
                    let target = target.add(rows * job.ld_values);
                    (shared.write_lines)(job, tile.add(rows), (target, job.ld_values), here * N);
                }
            }
        }
    }

    /// Packs the indices of some groups of a strip, `bits` each, behind those of the groups before.
    ///
    /// # Safety
    /// [`code`](Self::code) has them.
    #[inline(always)]
    unsafe fn pack<L: Lanes>(&self, l: L, strip: usize, groups: Range<usize>, bits: usize) {
        let mut g = groups.start;
        while g < groups.end {
            let mut bit = (g - self.first) * bits;
            // Never behind group g, whose indices are the first that are read.
            let word = self.drawn::<L>(0, strip).wrapping_add(bit / 32 * L::COUNT);
            // SAFETY: the caller's promise; what came before is packed.
            unsafe {
                let mut codes = if bit.is_multiple_of(32) { l.splat_u(0) } else { l.load_u(word) };
                loop {
                    let code = l.load_u(self.code::<L>(strip, g));
                    codes = l.or_u(codes, l.shl(code, (bit % 32) as u32));
                    g += 1;
                    bit += bits;
                    if g == groups.end || bit.is_multiple_of(32) {
                        break;
                    }
                }
                l.store_u(word, codes);
            }
        }
    }

    /// Writes the dense columns of group `g`: entry i is the value whose index is i, of several the last, or +0.
    ///
    /// # Safety
    /// `tile` has the group's values, columns [`BAND`] apart, [`code`](Self::code) the indices; the entries are writable.
    #[inline(always)]
    unsafe fn write_columns<L: Lanes, const N: usize, const M: usize>(
        &self,
        l: L,
        (job, dense): (&CompressJob, &Dense),
        g: usize,
        tile: *const f32,
    ) {
        // Of vectors of half a line, the other half comes a group's columns later: so many lines are not kept until then.
        let stream = L::STREAMS && dense.stream && (L::COUNT == LINE || M <= 4);
        for strip in 0..self.strips::<L>() {
            let first = strip * L::COUNT;
            let count = L::COUNT.min(self.rows - first);
            let mut kept = [l.splat(0.0); N];
            for k in 0..N {
                // SAFETY: value k of the strip's rows.
                kept[k] = unsafe { l.load(tile.add(k * BAND + first)) };
            }
            // SAFETY: a vector of indices.
            let code = unsafe { l.load_u(self.code::<L>(strip, g)) };
            let x: [_; M] = spread(l, kept, code);
            for i in 0..M.min(job.cols - g * M) {
                let to = dense.entry(self.row + first, g * M + i);
                // SAFETY: `count` rows of a column.
                unsafe {
                    if count < L::COUNT {
                        l.store_first(to, x[i], count);
                    } else if stream {
                        l.stream(to, x[i]);
                    } else {
                        // The next band's.
                        l.prefetch_lines(job.far_into_l2, to.wrapping_add(BAND), L::COUNT);
                        l.store(to, x[i]);
                    }
                }
            }
        }
    }

    /// Copies the entries that exist of `count` columns from column `first` on to `padded`, columns [`BAND`] apart, zeros
    /// around them.
    ///
    /// # Safety
    /// The rows of the band exist, and `padded` has room for the columns.
    #[inline(never)]
    unsafe fn pad(&self, job: &CompressJob, first: usize, count: usize, padded: *mut f32) {
        // SAFETY: the caller's promise; entries of A that exist.
        unsafe {
            padded.write_bytes(0, count * BAND);
            for c in 0..count.min(job.cols - first) {
                for i in 0..self.rows {
                    let entry = job.entry(self.row + i, first + c).read_unaligned();
                    *padded.add(c * BAND + i) = entry;
                }
            }
        }
    }

    /// Writes the next values of rows that are no whole strips.
    ///
    /// # Safety
    /// `tile` has `count` columns of the band's rows, [`BAND`] apart, and as many values of each row are writable from
    /// `target` on.
    #[inline(never)]
    unsafe fn write_values(
        &self,
        job: &CompressJob,
        tile: *const f32,
        target: *mut f32,
        count: usize,
    ) {
        for i in 0..self.rows {
            for j in 0..count {
                // SAFETY: the caller's promise.
                unsafe {
                    let value = *tile.add(j * BAND + i);
                    target.add(i * job.ld_values + j).write_unaligned(value);
                }
            }
        }
    }

    /// Writes the packed indices of `groups`, `bits` each, a row at a time: what a row gets of a chunk lies together. A strip
    /// has `count` rows, a power of two.
    ///
    /// # Safety
    /// The rows and groups exist in the metadata, and [`compress`](Self::compress) has packed them.
    #[inline(never)]
    unsafe fn write_codes(&self, job: &CompressJob, groups: usize, bits: usize, count: usize) {
        let bytes = (groups * bits).div_ceil(8);
        let mut codes = self.words;
        for i in 0..self.rows {
            // SAFETY: the indices begin on this byte of the row, and fill `bytes`.
            unsafe {
                let target = job.meta.add((self.row + i) * job.ld_meta + self.first * bits / 8);
                for word in 0..bytes / 4 {
                    // Volatile, or LLVM gathers, which takes longer.
                    let code = codes.add(word * count).read_volatile().to_le_bytes();
                    target.add(4 * word).cast::<[u8; 4]>().write(code);
                }
                if !bytes.is_multiple_of(4) {
                    let code = (*codes.add(bytes / 4 * count)).to_le_bytes();
                    let tail = target.add(bytes / 4 * 4);
                    std::ptr::copy_nonoverlapping(code.as_ptr(), tail, bytes % 4);
                }
            }
            // The next row: its lane, or that of the next strip.
            codes = codes.wrapping_add(1);
            if (i + 1) & (count - 1) == 0 {
                codes = codes.wrapping_add((self.chunks * CHUNK - 1) * count);
            }
        }
    }
}
