//! Groups of rows that share indices: their norms, the gathering of what is kept, and the
//! micro-kernel of the product.

use super::Lanes;
use super::estimators::tree_sum;
use super::lanes::{MAX_LANES, copy_elements};
use super::room::Room;
use super::tile::{fetch, times_beta};
use crate::kernels::Init;
use crate::kernels::group::{
    COLUMNS_AHEAD, GROUP_VECTORS, GatherJob, GroupTileJob, NORM_HIGH, NORM_LOW, NORM_SCALE,
    NormJob, ScaleJob,
};

/// Rows whose squares are summed in registers; sums of so many rows are summed in turn.
const OCTET: usize = 8;
/// Below so many kept entries prefetches are not interleaved with them.
const SHORT: usize = 64;
/// Vectors of C from which on the rows of B that are multiplied [`COLUMNS_AHEAD`] kept entries later are fetched, from a
/// second-level cache: so many hide what that costs.
const MANY: usize = 24;

/// `count` elements, zeros behind them.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn load<L: Lanes>(l: L, from: *const f32, count: usize) -> L::F {
    // SAFETY: the caller's promise.
    unsafe { if count == L::COUNT { l.load(from) } else { l.load_first(from, count) } }
}

/// # Safety
/// `count` elements must be writable.
#[inline(always)]
unsafe fn store<L: Lanes>(l: L, to: *mut f32, x: L::F, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if count == L::COUNT { l.store(to, x) } else { l.store_first(to, x, count) } }
}

/// The 2-norms of the columns, a column to a lane.
///
/// # Safety
/// The contract of [`NormFn`](crate::kernels::group::NormFn).
#[inline(always)]
pub(crate) unsafe fn norms<L: Lanes>(l: L, job: &NormJob) {
    let mut j = 0;
    while j < job.a.cols {
        let place = (j, L::COUNT.min(job.a.cols - j));
        // SAFETY: columns that exist, and their norms.
        unsafe {
            let norm = match job.a.count {
                1 => norm::<L, 1>(l, job, place),
                2 => norm::<L, 2>(l, job, place),
                3 => norm::<L, 3>(l, job, place),
                4 => norm::<L, 4>(l, job, place),
                5 => norm::<L, 5>(l, job, place),
                6 => norm::<L, 6>(l, job, place),
                7 => norm::<L, 7>(l, job, place),
                8 => norm::<L, 8>(l, job, place),
                _ => norm_of_many(l, job, place),
            };
            store(l, job.norms.add(j), norm, place.1);
        }
        j += L::COUNT;
    }
}

/// The norms of `count` columns from `j` on, of R rows, at most [`OCTET`], which stay in registers.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn norm<L: Lanes, const R: usize>(l: L, job: &NormJob, (j, count): (usize, usize)) -> L::F {
    let mut x = [l.splat(0.0); OCTET];
    let mut most = l.splat(0.0);
    for i in 0..R {
        // SAFETY: entries of row i. A NaN may get lost in the greatest: it is in the sum.
        x[i] = unsafe { load(l, job.a.row(i).wrapping_add(j), count) };
        most = l.max(l.abs(x[i]), most);
    }
    let (scale, back) = scales(l, most);
    l.mul(l.sqrt(sum_of_squares(l, x, scale)), back)
}

/// The norms of `count` columns from `j` on, of more than [`OCTET`] rows.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn norm_of_many<L: Lanes>(l: L, job: &NormJob, (j, count): (usize, usize)) -> L::F {
    let zero = l.splat(0.0);
    let mut most = zero;
    for i in 0..job.a.count {
        // SAFETY: as in `norm`.
        most = l.max(l.abs(unsafe { load(l, job.a.row(i).wrapping_add(j), count) }), most);
    }
    let (scale, back) = scales(l, most);
    let mut sums = [zero; OCTET];
    for o in 0..job.a.count.div_ceil(OCTET) {
        let (first, mut x) = (o * OCTET, [zero; OCTET]);
        for i in 0..OCTET.min(job.a.count - first) {
            // SAFETY: entries of a row that exists.
            x[i] = unsafe { load(l, job.a.row(first + i).wrapping_add(j), count) };
        }
        sums[o] = sum_of_squares(l, x, scale);
    }
    l.mul(l.sqrt(tree_sum(l, sums)), back)
}

/// The sum of the squares of `scale` times `x`.
#[inline(always)]
fn sum_of_squares<L: Lanes>(l: L, mut x: [L::F; OCTET], scale: L::F) -> L::F {
    for i in 0..OCTET {
        let scaled = l.mul(x[i], scale);
        x[i] = l.mul(scaled, scaled);
    }
    tree_sum(l, x)
}

/// What columns are multiplied by whose greatest magnitude is `most`, and their norms in turn.
#[inline(always)]
fn scales<L: Lanes>(l: L, most: L::F) -> (L::F, L::F) {
    let one = l.splat(1.0);
    let (down, up) = (l.splat(NORM_SCALE), l.splat(1.0 / NORM_SCALE));
    let (high, low) = (l.lt(l.splat(NORM_HIGH), most), l.lt(most, l.splat(NORM_LOW)));
    (l.select(high, down, l.select(low, up, one)), l.select(high, up, l.select(low, down, one)))
}

/// 1 for the columns that have an entry that is not zero, NaNs included; 0 for the others.
///
/// # Safety
/// The contract of [`NormFn`](crate::kernels::group::NormFn).
#[inline(always)]
pub(crate) unsafe fn nonzeros<L: Lanes>(l: L, job: &NormJob) {
    let (zero, one) = (l.splat(0.0), l.splat(1.0));
    let mut j = 0;
    while j < job.a.cols {
        let count = L::COUNT.min(job.a.cols - j);
        let mut any = zero;
        for i in 0..job.a.count {
            // SAFETY: entries of row i.
            let x = unsafe { load(l, job.a.row(i).wrapping_add(j), count) };
            any = l.select(l.eq(x, zero), any, one);
        }
        // SAFETY: norms of the columns.
        unsafe { store(l, job.norms.add(j), any, count) };
        j += L::COUNT;
    }
}

/// Columns that one lookup selects from.
const WINDOW: usize = 16;

/// Where a vector of kept entries lies in a row: `index` columns behind column `base`, in so many windows, all of which lie
/// in the row.
struct Near<U> {
    base: usize,
    index: U,
    windows: usize,
}

impl<U: Copy> Near<U> {
    /// Kept entries from `k` on, unless they are less than a vector, or lie so far apart that to look them up takes more
    /// instructions than to read them one by one.
    ///
    /// # Safety
    /// The columns of the kept entries must be readable.
    #[inline(always)]
    unsafe fn new<L: Lanes<U = U>>(l: L, job: &GatherJob, k: usize) -> Option<Self> {
        if k + L::COUNT > job.count {
            return None;
        }
        // SAFETY: a vector of kept entries.
        let (first, last, columns) = unsafe {
            let columns = job.columns.add(k);
            (*columns as usize, *columns.add(L::COUNT - 1) as usize, l.load_u(columns))
        };
        // (Where the last lies in the row all of them do, and ascend.)
        if last >= job.a.cols {
            return None;
        }
        let windows = (last - first) / WINDOW + 1;
        if windows > L::COUNT.div_ceil(4) || windows * WINDOW > job.a.cols {
            return None;
        }
        let base = first.min(job.a.cols - windows * WINDOW);
        let index = l.add_u(columns, l.splat_u((base as u32).wrapping_neg()));
        Some(Self { base, index, windows })
    }

    /// The entries of a row, or what else has one element for each of the job's columns.
    ///
    /// # Safety
    /// These elements must be readable.
    #[inline(always)]
    unsafe fn of<L: Lanes<U = U>>(&self, l: L, row: *const f32) -> L::F {
        // SAFETY: windows that lie in the row.
        unsafe {
            let mut x = l.lookup::<WINDOW>(row.add(self.base), self.index);
            for begin in (1..self.windows).map(|w| w * WINDOW) {
                let there = l.lookup::<WINDOW>(row.add(self.base + begin), self.index);
                x = l.select(l.le_u(l.splat_u(begin as u32), self.index), there, x);
            }
            x
        }
    }
}

/// By what the entries are multiplied whose norm the method made `kept` of.
#[inline(always)]
fn factor<L: Lanes>(l: L, kept: L::F, norm: L::F) -> L::F {
    // Finite: a norm so far below the level is kept with a probability of nothing.
    let factor = l.min(l.div(kept, norm), l.splat(f32::MAX));
    // Where nothing is kept zero, which the entries are too; or NaN, which poisons them.
    l.select(l.eq(kept, kept), l.select(l.lt(l.splat(0.0), kept), factor, kept), kept)
}

/// Values of entries x.
#[inline(always)]
fn scaled<L: Lanes>(l: L, x: L::F, factor: L::F) -> L::F {
    // The addition makes +0 of -0.
    let y = l.add(l.mul(x, factor), l.splat(0.0));
    // A NaN that its block is not poisoned by is one that `Keep` keeps as it is, bit by bit.
    let y = l.select(l.eq(x, x), y, x);
    l.select(l.eq(factor, factor), y, l.splat(f32::NAN))
}

/// The kept entries of every row, times what the method made of their norm over that norm. Where values are far away, the
/// lines of as many rows below are fetched: the next group's.
///
/// # Safety
/// The contract of [`GatherFn`](crate::kernels::group::GatherFn).
#[inline(always)]
pub(crate) unsafe fn gather<L: Lanes, const FAR: bool>(l: L, job: &GatherJob) {
    let mut k = 0;
    // SAFETY: vectors of kept entries; entries and values of every row.
    unsafe {
        while let Some(near) = Near::new(l, job, k) {
            let factor = factor(l, l.load(job.kept.add(k)), near.of(l, job.norms));
            for i in 0..job.a.count {
                let x = near.of(l, job.a.row(i));
                l.store(job.values.add(i * job.ld_values + k), scaled(l, x, factor));
                if FAR {
                    l.prefetch(job.values.wrapping_add((i + job.a.count) * job.ld_values + k));
                }
            }
            k += L::COUNT;
        }
        gather_singly(l, job, k);
    }
}

/// [`gather`] of the kept entries from `first` on, which are read one by one.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn gather_singly<L: Lanes>(l: L, job: &GatherJob, first: usize) {
    let mut inside = job.count;
    for k in first..job.count {
        // SAFETY: k < count; a column below `cols` has a norm.
        unsafe {
            let (column, kept) = (*job.columns.add(k) as usize, job.kept.add(k));
            if column >= job.a.cols {
                inside = inside.min(k);
            } else if *kept > 0.0 {
                let factor = *kept / *job.norms.add(column);
                *kept = if factor < f32::MAX { factor } else { f32::MAX };
            }
        }
    }
    for i in 0..job.a.count {
        // SAFETY: entries and values of row i.
        unsafe {
            let (row, values) = (job.a.row(i), job.values.add(i * job.ld_values));
            for k in first..inside {
                let x = row.add(*job.columns.add(k) as usize).read_unaligned();
                values.add(k).write_unaligned(x);
            }
            for k in inside..job.count {
                values.add(k).write_unaligned(0.0);
            }
            let mut k = first;
            while k < job.count {
                let count = L::COUNT.min(job.count - k);
                let (x, factor) = (load(l, values.add(k), count), load(l, job.kept.add(k), count));
                store(l, values.add(k), scaled(l, x, factor), count);
                k += L::COUNT;
            }
        }
    }
}

/// The entries of every row, times what the method made of their norm over that norm.
///
/// # Safety
/// The contract of [`ScaleFn`](crate::kernels::group::ScaleFn).
#[inline(always)]
pub(crate) unsafe fn scale<L: Lanes>(l: L, job: &ScaleJob) {
    let zero = l.splat(0.0);
    // As many rows at a time as a first-level cache has room for where they drive each other out.
    for first in (0..job.a.count).step_by(OCTET) {
        for j in (0..job.a.cols).step_by(L::COUNT) {
            let count = L::COUNT.min(job.a.cols - j);
            // SAFETY: columns that exist, their norms, and where they go.
            unsafe {
                let kept = load(l, job.kept.add(j), count);
                let factor = factor(l, kept, load(l, job.norms.add(j), count));
                let none = l.eq(kept, zero);
                for i in first..job.a.count.min(first + OCTET) {
                    let x = scaled(l, load(l, job.a.row(i).wrapping_add(j), count), factor);
                    // (Zero times what is infinite or NaN is not.)
                    store(l, job.target(i).add(j), l.select(none, zero, x), count);
                }
            }
        }
    }
}

/// The group method: `V` vectors of up to `R` rows of C stay in registers while the kept entries
/// that those rows share go by, k ascending; a row of B is loaded once for all of them. Every
/// element of C is one chain of fused multiply-adds.
///
/// # Safety
/// The contract of [`GroupTileFn`](crate::kernels::group::GroupTileFn), with panels `V * COUNT` wide;
/// R is at most 8.
#[inline(always)]
pub(crate) unsafe fn tile<L: Lanes, const R: usize, const V: usize, const AHEAD: bool>(
    l: L,
    job: &GroupTileJob,
) {
    let (mut first, mut columns) = (0, job.columns);
    while first < job.rows {
        let rows = job.group.min(job.rows - first);
        let mut left = rows.div_ceil(R);
        let mut i = 0;
        while i < rows {
            // Blocks of nearly one height: nine rows are five and four.
            let block = (rows - i).div_ceil(left);
            // SAFETY: rows first + i .. first + i + block, at most R of them.
            unsafe {
                match block {
                    8.. if R >= 8 => rows_of::<L, 8, V, AHEAD>(l, job, first + i, columns),
                    7 if R >= 7 => rows_of::<L, 7, V, AHEAD>(l, job, first + i, columns),
                    6 if R >= 6 => rows_of::<L, 6, V, AHEAD>(l, job, first + i, columns),
                    5 if R >= 5 => rows_of::<L, 5, V, AHEAD>(l, job, first + i, columns),
                    4 if R >= 4 => rows_of::<L, 4, V, AHEAD>(l, job, first + i, columns),
                    3 if R >= 3 => rows_of::<L, 3, V, AHEAD>(l, job, first + i, columns),
                    2 if R >= 2 => rows_of::<L, 2, V, AHEAD>(l, job, first + i, columns),
                    _ => rows_of::<L, 1, V, AHEAD>(l, job, first + i, columns),
                }
            }
            i += block;
            left -= 1;
        }
        first += rows;
        columns = columns.wrapping_add(job.ld_columns);
    }
}

/// # Safety
/// As [`tile`]; rows `first .. first + R` must exist, and the columns be theirs.
#[inline(always)]
unsafe fn rows_of<L: Lanes, const R: usize, const V: usize, const AHEAD: bool>(
    l: L,
    job: &GroupTileJob,
    first: usize,
    columns: *const u32,
) {
    let width = V * L::COUNT;
    let to = job.c.wrapping_offset(first.cast_signed().wrapping_mul(job.ldc));
    let (mut c, mut ldc) = (to, job.ldc);
    // What is less than a panel wide goes through a copy that is as wide. (Loops of whole vectors
    // alone are what LLVM unrolls, and keeps in registers.)
    let mut edge = Room::<f32, { 8 * GROUP_VECTORS[0] * MAX_LANES }>::new();
    let whole = job.cols == width;
    if !whole {
        (c, ldc) = (edge.pointer(), width.cast_signed());
        // SAFETY: R is at most 8, V at most the first of GROUP_VECTORS; the columns of C that lie in the panel.
        unsafe {
            c.write_bytes(0, R * width);
            if !matches!(job.init, Init::Zero) {
                copy_rows::<R>((to, job.ldc), (c, ldc), job.cols);
            }
        }
    }
    let (mut values, mut rows) = ([job.values; R], [c; R]);
    let mut acc = [[l.splat(0.0); V]; R];
    for r in 0..R {
        values[r] = job.values.wrapping_add((first + r) * job.ld_values);
        rows[r] = c.wrapping_offset(r.cast_signed().wrapping_mul(ldc));
    }
    if !matches!(job.init, Init::Zero) {
        for r in 0..R {
            for v in 0..V {
                // SAFETY: a vector of row r of C.
                acc[r][v] = unsafe { l.load(rows[r].add(v * L::COUNT)) };
            }
        }
    }
    acc = times_beta(l, job.init, acc);
    let parts = if job.count < SHORT { 1 } else { R };
    let mut k = 0;
    for part in 0..parts {
        for r in part..part + R / parts {
            // One of the next rows of C.
            let next = c.wrapping_offset((R + r).cast_signed().wrapping_mul(ldc)).cast_const();
            l.prefetch_lines(false, next, width);
            if AHEAD {
                fetch(l, &job.ahead, first + r, 1, false);
            }
        }
        let end = job.count * (part + 1) / parts;
        while k < end {
            // SAFETY: column and values k, and the column of a later entry; the row of B that the former names.
            unsafe {
                if R * V >= MANY {
                    let next = *columns.add(k + COLUMNS_AHEAD) as usize;
                    l.prefetch_lines(false, job.b.wrapping_add(next * width), width);
                }
                let b = job.b.wrapping_add(*columns.add(k) as usize * width);
                let mut row = [l.splat(0.0); V];
                for v in 0..V {
                    row[v] = l.load(b.add(v * L::COUNT));
                }
                for r in 0..R {
                    let a = l.splat(values[r].add(k).read_unaligned());
                    for v in 0..V {
                        acc[r][v] = l.fma(a, row[v], acc[r][v]);
                    }
                }
            }
            k += 1;
        }
    }
    for r in 0..R {
        for v in 0..V {
            // SAFETY: a vector of row r of C.
            unsafe { l.store(rows[r].add(v * L::COUNT), acc[r][v]) };
        }
    }
    if !whole {
        // SAFETY: the columns of C that lie in the panel.
        unsafe { copy_rows::<R>((c, ldc), (to, job.ldc), job.cols) };
    }
}

/// Copies `count` elements of each of R rows; rows are given as the first element, and elements from row to row.
///
/// # Safety
/// They must be readable and writable respectively, and must not overlap.
#[inline(always)]
unsafe fn copy_rows<const R: usize>(
    (from, stride): (*mut f32, isize),
    (to, to_stride): (*mut f32, isize),
    count: usize,
) {
    for r in 0..R.cast_signed() {
        let from = from.wrapping_offset(r.wrapping_mul(stride));
        let to = to.wrapping_offset(r.wrapping_mul(to_stride));
        // SAFETY: the caller's promise.
        unsafe { copy_elements(from, to, count) };
    }
}
