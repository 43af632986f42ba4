//! The best of the 90 masks of a 4 x 4 tile, as its definition reads.

use crate::kernels::{KeptRows, TransposableJob};

/// Which entries of a tile stay.
type Mask = [[bool; 4]; 4];

/// The choices of two of four, in lexicographic order.
const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];

/// The masks in the lexicographic order of their rows' pairs. The first is that of poisoned tiles.
const MASKS: [[[usize; 2]; 4]; 90] = {
    let mut all = [[[0; 2]; 4]; 90];
    let mut count = 0;
    let mut choice = 0;
    while choice < 6 * 6 * 6 * 6 {
        let rows =
            [PAIRS[choice / 216], PAIRS[choice / 36 % 6], PAIRS[choice / 6 % 6], PAIRS[choice % 6]];
        let mut in_column = [0; 4];
        let mut i = 0;
        while i < 4 {
            in_column[rows[i][0]] += 1;
            in_column[rows[i][1]] += 1;
            i += 1;
        }
        if matches!(in_column, [2, 2, 2, 2]) {
            all[count] = rows;
            count += 1;
        }
        choice += 1;
    }
    assert!(count == 90);
    all
};

/// The first of the masks whose sum of magnitudes is the greatest.
fn best(a: &[[f32; 4]; 4]) -> [[usize; 2]; 4] {
    let mut best = MASKS[0];
    let mut most = -1.0;
    for rows in MASKS {
        let of_row = |i: usize| a[i][rows[i][0]] + a[i][rows[i][1]];
        let sum = (of_row(0) + of_row(1)) + (of_row(2) + of_row(3));
        if sum > most {
            (best, most) = (rows, sum);
        }
    }
    best
}

/// What becomes of a tile: the mask, and the entries that it keeps, zeros as +0.
fn prune(x: &[[f32; 4]; 4]) -> (Mask, [[f32; 4]; 4]) {
    let a = x.map(|row| row.map(f32::abs));
    let of_row = |i: usize| (a[i][0] + a[i][1]) + (a[i][2] + a[i][3]);
    let total = (of_row(0) + of_row(1)) + (of_row(2) + of_row(3));
    let rows = if total.is_finite() { best(&a) } else { MASKS[0] };
    let (mut mask, mut kept) = ([[false; 4]; 4], [[0.0; 4]; 4]);
    for (i, pair) in rows.iter().enumerate() {
        for &j in pair {
            mask[i][j] = true;
            kept[i][j] = match x[i][j] {
                _ if !total.is_finite() => f32::NAN,
                0.0 => 0.0,
                x => x,
            };
        }
    }
    (mask, kept)
}

fn transposed<T: Copy>(x: &[[T; 4]; 4]) -> [[T; 4]; 4] {
    std::array::from_fn(|i| std::array::from_fn(|j| x[j][i]))
}

/// # Safety
/// The contract of [`TransposableFn`](crate::kernels::TransposableFn).
pub(super) unsafe fn tiles(job: &TransposableJob) {
    for tile_row in 0..job.rows.div_ceil(4) {
        for group in 0..job.cols.div_ceil(4) {
            let mut x = [[0.0; 4]; 4];
            for (i, row) in x.iter_mut().enumerate().take(job.rows - 4 * tile_row) {
                for (j, x) in row.iter_mut().enumerate().take(job.cols - 4 * group) {
                    // SAFETY: an entry of the matrix.
                    *x = unsafe { job.entry(4 * tile_row + i, 4 * group + j).read_unaligned() };
                }
            }
            let (mask, kept) = if job.transposed {
                let (mask, kept) = prune(&transposed(&x));
                (transposed(&mask), transposed(&kept))
            } else {
                prune(&x)
            };
            // SAFETY: the tile's rows and columns that exist.
            unsafe {
                if let Some(along) = job.along {
                    let rows = 4.min(job.rows - 4 * tile_row);
                    write(along, 4 * tile_row, rows, group, &mask, &kept);
                }
                if let Some(across) = job.across {
                    let cols = 4.min(job.cols - 4 * group);
                    let (mask, kept) = (transposed(&mask), transposed(&kept));
                    write(across, 4 * group, cols, tile_row, &mask, &kept);
                }
            }
        }
    }
}

/// Writes group `group` of `rows` rows from `first` on.
///
/// # Safety
/// Those must be writable, and the groups before be written already.
unsafe fn write(
    to: KeptRows,
    first: usize,
    rows: usize,
    group: usize,
    mask: &Mask,
    kept: &[[f32; 4]; 4],
) {
    for i in 0..rows {
        let mut nibble = 0;
        let mut k = 0;
        for j in 0..4 {
            if mask[i][j] {
                nibble |= (j as u8) << (2 * k);
                // SAFETY: value k of the group.
                unsafe {
                    let values = to.values.add((first + i) * to.ld_values + 2 * group);
                    values.add(k).write_unaligned(kept[i][j]);
                }
                k += 1;
            }
        }
        // SAFETY: the byte that holds the group's nibble; an odd group's was begun by its neighbour.
        unsafe {
            let byte = to.meta.add((first + i) * to.ld_meta + group / 2);
            if group.is_multiple_of(2) { *byte = nibble } else { *byte |= nibble << 4 }
        }
    }
}
