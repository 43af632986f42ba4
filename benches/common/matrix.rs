//! Dense matrices in either storage.

use super::{data, transposed};
use spnm::{MatMut, MatRef};
use std::cell::OnceCell;
use std::fmt;

/// Whether rows or columns of a matrix are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Rows,
    Cols,
}

pub const STORAGES: [Storage; 2] = [Storage::Rows, Storage::Cols];

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Cols => "cols",
        })
    }
}

/// A matrix in both storages, each made when it is first asked for.
pub struct Dense {
    seed: u64,
    rows: usize,
    cols: usize,
    by_rows: OnceCell<Vec<f32>>,
    by_cols: OnceCell<Vec<f32>>,
}

impl Dense {
    pub fn new(seed: u64, rows: usize, cols: usize) -> Self {
        Self { seed, rows, cols, by_rows: OnceCell::new(), by_cols: OnceCell::new() }
    }

    /// The elements, in the order of memory.
    pub fn data(&self, storage: Storage) -> &[f32] {
        let by_rows = || self.by_rows.get_or_init(|| data(self.seed, self.rows * self.cols));
        match storage {
            Storage::Rows => by_rows(),
            Storage::Cols => {
                self.by_cols.get_or_init(|| transposed(by_rows(), self.rows, self.cols))
            }
        }
    }

    pub fn view(&self, storage: Storage) -> MatRef<'_> {
        let data = self.data(storage);
        match storage {
            Storage::Rows => MatRef::row_major(data, self.rows, self.cols),
            Storage::Cols => MatRef::row_major(data, self.cols, self.rows).map(MatRef::t),
        }
        .expect("its own buffer")
    }
}

/// A buffer as `rows` x `cols` elements.
pub fn view_mut(buffer: &mut [f32], (rows, cols): (usize, usize), storage: Storage) -> MatMut<'_> {
    match storage {
        Storage::Rows => MatMut::row_major(buffer, rows, cols),
        Storage::Cols => MatMut::row_major(buffer, cols, rows).map(MatMut::t),
    }
    .expect("its own buffer")
}
