//! Strided views of dense matrices.

use crate::error::Error;
use std::marker::PhantomData;
use std::ops::{Deref, Range};

/// A strided, read-only view of an f32 matrix: element (i, j) lies `i * row_stride + j * col_stride`
/// **elements** from element (0, 0).
///
/// Strides may be anything, zero and negative included, so a transpose is a swap ([`MatRef::t`])
/// and one value can stand for a whole row. A view with no elements may have any pointer.
///
/// # Examples
/// ```
/// use spnm::MatRef;
///
/// let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let rows = MatRef::row_major(&data, 2, 3)?; // 1 2 3 and 4 5 6
/// let cols = MatRef::new(&data, 2, 3, 1, 2)?; // by columns: 1 3 5 and 2 4 6
/// assert_eq!((rows.at(0, 1), rows.t().at(1, 0), cols.at(0, 1)), (2.0, 2.0, 3.0));
/// # Ok::<(), spnm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    pub(crate) data: *const f32,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
    life: PhantomData<&'a [f32]>,
}

/// A strided view of an f32 matrix that may be written.
///
/// As for [`MatRef`], but functions that write refuse strides that give two elements the same
/// address ([`Error::Aliased`]).
#[derive(Debug)]
pub struct MatMut<'a> {
    pub(crate) view: MatRef<'a>,
    life: PhantomData<&'a mut [f32]>,
}

/// What became of a [`MatMut`] that the tasks of a call share: each writes a part of its own. It is read like a [`MatRef`].
#[derive(Clone, Copy)]
pub(crate) struct Output<'a>(MatRef<'a>);

// SAFETY: a view is a shared borrow of plain f32s, and `&[f32]` is Send.
unsafe impl Send for MatRef<'_> {}
// SAFETY: a view hands out nothing but copies of f32s, and `&[f32]` is Sync.
unsafe impl Sync for MatRef<'_> {}
// SAFETY: a unique borrow of plain f32s, and `&mut [f32]` is Send.
unsafe impl Send for MatMut<'_> {}
// SAFETY: a shared `&MatMut` can only be read through.
unsafe impl Sync for MatMut<'_> {}

impl<'a> MatRef<'a> {
    /// A view whose element (0, 0) is `data[0]`; strides in elements.
    ///
    /// # Errors
    /// [`Error::OutOfSlice`] if an element would lie behind `data`, [`Error::BeforeSlice`] if a negative stride
    /// takes one before it, [`Error::Overflow`] if the extent exceeds the address space.
    pub fn new(
        data: &'a [f32],
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Result<Self, Error> {
        // SAFETY: no element is touched before `within` has shown that all lie inside `data`.
        let view =
            unsafe { Self::from_raw_parts(data.as_ptr(), rows, cols, row_stride, col_stride) };
        view.within(data.len())?;
        Ok(view)
    }

    /// A row-major view: `data[i * cols + j]`.
    ///
    /// # Errors
    /// As [`MatRef::new`].
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, rows, cols, stride_of(cols)?, 1)
    }

    /// A view of raw memory, which the caller vouches for: its size is not known here.
    ///
    /// # Safety
    /// While the view lives, every element that it addresses must be readable, of any alignment, and not be
    /// written through anything but a view made of the same pointer. The extent itself need not
    /// have been checked: every function checks it before it touches an element.
    #[must_use]
    pub const unsafe fn from_raw_parts(
        data: *const f32,
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Self {
        Self { data, rows, cols, row_stride, col_stride, life: PhantomData }
    }

    /// The transpose: the same memory with rows and columns exchanged.
    #[must_use]
    pub const fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The part with these rows and columns.
    ///
    /// # Panics
    /// If a range reaches beyond the view, like slice indexing.
    #[must_use]
    pub fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows,
            "rows {rows:?} of a view with {} rows",
            self.rows
        );
        assert!(
            cols.start <= cols.end && cols.end <= self.cols,
            "columns {cols:?} of a view with {} columns",
            self.cols
        );
        let (r, c) = (rows.len(), cols.len());
        let data = if r == 0 || c == 0 { self.data } else { self.address(rows.start, cols.start) };
        Self { data, rows: r, cols: c, ..self }
    }

    /// Rows.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.rows
    }

    /// Columns.
    #[must_use]
    pub const fn cols(self) -> usize {
        self.cols
    }

    /// Elements from one row to the next.
    #[must_use]
    pub const fn row_stride(self) -> isize {
        self.row_stride
    }

    /// Elements from one column to the next.
    #[must_use]
    pub const fn col_stride(self) -> isize {
        self.col_stride
    }

    /// Element (`row`, `col`).
    ///
    /// # Panics
    /// If it lies outside the view.
    #[must_use]
    pub fn at(self, row: usize, col: usize) -> f32 {
        assert!(
            row < self.rows && col < self.cols,
            "element ({row}, {col}) of a {} x {} view",
            self.rows,
            self.cols
        );
        // SAFETY: the element lies inside the view, which the view's maker vouched for.
        unsafe { self.address(row, col).read_unaligned() }
    }

    /// The address of element (`row`, `col`), which must lie inside the view for it to mean anything.
    #[expect(clippy::cast_possible_wrap, reason = "rows and columns of memory fit isize")]
    pub(crate) const fn address(self, row: usize, col: usize) -> *const f32 {
        let offset = (row as isize)
            .wrapping_mul(self.row_stride)
            .wrapping_add((col as isize).wrapping_mul(self.col_stride));
        self.data.wrapping_offset(offset)
    }

    /// Whether the view has no elements.
    pub(crate) const fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// The least and the greatest element offset from element (0, 0), both inclusive; `None` where
    /// they overflow. The view must not be empty.
    pub(crate) fn offsets(self) -> Option<(isize, isize)> {
        let reach = |count: usize, stride: isize| {
            isize::try_from(count - 1).ok().and_then(|n| n.checked_mul(stride))
        };
        let (r, c) = (reach(self.rows, self.row_stride)?, reach(self.cols, self.col_stride)?);
        Some((r.min(0).checked_add(c.min(0))?, r.max(0).checked_add(c.max(0))?))
    }

    /// Checks that every element lies in a slice of `len` elements that starts at element (0, 0).
    fn within(self, len: usize) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let overflow = Error::Overflow { what: "the extent of a view", value: usize::MAX };
        let (low, high) = self.offsets().ok_or(overflow)?;
        let needed = usize::try_from(high).ok().and_then(|h| h.checked_add(1)).ok_or(overflow)?;
        let argument = "data";
        if low < 0 {
            return Err(Error::BeforeSlice { argument, elements: low.unsigned_abs() });
        }
        if needed > len {
            return Err(Error::OutOfSlice { argument, needed, len });
        }
        Ok(())
    }
}

impl<'a> MatMut<'a> {
    /// A view whose element (0, 0) is `data[0]`; strides in elements.
    ///
    /// # Errors
    /// As [`MatRef::new`].
    pub fn new(
        data: &'a mut [f32],
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Result<Self, Error> {
        // SAFETY: no element is touched before `within` has shown that all lie inside `data`.
        let this =
            unsafe { Self::from_raw_parts(data.as_mut_ptr(), rows, cols, row_stride, col_stride) };
        this.view.within(data.len())?;
        Ok(this)
    }

    /// A row-major view: `data[i * cols + j]`.
    ///
    /// # Errors
    /// As [`MatRef::new`].
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, rows, cols, stride_of(cols)?, 1)
    }

    /// A view of raw memory, which the caller vouches for: its size is not known here.
    ///
    /// # Safety
    /// As [`MatRef::from_raw_parts`], and the elements must be writable. Two views may share memory:
    /// functions refuse outputs that overlap another operand.
    #[must_use]
    pub const unsafe fn from_raw_parts(
        data: *mut f32,
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Self {
        // SAFETY: the caller's promise.
        let view = unsafe { MatRef::from_raw_parts(data, rows, cols, row_stride, col_stride) };
        Self { view, life: PhantomData }
    }

    /// The transpose: the same memory with rows and columns exchanged.
    #[must_use]
    pub fn t(self) -> Self {
        Self { view: self.view.t(), life: PhantomData }
    }

    /// A shorter borrow of the same view.
    #[must_use]
    pub fn reborrow(&mut self) -> MatMut<'_> {
        MatMut { view: self.view, life: PhantomData }
    }

    /// The same view, to be read.
    #[must_use]
    pub fn as_ref(&self) -> MatRef<'_> {
        self.view
    }

    /// The same view, to be shared by those who write it.
    pub(crate) const fn output(self) -> Output<'a> {
        Output(self.view)
    }
}

impl Output<'_> {
    /// The transpose.
    pub(crate) const fn t(self) -> Self {
        Self(self.0.t())
    }

    /// As [`MatRef::part`].
    pub(crate) fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        Self(self.0.part(rows, cols))
    }

    /// As [`MatRef::address`].
    pub(crate) const fn address(self, row: usize, col: usize) -> *mut f32 {
        self.0.address(row, col).cast_mut()
    }

    /// The address of element (0, 0).
    pub(crate) const fn data(self) -> *mut f32 {
        self.0.data.cast_mut()
    }
}

impl<'a> Deref for Output<'a> {
    type Target = MatRef<'a>;

    fn deref(&self) -> &MatRef<'a> {
        &self.0
    }
}

fn stride_of(cols: usize) -> Result<isize, Error> {
    isize::try_from(cols).map_err(|_| Error::Overflow { what: "a row", value: cols })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_says_what_it_was_made_of() {
        let data = [0.0; 40];
        let a = MatRef::new(&data, 3, 5, 9, 2).expect("within the slice");
        assert_eq!((a.rows(), a.cols(), a.row_stride(), a.col_stride()), (3, 5, 9, 2));
        let t = a.t();
        assert_eq!((t.rows(), t.cols(), t.row_stride(), t.col_stride()), (5, 3, 2, 9));
        let part = a.part(1..3, 2..5);
        assert_eq!((part.rows(), part.cols(), part.row_stride(), part.col_stride()), (2, 3, 9, 2));
        assert_eq!(part.data, a.address(1, 2));
    }

    /// Its first element need not be one of the view: the pointer stays where it is.
    #[test]
    fn an_empty_part_points_nowhere_new() {
        let data = [0.0; 15];
        let a = MatRef::row_major(&data, 3, 5).expect("within the slice");
        for part in [a.part(3..3, 1..5), a.part(1..3, 5..5), a.part(3..3, 5..5)] {
            assert!(part.is_empty());
            assert_eq!(part.data, a.data);
        }
    }
}
