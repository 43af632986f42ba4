//! Kernels for groups of rows that share indices.
//!
//! Pruning such a group is the pruning of one row, that of its entries' norms, by the kernels of
//! [`PatternKernels`](super::PatternKernels); then the rows' entries are gathered at the indices
//! that came out. None of what is here depends on the pattern: indices have become columns.

use super::{Ahead, Init};
use crate::matrix::MatRef;

/// Panel widths of the micro-kernels, in vectors, widest first.
pub(crate) const GROUP_VECTORS: [usize; 5] = [8, 4, 3, 2, 1];

/// Rows that share indices, each contiguous.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    data: *const f32,
    stride: isize,
    /// 1 to [`Pattern::MAX_GROUP`](crate::Pattern::MAX_GROUP).
    pub(crate) count: usize,
    pub(crate) cols: usize,
}

impl Rows {
    /// Those of a matrix whose rows are contiguous.
    pub(crate) fn of(a: MatRef<'_>) -> Self {
        debug_assert_eq!(a.col_stride, 1);
        Self { data: a.data, stride: a.row_stride, count: a.rows, cols: a.cols }
    }

    /// The address of row i.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> *const f32 {
        self.data.wrapping_offset(i.cast_signed() * self.stride)
    }
}

/// What the entries of each column are worth together: `norms[j]` of column j.
pub(crate) struct NormJob {
    pub(crate) a: Rows,
    pub(crate) norms: *mut f32,
}

/// # Safety
/// The CPU has the kernel's instruction set; A is readable, `cols` norms are writable, and they do not
/// overlap.
pub(crate) type NormFn = unsafe fn(&NormJob);

/// A column whose largest magnitude lies between the reciprocal of this and this, both included, is squared as it is; any
/// other is scaled first, by a power of two, so that no square over- or underflows that counts.
pub(crate) const NORM_HIGH: f32 = (1u64 << 40) as f32;
pub(crate) const NORM_LOW: f32 = 1.0 / NORM_HIGH;
/// The scale of columns of large entries, and the reciprocal of that of small ones.
pub(crate) const NORM_SCALE: f32 = 1.0 / (NORM_HIGH * NORM_HIGH * (1u64 << 10) as f32);

/// Gather the kept entries of rows.
pub(crate) struct GatherJob {
    pub(crate) a: Rows,
    /// Of each kept entry its column, ascending but for those past `cols`, which come last.
    pub(crate) columns: *const u32,
    pub(crate) count: usize,
    /// Of every column, as [`NormJob`] made them.
    pub(crate) norms: *const f32,
    /// The kept norms as the method returns them: entries are multiplied by kept norm / norm. May be written over.
    pub(crate) kept: *mut f32,
    pub(crate) values: *mut f32,
    pub(crate) ld_values: usize,
}

/// # Safety
/// The CPU has the kernel's instruction set; A, columns and norms are readable, `count` elements of
/// `kept` and of each row of values are writable, and they do not overlap.
pub(crate) type GatherFn = unsafe fn(&GatherJob);

/// Scale the entries of rows: those of columns that are not kept become zero.
pub(crate) struct ScaleJob {
    pub(crate) a: Rows,
    /// Of every column, as [`NormJob`] made them.
    pub(crate) norms: *const f32,
    /// Of every column the kept norm as the method returns it, or zero: entries are multiplied by kept norm / norm.
    pub(crate) kept: *const f32,
    pub(crate) out: *mut f32,
    pub(crate) out_stride: isize,
}

impl ScaleJob {
    /// Where row i goes.
    #[inline(always)]
    pub(crate) fn target(&self, i: usize) -> *mut f32 {
        self.out.wrapping_offset(i.cast_signed() * self.out_stride)
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; A, norms and `kept` are readable, `cols` entries of each row of `out` are
/// writable; they do not overlap, or each entry of `out` is that of A in the same place.
pub(crate) type ScaleFn = unsafe fn(&ScaleJob);

/// `C = init + A.B` for some rows of A in groups that share columns, one panel of B and one block of
/// the inner dimension.
#[derive(Clone, Copy)]
pub(crate) struct GroupTileJob {
    pub(crate) values: *const f32,
    pub(crate) ld_values: usize,
    /// Of each kept entry its row of B; a row of them for each group of rows of A. [`COLUMNS_AHEAD`] more are read, to
    /// fetch what they name.
    pub(crate) columns: *const u32,
    pub(crate) ld_columns: usize,
    pub(crate) count: usize,
    /// Rows of A, the first of which begins a group, and of a group.
    pub(crate) rows: usize,
    pub(crate) group: usize,
    /// The panel's full width in each row that the columns name, rows as far apart as the panel is wide. Row 0 need not be
    /// there.
    pub(crate) b: *const f32,
    pub(crate) c: *mut f32,
    pub(crate) ldc: isize,
    /// Columns of C that lie in the panel.
    pub(crate) cols: usize,
    pub(crate) init: Init,
    /// What is fetched into the cache meanwhile, by the kernels that do.
    pub(crate) ahead: Ahead,
}

/// Kept entries from one to that whose row of B is fetched with it.
pub(crate) const COLUMNS_AHEAD: usize = 8;

/// # Safety
/// The CPU has the kernel's instruction set; values, columns (and [`COLUMNS_AHEAD`] more, whatever they are) and the rows of
/// the panel that the kept entries' columns name are readable, the latter at the full width; `cols`, at most that width,
/// columns of each row of C are writable, and readable unless `init` is `Zero`; C overlaps nothing.
pub(crate) type GroupTileFn = unsafe fn(&GroupTileJob);

/// The kernels of one level.
pub(crate) struct GroupKernels {
    /// Their 2-norms.
    pub(crate) norms: NormFn,
    /// 1 where one of them is not zero, else 0.
    pub(crate) nonzeros: NormFn,
    /// For values that are near, and for such as are far away.
    pub(crate) gather: [GatherFn; 2],
    pub(crate) scale: ScaleFn,
    /// By [`GROUP_VECTORS`].
    pub(crate) tile: [GroupTileFn; GROUP_VECTORS.len()],
    /// The most rows that each of them holds in registers.
    pub(crate) rows: [usize; GROUP_VECTORS.len()],
    /// Whether the micro-kernels fetch what is [`Ahead`].
    pub(crate) ahead: bool,
}

/// The functions and the table of one level, beside [`kernel_table`](super::kernel_table).
macro_rules! group_table {
    (lanes: $lanes:expr, rows: [$r8:literal, $r4:literal, $r3:literal, $r2:literal, $r1:literal]
        $(, features: $features:literal)?) => {
        use $crate::kernels::group::{
            GROUP_VECTORS, GatherJob, GroupKernels, GroupTileJob, NormJob, ScaleJob,
        };

        $(#[target_feature(enable = $features)])?
        unsafe fn group_norms(job: &NormJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::group::norms($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn group_nonzeros(job: &NormJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::group::nonzeros($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn group_gather<const FAR: bool>(job: &GatherJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::group::gather::<_, FAR>($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn group_scale(job: &ScaleJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::group::scale($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn group_tile<const R: usize, const V: usize, const AHEAD: bool>(
            job: &GroupTileJob,
        ) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::group::tile::<_, R, V, AHEAD>($lanes, job) }
        }

        const fn group_kernels<const AHEAD: bool>() -> GroupKernels {
            GroupKernels {
                norms: group_norms,
                nonzeros: group_nonzeros,
                gather: [group_gather::<false>, group_gather::<true>],
                scale: group_scale,
                tile: [
                    group_tile::<$r8, { GROUP_VECTORS[0] }, AHEAD>,
                    group_tile::<$r4, { GROUP_VECTORS[1] }, AHEAD>,
                    group_tile::<$r3, { GROUP_VECTORS[2] }, AHEAD>,
                    group_tile::<$r2, { GROUP_VECTORS[3] }, AHEAD>,
                    group_tile::<$r1, { GROUP_VECTORS[4] }, AHEAD>,
                ],
                rows: [$r8, $r4, $r3, $r2, $r1],
                ahead: AHEAD,
            }
        }
    };
}
pub(crate) use group_table;
