//! Reads the files of `tests/oracle`: little-endian, nothing aligned.

use spnm::Rng;

pub struct Matrix {
    pub rows: usize,
    pub cols: usize,
    pub data: Vec<f32>,
}

/// What is left of a file.
pub struct Reader(pub &'static [u8]);

impl Reader {
    /// # Panics
    /// If the file does not begin with `magic`.
    pub fn new(file: &'static [u8], magic: &[u8; 8]) -> Self {
        let mut reader = Self(file);
        assert_eq!(reader.take(magic.len()), magic);
        reader
    }

    pub fn take(&mut self, count: usize) -> &'static [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().expect("four bytes"))
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    pub fn f32(&mut self) -> f32 {
        f32::from_bits(self.u32())
    }

    pub fn f64(&mut self) -> f64 {
        f64::from_bits(self.u64())
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.f32()).collect()
    }

    /// A number of matrices, and each: rows, columns, elements.
    pub fn matrices(&mut self) -> Vec<Matrix> {
        (0..self.u32())
            .map(|_| {
                let (rows, cols) = (self.u32() as usize, self.u32() as usize);
                Matrix { rows, cols, data: self.floats(rows * cols) }
            })
            .collect()
    }

    pub fn rng(&mut self) -> Rng {
        Rng { seed: self.u64(), stream: self.u64(), row0: self.u64(), col0: self.u64() }
    }

    /// A byte of length, and as many of ASCII.
    pub fn text(&mut self) -> String {
        let length = self.take(1)[0];
        String::from_utf8(self.take(length.into()).to_vec()).expect("ASCII")
    }

    /// # Panics
    /// If anything is left.
    pub fn end(self) {
        assert!(self.0.is_empty(), "{} bytes are left", self.0.len());
    }
}
