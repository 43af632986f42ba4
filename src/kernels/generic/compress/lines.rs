//! Between memory and the tiles in which bands of columns are selected.

use super::columns::BAND;
use crate::kernels::CompressJob;
use crate::kernels::generic::Lanes;
use crate::kernels::generic::lanes::{LINE, MAX_LANES};
use crate::kernels::generic::room::Room;

/// Copies what exists of `count` columns of a band, contiguous ones, from column `first` on, to columns [`BAND`] apart, zeros
/// around it.
///
/// # Safety
/// The rows of the band exist, and `padded` has room for the columns.
#[inline(always)]
pub(crate) unsafe fn pad_columns<L: Lanes>(
    l: L,
    job: &CompressJob,
    (row, rows): (usize, usize),
    (first, count): (usize, usize),
    padded: *mut f32,
) {
    for c in 0..count {
        let rows = if first + c < job.cols { rows } else { 0 };
        for at in (0..BAND).step_by(L::COUNT) {
            let some = rows.saturating_sub(at).min(L::COUNT);
            // SAFETY: entries that exist; a column of the copy.
            unsafe {
                let entries = l.load_first(job.entry(row + at, first + c), some);
                l.store(padded.add(c * BAND + at), entries);
            }
        }
    }
}

/// Writes a strip's next values, at most a line of each row.
///
/// # Safety
/// `tile` has a line of columns of COUNT values, [`BAND`] apart, and `count` of them are writable in each row of the target:
/// rows `ld` apart, of the values (`job.ld_values`) or of a buffer.
#[inline(always)]
pub(crate) unsafe fn write_lines<L: Lanes>(
    l: L,
    job: &CompressJob,
    tile: *const f32,
    (target, ld): (*mut f32, usize),
    count: usize,
) {
    // The values' lines of the next band: where stores are less than a line, they are read before they are written.
    if ld == job.ld_values && (job.far_into_l2 || L::COUNT < LINE) {
        for lane in 0..L::COUNT {
            let next = target.wrapping_add((lane + BAND).wrapping_mul(ld));
            l.prefetch_lines(job.far_into_l2, next, 1);
        }
    }
    let mut lines = Room::<f32, { LINE * MAX_LANES }>::new();
    let lines = lines.pointer();
    let (to, stride) = if count == LINE { (target, ld) } else { (lines, LINE) };
    for at in (0..LINE).step_by(L::COUNT) {
        // SAFETY: the caller's promise; `lines` holds a line of COUNT rows.
        unsafe {
            let (tile, to) = (tile.add(at * BAND), to.add(at));
            l.transpose(tile, BAND.cast_signed(), to, stride.cast_signed());
        }
    }
    if count == LINE {
        return;
    }
    for lane in 0..L::COUNT {
        let (from, to) = (lines.wrapping_add(lane * LINE), target.wrapping_add(lane * ld));
        for at in (0..count).step_by(L::COUNT) {
            // SAFETY: as above.
            unsafe {
                l.store_first(to.add(at), l.load(from.add(at)), L::COUNT.min(count - at));
            }
        }
    }
}
