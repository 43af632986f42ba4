//! The plainest scalar code: it defines the bits, and the vector kernels are tested against it.

mod estimators;
mod group;
mod tensor;
mod transposable;

use super::{
    CompressJob, CopyJob, ExpandJob, Init, Kernels, LANES, Level, NarrowJob, PatternKernels,
    PatternTiles, Selector, TileJob, Tiles, pattern_kernels, pattern_tiles,
};
use crate::pattern::index_bits;
use crate::rng;

unsafe fn compress<const N: usize, const M: usize>(job: &CompressJob) {
    let groups = job.cols.div_ceil(M);
    for i in 0..job.rows {
        let mut bits = 0u64;
        let mut pending = 0;
        let mut meta = job.meta.wrapping_add(i * job.ld_meta);
        for g in 0..groups {
            let mut x = [0.0; M];
            for (j, x) in x.iter_mut().enumerate() {
                if g * M + j < job.cols {
                    // SAFETY: an entry of A.
                    *x = unsafe { job.entry(i, g * M + j).read_unaligned() };
                }
            }
            let word = |draw| {
                let (row, group) = (job.row0 + i as u32, job.group0 + g as u32);
                rng::word(job.key.seed, job.key.stream, row, group, draw)
            };
            let (kept, index): ([f32; N], [usize; N]) = match job.selector {
                Selector::Keep => estimators::keep(&x),
                Selector::Magnitude => estimators::magnitude(&x),
                Selector::Mvue => estimators::mvue(&x, word(0)),
                Selector::MvueApprox => estimators::mvue_approx(&x, [word(0), word(1)]),
                Selector::SoftThreshold => estimators::soft_threshold(&x),
            };
            if let Some(dense) = &job.dense {
                let mut x = [0.0; M];
                for k in 0..N {
                    x[index[k]] = kept[k];
                }
                for (j, x) in x.into_iter().enumerate().take(job.cols - g * M) {
                    // SAFETY: entry j of group g of row i.
                    unsafe { dense.entry(i, g * M + j).write_unaligned(x) };
                }
                continue;
            }
            for k in 0..N {
                // SAFETY: value k of group g of row i.
                unsafe { job.values.add(i * job.ld_values + g * N + k).write_unaligned(kept[k]) };
                bits |= (index[k] as u64) << pending;
                pending += index_bits(M);
                while pending >= 8 || (g + 1 == groups && k + 1 == N && pending > 0) {
                    // SAFETY: the bytes of the row's metadata, one by one.
                    unsafe {
                        *meta = (bits & 0xFF) as u8;
                        meta = meta.add(1);
                    }
                    bits >>= 8;
                    pending = pending.saturating_sub(8);
                }
            }
        }
    }
}

/// The indices of group `g`, each modulo M.
///
/// # Safety
/// The bytes that hold them must be readable.
unsafe fn indices<const N: usize, const M: usize>(meta: *const u8, g: usize) -> [usize; N] {
    let mut out = [0; N];
    for (k, out) in out.iter_mut().enumerate() {
        let bit = (g * N + k) * index_bits(M);
        // SAFETY: an index does not cross a byte.
        *out = usize::from(unsafe { *meta.add(bit / 8) }) >> (bit % 8) & (M - 1);
    }
    out
}

unsafe fn expand<const N: usize, const M: usize>(job: &ExpandJob) {
    for i in 0..job.rows {
        for g in 0..job.cols.div_ceil(M) {
            let mut x = [0.0; M];
            // SAFETY: the indices and the values of group g of row i, and its entries of `out`.
            unsafe {
                let index = indices::<N, M>(job.meta.add(i * job.ld_meta), g);
                for (k, &index) in index.iter().enumerate() {
                    x[index] = job.values.add(i * job.ld_values + g * N + k).read_unaligned();
                }
                let out = job.out.offset(i.cast_signed() * job.out_stride);
                for (j, &x) in x.iter().enumerate().take(job.cols - g * M) {
                    out.add(g * M + j).write_unaligned(x);
                }
            }
        }
    }
}

unsafe fn tile<const N: usize, const M: usize>(job: &TileJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            // SAFETY: element (i, j) of C, row i of A, column j of the panel.
            unsafe {
                let c = job.c.offset(i.cast_signed() * job.ldc).add(j);
                let from = job.from.offset(i.cast_signed() * job.ld_from).add(j);
                let mut acc = match job.init {
                    Init::Zero => 0.0,
                    Init::Load => from.read_unaligned(),
                    Init::Scale(beta) => beta * from.read_unaligned(),
                };
                for g in 0..job.groups {
                    let index = indices::<N, M>(job.meta.add(i * job.ld_meta), g);
                    for (k, &index) in index.iter().enumerate() {
                        let a = job.values.add(i * job.ld_values + g * N + k).read_unaligned();
                        let b = job.b.offset((g * M + index).cast_signed() * job.ldb).add(j);
                        acc = a.mul_add(b.read_unaligned(), acc);
                    }
                }
                c.write_unaligned(acc);
            }
        }
    }
}

unsafe fn narrow<const N: usize, const M: usize>(job: &NarrowJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            // SAFETY: one element of C; row i of A, column j of B, which is contiguous.
            unsafe {
                let c = job.element(i, j);
                tile::<N, M>(&TileJob {
                    values: job.values.add(i * job.ld_values),
                    ld_values: job.ld_values,
                    meta: job.row_meta(i),
                    ld_meta: job.ld_meta,
                    rows: 1,
                    groups: job.groups,
                    b: job.b.add(j * job.ldb),
                    ldb: 1,
                    c,
                    ldc: 0,
                    from: c,
                    ld_from: 0,
                    cols: 1,
                    init: job.init,
                    far: std::ptr::null(),
                    ld_far: 0,
                    ahead: None,
                });
            }
        }
    }
}

unsafe fn transpose(job: &CopyJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            // SAFETY: element (i, j) of the source, element (j, i) of the target.
            unsafe { job.target_at(j, i).write_unaligned(job.source_at(i, j).read_unaligned()) };
        }
    }
}

unsafe fn pack(job: &CopyJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            // SAFETY: element (i, j) of both.
            unsafe { job.target_at(i, j).write_unaligned(job.source_at(i, j).read_unaligned()) };
        }
    }
}

unsafe fn dot(x: &[f32], y: &[f32], sums: &mut [f64; LANES]) {
    for (t, (&x, &y)) in x.iter().zip(y).enumerate() {
        sums[t % LANES] += f64::from(x) * f64::from(y);
    }
}

const fn pattern<const N: usize, const M: usize>() -> PatternKernels {
    PatternKernels {
        compress_rows: [compress::<N, M>; 3],
        prune_rows: [compress::<N, M>; 3],
        compress_cols: [compress::<N, M>; 3],
        expand: expand::<N, M>,
        narrow: narrow::<N, M>,
    }
}

const fn tiles<const N: usize, const M: usize>() -> PatternTiles {
    PatternTiles { packed: [tile::<N, M>; 4], in_place: [tile::<N, M>; 4] }
}

/// What callers cut panels by; any number would do.
const VECTOR: usize = 4;

pub(crate) static TILES: Tiles =
    Tiles { lanes: VECTOR, patterns: crate::pattern::for_each_pattern!(pattern_tiles) };

/// The level, which every CPU has.
pub(crate) const fn level() -> Level {
    // SAFETY: it is compiled for the target's baseline.
    unsafe { Level::new(&KERNELS) }
}

/// The kernels of this level.
pub(super) static KERNELS: Kernels = Kernels {
    lanes: VECTOR,
    patterns: crate::pattern::for_each_pattern!(pattern_kernels),
    tiles: &TILES,
    tiles_in_place: &TILES,
    transpose,
    pack,
    pack_streamed: pack,
    transpose_streamed: transpose,
    transposable: transposable::tiles,
    dot,
    tensor: tensor::TENSOR,
    group: group::GROUP,
};
