//! Is metadata well formed?

use super::check;
use crate::compressed::CompressedRef;
use crate::error::Error;

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
    let bytes = p.row_meta(a.cols);
    for shared in 0..p.meta_rows(a.rows) {
        let row = shared * p.group();
        // SAFETY: a row of metadata, checked above.
        let meta = unsafe { std::slice::from_raw_parts(a.meta.add(shared * a.ld_meta), bytes) };
        let index = |group: usize, k: usize| {
            let bit = group * bits + k * width;
            usize::from(meta[bit / 8] >> (bit % 8)) & ((1 << width) - 1)
        };
        for group in 0..groups {
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
