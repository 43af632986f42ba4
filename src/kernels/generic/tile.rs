//! The micro-kernel of the compressed product.

use super::Lanes;
use super::lanes::LINE;
use crate::kernels::{Ahead, Init, TileJob};
use crate::pattern::index_bits;
use std::ops::Range;

/// Kept values that are read together: whole groups, and whole bytes of indices, for every pattern.
const UNIT: usize = 16;
/// Rows of C that a micro-kernel fetches ahead where they are far: some hundred nanoseconds.
const FAR_AHEAD: usize = 4;

/// The row method: `V` vectors of `R` rows of C at a time stay in registers while the kept entries
/// of those rows go by, k ascending; each is broadcast and multiplied with the row of B that its
/// index selects. Every element of C is one chain of fused multiply-adds.
///
/// `PACKED`: the rows of B lie `V * COUNT` elements apart, which is `job.ldb`. A constant distance makes an
/// index an offset by a shift and a mask.
///
/// # Safety
/// The contract of [`TileFn`](crate::kernels::TileFn), with panels `V * COUNT` wide.
#[inline(always)]
pub(crate) unsafe fn tile<
    L: Lanes,
    const N: usize,
    const M: usize,
    const R: usize,
    const V: usize,
    const PACKED: bool,
>(
    l: L,
    job: &TileJob,
) {
    let whole = job.rows - job.rows % R;
    // SAFETY: whole groups of R rows, then the rest one by one.
    unsafe {
        rows::<L, N, M, R, V, PACKED>(l, job, 0..whole);
        if R > 1 {
            rows::<L, N, M, 1, V, PACKED>(l, job, whole..job.rows);
        }
    }
}

/// # Safety
/// As [`tile`]; the rows must exist and be a multiple of R.
#[inline(always)]
unsafe fn rows<
    L: Lanes,
    const N: usize,
    const M: usize,
    const R: usize,
    const V: usize,
    const PACKED: bool,
>(
    l: L,
    job: &TileJob,
    range: Range<usize>,
) {
    let units = job.groups * N / UNIT;
    // The indices of a unit are read a unit ahead, from row to row too: the loads of B saturate the load
    // ports, oldest first, so an index loaded only when it is needed comes after all of them, and then
    // they wait for it.
    let mut ahead = [0; R];
    if units > 0 && !range.is_empty() {
        // SAFETY: unit 0 of the first rows.
        ahead = unsafe { unit_codes::<M, R>(&row_pointers(job, range.start), 0) };
    }
    let places = l.places();
    let mut first = range.start;
    while first < range.end {
        let next = if first + R < range.end { first + R } else { first };
        // SAFETY: rows of the range, and those after them or the same.
        unsafe {
            some_rows::<L, N, M, R, V, PACKED>(l, job, first, next, units, &mut ahead, &places);
        }
        first += R;
    }
}

/// # Safety
/// The indices of unit `u` of these rows must be readable.
#[inline(always)]
unsafe fn unit_codes<const M: usize, const R: usize>(
    (_, meta, _): &RowPointers<R>,
    u: usize,
) -> [u64; R] {
    let width = index_bits(M);
    let mut codes = [0; R];
    for r in 0..R {
        // SAFETY: the caller's promise.
        codes[r] = unsafe { unit_code(meta[r].add(u * UNIT / 8 * width), width) };
    }
    codes
}

/// Elements from one row of the panel of B to the next.
#[inline(always)]
fn distance<L: Lanes, const V: usize, const PACKED: bool>(job: &TileJob) -> isize {
    if PACKED { (V * L::COUNT).cast_signed() } else { job.ldb }
}

/// Values `4 * q .. 4 * q + 4` of a unit of each row, whose values and indices are given; `b` is the row of B that
/// the unit begins with. One load serves four values, and a permutation broadcasts each: a broadcast from memory would
/// take a place at the load ports, which the rows of B saturate.
///
/// # Safety
/// The values and the rows of B of the unit must be readable.
#[inline(always)]
unsafe fn four_steps<L: Lanes, const N: usize, const M: usize, const R: usize, const V: usize>(
    l: L,
    acc: &mut [[L::F; V]; R],
    (values, codes): ([*const f32; R], [u64; R]),
    b: *const f32,
    ldb: isize,
    places: &[L::U; 4],
    q: usize,
) {
    let mut four = [l.splat(0.0); R];
    for r in 0..R {
        // SAFETY: four values of the unit.
        four[r] = unsafe { l.load_four(values[r].add(4 * q)) };
    }
    for i in 0..4 {
        let j = 4 * q + i;
        for r in 0..R {
            let index = (codes[r] >> (j * index_bits(M))) as usize & (M - 1);
            let a = l.nth_of_four(four[r], places, i);
            // SAFETY: row (j / N) * M + index of the unit's rows of B.
            unsafe {
                let b = l.counted_from(b.offset(index.cast_signed() * ldb));
                let b = b.offset((j / N * M).cast_signed() * ldb);
                for v in 0..V {
                    acc[r][v] = l.fma(a, l.load(b.add(v * L::COUNT)), acc[r][v]);
                }
            }
        }
    }
}

/// What the chains of rows `first .. first + R` of C start from.
///
/// # Safety
/// As [`tile`]; the rows must exist.
#[inline(always)]
unsafe fn start<L: Lanes, const R: usize, const V: usize>(
    l: L,
    job: &TileJob,
    first: usize,
) -> [[L::F; V]; R] {
    let mut from = [job.from; R];
    for r in 0..R {
        from[r] = job.from.wrapping_offset((first + r).cast_signed().wrapping_mul(job.ld_from));
    }
    let whole = job.cols == V * L::COUNT;
    let mut acc = [[l.splat(0.0); V]; R];
    if !matches!(job.init, Init::Zero) {
        for r in 0..R {
            for v in 0..V {
                // SAFETY: the elements of row r that lie in the panel.
                acc[r][v] = unsafe {
                    if whole {
                        l.load(from[r].add(v * L::COUNT))
                    } else {
                        load_c(l, from[r], job.cols, v)
                    }
                };
            }
        }
    }
    times_beta(l, job.init, acc)
}

/// What chains start from, of elements of C.
#[inline(always)]
pub(super) fn times_beta<L: Lanes, const R: usize, const V: usize>(
    l: L,
    init: Init,
    mut c: [[L::F; V]; R],
) -> [[L::F; V]; R] {
    if let Init::Scale(beta) = init {
        for r in 0..R {
            for v in 0..V {
                c[r][v] = l.mul(l.splat(beta), c[r][v]);
            }
        }
    }
    c
}

/// Fetches what is ahead with `count` rows of C from `first` on, a little at a time: a core has few line-fill buffers, and while
/// distant lines fill them all, what is nearer waits behind them.
#[inline(always)]
pub(super) fn fetch<L: Lanes>(l: L, ahead: &Ahead, first: usize, count: usize, into_l2: bool) {
    let &Ahead { data, stride, rows, cols, each } = ahead;
    for row in (first * each..rows).take(count * each) {
        let row = data.wrapping_offset(row.cast_signed().wrapping_mul(stride));
        l.prefetch_lines(into_l2, row, cols);
    }
}

/// [`fetch`], what is ahead into a second-level cache.
#[cold]
// It is not, but what it costs the registers of its callers should not be paid where nothing is fetched.
#[inline(never)]
fn fetch_far<L: Lanes>(l: L, ahead: &Ahead, first: usize, count: usize) {
    fetch(l, ahead, first, count, true);
}

/// Fetches what comes after rows `first .. first + R`: the first values of the next rows, which a leading dimension hides from
/// the hardware, and rows of a C that is far.
#[inline(always)]
fn fetch_next<L: Lanes, const R: usize, const V: usize>(
    l: L,
    job: &TileJob,
    first: usize,
    values: [*const f32; R],
) {
    for values in values {
        l.prefetch_lines(false, values, 2 * LINE);
    }
    if !job.far.is_null() {
        for r in 0..R {
            let ahead = (first + r + FAR_AHEAD).cast_signed();
            let row = job.far.wrapping_offset(ahead.wrapping_mul(job.ld_far));
            for v in 0..V {
                l.prefetch(row.wrapping_add(v * L::COUNT));
            }
        }
    }
}

/// Rows `first .. first + R`. `ahead` holds the indices of their unit 0, and then of the rows at `next`.
///
/// # Safety
/// As [`tile`]; both rows must exist, and `units` units of each.
#[inline(always)]
unsafe fn some_rows<
    L: Lanes,
    const N: usize,
    const M: usize,
    const R: usize,
    const V: usize,
    const PACKED: bool,
>(
    l: L,
    job: &TileJob,
    first: usize,
    next: usize,
    units: usize,
    ahead: &mut [u64; R],
    places: &[L::U; 4],
) {
    let width = index_bits(M);
    let ldb = distance::<L, V, PACKED>(job);
    let here = row_pointers::<R>(job, first);
    let (values, meta, c) = here;
    let there = row_pointers::<R>(job, next);
    if let Some(ahead) = job.ahead {
        fetch_far(l, ahead, first, R);
    }
    // SAFETY: rows of C.
    let mut acc = unsafe { start::<L, R, V>(l, job, first) };
    fetch_next::<L, R, V>(l, job, first, there.0);
    let unit_groups = UNIT / N;
    let mut b = job.b;
    for u in 0..units {
        let mut unit = (values, *ahead);
        for values in &mut unit.0 {
            *values = values.wrapping_add(u * UNIT);
        }
        let (rows, next) = if u + 1 < units { (&here, u + 1) } else { (&there, 0) };
        // SAFETY: a unit of these rows, or of those at `next`.
        *ahead = unsafe { unit_codes::<M, R>(rows, next) };
        // Written out, so that every shift and every distance is a constant.
        macro_rules! steps {
            ($($q:literal)*) => {
                // SAFETY: the values and the rows of B of unit u.
                $(unsafe { four_steps::<L, N, M, R, V>(l, &mut acc, unit, b, ldb, places, $q) };)*
            };
        }
        if L::WRITTEN_OUT {
            steps!(0 1 2 3);
        } else {
            for q in 0..UNIT / 4 {
                // SAFETY: the values and the rows of B of unit u.
                unsafe { four_steps::<L, N, M, R, V>(l, &mut acc, unit, b, ldb, places, q) };
            }
        }
        b = b.wrapping_offset((unit_groups * M).cast_signed() * ldb);
    }
    for j in 0..(job.groups % unit_groups) * N {
        for r in 0..R {
            let bit = j * width;
            // SAFETY: the byte, the value and the row of B of what is left of a unit.
            unsafe {
                let byte = usize::from(*meta[r].add(units * UNIT / 8 * width + bit / 8));
                let index = (byte >> (bit % 8)) & (M - 1);
                let a = l.splat(values[r].add(units * UNIT + j).read_unaligned());
                let b = b.offset(((j / N) * M + index).cast_signed() * ldb);
                for v in 0..V {
                    acc[r][v] = l.fma(a, l.load(b.add(v * L::COUNT)), acc[r][v]);
                }
            }
        }
    }
    let whole = job.cols == V * L::COUNT;
    for r in 0..R {
        for v in 0..V {
            // SAFETY: the elements of row r of C that lie in the panel.
            unsafe {
                if whole {
                    l.store(c[r].add(v * L::COUNT), acc[r][v]);
                } else {
                    store_c(l, c[r], job.cols, v, acc[r][v]);
                }
            }
        }
    }
}

type RowPointers<const R: usize> = ([*const f32; R], [*const u8; R], [*mut f32; R]);

#[inline(always)]
fn row_pointers<const R: usize>(job: &TileJob, first: usize) -> RowPointers<R> {
    let mut out = ([job.values; R], [job.meta; R], [job.c; R]);
    for r in 0..R {
        let i = first + r;
        out.0[r] = job.values.wrapping_add(i * job.ld_values);
        out.1[r] = job.meta.wrapping_add(i * job.ld_meta);
        out.2[r] = job.c.wrapping_offset(i.cast_signed() * job.ldc);
    }
    out
}

/// The indices of a unit: `UNIT * width` bits, which are `2 * width` bytes.
///
/// # Safety
/// `2 * width` (2, 4 or 8) bytes must be readable.
#[inline(always)]
unsafe fn unit_code(meta: *const u8, width: usize) -> u64 {
    // SAFETY: the caller's promise; byte arrays need no alignment.
    unsafe {
        match width {
            1 => u16::from_le_bytes(*meta.cast::<[u8; 2]>()).into(),
            2 => u32::from_le_bytes(*meta.cast::<[u8; 4]>()).into(),
            _ => u64::from_le_bytes(*meta.cast::<[u8; 8]>()),
        }
    }
}

/// Vector `v` of a row of C of which `cols` columns lie in the panel.
///
/// # Safety
/// Those columns must be readable.
#[inline(always)]
unsafe fn load_c<L: Lanes>(l: L, c: *const f32, cols: usize, v: usize) -> L::F {
    let at = v * L::COUNT;
    // SAFETY: the columns below `cols`.
    unsafe {
        if at + L::COUNT <= cols {
            l.load(c.add(at))
        } else if at < cols {
            l.load_first(c.add(at), cols - at)
        } else {
            l.splat(0.0)
        }
    }
}

/// The inverse of [`load_c`].
///
/// # Safety
/// Those columns must be writable.
#[inline(always)]
unsafe fn store_c<L: Lanes>(l: L, c: *mut f32, cols: usize, v: usize, x: L::F) {
    let at = v * L::COUNT;
    // SAFETY: the columns below `cols`.
    unsafe {
        if at + L::COUNT <= cols {
            l.store(c.add(at), x);
        } else if at < cols {
            l.store_first(c.add(at), x, cols - at);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::{self, Init, TILE_VECTORS, TileJob, Tiles, numbers};
    use crate::pattern::Pattern;

    #[test]
    fn micro_kernels_of_every_length_return_the_reference_bits() {
        for (name, kernels) in kernels::levels() {
            let tiles = kernels.tiles;
            for &pattern in Pattern::ALL {
                for (place, vectors) in TILE_VECTORS.into_iter().enumerate() {
                    let width = vectors * tiles.lanes;
                    for (rows, groups, cols) in [
                        (1, 1, width),
                        (4, 16, width),
                        (5, 33, width),
                        (7, 24, width - 1),
                        (9, 17, 1 + width / 2),
                    ] {
                        let case = (name, pattern, width, rows, groups, cols);
                        check(tiles, pattern, place, (width, rows, groups, cols), case);
                    }
                }
            }
        }
    }

    fn check(
        tiles: &Tiles,
        p: Pattern,
        place: usize,
        (width, rows, groups, cols): (usize, usize, usize, usize),
        case: impl std::fmt::Debug,
    ) {
        let (ld_values, ld_meta) = (groups * p.n() + 3, (groups * p.group_bits()).div_ceil(8) + 1);
        let (ldc, inner) = (cols + 2, groups * p.m());
        let values = numbers(1, rows * ld_values);
        let b = numbers(2, inner * width);
        let old = numbers(3, rows * ldc);
        // Any bytes will do.
        let meta: Vec<u8> = (0..rows * ld_meta).map(|i| (i * 167 + i / 7) as u8).collect();
        let reference = kernels::reference::TILES.of(p);
        let of = tiles.of(p);
        for init in [Init::Zero, Init::Load, Init::Scale(-0.3)] {
            let run = |tile: kernels::TileFn| {
                let mut c = old.clone();
                // SAFETY: a level that the CPU has; every buffer holds what the job names.
                unsafe {
                    tile(&TileJob {
                        values: values.as_ptr(),
                        ld_values,
                        meta: meta.as_ptr(),
                        ld_meta,
                        rows,
                        groups,
                        b: b.as_ptr(),
                        ldb: width.cast_signed(),
                        c: c.as_mut_ptr(),
                        ldc: ldc.cast_signed(),
                        from: c.as_ptr(),
                        ld_from: ldc.cast_signed(),
                        cols,
                        init,
                        far: std::ptr::null(),
                        ld_far: 0,
                        ahead: None,
                    });
                }
                c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let want = run(reference.packed[place]);
            assert!(run(of.packed[place]) == want, "{case:?}, {init:?}");
            assert!(run(of.in_place[place]) == want, "in place: {case:?}, {init:?}");
        }
    }
}
