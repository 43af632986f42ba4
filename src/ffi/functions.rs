//! The operations. Each reads its structs (NULL, then `options`, method, reserved fields, pattern,
//! dtype, in this order), then leaves the other checks, and the work, to [`ops`](crate::ops).

use super::arguments::{Where, dtypes, method, not_null, pattern, read, zeros};
use super::guard::{compute, guard};
use super::refused::Refused;
use super::types::*;
use crate::error::Error;
use crate::ops;

/// The smallest leading dimensions of the compressed form of a rows x cols matrix.
///
/// Formula: with groups = ceil(cols / m) and index widths w = 1, 2, 4, 4 bits for m = 2, 4, 8, 16:
/// *ld_values = groups * n elements, *ld_meta = ceil(groups * n * w / 8) bytes.
///
/// The buffers then need rows * *ld_values elements and ceil(rows / group) * *ld_meta bytes; group is the
/// number of consecutive rows that share one set of indices.
///
/// Output: *ld_values, *ld_meta, written on success alone
///
/// SPNM_E_NULL      ld_values or ld_meta is NULL
/// SPNM_E_PATTERN   n:m is not supported, or group is not 1 .. 64
/// SPNM_E_OVERFLOW  rows >= 2^31, groups in a row >= 2^32, or a buffer would exceed the address space
/// SPNM_E_PANIC     a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_compressed_layout(
    rows: usize,
    cols: usize,
    n: u32,
    m: u32,
    group: u32,
    ld_values: *mut usize,
    ld_meta: *mut usize,
) -> spnm_status {
    guard(|| {
        not_null("ld_values", ld_values)?;
        not_null("ld_meta", ld_meta)?;
        let layout = ops::layout(rows, cols, pattern(n, m, group)?)?;
        // SAFETY: not NULL, and the caller vouches for them.
        unsafe {
            ld_values.write_unaligned(layout.0);
            ld_meta.write_unaligned(layout.1);
        }
        Ok(())
    })
}

/// Prunes A and compresses it, in one pass: out = compressed(method(A)).
///
/// Shapes: a and out are rows x cols; groups are m consecutive entries of a row. A short last group
///   behaves as if it were padded with zeros. 0 rows or columns are a valid no-op.
/// Units: the strides of a in elements, out->ld_values in elements, out->ld_meta in bytes. Rows
///   contiguous (col_stride 1) and columns contiguous (row_stride 1) are fast; others work.
/// Groups of rows: with out->group = g > 1 (vector-wise N:M), rows g i .. g i + g - 1 share one set of
///   indices; the last such group may have fewer. In the formulas of the methods the norm
///   |x| = sqrt(sum of x_r^2 over its rows r) of a position takes the place of a magnitude. MVUE keeps a
///   position with probability p = min(1, |x| / tau) and returns x_r / p in every row: unbiased, with the
///   least variance of all estimates that share indices, sum over positions and rows of x_r^2 (1/p - 1).
///   Squares are scaled, so that overflow or underflow cannot affect a norm. The random word is that of the first
///   row, so rng->row0 is a multiple of g. SPNM_KEEP: a position is non-zero where any row is.
/// rng: read by the methods that draw random numbers (SPNM_MVUE, SPNM_MVUE_APPROX); may be NULL for the
///   others.
/// Determinism: every bit of out is a function of A, the method, the pattern, seed, stream and the
///   position alone. What lies between the rows of out is not written.
/// Threads and memory: those of options->pool, or the calling thread. No working memory.
/// Speed: 32 MiB of values and more, of contiguous columns and of groups of one row, are written past the caches by AVX2 and
///   AVX-512 where ld_values is a multiple of 16 and out->values is aligned to 4 n bytes; this is faster, and fastest where
///   out->values and A begin on a cache line.
/// Aliasing: values, meta and A must not overlap: as ranges of addresses, gaps between rows included.
/// NaN: a NaN or infinity, or a sum of magnitudes that is not finite, poisons its group: its values
///   become NaN at indices 0 .. n - 1, so it never vanishes. SPNM_KEEP keeps them as they are. Zeros that
///   are kept come out as +0; what SPNM_SOFT_THRESHOLD makes a zero, |x| = t, keeps its sign.
///
/// SPNM_E_NULL         a or out is NULL; rng is NULL and the method draws; a->data, out->values or
///                     out->meta is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
///                     options->flags or a->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      out->n, out->m, out->group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
/// SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of a and out differ; rng->col0 is not a multiple of m, or rng->row0
///                     not of group (methods that draw)
/// SPNM_E_STRIDE       out->ld_values or out->ld_meta is smaller than a row
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32; for a drawing
///                     method row0 + rows > 2^31 or col0 / m + groups > 2^32
/// SPNM_E_OVERLAP      the addresses of two of out->values, out->meta and a overlap
/// SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
/// SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_compress(
    options: *const spnm_options,
    method: u32,
    rng: *const spnm_rng,
    a: *const spnm_matrix,
    out: *const spnm_compressed,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (a, out) = (read("a", a)?, read("out", out)?);
            let place = Where::read(options)?;
            let method = self::method(method, rng)?;
            zeros([("a->reserved", a.reserved)])?;
            let pattern = out.pattern()?;
            dtypes([("a->dtype", a.dtype), ("out->dtype", out.dtype)])?;
            Ok(ops::compress(&place.options(), method, a.view(), out.view_mut(pattern))?)
        }
    })
}

/// Prunes A, and writes it as a dense matrix with zeros: the selection of spnm_compress, then
/// spnm_decompress, without the compressed form.
///
/// Shapes: a and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
/// Aliasing: out may be a itself (the same elements at the same places); otherwise they must not overlap. Views
///   that interleave in one buffer (above) do not.
/// Units, rng, Determinism, Threads and memory, NaN: as for spnm_compress.
/// Speed: contiguous columns of a (row_stride 1) go into contiguous columns of out directly where group is 1. 32 MiB and more
///   are written past the caches by AVX2 and AVX-512: contiguous rows of 512 columns and more; contiguous columns, those of out a
///   multiple of 16 elements apart (AVX2, where those of a are contiguous, too: m up to 4). Where group is more than 1,
///   not from rows to columns, and of columns those that begin on a cache line, if group divides 16 or is a multiple of it.
///
/// SPNM_E_NULL         a or out is NULL; rng is NULL and the method draws; a->data or out->data is NULL
///                     and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
///                     options->flags, a->reserved or out->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      n, m, group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
/// SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of a and out differ; rng->col0 is not a multiple of m, or rng->row0
///                     not of group (methods that draw)
/// SPNM_E_STRIDE       elements of out share memory
/// SPNM_E_OVERFLOW     as for spnm_compress
/// SPNM_E_OVERLAP      out is not a, and overlaps it
/// SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
/// SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_prune(
    options: *const spnm_options,
    method: u32,
    rng: *const spnm_rng,
    n: u32,
    m: u32,
    group: u32,
    a: *const spnm_matrix,
    out: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (a, out) = (read("a", a)?, read("out", out)?);
            let place = Where::read(options)?;
            let method = self::method(method, rng)?;
            zeros([("a->reserved", a.reserved), ("out->reserved", out.reserved)])?;
            let pattern = pattern(n, m, group)?;
            dtypes([("a->dtype", a.dtype), ("out->dtype", out.dtype)])?;
            Ok(ops::prune(&place.options(), method, pattern, a.view(), out.view_mut())?)
        }
    })
}

/// Writes a compressed matrix as a dense one with zeros.
///
/// Shapes: a and out are rows x cols; out of any strides. 0 rows or columns are a valid no-op.
/// Units: strides of out in elements, a->ld_values in elements, a->ld_meta in bytes.
/// Malformed metadata: memory-safe; an index counts modulo m, of equal indices the last one wins, and
///   one that points past cols is dropped. See spnm_validate.
/// Determinism: the same bits everywhere. Threads and memory: those of options->pool, or the calling
///   thread; no working memory.
/// Speed: 32 MiB and more of contiguous rows of 512 columns and more, or of contiguous columns a multiple of 16 elements apart,
///   are written past the caches by AVX2 and AVX-512.
/// Aliasing: out must not overlap a->values or a->meta, as ranges of addresses. NaN: copied.
///
/// SPNM_E_NULL         a or out is NULL; a->values, a->meta or out->data is NULL and the matrix has
///                     elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags or out->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      a->n, a->m, a->group are no supported pattern
/// SPNM_E_DTYPE        a->dtype or out->dtype is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of a and out differ
/// SPNM_E_STRIDE       a->ld_values or a->ld_meta is smaller than a row; elements of out share memory
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
/// SPNM_E_OVERLAP      out overlaps a->values or a->meta
/// SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_decompress(
    options: *const spnm_options,
    a: *const spnm_compressed,
    out: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (a, out) = (read("a", a)?, read("out", out)?);
            let place = Where::read(options)?;
            zeros([("out->reserved", out.reserved)])?;
            let pattern = a.pattern()?;
            dtypes([("a->dtype", a.dtype), ("out->dtype", out.dtype)])?;
            Ok(ops::decompress(&place.options(), a.view(pattern), out.view_mut())?)
        }
    })
}

/// Checks metadata: the indices of each group ascending and below m, padding bits zero.
///
/// The other functions do not need it: on malformed metadata they are memory-safe. Use it on what comes
/// from elsewhere. Reads a->meta alone. An index that points past cols, into the padding of a short last
/// group, is well formed.
///
/// Output: *bad_row and *bad_group, written with SPNM_E_META alone: the first row with a malformed
///   group (where rows share indices, the first of those) and that group, or the number of groups
///   where only the row's padding bits are set. Either pointer may be NULL where the place is of no
///   interest.
///
/// SPNM_E_NULL      a is NULL; a->values or a->meta is NULL and the matrix has elements
/// SPNM_E_PATTERN   a->n, a->m, a->group are no supported pattern
/// SPNM_E_DTYPE     a->dtype is not SPNM_F32
/// SPNM_E_STRIDE    a->ld_values or a->ld_meta is smaller than a row
/// SPNM_E_OVERFLOW  an extent exceeds the address space; rows >= 2^31, groups >= 2^32
/// SPNM_E_META      the metadata is malformed
/// SPNM_E_PANIC     a bug
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_validate(
    a: *const spnm_compressed,
    bad_row: *mut usize,
    bad_group: *mut usize,
) -> spnm_status {
    guard(|| {
        // SAFETY: structs and memory are as the header asks; the outputs are not NULL where written.
        unsafe {
            let a = read("a", a)?;
            let pattern = a.pattern()?;
            dtypes([("a->dtype", a.dtype)])?;
            let verdict = ops::validate(a.view(pattern));
            if let Err(Error::Meta { row, group }) = verdict {
                for (pointer, value) in [(bad_row, row), (bad_group, group)] {
                    if !pointer.is_null() {
                        pointer.write_unaligned(value);
                    }
                }
            }
            Ok(verdict?)
        }
    })
}

/// The compressed product: C = alpha * A.B + beta * C.
///
/// Formula: element (i, j) of C is one chain of fused multiply-adds over the kept entries of row i, k
///   ascending, that starts from beta * C (beta 0: from +0, and C is not read; 1: from C; else
///   rounded once). alpha other than 1 first multiplies each kept value (rounded once).
/// Shapes: a rows x inner (a->cols is inner), b inner x cols, c rows x cols; b and c of any strides. rows
///   or cols 0: a valid no-op. inner 0: C = beta * C.
/// Units: strides in elements, a->ld_values in elements, a->ld_meta in bytes.
/// Malformed metadata: memory-safe; an index counts modulo m. See spnm_validate.
/// Determinism: the same bits on every level and CPU, for every number of threads, and however the
///   caller cuts rows and columns of C into calls.
/// Groups of rows: where g = a->group > 1 rows share indices, each row of B is loaded once for up to 8 of
///   them at a time; the bits are those of the chains above.
/// Threads and memory: those of options->pool, or the calling thread. Working memory of less
///   than 1 MiB a thread: with a pool it is kept there and reused. Without one it is kept for later calls of
///   the process, of up to 16 threads at once; a call beyond that allocates and frees its own.
/// Aliasing: c must not overlap b; views that interleave in one buffer (above) do not. Nor may c overlap
///   a->values or a->meta, as ranges of addresses.
/// NaN: kept entries multiply, zeros that fill a group included; pruned ones do not, so a NaN or
///   infinity in B reaches C through kept entries alone. An index that points past inner counts as a
///   zero of alpha's sign times +0, whatever its value: all that it can do is turn a sum of -0 into +0.
///   beta = 0 ignores what C holds.
///
/// SPNM_E_NULL         a, b or c is NULL; a->values, a->meta, b->data or c->data is NULL and that matrix
///                     has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags, b->reserved or c->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      a->n, a->m, a->group are no supported pattern
/// SPNM_E_DTYPE        a->dtype, b->dtype or c->dtype is not SPNM_F32
/// SPNM_E_SHAPE        a->cols and b->rows, a->rows and c->rows, or b->cols and c->cols differ
/// SPNM_E_STRIDE       a->ld_values or a->ld_meta is smaller than a row; elements of c share memory
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows >= 2^31, groups >= 2^32
/// SPNM_E_OVERLAP      c overlaps b, a->values or a->meta
/// SPNM_E_MEMORY       the working memory could not be had
/// SPNM_E_PANIC        a bug; c may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_gemm(
    options: *const spnm_options,
    alpha: f32,
    a: *const spnm_compressed,
    b: *const spnm_matrix,
    beta: f32,
    c: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (a, b, c) = (read("a", a)?, read("b", b)?, read("c", c)?);
            let place = Where::read(options)?;
            zeros([("b->reserved", b.reserved), ("c->reserved", c.reserved)])?;
            let pattern = a.pattern()?;
            dtypes([("a->dtype", a.dtype), ("b->dtype", b.dtype), ("c->dtype", c.dtype)])?;
            let (a, b, c) = (a.view(pattern), b.view(), c.view_mut());
            place.with_scratch(|scratch| {
                Ok::<_, Refused>(ops::gemm(&place.options(), scratch, alpha, a, b, beta, c)?)
            })
        }
    })
}

/// The factor of least mean squared error for a soft-thresholded matrix:
/// *scale = <w, S(w)> / <S(w), S(w)>, where S prunes by SPNM_SOFT_THRESHOLD (S-STE, arXiv 2409.09099).
///
/// One pass over w. 1 if S(w) is zero everywhere (w is zero, or the n + 1 largest magnitudes of every group
/// are equal) or w has no elements.
///
/// Shapes: w of any shape and strides; groups are m consecutive entries of a row, a short last one behaves
///   as if it were padded with zeros. 0 rows or columns are fine.
/// Units: strides in elements.
/// Determinism: sums in binary64 over exact products, in an order that is a function of the shape alone, and
///   one division: the same bits everywhere, for every storage of w.
/// Threads and memory: those of options->pool, or the calling thread; no working memory.
/// NaN: a NaN or infinity in w, or a group whose sum of magnitudes is not finite, makes it NaN.
/// Output: *scale, written on success alone.
///
/// SPNM_E_NULL         w or scale is NULL; w->data is NULL and w has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags or w->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      n, m are no supported pattern
/// SPNM_E_DTYPE        w->dtype is not SPNM_F32
/// SPNM_E_OVERFLOW     the extent of w exceeds the address space
/// SPNM_E_PANIC        a bug; *scale is untouched, as after every other error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_soft_threshold_scale(
    options: *const spnm_options,
    n: u32,
    m: u32,
    w: *const spnm_matrix,
    scale: *mut f64,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let w = read("w", w)?;
            not_null("scale", scale)?;
            let place = Where::read(options)?;
            zeros([("w->reserved", w.reserved)])?;
            let pattern = pattern(n, m, 1)?;
            dtypes([("w->dtype", w.dtype)])?;
            scale.write_unaligned(ops::soft_threshold_scale(&place.options(), pattern, w.view())?);
            Ok(())
        }
    })
}

/// The training step in one call: C = alpha * pruned(A).B + beta * C, with the bits of spnm_compress
/// followed by spnm_gemm. The compressed matrix never leaves the cache.
///
/// The weight gradient of Y = X.W^T (X tokens x in, W out x in, D = dL/dY tokens x out, all row-major) is
/// dW = D^T.X: a = {D, out, tokens, 1, out} (a transpose by strides: groups run along the tokens),
/// b = X, c = dW.
///
/// Shapes: a rows x inner (a->cols is inner), b inner x cols, c rows x cols, of any strides each. rows
///   or cols 0: a valid no-op. inner 0: C = beta * C.
/// Aliasing: c must not overlap a or b. Views that interleave in one buffer (above) do not overlap.
/// rng, NaN in A: as for spnm_compress. Formula, Units, Determinism, Threads and memory, NaN in B: as for
///   spnm_gemm.
///
/// SPNM_E_NULL         a, b or c is NULL; rng is NULL and the method draws; a->data, b->data or c->data is
///                     NULL and that matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       unknown method; SPNM_MVUE_APPROX or SPNM_SOFT_THRESHOLD, and group is not 1;
///                     options->flags or reserved of a, b or c is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      n, m, group are no supported pattern; SPNM_MVUE_APPROX, and n is not 2
/// SPNM_E_DTYPE        dtype of a, b or c is not SPNM_F32
/// SPNM_E_SHAPE        a->cols and b->rows, a->rows and c->rows, or b->cols and c->cols differ; rng->col0
///                     is not a multiple of m, or rng->row0 not of group (methods that draw)
/// SPNM_E_STRIDE       elements of c share memory
/// SPNM_E_OVERFLOW     as for spnm_compress
/// SPNM_E_OVERLAP      c overlaps a or b
/// SPNM_E_NOT_NM       SPNM_KEEP, and a group has more than n non-zeros
/// SPNM_E_MEMORY       the working memory could not be had
/// SPNM_E_PANIC        a bug; c may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_prune_gemm(
    options: *const spnm_options,
    method: u32,
    rng: *const spnm_rng,
    n: u32,
    m: u32,
    group: u32,
    alpha: f32,
    a: *const spnm_matrix,
    b: *const spnm_matrix,
    beta: f32,
    c: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (a, b, c) = (read("a", a)?, read("b", b)?, read("c", c)?);
            let place = Where::read(options)?;
            let method = self::method(method, rng)?;
            zeros([
                ("a->reserved", a.reserved),
                ("b->reserved", b.reserved),
                ("c->reserved", c.reserved),
            ])?;
            let pattern = pattern(n, m, group)?;
            dtypes([("a->dtype", a.dtype), ("b->dtype", b.dtype), ("c->dtype", c.dtype)])?;
            let (a, b, c) = (a.view(), b.view(), c.view_mut());
            place.with_scratch(|scratch| {
                let options = &place.options();
                let done = ops::prune_gemm(options, scratch, method, pattern, alpha, a, b, beta, c);
                Ok::<_, Refused>(done?)
            })
        }
    })
}
