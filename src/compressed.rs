//! Matrices in N:M form: kept values and packed indices.

use crate::error::Error;
use crate::pattern::Pattern;
use std::marker::PhantomData;

/// A borrowed matrix in N:M form: kept values and packed indices.
///
/// Values: `[rows][ld_values]`, n per group, ascending by column. Metadata: `[rows][ld_meta]` bytes;
/// the n indices of a group (1, 2, 4, 4 bits each for m = 2, 4, 8, 16), then the next group, packed
/// from the low bits up, each row starting on a byte, padding bits zero. For 2:4 a group is NVIDIA's
/// nibble `i0 | i1 << 2`. A group with fewer than n non-zeros is filled up with +0 at its highest
/// free positions; what transposable masks keep has two of every group already, and is left so. Rows
/// that share indices ([`Pattern::grouped`]) share one row of metadata: `[ceil(rows / group)][ld_meta]`.
/// `docs/FORMAT.md` defines every byte.
#[derive(Clone, Copy, Debug)]
pub struct CompressedRef<'a> {
    pub(crate) values: *const f32,
    pub(crate) meta: *const u8,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) ld_values: usize,
    pub(crate) ld_meta: usize,
    pub(crate) pattern: Pattern,
    life: PhantomData<&'a [f32]>,
}

/// A borrowed matrix in N:M form that may be written: see [`CompressedRef`].
#[derive(Debug)]
pub struct CompressedMut<'a> {
    pub(crate) view: CompressedRef<'a>,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: a shared borrow of plain numbers, as `&[f32]` and `&[u8]` are.
unsafe impl Send for CompressedRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for CompressedRef<'_> {}
// SAFETY: a unique borrow of plain numbers, as `&mut [f32]` and `&mut [u8]` are.
unsafe impl Send for CompressedMut<'_> {}
// SAFETY: a shared `&CompressedMut` can only be read through.
unsafe impl Sync for CompressedMut<'_> {}

impl<'a> CompressedRef<'a> {
    /// A view of caller-owned buffers. `ld_values` in elements, `ld_meta` in bytes; `rows` and
    /// `cols` are those of the matrix before compression.
    ///
    /// The metadata is not read here; see [`validate`](crate::validate).
    ///
    /// # Errors
    /// [`Error::LeadingDimension`] if a row does not fit, [`Error::OutOfSlice`] if a buffer is too
    /// short, [`Error::Overflow`] if an extent exceeds the address space.
    pub fn new(
        values: &'a [f32],
        meta: &'a [u8],
        rows: usize,
        cols: usize,
        pattern: Pattern,
        ld_values: usize,
        ld_meta: usize,
    ) -> Result<Self, Error> {
        // SAFETY: no element is touched before `within` has shown that all lie inside the slices.
        let view = unsafe {
            Self::from_raw_parts(
                values.as_ptr(),
                meta.as_ptr(),
                rows,
                cols,
                pattern,
                ld_values,
                ld_meta,
            )
        };
        view.within(values.len(), meta.len())?;
        Ok(view)
    }

    /// A view of raw memory, which the caller vouches for: its size is not known here.
    ///
    /// # Safety
    /// While the view lives, every row of values and of metadata must be readable, of any
    /// alignment, and neither be written through anything but a view made of the same pointers.
    #[must_use]
    pub const unsafe fn from_raw_parts(
        values: *const f32,
        meta: *const u8,
        rows: usize,
        cols: usize,
        pattern: Pattern,
        ld_values: usize,
        ld_meta: usize,
    ) -> Self {
        Self { values, meta, rows, cols, ld_values, ld_meta, pattern, life: PhantomData }
    }

    /// Rows of the matrix before compression.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.rows
    }

    /// Columns of the matrix before compression.
    #[must_use]
    pub const fn cols(self) -> usize {
        self.cols
    }

    /// The pattern.
    #[must_use]
    pub const fn pattern(self) -> Pattern {
        self.pattern
    }

    /// Elements from one row of values to the next.
    #[must_use]
    pub const fn ld_values(self) -> usize {
        self.ld_values
    }

    /// Bytes from one row of metadata (of each [`Pattern::group`] rows) to the next.
    #[must_use]
    pub const fn ld_meta(self) -> usize {
        self.ld_meta
    }

    /// The part of `rows` x `cols` whose first entry is that of row `row` and group `group`, a
    /// multiple of 8 (so that its indices begin on a byte). Its metadata begins with that of the row: where this is
    /// not the first of those that share it, the reader must know how many of them are not in the part.
    pub(crate) const fn part(self, row: usize, group: usize, rows: usize, cols: usize) -> Self {
        let p = self.pattern;
        let shared = row / p.group();
        Self {
            values: self.values.wrapping_add(row * self.ld_values + group * p.n()),
            meta: self.meta.wrapping_add(shared * self.ld_meta + group * p.group_bits() / 8),
            rows,
            cols,
            ..self
        }
    }

    /// All rows as one, if there is nothing between them: neither padding nor part of a group or of a byte.
    pub(crate) fn without_gaps(self) -> Option<Self> {
        let p = self.pattern;
        let bits = p.groups(self.cols) * p.group_bits();
        let whole = self.cols.is_multiple_of(p.m()) && bits.is_multiple_of(8);
        let close =
            (self.ld_values, self.ld_meta) == (p.row_values(self.cols), p.row_meta(self.cols));
        let one = Self { rows: 1, cols: self.rows * self.cols, ..self };
        (whole && close && p.group() == 1).then_some(one)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// How many values and bytes of metadata the view spans, its last row without padding; `None`
    /// for the one that overflows.
    pub(crate) fn spans(self) -> (Option<usize>, Option<usize>) {
        if self.is_empty() {
            return (Some(0), Some(0));
        }
        let span =
            |rows: usize, ld: usize, row: usize| (rows - 1).checked_mul(ld)?.checked_add(row);
        let p = self.pattern;
        (
            span(self.rows, self.ld_values, p.row_values(self.cols)),
            span(p.meta_rows(self.rows), self.ld_meta, p.row_meta(self.cols)),
        )
    }

    /// Checks the leading dimensions against the pattern.
    pub(crate) fn leading_dimensions(
        self,
        values: &'static str,
        meta: &'static str,
    ) -> Result<(), Error> {
        let check = |what, got, needed| {
            if got < needed && !self.is_empty() {
                return Err(Error::LeadingDimension { what, got, needed });
            }
            Ok(())
        };
        check(values, self.ld_values, self.pattern.row_values(self.cols))?;
        check(meta, self.ld_meta, self.pattern.row_meta(self.cols))
    }

    fn within(self, values: usize, meta: usize) -> Result<(), Error> {
        self.leading_dimensions("ld_values", "ld_meta")?;
        let (Some(v), Some(m)) = self.spans() else {
            let what = "the extent of a compressed matrix";
            return Err(Error::Overflow { what, value: usize::MAX });
        };
        for (argument, needed, len) in [("values", v, values), ("meta", m, meta)] {
            if needed > len {
                return Err(Error::OutOfSlice { argument, needed, len });
            }
        }
        Ok(())
    }
}

impl<'a> CompressedMut<'a> {
    /// A view of caller-owned buffers, as [`CompressedRef::new`].
    ///
    /// # Errors
    /// As [`CompressedRef::new`].
    pub fn new(
        values: &'a mut [f32],
        meta: &'a mut [u8],
        rows: usize,
        cols: usize,
        pattern: Pattern,
        ld_values: usize,
        ld_meta: usize,
    ) -> Result<Self, Error> {
        // SAFETY: no element is touched before `within` has shown that all lie inside the slices.
        let this = unsafe {
            Self::from_raw_parts(
                values.as_mut_ptr(),
                meta.as_mut_ptr(),
                rows,
                cols,
                pattern,
                ld_values,
                ld_meta,
            )
        };
        this.view.within(values.len(), meta.len())?;
        Ok(this)
    }

    /// A view of raw memory, which the caller vouches for: its size is not known here.
    ///
    /// # Safety
    /// As [`CompressedRef::from_raw_parts`], and both buffers must be writable.
    #[must_use]
    pub const unsafe fn from_raw_parts(
        values: *mut f32,
        meta: *mut u8,
        rows: usize,
        cols: usize,
        pattern: Pattern,
        ld_values: usize,
        ld_meta: usize,
    ) -> Self {
        // SAFETY: the caller's promise.
        let view = unsafe {
            CompressedRef::from_raw_parts(values, meta, rows, cols, pattern, ld_values, ld_meta)
        };
        Self { view, life: PhantomData }
    }

    /// A shorter borrow of the same view.
    #[must_use]
    pub fn reborrow(&mut self) -> CompressedMut<'_> {
        CompressedMut { view: self.view, life: PhantomData }
    }

    /// The same view, to be read.
    #[must_use]
    pub fn as_ref(&self) -> CompressedRef<'_> {
        self.view
    }
}

/// Values of a cache line. [`compress`](crate::compress) writes those of a large matrix past the caches, by whole lines.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(64))]
pub(crate) struct Line([f32; Line::LEN]);

impl Line {
    pub(crate) const LEN: usize = 16;

    /// Whether rows `stride` elements apart begin with lines of memory, the first of them at `data`.
    pub(crate) fn begin_rows(data: *const f32, stride: isize) -> bool {
        data.addr().is_multiple_of(size_of::<Self>())
            && stride.unsigned_abs().is_multiple_of(Self::LEN)
    }
}

/// A matrix in N:M form ([`CompressedRef`]) that owns its buffers, without padding between rows. Its values begin on
/// a cache line.
#[derive(Clone, Debug, PartialEq)]
pub struct Compressed {
    /// What is behind the last value stays zero.
    values: Vec<Line>,
    meta: Vec<u8>,
    rows: usize,
    cols: usize,
    pattern: Pattern,
}

impl Compressed {
    /// Zeroed buffers for a `rows` x `cols` matrix, allocated here and never again: any number of calls may compress
    /// into them. (Zeroed metadata is well formed only where n = 1: compress into it first.)
    ///
    /// # Errors
    /// [`Error::Overflow`] if the sizes exceed the address space, [`Error::Memory`] if memory
    /// cannot be had.
    pub fn new(rows: usize, cols: usize, pattern: Pattern) -> Result<Self, Error> {
        fn zeroed<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
            let mut buffer = Vec::new();
            buffer
                .try_reserve_exact(len)
                .map_err(|_| Error::Memory { bytes: len * size_of::<T>() })?;
            buffer.resize(len, T::default());
            Ok(buffer)
        }
        let len = |rows: usize, row: usize, size: usize| {
            rows.checked_mul(row)
                .filter(|&n| n.checked_mul(size).is_some_and(|b| isize::try_from(b).is_ok()))
                .ok_or(Error::Overflow { what: "a compressed matrix", value: usize::MAX })
        };
        let values = len(rows, pattern.row_values(cols), size_of::<f32>())?;
        let meta = len(pattern.meta_rows(rows), pattern.row_meta(cols), 1)?;
        Ok(Self {
            values: zeroed(values.div_ceil(Line::LEN))?,
            meta: zeroed(meta)?,
            rows,
            cols,
            pattern,
        })
    }

    /// The kept values: `rows` rows of [`Pattern::row_values`] each.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        let len = self.rows * self.leading().0;
        // SAFETY: a line is its values, and `new` made as many lines as `len` of them fill.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr().cast(), len) }
    }

    /// The packed indices: [`Pattern::meta_rows`] rows of [`Pattern::row_meta`] bytes each.
    #[must_use]
    pub fn meta(&self) -> &[u8] {
        &self.meta
    }

    /// Bytes of values and metadata. (Memory is held in whole lines.)
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.values()) + self.meta.len()
    }

    /// A view to read.
    #[must_use]
    pub fn as_ref(&self) -> CompressedRef<'_> {
        let (ld_values, ld_meta) = self.leading();
        // SAFETY: `new` sized the buffers for exactly this shape, and the borrow keeps them.
        unsafe {
            CompressedRef::from_raw_parts(
                self.values.as_ptr().cast(),
                self.meta.as_ptr(),
                self.rows,
                self.cols,
                self.pattern,
                ld_values,
                ld_meta,
            )
        }
    }

    /// A view to compress into.
    #[must_use]
    pub fn as_mut(&mut self) -> CompressedMut<'_> {
        let (ld_values, ld_meta) = self.leading();
        // SAFETY: as in `as_ref`, and the borrow is unique.
        unsafe {
            CompressedMut::from_raw_parts(
                self.values.as_mut_ptr().cast(),
                self.meta.as_mut_ptr(),
                self.rows,
                self.cols,
                self.pattern,
                ld_values,
                ld_meta,
            )
        }
    }

    fn leading(&self) -> (usize, usize) {
        (self.pattern.row_values(self.cols), self.pattern.row_meta(self.cols))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_says_what_it_was_made_of() {
        let (values, meta) = ([0.0; 40], [0; 20]);
        let p = Pattern::N2M4;
        let a = CompressedRef::new(&values, &meta, 3, 7, p, 9, 6).expect("within the slices");
        assert_eq!((a.rows(), a.cols(), a.pattern()), (3, 7, p));
        assert_eq!((a.ld_values(), a.ld_meta()), (9, 6));
    }

    #[test]
    fn an_owned_matrix_counts_its_bytes() {
        // Two rows of five groups: ten values of four bytes and three bytes of nibbles each.
        let a = Compressed::new(2, 17, Pattern::N2M4).expect("memory");
        assert_eq!((a.values().len(), a.meta().len(), a.bytes()), (20, 6, 86));
        assert_eq!((a.as_ref().ld_values(), a.as_ref().ld_meta()), (10, 3));
        assert!(a.as_ref().values.cast::<Line>().is_aligned());
    }
}
