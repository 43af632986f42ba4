/*
 * spnm: N:M sparsity for CPUs. Unbiased minimum-variance pruning, compression, compressed products.
 *
 * Generated from the library's sources by `cargo xtask header`: do not edit.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * N:M keeps N of every M consecutive entries of a row of A. n and m always mean the pattern; sizes are
 * rows, cols and inner. A group is M consecutive entries of a row; a group of rows (group > 1) shares indices.
 *
 * Rules that hold for every function:
 *
 * - A call either succeeds, or returns an error and has written nothing (but SPNM_E_PANIC, a bug; and the place
 *   of malformed metadata, which spnm_validate writes with SPNM_E_META).
 *   Everything is checked before anything is written: struct pointers and out-pointers for NULL first, then
 *   options, method (and its rng), reserved fields, pattern and dtype; then sizes with NULL data, strides,
 *   overflow and overlap; whether the CPU has the level asked for, and SPNM_KEEP's groups, last. Where several
 *   things are wrong, do not rely on which is reported.
 * - Nothing prints, aborts or exits. One exception: Rust's standard library ends a process that has not even a
 *   few hundred bytes of memory left, in spnm_pool_create, in spnm_build_info, and in the first call that reads
 *   SPNM_MAX_ISA where that is set. So does glibc in a thread's first call, where the library was loaded by dlopen.
 * - What a caller must guarantee: pointers that are not NULL point to what their type says, and to as much of
 *   it as the sizes and strides say; a pool is alive; while a call runs, no other thread writes its
 *   inputs or touches its outputs.
 * - Structs are read when the call begins and never kept. Inputs are never written. Any alignment, any
 *   strides, any size: nothing is read or written outside the views, or between their elements.
 * - rows, cols and inner may be 0: a valid no-op (a product with inner = 0 scales C by beta). The data of
 *   a matrix without elements may be NULL.
 * - Every function may be called from any number of threads at once. There is no hidden thread: work runs on
 *   the calling thread, or in the pool that the call names.
 * - A call takes less than 112 KiB of the calling thread's stack, so that it fits the smallest that C libraries
 *   give by default (128 KiB). Threads of a pool bring theirs.
 * - There is no global state but what the first calls set up: the detected instruction set, the text of
 *   spnm_build_info, and a panic hook that silences this library's own panics; from the first pool on a count of
 *   forks, by a handler that stays (pthread_atfork); each thread's spnm_last_error; and the working memory that
 *   products without a pool leave for later ones, at most 16 blocks below 1 MiB each (see spnm_gemm).
 * - Every bit that comes out is the same on every instruction set and for every number of threads. On x86-64
 *   and AArch64 it is so whatever the caller's rounding, flush-to-zero and exception masks (MXCSR, FPCR), which
 *   come back as they were, sticky flags included; elsewhere the floating-point environment is left alone and
 *   must be the default. Only the payloads of computed NaNs are unspecified.
 * - Overlap of an output with another operand: where one of the two is a compressed matrix, its values and its
 *   meta each count as all the bytes from their first to their last, gaps between rows included, and so does a
 *   dense matrix beside them. Two dense views may interleave in one buffer: column ranges with contiguous rows
 *   (col_stride 1) and the same leading dimension, row ranges with contiguous columns (row_stride 1) and the same,
 *   or views whose strides have a common factor that keeps their elements apart (real and imaginary parts).
 * - Extents are limited to the address space, rows of A to 2^31 - 1, its groups in a row to 2^32 - 1.
 *
 * A minimal program:
 *
 *     // dW = pruned(D^T).X; d is [tokens][out], x [tokens][in], dw [out][in]; a is d's transpose, by strides.
 *     spnm_rng rng = {seed, step, 0, 0};
 *     spnm_matrix a = {d, out, tokens, 1, (ptrdiff_t)out, SPNM_F32, 0};
 *     spnm_matrix b = {x, tokens, in, (ptrdiff_t)in, 1, SPNM_F32, 0};
 *     spnm_matrix c = {dw, out, in, (ptrdiff_t)in, 1, SPNM_F32, 0};
 *     spnm_status s = spnm_prune_gemm(NULL, SPNM_MVUE, &rng, 2, 4, 1, 1.0f, &a, &b, 0.0f, &c);
 *     if (s != SPNM_OK) fprintf(stderr, "%s\n", spnm_last_error());
 */

#ifndef SPNM_H
#define SPNM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Major version of the library that this header belongs to.
 */
#define SPNM_VERSION_MAJOR 0

/**
 * Minor version of the library that this header belongs to.
 */
#define SPNM_VERSION_MINOR 1

/**
 * Patch version of the library that this header belongs to.
 */
#define SPNM_VERSION_PATCH 0

/**
 * The version as one number that can be compared: major << 16 | minor << 8 | patch.
 */
#define SPNM_VERSION (((SPNM_VERSION_MAJOR << 16) | (SPNM_VERSION_MINOR << 8)) | SPNM_VERSION_PATCH)

/**
 * The N of the soname, libspnm.so.N: changes where a program that was compiled against an older
 * header could break. New functions and constants do not change it, nor do new fields at the end of
 * a struct that begins with struct_size.
 */
#define SPNM_ABI_VERSION 0

/**
 * Success.
 */
#define SPNM_OK 0

/**
 * A required pointer is NULL: a struct, an out-pointer, the rng of a method that draws random numbers,
 * or the data of a view that has elements.
 */
#define SPNM_E_NULL (-1)

/**
 * A struct_size is smaller than its struct was in the first release, or larger than 1024.
 */
#define SPNM_E_STRUCT_SIZE (-2)

/**
 * An unknown method, a flag or reserved field that is not 0, a field of a newer struct that this
 * library does not know and that is not 0, a number of threads outside 1 .. 4096, or a threshold, sparsity
 * or other number outside its range; a group other than 1 for a method that has none.
 */
#define SPNM_E_OPTION (-3)

/**
 * n:m is not a supported pattern or not one of the method's, or group is not 1 .. 64.
 * Patterns: 1:2, 1:4, 2:4, 1:8, 2:8, 4:8, 1:16, 2:16, 4:16, 8:16.
 */
#define SPNM_E_PATTERN (-4)

/**
 * A dtype that this release does not compute with: all but SPNM_F32.
 */
#define SPNM_E_DTYPE (-5)

/**
 * Two operands disagree about a size, col0 is not a multiple of m, or row0 not of group.
 */
#define SPNM_E_SHAPE (-6)

/**
 * A leading dimension is smaller than a row, or elements of an output share memory.
 */
#define SPNM_E_STRIDE (-7)

/**
 * An extent exceeds the address space. rows must be below 2^31 and groups in a row below 2^32; for methods
 * that draw also row0 + rows <= 2^31 and col0 / m + groups <= 2^32.
 */
#define SPNM_E_OVERFLOW (-8)

/**
 * An output overlaps an input, or another output. Values and meta of a compressed matrix count from
 * their first byte to their last; two dense views may interleave.
 */
#define SPNM_E_OVERLAP (-9)

/**
 * SPNM_KEEP was given a matrix with more than n non-zeros in a group.
 */
#define SPNM_E_NOT_NM (-10)

/**
 * Metadata is malformed: indices not ascending, out of range, or padding bits set.
 */
#define SPNM_E_META (-11)

/**
 * The instruction set asked for is unknown, or not available on this CPU or in this build.
 */
#define SPNM_E_ISA (-12)

/**
 * Memory, or a thread, could not be had. Nothing was written.
 */
#define SPNM_E_MEMORY (-13)

/**
 * A bug in the library: work stopped in the middle, and outputs may be partly written.
 */
#define SPNM_E_PANIC (-14)

/**
 * dtype: IEEE binary32.
 */
#define SPNM_F32 0

/**
 * dtype: bfloat16. Reserved: this release answers SPNM_E_DTYPE.
 */
#define SPNM_BF16 1

/**
 * dtype: IEEE binary16. Reserved: this release answers SPNM_E_DTYPE.
 */
#define SPNM_F16 2

/**
 * method: A already is N:M; take its non-zeros (NaN and infinity included) as they are, or fail
 * with SPNM_E_NOT_NM.
 */
#define SPNM_KEEP 0

/**
 * method: the n largest magnitudes of each group as they are, ties by the lower index. The least
 * mean squared error, but biased. For weights.
 */
#define SPNM_MAGNITUDE 1

/**
 * method: the minimum-variance unbiased estimate. With tau such that sum(min(|x|, tau)) = n tau over
 * a group, entry x is kept with probability min(1, |x| / tau) and becomes sign(x) max(|x|, tau);
 * one random word per group, systematic sampling. A group with at most n non-zeros is kept as it
 * is. For gradients.
 */
#define SPNM_MVUE 2

/**
 * method: the approximate MVUE of the literature (arXiv 2203.10991), n = 2 (else SPNM_E_PATTERN): two draws
 * without replacement, each proportional to |x|. With s the sum of the magnitudes, entry x is kept with
 * probability p = |x|/s + sum over the other entries y of |y|/s |x|/(s - |y|) and becomes x / p; two random
 * words per group. A group with at most 2 non-zeros is kept as it is. It exists so that published runs can be
 * repeated: SPNM_MVUE is unbiased too, has less variance (this up to twice as much) and costs less.
 * Where rounding carries the second draw past what the first has left, a group holds its last index twice, as the
 * definition of the bits has it: up to a tenth of the groups whose magnitudes sum to a few units of 2^-149, and, for
 * m > 4, up to about one group in 10^6 where last entries dominate. spnm_validate then reports it, spnm_gemm adds
 * it twice, spnm_decompress writes it once. And entries that together are less than 3e-39 are lost, a bias of that much.
 */
#define SPNM_MVUE_APPROX 3

/**
 * method: the n largest magnitudes of each group (ties: the lower index), each less t, the largest one that is
 * dropped: sign(x) (|x| - t). Continuous in A, for the weights of S-STE (arXiv 2409.09099);
 * spnm_soft_threshold_scale is the factor that belongs to it.
 */
#define SPNM_SOFT_THRESHOLD 4

/**
 * isa: the best that the CPU has, lowered by SPNM_MAX_ISA in the environment.
 */
#define SPNM_ISA_AUTO 0

/**
 * isa: the baseline of the target that the library was compiled for.
 */
#define SPNM_ISA_PORTABLE 1

/**
 * isa: x86-64 with AVX2, FMA, BMI1, BMI2, LZCNT and POPCNT.
 */
#define SPNM_ISA_AVX2 2

/**
 * isa: what SPNM_ISA_AVX2 needs, and AVX-512 F, BW, CD, DQ and VL.
 */
#define SPNM_ISA_AVX512 3

/**
 * isa: aarch64 with Advanced SIMD.
 */
#define SPNM_ISA_NEON 4

/**
 * Threads, and the working memory that calls with them reuse. Opaque.
 */
typedef struct spnm_pool spnm_pool;

/**
 * SPNM_OK, or one of the negative SPNM_E_* numbers.
 */
typedef int32_t spnm_status;

/**
 * Where a call runs. Nothing here changes its result. NULL stands for all defaults, and so does a
 * struct that is zero but for struct_size.
 *
 * A later release may append fields; 0 will mean the default in each. A larger struct_size than this
 * library knows is accepted as long as the bytes behind the fields that it knows are 0.
 */
typedef struct spnm_options {
    /**
     * sizeof(spnm_options).
     */
    size_t struct_size;
    /**
     * SPNM_ISA_AUTO, or one level for this call.
     */
    uint32_t isa;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * The threads to use; NULL: the calling thread alone.
     */
    struct spnm_pool *pool;
} spnm_options;

/**
 * Which random numbers a pruning draws. The generator is counter-based (Philox4x32-10): the word of a
 * group is a function of seed, stream, row and group alone, so a shard that says where it lies in
 * the whole matrix draws what the whole draws.
 */
typedef struct spnm_rng {
    /**
     * The key: one number for a whole experiment.
     */
    uint64_t seed;
    /**
     * One number for every tensor and step: calls with equal seed, stream and coordinates draw the same words.
     */
    uint64_t stream;
    /**
     * The row of A's element (0, 0) in the whole matrix: a multiple of group (spnm_prune_threshold: any).
     */
    uint64_t row0;
    /**
     * The column of A's element (0, 0) in the whole matrix: a multiple of m (spnm_prune_threshold: any).
     */
    uint64_t col0;
} spnm_rng;

/**
 * A strided view of a dense matrix: element (i, j) lies i * row_stride + j * col_stride ELEMENTS from
 * data. Inputs are never written: const data may be passed as (void *)x.
 *
 * Strides may be negative; those of inputs may also be 0. A transpose is a swap of rows with cols
 * and of row_stride with col_stride. Any alignment will do.
 */
typedef struct spnm_matrix {
    /**
     * Element (0, 0). May be NULL where the view has no elements.
     */
    void *data;
    /**
     * Rows.
     */
    size_t rows;
    /**
     * Columns.
     */
    size_t cols;
    /**
     * Elements from one row to the next.
     */
    ptrdiff_t row_stride;
    /**
     * Elements from one column to the next.
     */
    ptrdiff_t col_stride;
    /**
     * SPNM_F32.
     */
    uint32_t dtype;
    /**
     * 0.
     */
    uint32_t reserved;
} spnm_matrix;

/**
 * A matrix A in N:M form. The buffers belong to the caller; spnm_compressed_layout gives the smallest
 * leading dimensions.
 *
 * values: n per group, ascending by column. meta: the n indices of a group (1, 2, 4, 4 bits each for
 * m = 2, 4, 8, 16), then the next group, packed from the low bits up; each row starts on a byte,
 * padding bits are zero. For 2:4 a group is NVIDIA's nibble i0 | i1 << 2. A group with fewer than n
 * non-zeros is filled up with +0 at its highest free positions (but by spnm_compress_transposable,
 * whose masks have two in every group).
 */
typedef struct spnm_compressed {
    /**
     * Element (row, k) of the kept values is element row * ld_values + k.
     */
    void *values;
    /**
     * The packed indices of row r begin at byte r / group * ld_meta.
     */
    uint8_t *meta;
    /**
     * Rows of A, before compression.
     */
    size_t rows;
    /**
     * Columns of A, before compression.
     */
    size_t cols;
    /**
     * ELEMENTS from one row of values to the next.
     */
    size_t ld_values;
    /**
     * BYTES from one row of meta to the next.
     */
    size_t ld_meta;
    /**
     * How many entries of each group are kept.
     */
    uint32_t n;
    /**
     * The length of a group.
     */
    uint32_t m;
    /**
     * SPNM_F32.
     */
    uint32_t dtype;
    /**
     * Consecutive rows that share one set of indices, and one row of meta: 1 .. 64.
     */
    uint32_t group;
} spnm_compressed;

/**
 * A lognormal model of the non-zero magnitudes of a tensor, and its share of zeros: made by
 * spnm_lognormal_fit, or by the caller. A later release may append fields.
 */
typedef struct spnm_lognormal {
    /**
     * sizeof(spnm_lognormal); set by the caller, whether the struct is read or written.
     */
    size_t struct_size;
    /**
     * Mean of ln|x| over the entries that are neither zero nor infinite nor NaN; 0 where there are none.
     */
    double mu;
    /**
     * Standard deviation (of the population) of ln|x| over the same entries.
     */
    double sigma;
    /**
     * Zeros, as a share of all entries (0 to 1).
     */
    double zeros;
} spnm_lognormal;

/**
 * Variance and error that pruning to a pattern would cause: binary64 sums over the whole matrix. A later
 * release may append fields.
 *
 * An estimator T(x) of a matrix x has the mean squared error E |T(x) - x|^2 = variance + |E T(x) - x|^2, the
 * squared bias. SPNM_MVUE is unbiased and has the variance alone. The greedy choice, SPNM_MAGNITUDE, has
 * nothing random in it: its mean squared error is its squared bias, the energy of what it drops, which
 * does not average out over steps. The forms are those over the reals: no rounding of the pruning itself is
 * in them.
 */
typedef struct spnm_analysis {
    /**
     * sizeof(spnm_analysis), set by the caller.
     */
    size_t struct_size;
    /**
     * The sum of x^2.
     */
    double energy;
    /**
     * The variance of SPNM_MVUE: the sum of x^2 (1/p - 1) with p = min(1, |x| / tau).
     */
    double mvue_variance;
    /**
     * The variance of SPNM_MVUE_APPROX: two draws without replacement, each in proportion to |x|. NaN unless
     * n = 2.
     */
    double mvue_approx_variance;
    /**
     * Mean squared error of SPNM_MAGNITUDE.
     */
    double greedy_mse;
    /**
     * Squared bias of SPNM_MAGNITUDE.
     */
    double greedy_squared_bias;
    /**
     * Cosine of the angle between the matrix and what SPNM_MAGNITUDE leaves of it; 1 for zeros alone.
     */
    double greedy_cosine;
    /**
     * Share of the groups with an entry above the water level, which SPNM_MVUE keeps for certain, as it
     * is. In a group with at most n non-zeros the level is 0.
     */
    double above_water_level;
    /**
     * Zeros, as a share of all entries.
     */
    double zeros;
} spnm_analysis;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * SPNM_VERSION of the library that is loaded, which may differ from that of the header.
 */
uint32_t spnm_version(void);

/**
 * SPNM_ABI_VERSION of the library that is loaded. A program works if it is that of its header.
 */
uint32_t spnm_abi_version(void);

/**
 * The version of the library that is loaded as "major.minor.patch". Static; never NULL.
 */
const char *spnm_version_string(void);

/**
 * One line for bug reports: version, target, the levels that were compiled, those that the CPU has,
 * the one that SPNM_ISA_AUTO means, and the value of SPNM_MAX_ISA. Static; never NULL.
 */
const char *spnm_build_info(void);

/**
 * What a status means, in English. Static; never NULL, whatever the number.
 */
const char *spnm_status_message(spnm_status status);

/**
 * The level that SPNM_ISA_AUTO means: the highest that the CPU has, lowered by
 * SPNM_MAX_ISA=portable|avx2|avx512|neon where that is set in the environment before the first call
 * that needs it (names in any case, blanks around them ignored). The variable never raises the level;
 * any other value changes nothing, except "reference": the scalar definition of the bits, which has no
 * number and counts as SPNM_ISA_PORTABLE here.
 */
uint32_t spnm_isa_effective(void);

/**
 * 1 where a call may ask for this level: SPNM_ISA_AUTO, and those that both the library and the CPU
 * have, SPNM_MAX_ISA notwithstanding. 0 otherwise, and for any other number.
 */
int32_t spnm_isa_available(uint32_t isa);

/**
 * "auto", "portable", "avx2", "avx512", "neon", or "unknown". Static; never NULL.
 */
const char *spnm_isa_name(uint32_t isa);

/**
 * What was wrong in this thread's last call that returned an error: the argument and its value, in English,
 * such as "rows of `out` is 3, but must be 2" (the argument alone where no number holds the value: the extent of a
 * view that exceeds the address space). At most 255 bytes; empty before the first error; never NULL.
 *
 * A call that succeeds leaves the text alone, and so do calls of other threads. The pointer stays valid as
 * long as the thread lives; its next error writes another text there. For logs, not for programs: texts may
 * change, statuses do not.
 */
const char *spnm_last_error(void);

/**
 * Starts a pool of `threads` threads, the calling one included: threads - 1 are started, and sleep
 * between calls.
 *
 * Pass the pool to calls in spnm_options. Any number of threads may use one pool at once. Results do
 * not depend on it. Calls with a pool keep their working memory in it, for later calls: less than 1 MiB for each
 * thread of the pool, as many times as calls were under way at once.
 *
 * After fork() the child has none of the threads: there a pool of the parent lets the calling thread do
 * the work alone, and may be freed. In a process with threads, make one call before the first fork, such
 * as spnm_compress of a small matrix with NULL options (and of spnm_build_info, if children call that): otherwise
 * a child that is forked while another thread is inside the very first call waits for ever for the one-time
 * initialisation.
 *
 * Output:  *pool, written on success alone
 * Threads: the new threads start in the default floating-point environment, whatever the caller's (on x86-64
 *   and AArch64)
 *
 * SPNM_E_NULL    pool is NULL
 * SPNM_E_OPTION  threads is 0 or above 4096
 * SPNM_E_MEMORY  a thread could not be started. (A few hundred bytes that Rust's std::thread allocates for
 *                each are beyond its reach: memory that ends exactly there ends the process.)
 * SPNM_E_PANIC   a bug; *pool is untouched, as after every other error.
 */
spnm_status spnm_pool_create(size_t threads,
                             struct spnm_pool **pool);

/**
 * Ends a pool's threads, waits for them, and frees it. No call may be using the pool, then or later. NULL is
 * fine.
 */
void spnm_pool_free(struct spnm_pool *pool);

/**
 * The smallest leading dimensions of the compressed form of a rows x cols matrix.
 *
 * Formula: with groups = ceil(cols / m) and index widths w = 1, 2, 4, 4 bits for m = 2, 4, 8, 16:
 * *ld_values = groups * n elements, *ld_meta = ceil(groups * n * w / 8) bytes.
 *
 * The buffers then need rows * *ld_values elements and ceil(rows / group) * *ld_meta bytes; group is the
 * number of consecutive rows that share one set of indices.
 *
 * Output: *ld_values, *ld_meta, written on success alone
 *
 * SPNM_E_NULL      ld_values or ld_meta is NULL
 * SPNM_E_PATTERN   n:m is not supported, or group is not 1 .. 64
 * SPNM_E_OVERFLOW  rows >= 2^31, groups in a row >= 2^32, or a buffer would exceed the address space
 * SPNM_E_PANIC     a bug
 */
spnm_status spnm_compressed_layout(size_t rows,
                                   size_t cols,
                                   uint32_t n,
                                   uint32_t m,
                                   uint32_t group,
                                   size_t *ld_values,
                                   size_t *ld_meta);

/**
 * Prunes A and compresses it, in one pass: out = compressed(method(A)).
 *
 * Shapes: a and out are rows x cols; groups are m consecutive entries of a row. A short last group
 *   behaves as if it were padded with zeros. 0 rows or columns are a valid no-op.
 * Units: the strides of a in elements, out->ld_values in elements, out->ld_meta in bytes. Rows
 *   contiguous (col_stride 1) and columns contiguous (row_stride 1) are fast; others work.
 * Groups of rows: with out->group = g > 1 (vector-wise N:M), rows g i .. g i + g - 1 share one set of
 *   indices; the last such group may have fewer. In the formulas of the methods the norm
 *   |x| = sqrt(sum of x_r^2 over its rows r) of a position takes the place of a magnitude. MVUE keeps a
 *   position with probability p = min(1, |x| / tau) and returns x_r / p in every row: unbiased, with the
 *   least variance of all estimates that share indices, sum over positions and rows of x_r^2 (1/p - 1).
 *   Squares are scaled, so that overflow or underflow cannot affect a norm. The random word is that of the first
 *   row, so rng->row0 is a multiple of g. SPNM_KEEP: a position is non-zero where any row is.
 * rng: read by the methods that draw random numbers (SPNM_MVUE, SPNM_MVUE_APPROX); may be NULL for the
 *   others.
 * Determinism: every bit of out is a function of A, the method, the pattern, seed, stream and the
 *   position alone. What lies between the rows of out is not written.
 * Threads and memory: those of options->pool, or the calling thread. No working memory.
 * Speed: 32 MiB of values and more, of contiguous columns and of groups of one row, are written past the caches by AVX2 and
 *   AVX-512 where ld_values is a multiple of 16 and out->values is aligned to 4 n bytes; this is faster, and fastest where
 *   out->values and A begin on a cache line.
 * Aliasing: values, meta and A must not overlap: as ranges of addresses, gaps between rows included.
 * NaN: a NaN or infinity, or a sum of magnitudes that is not finite, poisons its group: its values
 *   become NaN at indices 0 .. n - 1, so it never vanishes. SPNM_KEEP keeps them as they are. Zeros that
 *   are kept come out as +0; what SPNM_SOFT_THRESHOLD makes a zero, |x| = t, keeps its sign.
 *
 * SPNM_E_NULL         a or out is NULL; rng is NULL and the method draws; a->data, out->values or
 *                     out->meta is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
 *                     options->flags or a->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      out->n, out->m, out->group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
 * SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of a and out differ; rng->col0 is not a multiple of m, or rng->row0
 *                     not of group (methods that draw)
 * SPNM_E_STRIDE       out->ld_values or out->ld_meta is smaller than a row
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32; for a drawing
 *                     method row0 + rows > 2^31 or col0 / m + groups > 2^32
 * SPNM_E_OVERLAP      the addresses of two of out->values, out->meta and a overlap
 * SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
 * SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
 */
spnm_status spnm_compress(const struct spnm_options *options,
                          uint32_t method,
                          const struct spnm_rng *rng,
                          const struct spnm_matrix *a,
                          const struct spnm_compressed *out);

/**
 * Prunes A, and writes it as a dense matrix with zeros: the selection of spnm_compress, then
 * spnm_decompress, without the compressed form.
 *
 * Shapes: a and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
 * Aliasing: out may be a itself (the same elements at the same places); otherwise they must not overlap. Views
 *   that interleave in one buffer (above) do not.
 * Units, rng, Determinism, Threads and memory, NaN: as for spnm_compress.
 * Speed: contiguous columns of a (row_stride 1) go into contiguous columns of out directly where group is 1. 32 MiB and more
 *   are written past the caches by AVX2 and AVX-512: contiguous rows of 512 columns and more; contiguous columns, those of out a
 *   multiple of 16 elements apart (AVX2, where those of a are contiguous, too: m up to 4). Where group is more than 1,
 *   not from rows to columns, and of columns those that begin on a cache line, if group divides 16 or is a multiple of it.
 *
 * SPNM_E_NULL         a or out is NULL; rng is NULL and the method draws; a->data or out->data is NULL
 *                     and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
 *                     options->flags, a->reserved or out->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      n, m, group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
 * SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of a and out differ; rng->col0 is not a multiple of m, or rng->row0
 *                     not of group (methods that draw)
 * SPNM_E_STRIDE       elements of out share memory
 * SPNM_E_OVERFLOW     as for spnm_compress
 * SPNM_E_OVERLAP      out is not a, and overlaps it
 * SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
 * SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
 */
spnm_status spnm_prune(const struct spnm_options *options,
                       uint32_t method,
                       const struct spnm_rng *rng,
                       uint32_t n,
                       uint32_t m,
                       uint32_t group,
                       const struct spnm_matrix *a,
                       const struct spnm_matrix *out);

/**
 * Writes a compressed matrix as a dense one with zeros.
 *
 * Shapes: a and out are rows x cols; out of any strides. 0 rows or columns are a valid no-op.
 * Units: strides of out in elements, a->ld_values in elements, a->ld_meta in bytes.
 * Malformed metadata: memory-safe; an index counts modulo m, of equal indices the last one wins, and
 *   one that points past cols is dropped. See spnm_validate.
 * Determinism: the same bits everywhere. Threads and memory: those of options->pool, or the calling
 *   thread; no working memory.
 * Speed: 32 MiB and more of contiguous rows of 512 columns and more, or of contiguous columns a multiple of 16 elements apart,
 *   are written past the caches by AVX2 and AVX-512.
 * Aliasing: out must not overlap a->values or a->meta, as ranges of addresses. NaN: copied.
 *
 * SPNM_E_NULL         a or out is NULL; a->values, a->meta or out->data is NULL and the matrix has
 *                     elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags or out->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      a->n, a->m, a->group are no supported pattern
 * SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of a and out differ
 * SPNM_E_STRIDE       a->ld_values or a->ld_meta is smaller than a row; elements of out share memory
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
 * SPNM_E_OVERLAP      out overlaps a->values or a->meta
 * SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
 */
spnm_status spnm_decompress(const struct spnm_options *options,
                            const struct spnm_compressed *a,
                            const struct spnm_matrix *out);

/**
 * Checks metadata: the indices of each group ascending and below m, padding bits zero.
 *
 * The other functions do not need it: on malformed metadata they are memory-safe. Use it on what comes
 * from elsewhere. Reads a->meta alone. An index that points past cols, into the padding of a short last
 * group, is well formed.
 *
 * Output: *bad_row and *bad_group, written with SPNM_E_META alone: the first row with a malformed
 *   group (where rows share indices, the first of those) and that group, or the number of groups
 *   where only the row's padding bits are set. Either pointer may be NULL where the place is of no
 *   interest.
 *
 * SPNM_E_NULL      a is NULL; a->values or a->meta is NULL and the matrix has elements
 * SPNM_E_PATTERN   a->n, a->m, a->group are no supported pattern
 * SPNM_E_DTYPE     a->dtype is not SPNM_F32
 * SPNM_E_STRIDE    a->ld_values or a->ld_meta is smaller than a row
 * SPNM_E_OVERFLOW  an extent exceeds the address space; rows >= 2^31, groups >= 2^32
 * SPNM_E_META      the metadata is malformed
 * SPNM_E_PANIC     a bug
 */
spnm_status spnm_validate(const struct spnm_compressed *a,
                          size_t *bad_row,
                          size_t *bad_group);

/**
 * The compressed product: C = alpha * A.B + beta * C.
 *
 * Formula: element (i, j) of C is one chain of fused multiply-adds over the kept entries of row i, k
 *   ascending, that starts from beta * C (beta 0: from +0, and C is not read; 1: from C; else
 *   rounded once). alpha other than 1 first multiplies each kept value (rounded once).
 * Shapes: a rows x inner (a->cols is inner), b inner x cols, c rows x cols; b and c of any strides. rows
 *   or cols 0: a valid no-op. inner 0: C = beta * C.
 * Units: strides in elements, a->ld_values in elements, a->ld_meta in bytes.
 * Malformed metadata: memory-safe; an index counts modulo m. See spnm_validate.
 * Determinism: the same bits on every level and CPU, for every number of threads, and however the
 *   caller cuts rows and columns of C into calls.
 * Groups of rows: where g = a->group > 1 rows share indices, each row of B is loaded once for up to 8 of
 *   them at a time; the bits are those of the chains above.
 * Threads and memory: those of options->pool, or the calling thread. Working memory of less
 *   than 1 MiB a thread: with a pool it is kept there and reused. Without one it is kept for later calls of
 *   the process, of up to 16 threads at once; a call beyond that allocates and frees its own.
 * Aliasing: c must not overlap b; views that interleave in one buffer (above) do not. Nor may c overlap
 *   a->values or a->meta, as ranges of addresses.
 * NaN: kept entries multiply, zeros that fill a group included; pruned ones do not, so a NaN or
 *   infinity in B reaches C through kept entries alone. An index that points past inner counts as a
 *   zero of alpha's sign times +0, whatever its value: all that it can do is turn a sum of -0 into +0.
 *   beta = 0 ignores what C holds.
 *
 * SPNM_E_NULL         a, b or c is NULL; a->values, a->meta, b->data or c->data is NULL and that matrix
 *                     has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags, b->reserved or c->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      a->n, a->m, a->group are no supported pattern
 * SPNM_E_DTYPE        a->dtype, b->dtype or c->dtype is not SPNM_F32
 * SPNM_E_SHAPE        a->cols and b->rows, a->rows and c->rows, or b->cols and c->cols differ
 * SPNM_E_STRIDE       a->ld_values or a->ld_meta is smaller than a row; elements of c share memory
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
 * SPNM_E_OVERLAP      c overlaps b, a->values or a->meta
 * SPNM_E_MEMORY       the working memory could not be had
 * SPNM_E_PANIC        a bug; c may be partly written. After every other error it is untouched.
 */
spnm_status spnm_gemm(const struct spnm_options *options,
                      float alpha,
                      const struct spnm_compressed *a,
                      const struct spnm_matrix *b,
                      float beta,
                      const struct spnm_matrix *c);

/**
 * The factor of least mean squared error for a soft-thresholded matrix:
 * *scale = <w, S(w)> / <S(w), S(w)>, where S prunes by SPNM_SOFT_THRESHOLD (S-STE, arXiv 2409.09099).
 *
 * One pass over w. 1 if S(w) is zero everywhere (w is zero, or the n + 1 largest magnitudes of every group
 * are equal) or w has no elements.
 *
 * Shapes: w of any shape and strides; groups are m consecutive entries of a row, a short last one behaves
 *   as if it were padded with zeros. 0 rows or columns are fine.
 * Units: strides in elements.
 * Determinism: sums in binary64 over exact products, in an order that is a function of the shape alone, and
 *   one division: the same bits everywhere, for every storage of w.
 * Threads and memory: those of options->pool, or the calling thread; no working memory.
 * NaN: a NaN or infinity in w, or a group whose sum of magnitudes is not finite, makes it NaN.
 * Output: *scale, written on success alone.
 *
 * SPNM_E_NULL         w or scale is NULL; w->data is NULL and w has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags or w->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      n, m are no supported pattern
 * SPNM_E_DTYPE        w->dtype is not SPNM_F32
 * SPNM_E_OVERFLOW     the extent of w exceeds the address space
 * SPNM_E_PANIC        a bug; *scale is untouched, as after every other error.
 */
spnm_status spnm_soft_threshold_scale(const struct spnm_options *options,
                                      uint32_t n,
                                      uint32_t m,
                                      const struct spnm_matrix *w,
                                      double *scale);

/**
 * The training step in one call: C = alpha * pruned(A).B + beta * C, with the bits of spnm_compress
 * followed by spnm_gemm. The compressed matrix never leaves the cache.
 *
 * The weight gradient of Y = X.W^T (X tokens x in, W out x in, D = dL/dY tokens x out, all row-major) is
 * dW = D^T.X: a = {D, out, tokens, 1, out} (a transpose by strides: groups run along the tokens),
 * b = X, c = dW.
 *
 * Shapes: a rows x inner (a->cols is inner), b inner x cols, c rows x cols, of any strides each. rows
 *   or cols 0: a valid no-op. inner 0: C = beta * C.
 * Aliasing: c must not overlap a or b. Views that interleave in one buffer (above) do not overlap.
 * rng, NaN in A: as for spnm_compress. Formula, Units, Determinism, Threads and memory, NaN in B: as for
 *   spnm_gemm.
 *
 * SPNM_E_NULL         a, b or c is NULL; rng is NULL and the method draws; a->data, b->data or c->data is
 *                     NULL and that matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
 *                     options->flags or reserved of a, b or c is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      n, m, group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
 * SPNM_E_DTYPE        dtype of a, b or c is not SPNM_F32
 * SPNM_E_SHAPE        a->cols and b->rows, a->rows and c->rows, or b->cols and c->cols differ; rng->col0
 *                     is not a multiple of m, or rng->row0 not of group (methods that draw)
 * SPNM_E_STRIDE       elements of c share memory
 * SPNM_E_OVERFLOW     as for spnm_compress
 * SPNM_E_OVERLAP      c overlaps a or b
 * SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
 * SPNM_E_MEMORY       the working memory could not be had
 * SPNM_E_PANIC        a bug; c may be partly written. After every other error it is untouched.
 */
spnm_status spnm_prune_gemm(const struct spnm_options *options,
                            uint32_t method,
                            const struct spnm_rng *rng,
                            uint32_t n,
                            uint32_t m,
                            uint32_t group,
                            float alpha,
                            const struct spnm_matrix *a,
                            const struct spnm_matrix *b,
                            float beta,
                            const struct spnm_matrix *c);

/**
 * Prunes W by transposable masks, and compresses it and its transpose, in one pass: one mask by which
 * both are 2:4, so that the products with W and with W^T can both be compressed.
 *
 * The forward product of Y = X.W^T (X tokens x in, W out x in) is Y^T = W.X^T with *out; the input
 * gradient dX = D.W (D = dL/dY, tokens x out) is dX^T = W^T.D^T with *out_t. For weights: entries are
 * kept as they are. (arXiv 2404.01847; 2102.08124.)
 *
 * Formula: each 4 x 4 tile of W gets the mask with two kept entries in every row and every column, of
 *   which there are 90, that keeps the greatest sum of magnitudes. The sum is formed in f32: the two
 *   magnitudes kept in each row, then rows 0 and 1, rows 2 and 3, then these two. Of masks with the
 *   greatest sum the first is taken, in the lexicographic order of the pairs kept in rows 0, 1, 2,
 *   3, where the pairs of a row are 01, 02, 03, 12, 13, 23 in this order.
 * Form: a group holds exactly the two indices of its mask, ascending. Zeros that it keeps stay where
 *   they are, as +0: they are not moved to the highest free positions, as by spnm_compress.
 * Shapes: w and out are rows x cols, out_t is cols x rows. Tiles at the edges behave as if W were
 *   padded with zeros; an index may then lie past the columns. 0 rows or columns are a valid no-op.
 * Outputs: either of out and out_t may be NULL, not both.
 * Units: strides of w in elements, ld_values in elements, ld_meta in bytes. Rows contiguous
 *   (col_stride 1) and columns contiguous (row_stride 1) are fast; others work.
 * Determinism: every bit is a function of the tile alone. What lies between the rows of the outputs is
 *   not written.
 * Threads and memory: those of options->pool, or the calling thread. No working memory.
 * Aliasing: w, and values and meta of both outputs, must not overlap: as ranges of addresses, gaps
 *   between rows included.
 * NaN: a tile with a NaN or infinity, or whose magnitudes have no finite sum, takes the first mask (01,
 *   01, 23, 23), and what this keeps becomes NaN, the tile's entry (0, 0) among it: it never vanishes.
 *
 * SPNM_E_NULL         w is NULL, or both outputs are; w->data, or values or meta of an output, is NULL
 *                     and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags or w->reserved is not 0; group of an output is not 1
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      n, m of an output are not 2, 4, or its group is not 1 to 64
 * SPNM_E_DTYPE        w->dtype, or dtype of an output, is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of w and out differ, or those of w and cols or rows of out_t
 * SPNM_E_STRIDE       ld_values or ld_meta of an output is smaller than a row
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows or cols >= 2^31
 * SPNM_E_OVERLAP      the addresses of two of w and the values and meta of the outputs overlap
 * SPNM_E_PANIC        a bug; outputs may be partly written. After every other error they are untouched.
 */
spnm_status spnm_compress_transposable(const struct spnm_options *options,
                                       const struct spnm_matrix *w,
                                       const struct spnm_compressed *out,
                                       const struct spnm_compressed *out_t);

/**
 * Prunes W by transposable masks, and writes it as a dense matrix with zeros: the selection of
 * spnm_compress_transposable.
 *
 * Shapes: w and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
 * Aliasing: out may be w itself (the same elements at the same places); otherwise they must not overlap. Views
 *   that interleave in one buffer (above) do not.
 * Formula, Units, Determinism, Threads and memory, NaN: as for spnm_compress_transposable.
 *
 * SPNM_E_NULL         w or out is NULL; w->data or out->data is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags, w->reserved or out->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_DTYPE        w->dtype or out->dtype is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of w and out differ
 * SPNM_E_STRIDE       elements of out share memory
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows or cols >= 2^31
 * SPNM_E_OVERLAP      out is not w, and overlaps it
 * SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
 */
spnm_status spnm_prune_transposable(const struct spnm_options *options,
                                    const struct spnm_matrix *w,
                                    const struct spnm_matrix *out);

/**
 * Stochastic threshold pruning (arXiv 2006.08173), unbiased and without a pattern: an entry x with
 * |x| >= alpha stays as it is; another becomes sign(x) alpha with probability |x| / alpha, else +0.
 *
 * Formula: with u = ((r >> 9) + 0.5) * 2^-23 of the entry's random word r, x below alpha is kept where
 *   u * alpha < |x|, rounded once each. alpha 0 copies.
 * Shapes: a and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
 * Units: strides in elements.
 * rng: never NULL. The word of an entry is a function of seed, stream, row and column, and none that
 *   SPNM_MVUE draws; rng->col0 may be any column.
 * Determinism: the same bits everywhere. Threads and memory: those of options->pool, or the calling
 *   thread; no working memory.
 * Aliasing: out may be a itself (the same elements at the same places); otherwise they must not overlap. NaN and
 *   infinity stay as they are.
 *
 * SPNM_E_NULL         rng, a or out is NULL; a->data or out->data is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags, a->reserved or out->reserved is not 0; alpha is negative, infinite
 *                     or NaN
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
 * SPNM_E_SHAPE        rows or cols of a and out differ
 * SPNM_E_STRIDE       elements of out share memory
 * SPNM_E_OVERFLOW     an extent exceeds the address space; row0 + rows > 2^31; col0 + cols > 2^32
 * SPNM_E_OVERLAP      out is not a, and overlaps it
 * SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
 */
spnm_status spnm_prune_threshold(const struct spnm_options *options,
                                 const struct spnm_rng *rng,
                                 float alpha,
                                 const struct spnm_matrix *a,
                                 const struct spnm_matrix *out);

/**
 * Fits a lognormal distribution to the magnitudes of A (arXiv 2006.08173): mean and standard deviation of
 * ln|x|, and the share of zeros.
 *
 * NaN: NaNs and infinities count as entries that are not zero, and are left out of mu and sigma.
 * Shapes: a of any strides; without elements all three numbers are 0. One pass by tiles of 64 x 64 (a single
 *   column costs as much as 64), sums in binary64. sigma is off by up to about 10^-6 |mu|.
 * Determinism: the same bits everywhere, for every storage of A. Threads and memory: those of
 *   options->pool, or the calling thread; no working memory.
 * Output: *fit, whose struct_size the caller has set, and bytes up to that size behind the known fields become
 *   0; written on success alone.
 *
 * SPNM_E_NULL         a or fit is NULL; a->data is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size or fit->struct_size is invalid
 * SPNM_E_OPTION       options->flags or a->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_DTYPE        a->dtype is not SPNM_F32
 * SPNM_E_OVERFLOW     an extent exceeds the address space
 * SPNM_E_PANIC        a bug
 */
spnm_status spnm_lognormal_fit(const struct spnm_options *options,
                               const struct spnm_matrix *a,
                               struct spnm_lognormal *fit);

/**
 * The threshold at which spnm_prune_threshold is expected to leave the share `sparsity` of zeros in a
 * matrix whose magnitudes are distributed as `fit` says (arXiv 2006.08173).
 *
 * Formula: zeros that are there already count, so the rest is pruned to S = (sparsity - zeros) /
 *   (1 - zeros); where zeros >= sparsity the threshold is 0. With s = sigma, *alpha is a exp(mu) for the a
 *   that solves S = 1/2 + (e^(s^2/2) erf(s/sqrt2 - ln a/(sqrt2 s)) + a erf(ln a/(sqrt2 s)) - e^(s^2/2)) / (2a);
 *   for s = 0, a = 1 / (1 - S). At most the largest float.
 * Output: *alpha, written on success alone.
 *
 * SPNM_E_NULL         fit or alpha is NULL
 * SPNM_E_STRUCT_SIZE  fit->struct_size is invalid
 * SPNM_E_OPTION       sparsity is not at least 0 and below 1; fit->mu is not finite; fit->sigma is
 *                     negative or not finite; fit->zeros is not from 0 to 1; a field that is not known is
 *                     not 0
 * SPNM_E_PANIC        a bug
 */
spnm_status spnm_threshold_for_sparsity(const struct spnm_lognormal *fit,
                                        double sparsity,
                                        float *alpha);

/**
 * What pruning A to n:m would do to it, in one pass and without pruning it: energy, variances, errors and
 * shares (the criterion of arXiv 2203.10991 for choosing the pattern of a tensor). See spnm_analysis.
 *
 * group, 1 to 64: that many consecutive rows share one set of indices (the last rows may be fewer); a block's
 *   entries are then columns of so many rows, and count by their 2-norms, as where such a group is pruned.
 * Shapes: a of any strides; groups of m run along its columns, a short last one padded with zeros.
 * NaN: with a NaN or infinity in A the energy is infinite or NaN, and all else but zeros is NaN. Where
 *   the magnitudes of a group have no finite sum in binary32, so that pruning turns it into NaN, all but energy
 *   and zeros is NaN.
 * Determinism: the same bits everywhere, for every storage of A. Threads and memory: those of
 *   options->pool, or the calling thread; no working memory.
 * Output: *analysis, whose struct_size the caller has set, and bytes up to that size behind the known fields
 *   become 0; written on success alone.
 *
 * SPNM_E_NULL         a or analysis is NULL; a->data is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size or analysis->struct_size is invalid
 * SPNM_E_OPTION       options->flags or a->reserved is not 0
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      n:m is not supported, or group is not from 1 to 64
 * SPNM_E_DTYPE        a->dtype is not SPNM_F32
 * SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
 * SPNM_E_PANIC        a bug
 */
spnm_status spnm_analyse(const struct spnm_options *options,
                         uint32_t n,
                         uint32_t m,
                         uint32_t group,
                         const struct spnm_matrix *a,
                         struct spnm_analysis *analysis);

/**
 * The sparsest pattern whose relative variance under SPNM_MVUE (mvue_variance / energy of spnm_analyse) is at
 * most max_relative_variance: the least n / m, and of equals the one with the least variance, which is that of the
 * longest group: m is 16 but for ties. To choose among other patterns, compare what spnm_analyse says of each.
 *
 * If no pattern will do, *n = *m = 1: keep everything (which is no pattern that other functions take). So it
 *   is for a matrix with a NaN or infinity. For zeros alone the relative variance is 0.
 * group, Shapes, Determinism, Threads and memory: as for spnm_analyse. A is read once for every pattern that
 *   is looked at, the sparsest first.
 * Output: *n and *m, written on success alone.
 *
 * SPNM_E_NULL         a, n or m is NULL; a->data is NULL and the matrix has elements
 * SPNM_E_STRUCT_SIZE  options->struct_size is invalid
 * SPNM_E_OPTION       options->flags or a->reserved is not 0; max_relative_variance is negative or NaN
 * SPNM_E_ISA          options->isa is unknown or not available
 * SPNM_E_PATTERN      group is not from 1 to 64
 * SPNM_E_DTYPE        a->dtype is not SPNM_F32
 * SPNM_E_OVERFLOW     as for spnm_analyse
 * SPNM_E_PANIC        a bug
 */
spnm_status spnm_recommend(const struct spnm_options *options,
                           uint32_t group,
                           const struct spnm_matrix *a,
                           double max_relative_variance,
                           uint32_t *n,
                           uint32_t *m);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPNM_H */
