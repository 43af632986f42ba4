//! Products: their shapes, where operands lie, and the dense baseline.

use super::matrix::Storage;
use gemm::Parallelism;
use std::fmt;

/// C is `rows` x `cols`, the dimension that is summed over `inner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub rows: usize,
    pub inner: usize,
    pub cols: usize,
}

impl Shape {
    pub const fn new(rows: usize, inner: usize, cols: usize) -> Self {
        Self { rows, inner, cols }
    }

    pub const fn cube(size: usize) -> Self {
        Self::new(size, size, size)
    }

    /// Floating-point operations of the dense product.
    pub fn flops(self) -> f64 {
        2.0 * self.rows as f64 * self.inner as f64 * self.cols as f64
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.rows, self.inner, self.cols)
    }
}

/// Where the elements of C = A.B lie: A by rows or by columns, B and C by rows.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub a: Storage,
    /// Leading dimensions: elements from a row to the next (of A by columns, from a column).
    pub lda: usize,
    pub ldb: usize,
    pub ldc: usize,
}

impl Layout {
    /// No gaps between rows.
    pub fn tight(shape: Shape, a: Storage) -> Self {
        let lda = match a {
            Storage::Rows => shape.inner,
            Storage::Cols => shape.rows,
        };
        Self { a, lda, ldb: shape.cols, ldc: shape.cols }
    }

    /// Every leading dimension `ld`, which is at least the longest row.
    pub fn padded(ld: usize, a: Storage) -> Self {
        Self { a, lda: ld, ldb: ld, ldc: ld }
    }

    /// Elements of A's buffer.
    pub fn a_len(&self, shape: Shape) -> usize {
        match self.a {
            Storage::Rows => shape.rows * self.lda,
            Storage::Cols => shape.inner * self.lda,
        }
    }

    /// The strides of A: from a row to the next, from a column to the next.
    pub fn a_strides(&self) -> (isize, isize) {
        match self.a {
            Storage::Rows => (stride(self.lda), 1),
            Storage::Cols => (1, stride(self.lda)),
        }
    }
}

pub fn stride(n: usize) -> isize {
    isize::try_from(n).expect("a dimension of memory")
}

/// C = A.B by the `gemm` crate.
pub fn dense(
    threads: Parallelism,
    shape: Shape,
    layout: &Layout,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
) {
    let Shape { rows, inner, cols } = shape;
    assert!(a.len() >= layout.a_len(shape), "A's buffer is too short");
    assert!(b.len() >= inner * layout.ldb && layout.ldb >= cols, "B's buffer is too short");
    assert!(c.len() >= rows * layout.ldc && layout.ldc >= cols, "C's buffer is too short");
    let (a_row, a_col) = layout.a_strides();
    // SAFETY: the slices hold matrices of these sizes and strides.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            c.as_mut_ptr(),
            1,
            stride(layout.ldc),
            false,
            a.as_ptr(),
            a_col,
            a_row,
            b.as_ptr(),
            1,
            stride(layout.ldb),
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}
