//! Transposable masks: the best of the 90 that keep two of every row and column of a 4 x 4 tile, a
//! tile to a lane. [`reference`](crate::kernels::reference) says the same in scalar code.

use super::Lanes;
use super::lanes::{MAX_LANES, copy_elements};
use super::room::Room;
use crate::kernels::{KeptRows, TransposableJob};

/// Tiles side by side that are chosen before their rows' indices are packed: whole bytes.
const CHUNK: usize = 64;
/// Tiles above each other that go through a chunk together where columns are wanted: a vector of
/// values, and a word of indices, of each column.
const BAND: usize = 8;
/// Values of a column in a band.
const KEPT: usize = 2 * BAND;

/// The choices of two of four, in lexicographic order.
const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];

/// A mask: where the sums of its upper and its lower two rows lie among all such, and its entries, bit
/// `4 i + j` and again bit `16 + 4 j + i` for the kept entry (i, j).
#[derive(Clone, Copy)]
struct Mask {
    upper: u8,
    lower: u8,
    bits: u32,
}

/// Masks with the same pair in row 0.
const OF_A_PAIR: usize = 15;

/// All 90, by the pair of row 0; in lexicographic order throughout.
const MASKS: [[Mask; OF_A_PAIR]; 6] = {
    let mut all = [[Mask { upper: 0, lower: 0, bits: 0 }; OF_A_PAIR]; 6];
    let mut count = 0;
    let mut choice: u32 = 0;
    while choice < 36 * 36 {
        let mut bits: u32 = 0;
        let mut i = 0;
        while i < 4 {
            let pair = PAIRS[(choice / 6u32.pow(3 - i) % 6) as usize];
            let mut k = 0;
            while k < 2 {
                bits |= 1 << (4 * i + pair[k] as u32) | 1 << (16 + 4 * pair[k] as u32 + i);
                k += 1;
            }
            i += 1;
        }
        let columns = bits >> 16;
        let mut j = 0;
        while j < 4 && (columns >> (4 * j) & 15).count_ones() == 2 {
            j += 1;
        }
        if j == 4 {
            let (upper, lower) = ((choice / 36) as u8, (choice % 36) as u8);
            all[count / OF_A_PAIR][count % OF_A_PAIR] = Mask { upper, lower, bits };
            count += 1;
        }
        choice += 1;
    }
    assert!(count == 6 * OF_A_PAIR);
    all
};

/// What the masks of a vector of tiles keep.
struct Choice<L: Lanes> {
    /// The entries, kept or not: zeros as +0, those of poisoned tiles as NaN.
    x: [[L::F; 4]; 4],
    /// [`Mask::bits`].
    bits: L::U,
}

#[inline(always)]
fn choose<L: Lanes>(l: L, mut x: [[L::F; 4]; 4]) -> Choice<L> {
    let zero = l.splat(0.0);
    let mut pair = [[zero; 6]; 4];
    for i in 0..4 {
        for k in 0..6 {
            let [p, q] = PAIRS[k];
            pair[i][k] = l.add(l.abs(x[i][p]), l.abs(x[i][q]));
        }
    }
    let (mut upper, mut lower) = ([zero; 36], [zero; 36]);
    for p in 0..6 {
        for q in 0..6 {
            upper[6 * p + q] = l.add(pair[0][p], pair[1][q]);
            lower[6 * p + q] = l.add(pair[2][p], pair[3][q]);
        }
    }
    // Six chains of comparisons, independent of one another.
    let (mut most, mut bits) = ([zero; 6], [l.splat_u(0); 6]);
    for p in 0..6 {
        let first = &MASKS[p][0];
        most[p] = l.add(upper[first.upper as usize], lower[first.lower as usize]);
        bits[p] = l.splat_u(first.bits);
        for q in 1..OF_A_PAIR {
            let mask = &MASKS[p][q];
            let sum = l.add(upper[mask.upper as usize], lower[mask.lower as usize]);
            let more = l.lt(most[p], sum);
            bits[p] = l.select_u(more, l.splat_u(mask.bits), bits[p]);
            most[p] = l.max(most[p], sum);
        }
    }
    for p in 1..6 {
        let more = l.lt(most[0], most[p]);
        bits[0] = l.select_u(more, bits[p], bits[0]);
        most[0] = l.max(most[0], most[p]);
    }
    // Pairs 0 and 5 are the halves of a row.
    let mut rows = [zero; 4];
    for i in 0..4 {
        rows[i] = l.add(pair[i][0], pair[i][5]);
    }
    let total = l.add(l.add(rows[0], rows[1]), l.add(rows[2], rows[3]));
    let finite = l.lt(total, l.splat(f32::INFINITY));
    for i in 0..4 {
        for j in 0..4 {
            // -0 + 0 is +0, and nothing else changes.
            x[i][j] = l.select(finite, l.add(x[i][j], zero), l.splat(f32::NAN));
        }
    }
    Choice { x, bits: l.select_u(finite, bits[0], l.splat_u(MASKS[0][0].bits)) }
}

/// From the kept entries of eight rows, four bits each, to `i0 | i1 << 2` of each.
#[inline(always)]
fn nibbles<L: Lanes>(l: L, bits: L::U) -> L::U {
    // One bit a row: whether entry 0, 1, 2, 3 is kept.
    let ones = l.splat_u(0x1111_1111);
    let kept0 = l.and_u(bits, ones);
    let kept1 = l.and_u(l.shr(bits, 1), ones);
    let kept2 = l.and_u(l.shr(bits, 2), ones);
    let kept3 = l.and_u(l.shr(bits, 3), ones);
    // i0 is 0, else 1, else 2; i1 is 3, else 2, else 1.
    let not0 = l.xor(kept0, ones);
    let i0_low = l.and_u(kept1, not0);
    let i0_high = l.xor(i0_low, not0);
    let i1_high = l.or_u(kept2, kept3);
    let i1_low = l.or_u(kept3, l.xor(i1_high, ones));
    l.or_u(l.or_u(i0_low, l.shl(i0_high, 1)), l.or_u(l.shl(i1_low, 2), l.shl(i1_high, 3)))
}

/// The two that are kept of four entries.
#[inline(always)]
fn two<L: Lanes>(l: L, x: [L::F; 4], kept: [L::M; 4]) -> [L::F; 2] {
    [
        l.select(kept[0], x[0], l.select(kept[1], x[1], x[2])),
        l.select(kept[3], x[3], l.select(kept[2], x[2], x[1])),
    ]
}

/// Any strides, made for columns contiguous (`col_stride` 1): neighbouring tiles of a row of tiles in
/// neighbouring lanes.
///
/// # Safety
/// The contract of [`TransposableFn`](crate::kernels::TransposableFn).
#[inline(always)]
pub(crate) unsafe fn tiles<L: Lanes>(l: L, job: &TransposableJob) {
    // SAFETY: the caller's promise.
    unsafe {
        if job.transposed {
            chunks::<L, true>(l, job);
        } else {
            chunks::<L, false>(l, job);
        }
    }
}

/// # Safety
/// As [`tiles`]; `TRANSPOSED` must be `job.transposed`.
#[inline(always)]
unsafe fn chunks<L: Lanes, const TRANSPOSED: bool>(l: L, job: &TransposableJob) {
    let mut codes = Room::<u32, { 4 * BAND * CHUNK }>::new();
    let mut columns = Room::<f32, { 4 * KEPT * MAX_LANES }>::new();
    let (tile_rows, groups) = (job.rows.div_ceil(4), job.cols.div_ceil(4));
    // With columns down them, so that what follows in memory is written soon; else a row of tiles at a time: fewer
    // streams of memory.
    let (height, width) = if job.across.is_some() { (BAND, CHUNK) } else { (1, groups) };
    let mut left = 0;
    while left < groups {
        let mut row = 0;
        while row < tile_rows {
            let mut first = left;
            while first < groups.min(left + width) {
                let chunk = Chunk {
                    row,
                    height: height.min(tile_rows - row),
                    first,
                    count: CHUNK.min(groups - first),
                    codes: codes.pointer(),
                    columns: columns.pointer(),
                };
                // SAFETY: tiles that exist; the buffers hold a chunk.
                unsafe { chunk.compress::<L, TRANSPOSED>(l, job) };
                first += CHUNK;
            }
            row += height;
        }
        left += width;
    }
}

/// Some rows of tiles and at most [`CHUNK`] groups of columns.
struct Chunk {
    row: usize,
    height: usize,
    first: usize,
    count: usize,
    /// [`CHUNK`] codes of each row of the matrix.
    codes: *mut u32,
    /// Of each of a tile's columns [`KEPT`] vectors of values.
    columns: *mut f32,
}

impl Chunk {
    /// # Safety
    /// The tiles must be readable, and writable where they go; the buffers hold them.
    #[inline(always)]
    unsafe fn compress<L: Lanes, const TRANSPOSED: bool>(&self, l: L, job: &TransposableJob) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut v = 0;
            while v < self.count {
                self.choose::<L, TRANSPOSED>(l, job, v);
                v += L::COUNT;
            }
            if let Some(along) = job.along {
                self.write_codes(l, along, job.rows);
            }
        }
    }

    /// Fetches what the tiles after those from group `first + v` on, as many and as high, are read from and written to:
    /// part `t` of [`BAND`], as so much at once would keep others from memory.
    #[inline(always)]
    fn fetch<L: Lanes>(&self, l: L, job: &TransposableJob, v: usize, t: usize) {
        let (row, g) = match v + L::COUNT {
            v if v < self.count => (self.row, self.first + v),
            _ => (self.row + BAND, self.first),
        };
        let into_l2 = job.far_into_l2;
        for row in 4 * (row + t)..4 * (row + t + 1) {
            let a = job.a.wrapping_offset(row.cast_signed().wrapping_mul(job.row_stride));
            l.prefetch_lines(into_l2, a.wrapping_add(4 * g), 4 * L::COUNT);
            if let Some(along) = job.along {
                let values = along.values.wrapping_add(row.wrapping_mul(along.ld_values));
                l.prefetch_lines(into_l2, values.wrapping_add(2 * g), 2 * L::COUNT);
            }
        }
        if let Some(across) = job.across {
            let columns = 4 * L::COUNT / BAND;
            for column in 4 * g + t * columns..4 * g + (t + 1) * columns {
                let values = across.values.wrapping_add(column.wrapping_mul(across.ld_values));
                l.prefetch_lines(into_l2, values.wrapping_add(2 * row), KEPT);
            }
        }
    }

    /// The tiles of COUNT groups, from group `first + v` on.
    ///
    /// # Safety
    /// Those of the groups that exist must be readable, and writable where they go.
    #[inline(always)]
    unsafe fn choose<L: Lanes, const TRANSPOSED: bool>(
        &self,
        l: L,
        job: &TransposableJob,
        v: usize,
    ) {
        let g = self.first + v;
        let cols = (4 * L::COUNT).min(job.cols - 4 * g);
        let groups = cols.div_ceil(4);
        // Where the bits of rows, and of columns, of the job's matrix begin.
        let (by_rows, by_columns) = if TRANSPOSED { (16, 0) } else { (0, 16) };
        let mut column_codes = [l.splat_u(0); 4];
        for t in 0..self.height {
            let row = 4 * (self.row + t);
            let rows = 4.min(job.rows - row);
            // SAFETY: these rows and columns exist.
            let Choice { x, bits } = unsafe {
                let x = load(l, job, row, 4 * g, rows, cols);
                if TRANSPOSED {
                    let Choice { x, bits } = choose(l, turned::<L>(x));
                    Choice { x: turned::<L>(x), bits }
                } else {
                    choose(l, x)
                }
            };
            let code = nibbles(l, bits);
            let zero = l.splat_u(0);
            let mut kept = [[l.eq_u(zero, zero); 4]; 4];
            for i in 0..4 {
                for j in 0..4 {
                    let bit = l.splat_u(1 << (by_rows + 4 * i + j));
                    kept[i][j] = l.eq_u(l.and_u(bits, bit), bit);
                }
            }
            if let Some(along) = job.along {
                for i in 0..4 {
                    let pair = two(l, x[i], kept[i]);
                    let nibble = l.and_u(l.shr(code, (by_rows + 4 * i) as u32), l.splat_u(15));
                    // SAFETY: the row's buffer; the values of the groups that exist, where it does.
                    unsafe {
                        l.store_u(self.codes.add((4 * t + i) * CHUNK + v), nibble);
                        if i < rows {
                            let to = along.values.add((row + i) * along.ld_values + 2 * g);
                            if groups == L::COUNT {
                                l.store_runs(to, pair);
                            } else {
                                let mut padded = [0.0; 2 * MAX_LANES];
                                l.store_runs(padded.as_mut_ptr(), pair);
                                copy_elements(padded.as_ptr(), to, 2 * groups);
                            }
                        }
                    }
                }
            }
            if job.across.is_some() {
                self.fetch(l, job, v, t);
                for j in 0..4 {
                    let column = [x[0][j], x[1][j], x[2][j], x[3][j]];
                    let [a, b] = two(l, column, [kept[0][j], kept[1][j], kept[2][j], kept[3][j]]);
                    let nibble = l.and_u(l.shr(code, (by_columns + 4 * j) as u32), l.splat_u(15));
                    column_codes[j] = l.or_u(column_codes[j], l.shl(nibble, (4 * t) as u32));
                    // SAFETY: the column's buffer.
                    unsafe {
                        let to = self.columns.add((j * KEPT + 2 * t) * L::COUNT);
                        l.store(to, a);
                        l.store(to.add(L::COUNT), b);
                    }
                }
            }
        }
        if let Some(across) = job.across {
            // SAFETY: the columns that exist; the buffer is filled for this height.
            unsafe { self.write_columns(l, across, g, cols, column_codes) };
        }
    }

    /// Writes what the band keeps of `cols` columns, from that of group `g` on.
    ///
    /// # Safety
    /// They must be writable.
    #[inline(always)]
    unsafe fn write_columns<L: Lanes>(
        &self,
        l: L,
        to: KeptRows,
        g: usize,
        cols: usize,
        codes: [L::U; 4],
    ) {
        let whole = self.height == BAND && cols == 4 * L::COUNT;
        // (The place of a column that is not there may lie beyond all numbers.)
        for j in 0..4.min(cols) {
            let mut words = [0u32; MAX_LANES];
            // SAFETY: columns 4 (g + lane) + j below `cols`, groups from `row` on.
            unsafe {
                l.store_u(words.as_mut_ptr(), codes[j]);
                let source = self.columns.add(j * KEPT * L::COUNT);
                let values = to.values.wrapping_add((4 * g + j) * to.ld_values + 2 * self.row);
                let meta = to.meta.wrapping_add((4 * g + j) * to.ld_meta + self.row / 2);
                if whole {
                    for square in 0..KEPT / L::COUNT {
                        l.transpose(
                            source.add(square * L::COUNT * L::COUNT),
                            L::COUNT.cast_signed(),
                            values.add(square * L::COUNT),
                            4 * to.ld_values.cast_signed(),
                        );
                    }
                    for lane in 0..L::COUNT {
                        let bytes = words[lane].to_le_bytes();
                        meta.add(4 * lane * to.ld_meta).cast::<[u8; 4]>().write(bytes);
                    }
                } else {
                    let mut lane = 0;
                    while 4 * lane + j < cols {
                        let values = values.add(4 * lane * to.ld_values);
                        for k in 0..2 * self.height {
                            values.add(k).write_unaligned(*source.add(k * L::COUNT + lane));
                        }
                        let bytes = words[lane].to_le_bytes();
                        std::ptr::copy_nonoverlapping(
                            bytes.as_ptr(),
                            meta.add(4 * lane * to.ld_meta),
                            self.height.div_ceil(2),
                        );
                        lane += 1;
                    }
                }
            }
        }
    }

    /// Writes the packed indices of the chunk's rows.
    ///
    /// # Safety
    /// Those below `rows` must be writable, and [`choose`](Self::choose) have left the codes.
    #[inline(always)]
    unsafe fn write_codes<L: Lanes>(&self, l: L, to: KeptRows, rows: usize) {
        let row = 4 * self.row;
        for i in 0..(4 * self.height).min(rows - row) {
            // SAFETY: `first` is a multiple of 64: this is where its byte begins.
            unsafe {
                let codes = self.codes.add(i * CHUNK);
                let target = to.meta.add((row + i) * to.ld_meta + self.first / 2);
                if self.count == CHUNK {
                    l.pack_codes::<4>(codes, target);
                } else {
                    for g in self.count..CHUNK {
                        *codes.add(g) = 0;
                    }
                    let mut padded = [0u8; CHUNK / 2];
                    l.pack_codes::<4>(codes, padded.as_mut_ptr());
                    let bytes = self.count.div_ceil(2);
                    std::ptr::copy_nonoverlapping(padded.as_ptr(), target, bytes);
                }
            }
        }
    }
}

/// The tiles of COUNT groups: entry (i, j) of each in vector (i, j), zeros past `rows` and `cols`.
///
/// # Safety
/// `rows` x `cols` entries from (`row`, `col`) on must be readable.
#[inline(always)]
unsafe fn load<L: Lanes>(
    l: L,
    job: &TransposableJob,
    row: usize,
    col: usize,
    rows: usize,
    cols: usize,
) -> [[L::F; 4]; 4] {
    let width = 4 * L::COUNT;
    if job.col_stride == 1 && rows == 4 && cols == width {
        // SAFETY: whole tiles, columns contiguous.
        return unsafe { load_rows(l, job.entry(row, col), job.row_stride) };
    }
    let mut padded = [0.0; 16 * MAX_LANES];
    for i in 0..rows {
        for j in 0..cols {
            // SAFETY: an entry that exists.
            padded[i * width + j] = unsafe { job.entry(row + i, col + j).read_unaligned() };
        }
    }
    // SAFETY: the buffer holds four rows.
    unsafe { load_rows(l, padded.as_ptr(), width.cast_signed()) }
}

/// # Safety
/// Four rows of `4 * COUNT` elements must be readable.
#[inline(always)]
unsafe fn load_rows<L: Lanes>(l: L, source: *const f32, stride: isize) -> [[L::F; 4]; 4] {
    let mut x = [[l.splat(0.0); 4]; 4];
    for i in 0..4usize {
        let from = source.wrapping_offset(i.cast_signed() * stride);
        // SAFETY: the caller's promise.
        x[i] = unsafe { l.load_runs(from) };
    }
    x
}

/// The transposes of the tiles: other names for the same vectors.
#[inline(always)]
fn turned<L: Lanes>(x: [[L::F; 4]; 4]) -> [[L::F; 4]; 4] {
    let mut out = x;
    for i in 0..4 {
        for j in 0..4 {
            out[i][j] = x[j][i];
        }
    }
    out
}
