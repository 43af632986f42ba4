//! Back from N:M form to a dense row.

use super::Lanes;
use super::lanes::{MAX_LANES, copy_in, copy_out, unpack_codes};
use super::room::Room;
use crate::kernels::ExpandJob;
use crate::pattern::index_bits;

const CHUNK: usize = 64;
/// M from which on values are written one by one: a selection for each of so many entries costs more.
const SCATTERED: usize = 16;

/// Dense rows of compressed ones: a group to a lane, entry i being the value whose index is i, or +0.
///
/// # Safety
/// The contract of [`ExpandFn`](crate::kernels::ExpandFn).
#[inline(always)]
pub(crate) unsafe fn rows<L: Lanes, const N: usize, const M: usize>(l: L, job: &ExpandJob) {
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    let mut codes = [0u32; CHUNK];
    // The last values of a row, as many in every row, where they are no whole vectors: zeros behind them stay.
    let mut padded = [0.0; 8 * MAX_LANES];
    for i in 0..job.rows {
        // SAFETY: row i of the values, of the metadata and of the output.
        let (values, meta, out) = unsafe {
            (
                job.values.add(i * job.ld_values),
                job.meta.add(i * job.ld_meta),
                job.out.offset(i.cast_signed() * job.out_stride),
            )
        };
        let mut first = 0;
        while first < groups {
            let count = CHUNK.min(groups - first);
            // SAFETY: `first` is a multiple of 64, so its codes begin on this byte.
            unsafe { unpack_codes(meta.add(first / 8 * bits), bits, count, codes.as_mut_ptr()) };
            let mut v = 0;
            if M == SCATTERED && (first + count) * M <= job.cols {
                // SAFETY: the values and entries of whole groups.
                unsafe {
                    let (values, out) = (values.add(first * N), out.add(first * M));
                    scatter::<L, N, M>(l, &codes[..count], values, out);
                }
                v = count;
            }
            while v < count {
                let g = first + v;
                let whole = (g + L::COUNT) * M <= job.cols;
                // SAFETY: whole: the values and entries of COUNT groups; else those that exist.
                unsafe {
                    let code = l.load_u(codes.as_ptr().add(v));
                    let kept = if whole {
                        l.load_runs::<N>(values.add(g * N))
                    } else {
                        copy_in(l, values.add(g * N), padded.as_mut_ptr(), (groups - g) * N);
                        l.load_runs::<N>(padded.as_ptr())
                    };
                    let x: [_; M] = spread(l, kept, code);
                    if whole {
                        l.store_runs(out.add(g * M), x);
                    } else {
                        // No more is read of the buffer than is written first.
                        let mut padded = Room::<f32, { 16 * MAX_LANES }>::new();
                        l.store_runs(padded.pointer(), x);
                        copy_out(l, padded.pointer(), out.add(g * M), job.cols - g * M);
                    }
                }
                v += L::COUNT;
            }
            first += CHUNK;
        }
    }
}

/// Whole groups of [`SCATTERED`] entries: zeros, and the values over them.
///
/// # Safety
/// Their values are readable, and as many groups of entries writable.
#[inline(always)]
unsafe fn scatter<L: Lanes, const N: usize, const M: usize>(
    l: L,
    codes: &[u32],
    values: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise; an index is below M.
    unsafe {
        const { assert!(SCATTERED.is_multiple_of(L::COUNT), "whole vectors") };
        for at in (0..codes.len() * M).step_by(L::COUNT) {
            l.store(to.add(at), l.splat(0.0));
        }
        for (g, &code) in codes.iter().enumerate() {
            for k in 0..N {
                let index = code as usize >> (k * index_bits(M)) & (M - 1);
                let value = values.add(g * N + k).read_unaligned();
                to.add(g * M + index).write_unaligned(value);
            }
        }
    }
}

/// Entry i of each group: the value whose index is i, of several the last, or +0.
#[inline(always)]
pub(super) fn spread<L: Lanes, const N: usize, const M: usize>(
    l: L,
    kept: [L::F; N],
    code: L::U,
) -> [L::F; M] {
    let mut x = [l.splat(0.0); M];
    for (k, &kept) in kept.iter().enumerate() {
        let index = l.and_u(l.shr(code, (k * index_bits(M)) as u32), l.splat_u(M as u32 - 1));
        for (i, x) in x.iter_mut().enumerate() {
            *x = l.select(l.eq_u(index, l.splat_u(i as u32)), kept, *x);
        }
    }
    x
}
