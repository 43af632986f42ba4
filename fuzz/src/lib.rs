//! What the fuzz targets share: how a case is drawn from bytes.

#[path = "../../tests/common/c.rs"]
pub mod c;
#[path = "../../tests/common/mod.rs"]
pub mod common;

use common::{Dense, ORDERS};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use spnm::{Isa, Method, Options, Pattern, Rng};

/// A pattern, a shape, a method that accepts every matrix, a level, and where the matrix lies.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub p: Pattern,
    pub rows: usize,
    pub cols: usize,
    pub method: Method,
    pub isa: Isa,
    pub order: usize,
}

impl Case {
    pub fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let p = *u.choose(Pattern::ALL)?;
        let (rows, cols) = (u.int_in_range(0..=36)?, u.int_in_range(0..=300)?);
        // One time in four rows share indices.
        let group = if u.ratio(1, 4)? { u.int_in_range(2..=Pattern::MAX_GROUP)? } else { 1 };
        let p = p.grouped(group).expect("1 to 64 rows");
        let row0 = u64::from(u.arbitrary::<u32>()? >> 2) / p.group() as u64 * p.group() as u64;
        let col0 = u64::from(u.arbitrary::<u32>()? >> 1) * p.m() as u64;
        let rng = Rng::new(u.arbitrary()?, u.arbitrary()?).at(row0, col0);
        let mut methods = vec![Method::Magnitude, Method::Mvue(rng)];
        if group == 1 {
            methods.push(Method::SoftThreshold);
            if p.n() == 2 {
                methods.push(Method::MvueApprox(rng));
            }
        }
        let levels: Vec<Isa> = Isa::available().collect();
        let method = *u.choose(&methods)?;
        Ok(Self { p, rows, cols, method, isa: *u.choose(&levels)?, order: u.int_in_range(0..=2)? })
    }

    pub fn options(&self) -> Options<'static> {
        Options::new().isa(self.isa)
    }

    pub fn dense(&self, data: &[f32]) -> Dense {
        Dense::new(data, self.rows, self.cols, ORDERS[self.order], self.rows % 3)
    }
}

/// Any bit patterns; what the input does not provide repeats with a period that no tile has.
pub fn floats(u: &mut Unstructured<'_>, len: usize) -> Result<Vec<f32>> {
    let given = u.arbitrary_len::<u32>()?.min(len);
    let mut words = Vec::with_capacity(len);
    for _ in 0..given {
        words.push(u.arbitrary::<u32>()?);
    }
    let period = given.min(251);
    for i in given..len {
        words.push(if period == 0 { 0 } else { words[i - period] });
    }
    Ok(words.into_iter().map(f32::from_bits).collect())
}

/// Small numbers: multiples of 1/16 in [-8, 8).
pub fn numbers(u: &mut Unstructured<'_>, len: usize) -> Result<Vec<f32>> {
    Ok(floats(u, len)?.into_iter().map(|x| f32::from(x.to_bits() as i8) / 16.0).collect())
}
