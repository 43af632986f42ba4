//! Row-major matrices, strided views of them, and the dense product of the `gemm` crate.

use gemm::Parallelism;
use spnm::{MatMut, MatRef};

/// A row-major matrix.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) data: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

/// A matrix that is read, as it is or transposed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    matrix: &'a Matrix,
    transposed: bool,
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, cols: usize) -> Self {
        Self { data: vec![0.0; rows * cols], rows, cols }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { matrix: self, transposed: false }
    }

    /// The transpose: the same memory with strides exchanged.
    pub(crate) fn t(&self) -> View<'_> {
        View { matrix: self, transposed: true }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.cols..][..self.cols]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.cols..][..self.cols]
    }

    /// For spnm.
    pub(crate) fn as_ref(&self) -> Result<MatRef<'_>, spnm::Error> {
        MatRef::row_major(&self.data, self.rows, self.cols)
    }

    /// For spnm.
    pub(crate) fn as_mut(&mut self) -> Result<MatMut<'_>, spnm::Error> {
        MatMut::row_major(&mut self.data, self.rows, self.cols)
    }
}

impl View<'_> {
    fn shape(self) -> (usize, usize) {
        let Matrix { rows, cols, .. } = *self.matrix;
        if self.transposed { (cols, rows) } else { (rows, cols) }
    }

    /// Elements from one row, and from one column, to the next.
    fn strides(self) -> (isize, isize) {
        let ld = self.matrix.cols.cast_signed();
        if self.transposed { (1, ld) } else { (ld, 1) }
    }
}

/// C = alpha A B, dense.
pub(crate) fn product(
    parallelism: Parallelism,
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    c: &mut Matrix,
) {
    let ((m, k), (inner, n)) = (a.shape(), b.shape());
    assert!(inner == k && (c.rows, c.cols) == (m, n), "{m}x{k} times {inner}x{n}");
    let ((a_rs, a_cs), (b_rs, b_cs)) = (a.strides(), b.strides());
    let c_rs = c.cols.cast_signed();
    // SAFETY: the shapes fit, a `Matrix` holds rows * cols elements, and `c` is a unique borrow.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.data.as_mut_ptr(),
            1,
            c_rs,
            false,
            a.matrix.data.as_ptr(),
            a_cs,
            a_rs,
            b.matrix.data.as_ptr(),
            b_cs,
            b_rs,
            0.0,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}
