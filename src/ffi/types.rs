//! Constants and structs. The doc comments of this file are those of `include/spnm.h`.

/// Major version of the library that this header belongs to.
pub const SPNM_VERSION_MAJOR: u32 = 0;
/// Minor version of the library that this header belongs to.
pub const SPNM_VERSION_MINOR: u32 = 1;
/// Patch version of the library that this header belongs to.
pub const SPNM_VERSION_PATCH: u32 = 0;
/// The version as one number that can be compared: major << 16 | minor << 8 | patch.
pub const SPNM_VERSION: u32 =
    SPNM_VERSION_MAJOR << 16 | SPNM_VERSION_MINOR << 8 | SPNM_VERSION_PATCH;
/// The N of the soname, libspnm.so.N: changes where a program that was compiled against an older
/// header could break. New functions and constants do not change it, nor do new fields at the end of
/// a struct that begins with struct_size.
pub const SPNM_ABI_VERSION: u32 = 0;

/// Success.
pub const SPNM_OK: i32 = 0;
/// A required pointer is NULL: a struct, an out-pointer, the rng of a method that draws random numbers,
/// or the data of a view that has elements.
pub const SPNM_E_NULL: i32 = -1;
/// A struct_size is smaller than its struct was in the first release, or larger than 1024.
pub const SPNM_E_STRUCT_SIZE: i32 = -2;
/// An unknown method, a flag or reserved field that is not 0, a field of a newer struct that this
/// library does not know and that is not 0, a number of threads outside 1 .. 4096, or a threshold, sparsity
/// or other number outside its range; a group other than 1 for a method that has none.
pub const SPNM_E_OPTION: i32 = -3;
/// n:m is not a supported pattern or not one of the method's, or group is not 1 .. 64.
/// Patterns: 1:2, 1:4, 2:4, 1:8, 2:8, 4:8, 1:16, 2:16, 4:16, 8:16.
pub const SPNM_E_PATTERN: i32 = -4;
/// A dtype that this release does not compute with: all but SPNM_F32.
pub const SPNM_E_DTYPE: i32 = -5;
/// Two operands disagree about a size, col0 is not a multiple of m, or row0 not of group.
pub const SPNM_E_SHAPE: i32 = -6;
/// A leading dimension is smaller than a row, or elements of an output share memory.
pub const SPNM_E_STRIDE: i32 = -7;
/// An extent exceeds the address space. rows must be below 2^31 and groups in a row below 2^32; for methods
/// that draw also row0 + rows <= 2^31 and col0 / m + groups <= 2^32.
pub const SPNM_E_OVERFLOW: i32 = -8;
/// An output overlaps an input, or another output. Values and meta of a compressed matrix count from
/// their first byte to their last; two dense views may interleave.
pub const SPNM_E_OVERLAP: i32 = -9;
/// SPNM_KEEP was given a matrix with more than n non-zeros in a group.
pub const SPNM_E_NOT_NM: i32 = -10;
/// Metadata is malformed: indices not ascending, out of range, or padding bits set.
pub const SPNM_E_META: i32 = -11;
/// The instruction set asked for is unknown, or not available on this CPU or in this build.
pub const SPNM_E_ISA: i32 = -12;
/// Memory, or a thread, could not be had. Nothing was written.
pub const SPNM_E_MEMORY: i32 = -13;
/// A bug in the library: work stopped in the middle, and outputs may be partly written.
pub const SPNM_E_PANIC: i32 = -14;
// Last added: -14. Numbers are never reused.

/// dtype: IEEE binary32.
pub const SPNM_F32: u32 = 0;
/// dtype: bfloat16. Reserved: this release answers SPNM_E_DTYPE.
#[expect(dead_code, reason = "refused like any other number; the header has it")]
pub const SPNM_BF16: u32 = 1;
/// dtype: IEEE binary16. Reserved: this release answers SPNM_E_DTYPE.
#[expect(dead_code, reason = "refused like any other number; the header has it")]
pub const SPNM_F16: u32 = 2;

/// method: A already is N:M; take its non-zeros (NaN and infinity included) as they are, or fail
/// with SPNM_E_NOT_NM.
pub const SPNM_KEEP: u32 = 0;
/// method: the n largest magnitudes of each group as they are, ties by the lower index. The least
/// mean squared error, but biased. For weights.
pub const SPNM_MAGNITUDE: u32 = 1;
/// method: the minimum-variance unbiased estimate. With tau such that sum(min(|x|, tau)) = n tau over
/// a group, entry x is kept with probability min(1, |x| / tau) and becomes sign(x) max(|x|, tau);
/// one random word per group, systematic sampling. A group with at most n non-zeros is kept as it
/// is. For gradients.
pub const SPNM_MVUE: u32 = 2;
/// method: the approximate MVUE of the literature (arXiv 2203.10991), n = 2 (else SPNM_E_PATTERN): two draws
/// without replacement, each proportional to |x|. With s the sum of the magnitudes, entry x is kept with
/// probability p = |x|/s + sum over the other entries y of |y|/s |x|/(s - |y|) and becomes x / p; two random
/// words per group. A group with at most 2 non-zeros is kept as it is. It exists so that published runs can be
/// repeated: SPNM_MVUE is unbiased too, has less variance (this up to twice as much) and costs less.
/// Where rounding carries the second draw past what the first has left, a group holds its last index twice, as the
/// definition of the bits has it: up to a tenth of the groups whose magnitudes sum to a few units of 2^-149, and, for
/// m > 4, up to about one group in 10^6 where last entries dominate. spnm_validate then reports it, spnm_gemm adds
/// it twice, spnm_decompress writes it once. And entries that together are less than 3e-39 are lost, a bias of that much.
pub const SPNM_MVUE_APPROX: u32 = 3;
/// method: the n largest magnitudes of each group (ties: the lower index), each less t, the largest one that is
/// dropped: sign(x) (|x| - t). Continuous in A, for the weights of S-STE (arXiv 2409.09099);
/// spnm_soft_threshold_scale is the factor that belongs to it.
pub const SPNM_SOFT_THRESHOLD: u32 = 4;

/// isa: the best that the CPU has, lowered by SPNM_MAX_ISA in the environment.
pub const SPNM_ISA_AUTO: u32 = 0;
/// isa: the baseline of the target that the library was compiled for.
pub const SPNM_ISA_PORTABLE: u32 = 1;
/// isa: x86-64 with AVX2, FMA, BMI1, BMI2, LZCNT and POPCNT.
pub const SPNM_ISA_AVX2: u32 = 2;
/// isa: what SPNM_ISA_AVX2 needs, and AVX-512 F, BW, CD, DQ and VL.
pub const SPNM_ISA_AVX512: u32 = 3;
/// isa: aarch64 with Advanced SIMD.
pub const SPNM_ISA_NEON: u32 = 4;

/// SPNM_OK, or one of the negative SPNM_E_* numbers.
pub type spnm_status = i32;

/// A strided view of a dense matrix: element (i, j) lies i * row_stride + j * col_stride ELEMENTS from
/// data. Inputs are never written: const data may be passed as (void *)x.
///
/// Strides may be negative; those of inputs may also be 0. A transpose is a swap of rows with cols
/// and of row_stride with col_stride. Any alignment will do.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_matrix {
    /// Element (0, 0). May be NULL where the view has no elements.
    pub data: *mut std::ffi::c_void,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
    /// SPNM_F32.
    pub dtype: u32,
    /// 0.
    pub reserved: u32,
}

/// A matrix A in N:M form. The buffers belong to the caller; spnm_compressed_layout gives the smallest
/// leading dimensions.
///
/// values: n per group, ascending by column. meta: the n indices of a group (1, 2, 4, 4 bits each for
/// m = 2, 4, 8, 16), then the next group, packed from the low bits up; each row starts on a byte,
/// padding bits are zero. For 2:4 a group is NVIDIA's nibble i0 | i1 << 2. A group with fewer than n
/// non-zeros is filled up with +0 at its highest free positions (but by spnm_compress_transposable,
/// whose masks have two in every group).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_compressed {
    /// Element (row, k) of the kept values is element row * ld_values + k.
    pub values: *mut std::ffi::c_void,
    /// The packed indices of row r begin at byte r / group * ld_meta.
    pub meta: *mut u8,
    /// Rows of A, before compression.
    pub rows: usize,
    /// Columns of A, before compression.
    pub cols: usize,
    /// ELEMENTS from one row of values to the next.
    pub ld_values: usize,
    /// BYTES from one row of meta to the next.
    pub ld_meta: usize,
    /// How many entries of each group are kept.
    pub n: u32,
    /// The length of a group.
    pub m: u32,
    /// SPNM_F32.
    pub dtype: u32,
    /// Consecutive rows that share one set of indices, and one row of meta: 1 .. 64.
    pub group: u32,
}

/// Which random numbers a pruning draws. The generator is counter-based (Philox4x32-10): the word of a
/// group is a function of seed, stream, row and group alone, so a shard that says where it lies in
/// the whole matrix draws what the whole draws.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_rng {
    /// The key: one number for a whole experiment.
    pub seed: u64,
    /// One number for every tensor and step: calls with equal seed, stream and coordinates draw the same words.
    pub stream: u64,
    /// The row of A's element (0, 0) in the whole matrix: a multiple of group (spnm_prune_threshold: any).
    pub row0: u64,
    /// The column of A's element (0, 0) in the whole matrix: a multiple of m (spnm_prune_threshold: any).
    pub col0: u64,
}

/// Where a call runs. Nothing here changes its result. NULL stands for all defaults, and so does a
/// struct that is zero but for struct_size.
///
/// A later release may append fields; 0 will mean the default in each. A larger struct_size than this
/// library knows is accepted as long as the bytes behind the fields that it knows are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_options {
    /// sizeof(spnm_options).
    pub struct_size: usize,
    /// SPNM_ISA_AUTO, or one level for this call.
    pub isa: u32,
    /// 0.
    pub flags: u32,
    /// The threads to use; NULL: the calling thread alone.
    pub pool: *mut super::pool::spnm_pool,
}
