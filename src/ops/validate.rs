//! Is metadata well formed?

use super::check;
use crate::compressed::CompressedRef;
use crate::error::Error;
use crate::pattern::Pattern;

/// Checks the metadata of `a`: indices ascending within a group and below m, padding bits zero.
/// Of rows that share indices the first is reported.
///
/// The other functions do not need it: on malformed metadata they are memory-safe and take an index
/// modulo m. Use it on what comes from elsewhere. It runs on the calling thread and allocates nothing.
///
/// # Errors
/// [`Error::Meta`] with the first bad row and group (the number of groups, where only padding bits
/// are set); [`Error::LeadingDimension`], [`Error::Overflow`], [`Error::Null`] as everywhere.
///
/// # Examples
/// ```
/// use spnm::{CompressedRef, Error, Pattern, validate};
///
/// let check = |byte| validate(CompressedRef::new(&[3.0, 2.0], &[byte], 1, 4, Pattern::N2M4, 2, 1)?);
/// assert_eq!(check(0b11_00), Ok(()));
/// assert_eq!(check(0b00_11), Err(Error::Meta { row: 0, group: 0 })); // not ascending
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn validate(a: CompressedRef<'_>) -> Result<(), Error> {
    check::compressed(&check::A, a)?;
    if a.is_empty() {
        return Ok(());
    }
    let p = a.pattern;
    let (bits, width, groups) = (p.group_bits(), p.index_bits(), p.groups(a.cols));
    let words = Words::of(p);
    let bytes = p.row_meta(a.cols);
    for shared in 0..p.meta_rows(a.rows) {
        let row = shared * p.group();
        // SAFETY: a row of metadata, checked above.
        let meta = unsafe { std::slice::from_raw_parts(a.meta.add(shared * a.ld_meta), bytes) };
        let index = |group: usize, k: usize| {
            let bit = group * bits + k * width;
            usize::from(meta[bit / 8] >> (bit % 8)) & ((1 << width) - 1)
        };
        // Only where a word is not sound, or not whole, are its groups looked at one by one.
        let whole = &meta[..groups * bits / WORD * (WORD / 8)];
        let sound = words.sound_at_first(whole) * (WORD / bits);
        for group in sound..groups {
            let mut next = 0;
            for k in 0..p.n() {
                let i = index(group, k);
                if i < next || i >= p.m() {
                    return Err(Error::Meta { row, group });
                }
                next = i + 1;
            }
        }
        let padding = (groups * bits) % 8;
        if padding != 0 && meta[bytes - 1] >> padding != 0 {
            return Err(Error::Meta { row, group: groups });
        }
    }
    Ok(())
}

/// Bits of metadata that are checked at once: whole groups of every pattern.
const WORD: usize = 64;

/// What is well formed in a word of indices, seen as cells of two each. An index has half of its cell, so that a difference of
/// two shows in the cell's highest bit.
struct Words {
    width: usize,
    /// The lower index of each cell.
    lower: u64,
    /// The lowest and the highest bit of each cell.
    lowest: u64,
    highest: u64,
    /// Where both indices of a cell are of the same group; where a cell's upper index, and the next cell's lower, are.
    within: u64,
    across: u64,
    /// Bits that are zero in indices below m.
    zero: u64,
}

impl Words {
    fn of(p: Pattern) -> Self {
        let (n, width) = (p.n(), p.index_bits());
        let mut words =
            Self { width, lower: 0, lowest: 0, highest: 0, within: 0, across: 0, zero: 0 };
        for index in (0..WORD / width).step_by(2) {
            let cell = index * width;
            let highest = 1 << (cell + 2 * width - 1);
            words.lower |= ((1 << width) - 1) << cell;
            words.lowest |= 1 << cell;
            words.highest |= highest;
            if n > 1 {
                words.within |= highest;
            }
            if (index + 2) % n != 0 {
                words.across |= highest;
            }
            if p.m() < 1 << width {
                words.zero |= highest | highest >> width;
            }
        }
        words
    }

    /// How many words are well formed before the first that is not.
    fn sound_at_first(&self, meta: &[u8]) -> usize {
        let mut sound = 0;
        for word in meta.chunks_exact(WORD / 8) {
            let mut bytes = [0; WORD / 8];
            bytes.copy_from_slice(word);
            if !self.is_sound(u64::from_le_bytes(bytes)) {
                break;
            }
            sound += 1;
        }
        sound
    }

    fn is_sound(&self, word: u64) -> bool {
        let first = word & self.lower;
        let second = (word >> self.width) & self.lower;
        let third = (word >> (2 * self.width)) & self.lower;
        self.ascend(first, second) & self.within == self.within
            && self.ascend(second, third) & self.across == self.across
            && word & self.zero == 0
    }

    /// In the highest bit of each cell: whether `a` is less than `b` there. (No cell borrows from the next.)
    fn ascend(&self, a: u64, b: u64) -> u64 {
        (b | self.highest) - a - self.lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::Pcg64Mcg;
    use rand_pcg::rand_core::Rng as _;

    /// The first malformed group of a row of whole bytes, index by index.
    fn first_bad(p: Pattern, meta: &[u8]) -> Option<usize> {
        let at = |group: usize, k: usize| {
            let bit = group * p.group_bits() + k * p.index_bits();
            usize::from(meta[bit / 8] >> (bit % 8)) & ((1 << p.index_bits()) - 1)
        };
        let bad = |group: usize| {
            (1..p.n()).any(|k| at(group, k) <= at(group, k - 1))
                || (0..p.n()).any(|k| at(group, k) >= p.m())
        };
        (0..meta.len() * 8 / p.group_bits()).find(|&group| bad(group))
    }

    #[test]
    fn the_first_bad_group_is_found_in_words_and_behind_them() {
        let mut numbers = Pcg64Mcg::new(1);
        let mut below = |n: usize| numbers.next_u32() as usize % n;
        for &p in Pattern::ALL {
            for bytes in [4, 8, 12, 16, 28] {
                let groups = bytes * 8 / p.group_bits();
                let values = vec![1.0; groups * p.n()];
                let mut found = 0;
                for round in 0..1000 {
                    // Well formed, but for some bits.
                    let mut meta = vec![0u8; bytes];
                    for group in 0..groups {
                        let first = below(p.m() - p.n() + 1);
                        for k in 0..p.n() {
                            let bit = group * p.group_bits() + k * p.index_bits();
                            let index = u8::try_from(first + k).expect("below m");
                            meta[bit / 8] |= index << (bit % 8);
                        }
                    }
                    for _ in 0..round % 3 {
                        meta[below(bytes)] ^= 1 << below(8);
                    }
                    let cols = groups * p.m();
                    let a = CompressedRef::new(&values, &meta, 1, cols, p, values.len(), bytes);
                    let want = first_bad(p, &meta).map(|group| Error::Meta { row: 0, group });
                    found += usize::from(want.is_some());
                    assert_eq!(validate(a.expect("its buffers")).err(), want, "{p} {meta:?}");
                }
                let can_be_bad = p.n() > 1 || p.m() < 1 << p.index_bits();
                assert_eq!(found > 100, can_be_bad, "{p}: {found}");
            }
        }
    }
}
