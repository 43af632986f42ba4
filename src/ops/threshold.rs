//! Stochastic pruning at one threshold for the whole matrix.

use super::reduce::{SIDE, Tile};
use super::{Options, check, copies};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::cpu::cpu;
use crate::kernels::tensor::ThresholdJob;
use crate::kernels::{Level, RngKey};
use crate::matrix::{MatMut, MatRef, Output};
use crate::pool;
use crate::rng::{ENTRY_COLS, Rng};
use std::iter::successors;

/// Rows that a task takes where both matrices have contiguous rows.
const BAND: usize = 16;

/// Stochastic threshold pruning ("Neural gradients are near-lognormal", arXiv 2006.08173): unbiased, without a pattern.
///
/// An entry x with |x| >= `alpha` stays as it is; another becomes `sign(x) alpha` with probability |x| / `alpha`, else +0.
/// The expectation of `out` is `a`. [`threshold_for_sparsity`](crate::threshold_for_sparsity) gives the `alpha` that
/// leaves a wanted share of zeros; `alpha` = 0 copies.
///
/// # Random numbers
/// One word for every entry, a function of seed, stream, row and column alone; never one that
/// [`Method::Mvue`](crate::Method::Mvue) draws. `rng.col0` may be any column: `col0 + columns <= 2^32`.
///
/// # Shapes
/// `a` and `out` are rows x cols, of any strides each. See [`prune_threshold_in_place`] for `out` = `a`.
///
/// # NaN and infinity
/// Stay as they are.
///
/// # Threads and memory
/// Uses the pool of `options`; allocates nothing.
///
/// # Errors
/// [`Error::Value`] unless `alpha` is finite and not negative; [`Error::Shape`], [`Error::Aliased`], [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Null`]. `out` is untouched then.
///
/// # Examples
/// ```
/// use spnm::{MatMut, MatRef, Options, Rng, lognormal_fit, prune_threshold, threshold_for_sparsity};
///
/// let data: Vec<f32> = (0..256 * 256).map(|i| (3.0 * (i as f32).sin()).exp()).collect();
/// let a = MatRef::row_major(&data, 256, 256)?;
/// let alpha = threshold_for_sparsity(&lognormal_fit(&Options::new(), a)?, 0.8)?;
/// let mut pruned = vec![0.0; data.len()];
/// let out = MatMut::row_major(&mut pruned, 256, 256)?;
/// prune_threshold(&Options::new(), Rng::new(1, 0), alpha, a, out)?;
/// let zeros = pruned.iter().filter(|&&x| x == 0.0).count() as f32 / pruned.len() as f32;
/// assert!((zeros - 0.8).abs() < 0.1); // were `a` lognormal, it would be 0.8
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn prune_threshold(
    options: &Options<'_>,
    rng: Rng,
    alpha: f32,
    a: MatRef<'_>,
    out: MatMut<'_>,
) -> Result<(), Error> {
    let to = out.output();
    let fits = (0.0..f32::INFINITY).contains(&alpha);
    check::value("alpha", alpha.into(), fits, "finite and not negative")?;
    check::shape_of_out((to.rows, to.cols), (a.rows, a.cols))?;
    let a_span = check::input("a", a)?;
    check::rng_of_entries(rng, a.rows, a.cols)?;
    check::out_same_or_apart(*to, "a", (a, &a_span))?;
    let kernels = kernels_for(options.isa)?;
    if a.is_empty() {
        return Ok(());
    }

    let direct = a.col_stride == 1 && to.col_stride == 1;
    let band = match (direct, to.row_stride) {
        (true, _) => BAND,
        // Tile below tile, so that what follows in memory is not far behind.
        (false, 1) => pool::rows_of_tasks(options.pool, a.rows, a.cols, SIDE),
        _ => SIDE,
    };
    pool::run(options.pool, a.rows.div_ceil(band), |task, _| {
        let rows = task * band..a.rows.min((task + 1) * band);
        let (a, to) = (a.part(rows.clone(), 0..a.cols), to.part(rows.clone(), 0..a.cols));
        let rng = rng.at(rng.row0 + rows.start as u64, rng.col0);
        // SAFETY: everything was checked above; tasks have different rows.
        unsafe {
            if direct {
                prune_rows(kernels, rng, alpha, a, to);
            } else {
                prune_tiles(kernels, rng, alpha, a, to);
            }
        }
    });
    Ok(())
}

/// [`prune_threshold`] with `out` = `a`.
///
/// # Errors
/// As [`prune_threshold`].
pub fn prune_threshold_in_place(
    options: &Options<'_>,
    rng: Rng,
    alpha: f32,
    a: MatMut<'_>,
) -> Result<(), Error> {
    prune_threshold(options, rng, alpha, a.view, a)
}

/// Both with contiguous rows.
///
/// # Safety
/// `a` is readable and `out` writable; they are the same or do not overlap; `rng` was checked.
#[expect(clippy::cast_possible_truncation, reason = "check::rng_of_entries has limited both")]
unsafe fn prune_rows(kernels: Level, rng: Rng, alpha: f32, a: MatRef<'_>, out: Output<'_>) {
    let job = ThresholdJob {
        a: a.data,
        a_stride: a.row_stride,
        out: out.data(),
        out_stride: out.row_stride,
        rows: a.rows,
        cols: a.cols,
        alpha,
        key: RngKey::new(rng.seed, rng.stream),
        row0: rng.row0 as u32,
        col0: rng.col0 as u32,
    };
    // SAFETY: the caller's promise.
    unsafe { (kernels.tensor.threshold)(&job) };
}

/// Any strides, by way of tiles.
///
/// # Safety
/// As [`prune_rows`].
#[expect(clippy::cast_possible_truncation, reason = "less than a tile")]
unsafe fn prune_tiles(kernels: Level, rng: Rng, alpha: f32, a: MatRef<'_>, out: Output<'_>) {
    const { assert!(SIDE == ENTRY_COLS, "a tile holds what words are drawn for together") };
    let mut tile = Tile::new();
    // A tile of columns ends where the next words begin.
    let width = |col: usize| SIDE - ((rng.col0 + col as u64) % SIDE as u64) as usize;
    let cols = successors(Some(0), |&col| Some(col + width(col))).take_while(|&col| col < a.cols);
    let tiles = cols.flat_map(|col| (0..a.rows).step_by(SIDE).map(move |row| (row, col)));
    let mut tiles = tiles.peekable();
    while let Some((row, col)) = tiles.next() {
        let at = rng.at(rng.row0 + row as u64, rng.col0 + col as u64);
        // SAFETY: the tile lies in both; it is read whole before it is written.
        unsafe {
            tile.load(kernels, a, (row, SIDE), (col, width(col)), tiles.peek().copied());
            let data = tile.data();
            let view = MatMut::from_raw_parts(data, tile.rows, tile.cols, SIDE.cast_signed(), 1);
            prune_rows(kernels, at, alpha, view.view, view.output());
            let to = out.part(row..row + tile.rows, col..col + tile.cols);
            copies::scatter(kernels, data, SIDE, to, cpu().far_into_l2);
        }
    }
}
