//! Whether a matrix is N:M already, as [`Method::Keep`] asks.

use super::reduce::{SIDE, Tile};
use super::{Method, Options};
use crate::error::Error;
use crate::kernels::Level;
use crate::kernels::group::{NormJob, Rows};
use crate::matrix::MatRef;
use crate::pattern::Pattern;
use crate::pool;
use std::sync::atomic::{AtomicUsize, Ordering};

/// For [`Method::Keep`]: every group of `a` has at most n entries that are not zero in any of the rows
/// that share indices. Otherwise the first one by rows is named.
///
/// # Safety
/// `a` is readable.
pub(super) unsafe fn keepable(
    options: &Options<'_>,
    kernels: Level,
    method: Method,
    a: MatRef<'_>,
    pattern: Pattern,
) -> Result<(), Error> {
    if method != Method::Keep || a.is_empty() {
        return Ok(());
    }
    let height = SIDE / pattern.group() * pattern.group();
    // The first row of a group of rows that is not.
    let bad = AtomicUsize::new(usize::MAX);
    pool::run(options.pool, a.rows.div_ceil(height), |task, _| {
        let (row, mut tile) = (task * height, Tile::new());
        for col in (0..a.cols).step_by(SIDE) {
            let next = (col + SIDE < a.cols).then_some((row, col + SIDE));
            // SAFETY: the caller's promise.
            unsafe { tile.load(kernels, a, (row, height), (col, SIDE), next) };
            if let Some(first) = first_too_full(kernels, &mut tile, pattern) {
                bad.fetch_min(row + first, Ordering::Relaxed);
            }
        }
    });
    let row = bad.into_inner();
    if row == usize::MAX {
        return Ok(());
    }
    let rows = row..a.rows.min(row + pattern.group());
    let nonzeros = |group: usize| {
        let from = group * pattern.m();
        let cols = from..a.cols.min(from + pattern.m());
        // SAFETY: an entry of the view.
        let nonzero = |row, col| unsafe { a.address(row, col).read_unaligned() } != 0.0;
        cols.filter(|&col| rows.clone().any(|row| nonzero(row, col))).count()
    };
    let mut counts = (0..pattern.groups(a.cols)).map(|group| (group, nonzeros(group)));
    match counts.find(|&(_, nonzeros)| nonzeros > pattern.n()) {
        Some((group, nonzeros)) => Err(Error::NotNm { row, group, nonzeros, pattern }),
        None => Ok(()),
    }
}

/// The first of the tile's rows whose group of rows has more than n non-zeros in a group.
fn first_too_full(kernels: Level, tile: &mut Tile, pattern: Pattern) -> Option<usize> {
    tile.pad(1);
    let (rows, group) = (tile.rows, pattern.group());
    let mut ones = [0.0f32; SIDE];
    (0..rows).step_by(group).find(|&row| {
        let below = &tile.rows_by(1)[row * SIDE..];
        let mut entries = &below[..SIDE];
        if group > 1 {
            let (count, ld) = (group.min(rows - row), SIDE.cast_signed());
            // SAFETY: rows of the tile, and a number for each of its columns.
            unsafe {
                let a = Rows::of(MatRef::from_raw_parts(below.as_ptr(), count, SIDE, ld, 1));
                (kernels.group.nonzeros)(&NormJob { a, norms: ones.as_mut_ptr() });
            }
            entries = &ones;
        }
        let most = match pattern.m() {
            2 => most_nonzeros::<2>(entries),
            4 => most_nonzeros::<4>(entries),
            8 => most_nonzeros::<8>(entries),
            _ => most_nonzeros::<16>(entries),
        };
        most as usize > pattern.n()
    })
}

/// How many of M consecutive entries are not zero, at most. Counted without branches.
fn most_nonzeros<const M: usize>(entries: &[f32]) -> u32 {
    let (groups, _) = entries.as_chunks::<M>();
    let counts = groups.iter().map(|group| group.iter().map(|&x| u32::from(x != 0.0)).sum());
    counts.max().unwrap_or(0)
}
