//! Groups of rows that share indices: pruned as the one row of their norms.

use super::Method;
use super::compress::{Drawn, Target};
use super::copies;
use crate::compressed::Line;
use crate::kernels::cpu::cpu;
use crate::kernels::group::{GatherJob, NormJob, Rows, ScaleJob};
use crate::kernels::{CompressJob, ExpandJob, Level, Selector};
use crate::matrix::{MatRef, Output};
use crate::pattern::Pattern;
use std::mem::MaybeUninit;

/// Entries of A that are pruned at a time: they stay in a first-level cache between the norms and
/// the gathering.
pub(super) const PART: usize = 8192;
/// The most columns of such a part.
pub(super) const COLS: usize = 1024;
/// Eight groups of every pattern: the indices of so many columns fill whole bytes.
const BYTES: usize = 8 * 16;
/// Where columns are contiguous, rows that have no more than so many lines of each go together.
const LINES: usize = 2;
/// Whole groups of rows that, where columns are contiguous, have a cache line of each.
pub(super) const fn band(pattern: Pattern) -> usize {
    let group = pattern.group();
    if group < Line::LEN { Line::LEN / group * group } else { group }
}

/// [`compress_block`](super::compress::compress_block) where rows share indices: `at.0` is the first
/// row of a group.
///
/// # Safety
/// As there.
pub(super) unsafe fn compress_block(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    target: Target,
) {
    let rows = match band(pattern) {
        _ if a.col_stride == 1 => pattern.group(),
        band => (LINES * Line::LEN / band).max(1) * band,
    };
    let cols = (PART / rows).min(COLS) / BYTES * BYTES;
    let work = |row: usize, col: usize| {
        let (last, end) = (a.rows.min(row + rows), a.cols.min(col + cols));
        // SAFETY: a part of A, of PART entries at most, and its place in the target.
        unsafe {
            let part = a.part(row..last, col..end);
            let at = (at.0 + row, at.1 + col);
            compress_part(kernels, pattern, method, part, at, target.part(pattern, row, col));
        }
    };
    // In the order of memory.
    if a.col_stride == 1 {
        for row in (0..a.rows).step_by(rows) {
            (0..a.cols).step_by(cols).for_each(|col| work(row, col));
        }
    } else {
        for col in (0..a.cols).step_by(cols) {
            (0..a.rows).step_by(rows).for_each(|row| work(row, col));
        }
    }
}

/// # Safety
/// As [`compress_block`], with at most `PART` entries in at most `COLS` columns.
unsafe fn compress_part(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    target: Target,
) {
    let mut tile = [const { MaybeUninit::<Line>::uninit() }; PART / Line::LEN];
    let a = if a.col_stride == 1 {
        a
    } else {
        // The part below comes next.
        let ahead = (target.from_far && cpu().far_into_l2).then_some(a.rows.cast_signed());
        // SAFETY: the tile holds the part.
        unsafe { copies::rows_of(kernels, a, ahead, tile.as_mut_ptr().cast()) }
    };
    for row in (0..a.rows).step_by(pattern.group()) {
        let rows = row..a.rows.min(row + pattern.group());
        let at = (at.0 + row, at.1);
        // SAFETY: one group of the part's rows.
        unsafe {
            let target = target.part(pattern, row, 0);
            compress_group(kernels, pattern, method, a.part(rows, 0..a.cols), at, target);
        }
    }
}

/// One group of rows, columns contiguous.
///
/// # Safety
/// As [`compress_block`], with at most `COLS` columns.
unsafe fn compress_group(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    target: Target,
) {
    let mut norms = [const { MaybeUninit::<Line>::uninit() }; COLS / Line::LEN];
    let mut kept = [const { MaybeUninit::<Line>::uninit() }; COLS / 2 / Line::LEN];
    let mut columns = [const { MaybeUninit::<u32>::uninit() }; COLS / 2];
    let (norms, kept, columns) =
        (norms.as_mut_ptr().cast(), kept.as_mut_ptr().cast(), columns.as_mut_ptr().cast());
    // SAFETY: the buffers hold COLS columns' norms and what is kept of them, at most half (of a last group that is short,
    // too: COLS is a multiple of every m); the caller's promise.
    unsafe {
        select(kernels, pattern, method, a, at, (norms, kept, target.meta));
        let count = columns_of(pattern, target.meta, a.cols, columns);
        kernels.group.gather[usize::from(target.to_far)](&GatherJob {
            a: Rows::of(a),
            columns,
            count,
            norms,
            kept,
            values: target.values,
            ld_values: target.ld_values,
        });
    }
}

/// The norms of one group of rows, columns contiguous, and the compressed form of their row: what is kept of them, and the
/// indices.
///
/// # Safety
/// `a` is readable, and there is room for all of these.
unsafe fn select(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    (norms, kept, meta): (*mut f32, *mut f32, *mut u8),
) {
    let Drawn { key, row0, group0 } = Drawn::new(method, pattern, at);
    let selector = method.selector();
    let norm = match selector {
        Selector::Keep => kernels.group.nonzeros,
        _ => kernels.group.norms,
    };
    // SAFETY: the caller's promise.
    unsafe {
        norm(&NormJob { a: Rows::of(a), norms });
        kernels.of(pattern).compress_rows[selector.words()](&CompressJob {
            a: norms,
            row_stride: 0,
            col_stride: 1,
            rows: 1,
            cols: a.cols,
            values: kept,
            ld_values: 0,
            meta,
            ld_meta: 0,
            selector,
            key,
            row0,
            group0,
            far_into_l2: false,
            tall: false,
            room: std::ptr::null_mut(),
            dense: None,
        });
    }
}

/// The dense form of one group of rows, columns contiguous in both.
///
/// # Safety
/// At most `COLS` columns, which are readable and writable; `a` and `out` do not overlap, or each entry is that of `a` in the
/// same place.
pub(super) unsafe fn prune_group(
    kernels: Level,
    pattern: Pattern,
    method: Method,
    a: MatRef<'_>,
    at: (usize, usize),
    out: Output<'_>,
) {
    let mut norms = [const { MaybeUninit::<Line>::uninit() }; COLS / Line::LEN];
    let mut kept = [const { MaybeUninit::<Line>::uninit() }; COLS / 2 / Line::LEN];
    let mut meta = [const { MaybeUninit::<u8>::uninit() }; COLS / 4];
    let mut dense = [const { MaybeUninit::<Line>::uninit() }; COLS / Line::LEN];
    let (norms, kept, meta) =
        (norms.as_mut_ptr().cast(), kept.as_mut_ptr().cast(), meta.as_mut_ptr().cast());
    let dense = dense.as_mut_ptr().cast();
    // SAFETY: the buffers hold COLS columns' norms, what is kept of them, at most half, and of each of these an index of
    // at most four bits; the caller's promise.
    unsafe {
        select(kernels, pattern, method, a, at, (norms, kept, meta));
        (kernels.of(pattern).expand)(&ExpandJob {
            values: kept,
            ld_values: 0,
            meta,
            ld_meta: 0,
            rows: 1,
            cols: a.cols,
            out: dense,
            out_stride: 0,
        });
        (kernels.group.scale)(&ScaleJob {
            a: Rows::of(a),
            norms,
            kept: dense,
            out: out.data(),
            out_stride: out.row_stride,
        });
    }
}

/// The columns of the kept entries of `cols` columns, from 0, and how many they are.
///
/// # Safety
/// The metadata is readable (any bytes will do: an index counts modulo m), and there is room for
/// the columns.
pub(super) unsafe fn columns_of(
    pattern: Pattern,
    meta: *const u8,
    cols: usize,
    columns: *mut u32,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        match pattern.index_bits() {
            1 => unpack::<1>(pattern, meta, cols, columns),
            2 => unpack::<2>(pattern, meta, cols, columns),
            _ => unpack::<4>(pattern, meta, cols, columns),
        }
    }
    pattern.row_values(cols)
}

/// [`columns_of`], a byte of indices of `WIDTH` bits at a time.
///
/// # Safety
/// As there.
#[expect(clippy::cast_possible_truncation, reason = "columns of a staged block")]
unsafe fn unpack<const WIDTH: usize>(
    pattern: Pattern,
    meta: *const u8,
    cols: usize,
    columns: *mut u32,
) {
    let per_byte = 8 / WIDTH;
    let mask = pattern.m() as u32 - 1;
    // n and m are powers of two.
    let (n, m) = (pattern.n().trailing_zeros(), pattern.m().trailing_zeros());
    let count = pattern.row_values(cols);
    for byte in 0..count / per_byte {
        // SAFETY: indices of which this byte holds the last.
        unsafe {
            let bits = u32::from(*meta.add(byte));
            for k in 0..per_byte {
                let e = (byte * per_byte + k) as u32;
                *columns.add(e as usize) = (e >> n << m) + (bits >> (k * WIDTH) & mask);
            }
        }
    }
    for e in count / per_byte * per_byte..count {
        let bit = e * WIDTH;
        // SAFETY: the byte of index e; e < count.
        unsafe {
            let index = u32::from(*meta.add(bit / 8)) >> (bit % 8) & mask;
            *columns.add(e) = ((e as u32) >> n << m) + index;
        }
    }
}
