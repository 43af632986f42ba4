//! Transposable masks. The order of checks is that of [`functions`](super::functions).

use super::arguments::{Where, dtypes, read, zeros};
use super::guard::compute;
use super::refused::Refused;
use super::types::*;
use crate::ops;

/// Prunes W by transposable masks, and compresses it and its transpose, in one pass: one mask by which
/// both are 2:4, so that the products with W and with W^T can both be compressed.
///
/// The forward product of Y = X.W^T (X tokens x in, W out x in) is Y^T = W.X^T with *out; the input
/// gradient dX = D.W (D = dL/dY, tokens x out) is dX^T = W^T.D^T with *out_t. For weights: entries are
/// kept as they are. (arXiv 2404.01847; 2102.08124.)
///
/// Formula: each 4 x 4 tile of W gets the mask with two kept entries in every row and every column, of
///   which there are 90, that keeps the greatest sum of magnitudes. The sum is formed in f32: the two
///   magnitudes kept in each row, then rows 0 and 1, rows 2 and 3, then these two. Of masks with the
///   greatest sum the first is taken, in the lexicographic order of the pairs kept in rows 0, 1, 2,
///   3, where the pairs of a row are 01, 02, 03, 12, 13, 23 in this order.
/// Form: a group holds exactly the two indices of its mask, ascending. Zeros that it keeps stay where
///   they are, as +0: they are not moved to the highest free positions, as by spnm_compress.
/// Shapes: w and out are rows x cols, out_t is cols x rows. Tiles at the edges behave as if W were
///   padded with zeros; an index may then lie past the columns. 0 rows or columns are a valid no-op.
/// Outputs: either of out and out_t may be NULL, not both.
/// Units: strides of w in elements, ld_values in elements, ld_meta in bytes. Rows contiguous
///   (col_stride 1) and columns contiguous (row_stride 1) are fast; others work.
/// Determinism: every bit is a function of the tile alone. What lies between the rows of the outputs is
///   not written.
/// Threads and memory: those of options->pool, or the calling thread. No working memory.
/// Aliasing: w, and values and meta of both outputs, must not overlap: as ranges of addresses, gaps
///   between rows included.
/// NaN: a tile with a NaN or infinity, or whose magnitudes have no finite sum, takes the first mask (01,
///   01, 23, 23), and what this keeps becomes NaN, the tile's entry (0, 0) among it: it never vanishes.
///
/// SPNM_E_NULL         w is NULL, or both outputs are; w->data, or values or meta of an output, is NULL
///                     and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags or w->reserved is not 0; group of an output is not 1
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_PATTERN      n, m of an output are not 2, 4, or its group is not 1 to 64
/// SPNM_E_DTYPE        w->dtype, or dtype of an output, is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of w and out differ, or those of w and cols or rows of out_t
/// SPNM_E_STRIDE       ld_values or ld_meta of an output is smaller than a row
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows or cols >= 2^31
/// SPNM_E_OVERLAP      the addresses of two of w and the values and meta of the outputs overlap
/// SPNM_E_PANIC        a bug; outputs may be partly written. After every other error they are untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_compress_transposable(
    options: *const spnm_options,
    w: *const spnm_matrix,
    out: *const spnm_compressed,
    out_t: *const spnm_compressed,
) -> spnm_status {
    compute(|| {
        if out.is_null() && out_t.is_null() {
            return Err(Refused::null("out and out_t"));
        }
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let given = |name, out: *const spnm_compressed| {
                (!out.is_null()).then(|| read(name, out)).transpose()
            };
            let (w, outs) = (read("w", w)?, [given("out", out)?, given("out_t", out_t)?]);
            let place = Where::read(options)?;
            zeros([("w->reserved", w.reserved)])?;
            let mut views = [None, None];
            for (view, out) in views.iter_mut().zip(&outs) {
                if let Some(out) = out {
                    let pattern = out.pattern()?;
                    ops::two_of_four(pattern)?;
                    *view = Some(out.view_mut(pattern));
                }
            }
            dtypes([("w->dtype", w.dtype)])?;
            for (name, out) in ["out->dtype", "out_t->dtype"].into_iter().zip(outs) {
                dtypes([(name, out.map_or(SPNM_F32, |out| out.dtype))])?;
            }
            let [out, out_t] = views;
            Ok(ops::compress_transposable(&place.options(), w.view(), out, out_t)?)
        }
    })
}

/// Prunes W by transposable masks, and writes it as a dense matrix with zeros: the selection of
/// spnm_compress_transposable.
///
/// Shapes: w and out are rows x cols, of any strides each. 0 rows or columns are a valid no-op.
/// Aliasing: out may be w itself (the same elements at the same places); otherwise they must not overlap. Views
///   that interleave in one buffer (above) do not.
/// Formula, Units, Determinism, Threads and memory, NaN: as for spnm_compress_transposable.
///
/// SPNM_E_NULL         w or out is NULL; w->data or out->data is NULL and the matrix has elements
/// SPNM_E_STRUCT_SIZE  options->struct_size is invalid
/// SPNM_E_OPTION       options->flags, w->reserved or out->reserved is not 0
/// SPNM_E_ISA          options->isa is unknown or not available
/// SPNM_E_DTYPE        w->dtype or out->dtype is not SPNM_F32
/// SPNM_E_SHAPE        rows or cols of w and out differ
/// SPNM_E_STRIDE       elements of out share memory
/// SPNM_E_OVERFLOW     an extent exceeds the address space; rows or cols >= 2^31
/// SPNM_E_OVERLAP      out is not w, and overlaps it
/// SPNM_E_PANIC        a bug; out may be partly written. After every other error it is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_prune_transposable(
    options: *const spnm_options,
    w: *const spnm_matrix,
    out: *const spnm_matrix,
) -> spnm_status {
    compute(|| {
        // SAFETY: structs and memory are as the header asks.
        unsafe {
            let (w, out) = (read("w", w)?, read("out", out)?);
            let place = Where::read(options)?;
            zeros([("w->reserved", w.reserved), ("out->reserved", out.reserved)])?;
            dtypes([("w->dtype", w.dtype), ("out->dtype", out.dtype)])?;
            Ok(ops::prune_transposable(&place.options(), w.view(), out.view_mut())?)
        }
    })
}
