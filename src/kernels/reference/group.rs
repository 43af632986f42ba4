//! Groups of rows that share indices, as their definitions read.

use super::VECTOR;
use super::estimators::tree_sum;
use crate::kernels::Init;
use crate::kernels::group::{
    GROUP_VECTORS, GatherJob, GroupKernels, GroupTileJob, NORM_HIGH, NORM_LOW, NORM_SCALE, NormJob,
    ScaleJob,
};

/// Rows of the tree, absent ones zero.
const ROWS: usize = crate::Pattern::MAX_GROUP as usize;

/// The entries of column j, zeros below them.
///
/// # Safety
/// They must be readable.
unsafe fn column(job: &NormJob, j: usize) -> [f32; ROWS] {
    let mut x = [0.0; ROWS];
    for (i, x) in x.iter_mut().enumerate().take(job.a.count) {
        // SAFETY: entry (i, j).
        *x = unsafe { job.a.row(i).add(j).read_unaligned() };
    }
    x
}

/// The 2-norm: squares, their sum as a balanced tree of neighbours, the square root.
fn norm(x: [f32; ROWS]) -> f32 {
    let most = x.iter().fold(0.0, |most, x| if x.abs() > most { x.abs() } else { most });
    let (scale, back) = match most {
        _ if most > NORM_HIGH => (NORM_SCALE, 1.0 / NORM_SCALE),
        _ if most < NORM_LOW => (1.0 / NORM_SCALE, NORM_SCALE),
        _ => (1.0, 1.0),
    };
    tree_sum(x.map(|x| (x * scale) * (x * scale))).sqrt() * back
}

unsafe fn norms(job: &NormJob) {
    for j in 0..job.a.cols {
        // SAFETY: column j and its norm.
        unsafe { *job.norms.add(j) = norm(column(job, j)) };
    }
}

unsafe fn nonzeros(job: &NormJob) {
    for j in 0..job.a.cols {
        // SAFETY: column j and its norm.
        unsafe {
            let any = column(job, j).iter().any(|&x| x != 0.0);
            *job.norms.add(j) = f32::from(u8::from(any));
        }
    }
}

/// By what the entries of a column are multiplied.
fn factor(kept: f32, norm: f32) -> f32 {
    if kept > 0.0 { (kept / norm).min(f32::MAX) } else { kept }
}

/// What is kept of an entry.
fn scaled(x: f32, factor: f32) -> f32 {
    match x {
        _ if factor.is_nan() => f32::NAN,
        0.0 => 0.0,
        // Kept as it is, bit by bit: every method but `Keep` has poisoned its block.
        x if x.is_nan() => x,
        x => x * factor,
    }
}

unsafe fn gather(job: &GatherJob) {
    for k in 0..job.count {
        // SAFETY: kept entry k, of every row; entries of columns below `cols`.
        unsafe {
            let (column, kept) = (*job.columns.add(k) as usize, *job.kept.add(k));
            let inside = column < job.a.cols;
            let factor = if inside { factor(kept, *job.norms.add(column)) } else { kept };
            for i in 0..job.a.count {
                let x = if inside { job.a.row(i).add(column).read_unaligned() } else { 0.0 };
                let value = scaled(x, factor);
                job.values.add(i * job.ld_values + k).write_unaligned(value);
            }
        }
    }
}

unsafe fn scale(job: &ScaleJob) {
    for j in 0..job.a.cols {
        // SAFETY: norms of column j; its entries.
        unsafe {
            let kept = *job.kept.add(j);
            let factor = factor(kept, *job.norms.add(j));
            for i in 0..job.a.count {
                let x = job.a.row(i).add(j).read_unaligned();
                let value = if kept == 0.0 { 0.0 } else { scaled(x, factor) };
                job.target(i).add(j).write_unaligned(value);
            }
        }
    }
}

/// For panels of V vectors.
unsafe fn tile<const V: usize>(job: &GroupTileJob) {
    for i in 0..job.rows {
        for j in 0..job.cols {
            // SAFETY: element (i, j) of C, row i of A, column j of the panel.
            unsafe {
                let c = job.c.offset(i.cast_signed() * job.ldc).add(j);
                let mut acc = match job.init {
                    Init::Zero => 0.0,
                    Init::Load => c.read_unaligned(),
                    Init::Scale(beta) => beta * c.read_unaligned(),
                };
                let columns = job.columns.add(i / job.group * job.ld_columns);
                for k in 0..job.count {
                    let a = job.values.add(i * job.ld_values + k).read_unaligned();
                    let b = job.b.wrapping_add(*columns.add(k) as usize * V * VECTOR);
                    acc = a.mul_add(b.add(j).read_unaligned(), acc);
                }
                c.write_unaligned(acc);
            }
        }
    }
}

/// The kernels of this level.
pub(super) const GROUP: GroupKernels = GroupKernels {
    norms,
    nonzeros,
    gather: [gather; 2],
    scale,
    tile: [
        tile::<{ GROUP_VECTORS[0] }>,
        tile::<{ GROUP_VECTORS[1] }>,
        tile::<{ GROUP_VECTORS[2] }>,
        tile::<{ GROUP_VECTORS[3] }>,
        tile::<{ GROUP_VECTORS[4] }>,
    ],
    rows: [8; GROUP_VECTORS.len()],
    ahead: false,
};
