//! The product with few columns: rows of A in lanes.

use super::Lanes;
use super::lanes::{MAX_LANES, copy_square};
use super::room::Room;
use super::shared::Shared;
use crate::kernels::{Init, NarrowJob};
use crate::pattern::index_bits;

/// Elements of the largest square of lanes.
const SQUARE: usize = MAX_LANES * MAX_LANES;
/// Room for it: rows of COUNT elements.
type Square<T> = Room<T, SQUARE>;

/// The lane method: the elements of COUNT rows of C, one to a lane, stay in registers while the kept
/// entries of those rows go by, k ascending. Values and indices are transposed first; then every lane
/// looks its entry of B up in the column's group. Every element of C is one chain of fused multiply-adds.
///
/// Of one or two columns `S` strips of COUNT rows go side by side: one's chains have work where the
/// others' wait.
///
/// # Safety
/// The contract of [`NarrowFn`](crate::kernels::NarrowFn).
#[inline(always)]
pub(crate) unsafe fn narrow<L: Lanes, const N: usize, const M: usize, const S: usize>(
    l: L,
    job: &NarrowJob,
    shared: &Shared,
) {
    // SAFETY: the caller's promise; half of the lanes are no more columns than these.
    unsafe {
        match job.cols {
            0 => {}
            1 => rows::<L, N, M, S, 1>(l, job, shared),
            2 => rows::<L, N, M, S, 2>(l, job, shared),
            3..=4 if L::COUNT >= 8 => rows::<L, N, M, 1, 4>(l, job, shared),
            5..=8 if L::COUNT >= 16 => rows::<L, N, M, 1, 8>(l, job, shared),
            _ => unreachable!("at most half as many columns as lanes"),
        }
    }
}

/// All rows of the columns, of which there are C or less.
///
/// # Safety
/// As [`narrow`]; there is a column.
#[inline(always)]
unsafe fn rows<L: Lanes, const N: usize, const M: usize, const S: usize, const C: usize>(
    l: L,
    job: &NarrowJob,
    shared: &Shared,
) {
    let mut first = 0;
    while first < job.rows {
        // SAFETY: strips of which each has a row that exists.
        unsafe {
            if S > 1 && first + S * L::COUNT <= job.rows {
                columns::<L, N, M, S, C>(l, job, shared, first);
                first += S * L::COUNT;
            } else {
                columns::<L, N, M, 1, C>(l, job, shared, first);
                first += L::COUNT;
            }
        }
    }
}

/// COUNT rows, or those that exist.
#[derive(Clone, Copy)]
pub(crate) struct Strip {
    first: usize,
    rows: usize,
}

/// The columns of `S` strips from row `first` on. (Those of C that do not exist are computed as the last
/// is, and not stored: what they cost is less than what the transposition does.)
///
/// # Safety
/// As [`rows`]; each strip has a row that exists.
#[inline(always)]
unsafe fn columns<L: Lanes, const N: usize, const M: usize, const S: usize, const C: usize>(
    l: L,
    job: &NarrowJob,
    shared: &Shared,
    first: usize,
) {
    let mut all = [Strip { first, rows: L::COUNT }; S];
    let mut whole = true;
    for s in 0..S {
        all[s].first += s * L::COUNT;
        all[s].rows = L::COUNT.min(job.rows - all[s].first);
        whole &= all[s].rows == L::COUNT;
    }
    let mut b = [job.b; C];
    for c in 0..C {
        b[c] = job.b.wrapping_add(c.min(job.cols - 1) * job.ldb);
    }
    let mut sums = [[l.splat(0.0); C]; S];
    if !matches!(job.init, Init::Zero) {
        for s in 0..S {
            let mut elements = [[0f32; MAX_LANES]; C];
            // SAFETY: the strip's elements; a column holds a vector.
            unsafe {
                read_c(job, all[s], &mut elements);
                for c in 0..C {
                    sums[s][c] = l.load(elements[c].as_ptr());
                    if let Init::Scale(beta) = job.init {
                        sums[s][c] = l.mul(l.splat(beta), sums[s][c]);
                    }
                }
            }
        }
    }
    let kept = job.groups * N;
    // A vector of words of a row's indices at a time.
    let chunk = L::COUNT * 32 / index_bits(M);
    let mut words = [const { Room::<u32, SQUARE>::new() }; S];
    // What is copied of A at its edges.
    let mut copy = Room::<f32, SQUARE>::new();
    let copy = copy.pointer();
    let lda = if whole { job.ld_values } else { L::COUNT };
    let mut from = 0;
    while from < kept {
        let end = kept.min(from + chunk);
        for s in 0..S {
            let bits = (from * index_bits(M), end * index_bits(M));
            // SAFETY: indices of rows of the strip; `from` begins a byte.
            unsafe { (shared.stage_words)(job, all[s], bits, words[s].pointer()) };
        }
        let mut k = from;
        while k < end {
            let bit = (k - from) * index_bits(M);
            // SAFETY: values of the strips, or copies, and their indices; the groups of B that they
            // select from.
            unsafe {
                if end - k < L::COUNT {
                    for s in 0..S {
                        (shared.copy_values)(job, all[s], (k, end - k), copy);
                        last::<L, N, M, C>(
                            l,
                            shared,
                            copy,
                            (words[s].pointer(), bit),
                            &b,
                            (k, end),
                            &mut sums[s],
                        );
                    }
                } else {
                    let mut a = job.values.add(first * job.ld_values + k);
                    if !whole {
                        // (A strip at the edge is the only one.)
                        (shared.copy_values)(job, all[0], (k, L::COUNT), copy);
                        a = copy;
                    }
                    squares::<L, N, M, S, C>(l, (a, lda), (&mut words, bit), &b, k, &mut sums);
                }
            }
            k += L::COUNT;
        }
        from = end;
    }
    for s in 0..S {
        let mut elements = [[0f32; MAX_LANES]; C];
        // SAFETY: the strip's elements; a column holds a vector.
        unsafe {
            for c in 0..C {
                l.store(elements[c].as_mut_ptr(), sums[s][c]);
            }
            write_c(job, all[s], &elements);
        }
    }
}

/// COUNT links of every chain, from value k on: COUNT values of each row, rows `lda` apart at `a`, whose
/// indices begin at `bit` of a row's words.
///
/// # Safety
/// Values, words and the groups of B must be readable.
#[inline(always)]
unsafe fn squares<L: Lanes, const N: usize, const M: usize, const S: usize, const C: usize>(
    l: L,
    (a, lda): (*const f32, usize),
    (words, bit): (&mut [Square<u32>; S], usize),
    b: &[*const f32; C],
    k: usize,
    sums: &mut [[L::F; C]; S],
) {
    let mut values = [[0f32; SQUARE]; S];
    let mut codes = [[l.splat_u(0); 2]; S];
    // SAFETY: whole squares; the words that hold their indices, of which there are two at most.
    unsafe {
        for s in 0..S {
            let (from, to) = (lda.cast_signed(), L::COUNT.cast_signed());
            l.transpose(a.add(s * L::COUNT * lda), from, values[s].as_mut_ptr(), to);
            let words = words[s].pointer().add(bit / 32 * L::COUNT);
            codes[s][0] = l.shr(l.load_u(words), (bit % 32) as u32);
            if L::COUNT * index_bits(M) > 32 {
                codes[s][1] = l.load_u(words.add(L::COUNT));
            }
        }
        let square = (&values, &codes);
        // Written out, so that the transposed values stay in registers.
        macro_rules! links {
            ($($e:literal)*) => {
                $(if $e < L::COUNT { link::<L, N, M, S, C>(l, square, b, k, $e, sums); })*
            };
        }
        if L::WRITTEN_OUT {
            links!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        } else {
            for e in 0..L::COUNT {
                link::<L, N, M, S, C>(l, square, b, k, e, sums);
            }
        }
    }
}

/// Link `e` of a square's, from value k on: values transposed, and the words of their indices.
///
/// # Safety
/// The groups of B must be readable.
#[inline(always)]
unsafe fn link<L: Lanes, const N: usize, const M: usize, const S: usize, const C: usize>(
    l: L,
    (values, codes): (&[[f32; SQUARE]; S], &[[L::U; 2]; S]),
    b: &[*const f32; C],
    k: usize,
    e: usize,
    sums: &mut [[L::F; C]; S],
) {
    let bit = e * index_bits(M);
    for s in 0..S {
        let index = l.shr(codes[s][bit / 32], (bit % 32) as u32);
        // (A constant behind a sum that is one of all links.)
        let group = k / N * M + e / N * M;
        // SAFETY: vector `e` of a square; the caller's promise.
        unsafe {
            let value = l.load(values[s].as_ptr().add(e * L::COUNT));
            multiply_add::<L, M, C>(l, value, index, b, group, &mut sums[s]);
        }
    }
}

/// `sums += value * b[group + index]` in every column, each lane by its own value and index.
///
/// # Safety
/// The group of B must be readable in every column.
#[inline(always)]
unsafe fn multiply_add<L: Lanes, const M: usize, const C: usize>(
    l: L,
    value: L::F,
    index: L::U,
    b: &[*const f32; C],
    group: usize,
    sums: &mut [L::F; C],
) {
    for c in 0..C {
        // SAFETY: the caller's promise.
        let entry = unsafe { l.lookup::<M>(b[c].add(group), index) };
        sums[c] = l.fma(value, entry, sums[c]);
    }
}

/// The last links of a strip's chains, values k .. end of each row. Values that are missing get no
/// multiply-add: adding 0 b would turn -0 into +0, and a NaN or infinity in B into NaN.
///
/// # Safety
/// Words and the groups of B must be readable; there are less than COUNT values.
#[inline(always)]
unsafe fn last<L: Lanes, const N: usize, const M: usize, const C: usize>(
    l: L,
    shared: &Shared,
    copy: *const f32,
    (words, bit): (*const u32, usize),
    b: &[*const f32; C],
    (k, end): (usize, usize),
    sums: &mut [L::F; C],
) {
    let mut values = [0f32; SQUARE];
    let to = L::COUNT.cast_signed();
    // SAFETY: squares of COUNT; words and groups of values that exist.
    unsafe {
        (shared.transpose)(copy, to, values.as_mut_ptr(), to);
        for e in 0..end - k {
            let bit = bit + e * index_bits(M);
            let word = l.load_u(words.add(bit / 32 * L::COUNT));
            let index = l.shr(word, (bit % 32) as u32);
            let value = l.load(values.as_ptr().add(e * L::COUNT));
            multiply_add::<L, M, C>(l, value, index, b, (k + e) / N * M, sums);
        }
    }
}

/// Copies `count` values from value k on of the strip's rows to a square, zeros behind them.
///
/// # Safety
/// They must be readable, the square writable; `count` is at most COUNT.
#[inline(always)]
pub(crate) unsafe fn copy_values<L: Lanes>(
    l: L,
    job: &NarrowJob,
    strip: Strip,
    (k, count): (usize, usize),
    copy: *mut f32,
) {
    let source = job.values.wrapping_add(strip.first * job.ld_values + k);
    // SAFETY: the values that exist; the caller's promise.
    unsafe { copy_square(l, (source, job.ld_values.cast_signed()), (strip.rows, count), copy) };
}

/// Word w of row i of the strip into lane i of vector w, of a row's bits `from .. to`.
///
/// # Safety
/// The rows' bytes of those bits must be readable, and a square of words writable; `from` begins a byte, and the bits
/// fit COUNT words.
#[inline(always)]
pub(crate) unsafe fn stage_words<L: Lanes>(
    l: L,
    job: &NarrowJob,
    strip: Strip,
    (from, to): (usize, usize),
    words: *mut u32,
) {
    let bytes = (to - from).div_ceil(8);
    let whole = bytes / size_of::<u32>();
    let count = L::COUNT.cast_signed();
    let mut square = Room::<f32, SQUARE>::new();
    let copy = square.pointer();
    let (mut source, mut distance) = (copy.cast_const(), count);
    // Of a row, and how many rows share it from there on: counted, as a division a row costs a tenth of a short product.
    let mut meta = job.row_meta(strip.first).wrapping_add(from / 8);
    let mut left = job.sharing - strip.first % job.sharing;
    // SAFETY: rows of the strip, their bytes alone; the square holds COUNT words of each.
    unsafe {
        let adjacent = job.sharing == 1 && job.ld_meta.is_multiple_of(4);
        if (strip.rows, whole) == (L::COUNT, L::COUNT) && adjacent {
            // Words of every row, a number of words apart.
            source = meta.cast();
            distance = (job.ld_meta / 4).cast_signed();
        } else {
            for i in 0..strip.rows {
                let row = copy.add(i * L::COUNT);
                if whole == L::COUNT {
                    l.store(row, l.load(meta.cast()));
                } else {
                    l.store(row, l.load_first(meta.cast(), whole));
                    if !bytes.is_multiple_of(4) {
                        *row.cast::<u32>().add(whole) = last_word(meta, bytes).to_le();
                    }
                }
                left -= 1;
                if left == 0 {
                    (meta, left) = (meta.wrapping_add(job.ld_meta), job.sharing);
                }
            }
        }
        for i in strip.rows..L::COUNT {
            l.store(copy.add(i * L::COUNT), l.splat(0.0));
        }
        l.transpose(source, distance, words.cast(), count);
        if cfg!(target_endian = "big") {
            for i in 0..L::COUNT * L::COUNT {
                *words.add(i) = (*words.add(i)).swap_bytes();
            }
        }
    }
}

/// The bytes behind the last whole word of `bytes`, as the low ones of a word.
///
/// # Safety
/// `bytes` bytes, no multiple of 4, must be readable.
#[inline(always)]
unsafe fn last_word(p: *const u8, bytes: usize) -> u32 {
    // SAFETY: bytes that exist.
    unsafe {
        if bytes < 4 {
            return (0..bytes).fold(0, |word, b| word | u32::from(*p.add(b)) << (8 * b));
        }
        // One load, of four bytes that end with them.
        let word = u32::from_le_bytes(*p.add(bytes - 4).cast());
        word >> (8 * (4 - bytes % 4))
    }
}

/// What the chains of a strip start from, a column after another.
///
/// # Safety
/// The strip's elements of C must be readable.
#[inline(never)]
unsafe fn read_c(job: &NarrowJob, strip: Strip, columns: &mut [[f32; MAX_LANES]]) {
    for (j, column) in columns.iter_mut().enumerate().take(job.cols) {
        for (i, x) in column.iter_mut().enumerate().take(strip.rows) {
            // SAFETY: an element of the strip.
            *x = unsafe { job.element(strip.first + i, j).read_unaligned() };
        }
    }
}

/// The inverse of [`read_c`].
///
/// # Safety
/// The strip's elements of C must be writable.
#[inline(never)]
unsafe fn write_c(job: &NarrowJob, strip: Strip, columns: &[[f32; MAX_LANES]]) {
    for (j, column) in columns.iter().enumerate().take(job.cols) {
        for (i, &x) in column.iter().enumerate().take(strip.rows) {
            // SAFETY: an element of the strip.
            unsafe { job.element(strip.first + i, j).write_unaligned(x) };
        }
    }
}
