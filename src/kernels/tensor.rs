//! The kernels of whole tensors: threshold pruning, and the terms of the sums that describe a tensor.

use super::{LANES, RngKey};

/// Rows and columns of the tiles that sums are taken over: whole groups of every pattern.
pub(crate) const SIDE: usize = 64;

/// Stochastic threshold pruning of `rows` x `cols` entries, columns contiguous in both matrices.
pub(crate) struct ThresholdJob {
    pub(crate) a: *const f32,
    pub(crate) a_stride: isize,
    pub(crate) out: *mut f32,
    pub(crate) out_stride: isize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Finite, not negative.
    pub(crate) alpha: f32,
    pub(crate) key: RngKey,
    /// Where entry (0, 0) of the job lies in the whole matrix.
    pub(crate) row0: u32,
    pub(crate) col0: u32,
}

/// # Safety
/// The CPU has the kernel's instruction set; the entries are readable and writable as named; `out` is `a`
/// or overlaps nothing; `row0 + rows <= 2^31`, `col0 + cols <= 2^32`.
pub(crate) type ThresholdFn = unsafe fn(&ThresholdJob);

/// The sums of [`LogarithmsFn`]: how many entries count, their ln|x|, and its squares.
pub(crate) type LogarithmSums = [[f64; LANES]; 3];

/// Adds the terms of the entries that are neither zero nor infinite nor NaN to accumulator t % [`LANES`], t
/// ascending. The number of entries is a multiple of [`LANES`].
///
/// # Safety
/// The CPU has the kernel's instruction set.
pub(crate) type LogarithmsFn = unsafe fn(&[f32], &mut LogarithmSums);

/// The sums of [`BlocksFn`]: the variances of MVUE and of approx-MVUE (n = 2, else untouched), the energy that the greedy
/// choice drops, and how many blocks have an entry above the water level.
pub(crate) type BlockSums = [[f64; LANES]; 4];

/// Adds the terms of block t (M consecutive entries) to accumulator t % [`LANES`], t ascending, for the n of
/// n:M. The number of entries is a multiple of M times [`LANES`]. The variance of a block whose magnitudes have no
/// finite sum in binary32, which pruning poisons, is NaN; with a NaN among the entries, the rest may be anything.
///
/// # Safety
/// The CPU has the kernel's instruction set.
pub(crate) type BlocksFn = unsafe fn(&[f32], usize, &mut BlockSums);

/// The kernels of whole tensors of one level.
pub(crate) struct TensorKernels {
    pub(crate) threshold: ThresholdFn,
    pub(crate) logarithms: LogarithmsFn,
    /// By log2 m - 1.
    pub(crate) blocks: [BlocksFn; 4],
}

impl TensorKernels {
    /// The kernel for blocks of `m`.
    pub(crate) fn blocks(&self, m: usize) -> BlocksFn {
        self.blocks[m.trailing_zeros() as usize - 1]
    }
}

/// The functions and the table `TENSOR` of one level.
macro_rules! tensor_table {
    ($lanes:expr $(, $features:literal)?) => {
        use $crate::kernels::tensor::{
            BlockSums, LogarithmSums, TensorKernels, ThresholdJob,
        };

        $(#[target_feature(enable = $features)])?
        unsafe fn threshold(job: &ThresholdJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::threshold::rows($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn logarithms(x: &[f32], sums: &mut LogarithmSums) {
            generic::logarithms::logarithms(x, sums);
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn blocks<const M: usize>(x: &[f32], n: usize, sums: &mut BlockSums) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            #[allow(unused_unsafe, reason = "some tokens are safe to make")]
            let l = unsafe { $lanes };
            generic::blocks::blocks::<_, M>(l, x, n, sums);
        }

        const TENSOR: TensorKernels = TensorKernels {
            threshold,
            logarithms,
            blocks: [blocks::<2>, blocks::<4>, blocks::<8>, blocks::<16>],
        };
    };
}
pub(crate) use tensor_table;
