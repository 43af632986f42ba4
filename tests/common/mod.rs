//! What the tests share: data, matrices with slack, equality to the bit.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

pub mod forms;
pub mod statistics;
pub mod vectors;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;
use spnm::{Analysis, Isa, MatMut, MatRef};
use std::io::Write as _;
use std::sync::Once;

/// Test data: uniform, normal and lognormal numbers from a seed.
pub struct Data(Pcg64Mcg);

impl Data {
    pub fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::new(u128::from(seed) << 64 | 0x9E37_79B9_7F4A_7C15))
    }

    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0.next_u64() as usize % n
    }

    pub fn uniform(&mut self) -> f32 {
        (self.word() >> 8) as f32 / (1u32 << 24) as f32
    }

    pub fn normal(&mut self) -> f32 {
        let (u, v) = (f64::from(self.uniform()) + 1e-9, f64::from(self.uniform()));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// Bell-shaped numbers in (-2, 2), the same on every machine: no libm in between.
    pub fn bells(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (0..4).map(|_| self.uniform()).sum::<f32>() - 2.0).collect()
    }

    /// As `bells`, with zeros, ties, numbers of every scale, and now and then one that is not finite.
    pub fn mixture(&mut self, len: usize) -> Vec<f32> {
        let mut data = self.bells(len);
        for x in &mut data {
            *x = match self.below(1000) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => -0.0,
                3 => 3e38,
                4..10 => f32::from_bits(1 + self.word() % 9),
                10..200 => 0.0,
                200..300 => x.round(),
                // Exponents from -15 to 16, either sign, any mantissa.
                300..500 => {
                    let word = self.word();
                    f32::from_bits((word & 0x807F_FFFF) | (112 + (word >> 23 & 31)) << 23)
                }
                _ => *x,
            };
        }
        data
    }

    /// One of five kinds of numbers: normal; lognormal with signs; mostly zeros; small integers
    /// (ties); tiny, with one NaN, infinity or huge number somewhere.
    pub fn matrix(&mut self, kind: usize, len: usize) -> Vec<f32> {
        let mut data: Vec<f32> = (0..len)
            .map(|_| {
                let x = self.normal();
                match kind % 5 {
                    1 => (2.5 * x).exp() * if self.word() & 1 == 0 { 1.0 } else { -1.0 },
                    2 if self.uniform() < 0.7 => 0.0,
                    3 => x.round(),
                    4 => x * 1e-3,
                    _ => x,
                }
            })
            .collect();
        if kind % 5 == 4 && len > 0 {
            let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, 1e-45, -0.0];
            let at = self.below(len);
            data[at] = bad[self.below(bad.len())];
        }
        data
    }
}

/// The rows of the transpose of `rows` x `cols` elements.
pub fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|e| data[e % rows * cols + e / rows]).collect()
}

/// How a matrix lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Rows contiguous.
    Rows,
    /// Columns contiguous.
    Cols,
    /// Neither: two elements apart.
    Spread,
}

pub const ORDERS: [Order; 3] = [Order::Rows, Order::Cols, Order::Spread];

/// A matrix in a buffer of its own, with slack between its rows (or columns) that nobody may write.
#[derive(Clone)]
pub struct Dense {
    pub buffer: Vec<f32>,
    pub rows: usize,
    pub cols: usize,
    pub strides: (isize, isize),
}

/// What slack is filled with: a NaN of its own.
pub const SLACK: u32 = 0x7FC0_ABCD;

impl Dense {
    /// `data` is row-major.
    pub fn new(data: &[f32], rows: usize, cols: usize, order: Order, slack: usize) -> Self {
        let (strides, len) = match order {
            Order::Rows => ((cols + slack, 1), rows * (cols + slack)),
            Order::Cols => ((1, rows + slack), cols * (rows + slack)),
            Order::Spread => ((2 * cols + slack, 2), rows * (2 * cols + slack)),
        };
        let strides = (strides.0 as isize, strides.1 as isize);
        let mut dense = Self { buffer: vec![f32::from_bits(SLACK); len], rows, cols, strides };
        for i in 0..rows {
            for j in 0..cols {
                let at = dense.at(i, j);
                dense.buffer[at] = data[i * cols + j];
            }
        }
        dense
    }

    pub fn at(&self, i: usize, j: usize) -> usize {
        i * self.strides.0 as usize + j * self.strides.1 as usize
    }

    pub fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.buffer, self.rows, self.cols, self.strides.0, self.strides.1)
            .expect("a view of its own buffer")
    }

    pub fn view_mut(&mut self) -> MatMut<'_> {
        MatMut::new(&mut self.buffer, self.rows, self.cols, self.strides.0, self.strides.1)
            .expect("a view of its own buffer")
    }

    /// The elements in row-major order.
    pub fn data(&self) -> Vec<f32> {
        (0..self.rows * self.cols)
            .map(|e| self.buffer[self.at(e / self.cols, e % self.cols)])
            .collect()
    }

    /// Whether everything between the elements is as it was.
    pub fn slack_is_untouched(&self) -> bool {
        let mut element = vec![false; self.buffer.len()];
        for i in 0..self.rows {
            for j in 0..self.cols {
                element[self.at(i, j)] = true;
            }
        }
        self.buffer.iter().zip(element).all(|(x, is_element)| is_element || x.to_bits() == SLACK)
    }
}

pub fn view(data: &[f32], rows: usize, cols: usize) -> MatRef<'_> {
    MatRef::row_major(data, rows, cols).expect("a row-major matrix")
}

pub fn view_mut(data: &mut [f32], rows: usize, cols: usize) -> MatMut<'_> {
    MatMut::row_major(data, rows, cols).expect("a row-major matrix")
}

/// Equal to the bit, NaNs included: the NaNs of a pruned matrix are the canonical quiet one.
#[track_caller]
pub fn assert_bits(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.to_bits(), want.to_bits(), "element {i}: {got:e} for {want:e}: {what}");
    }
}

/// Equal to the bit, but that any NaN equals any other.
pub fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

/// The levels to test: all that the CPU has, or those that `SPNM_TEST_ISA` (a comma-separated list) names, which must be there.
pub fn levels() -> Vec<Isa> {
    match std::env::var("SPNM_TEST_ISA") {
        Ok(list) => list
            .split(',')
            .map(|name| {
                let isa: Isa = name.parse().expect("SPNM_TEST_ISA names levels");
                assert!(isa.is_available(), "SPNM_TEST_ISA asks for {name}: not on this CPU");
                isa
            })
            .collect(),
        Err(_) => Isa::available().collect(),
    }
}

/// Every number of an analysis.
pub fn numbers(x: &Analysis) -> [f64; 8] {
    [
        x.energy,
        x.mvue_variance,
        x.mvue_approx_variance,
        x.greedy_mse,
        x.greedy_squared_bias,
        x.greedy_cosine,
        x.above_water_level,
        x.zeros,
    ]
}

/// Every method that the pattern has.
pub fn methods(p: spnm::Pattern, rng: spnm::Rng) -> Vec<spnm::Method> {
    use spnm::Method;
    let mut all = vec![Method::Mvue(rng), Method::Magnitude, Method::Keep];
    if p.group() == 1 {
        all.push(Method::SoftThreshold);
        all.extend((p.n() == 2).then_some(Method::MvueApprox(rng)));
    }
    all
}

/// The product as its definition reads: one chain of fused multiply-adds an element, k ascending.
/// All row-major.
pub fn naive_gemm(alpha: f32, a: &spnm::Compressed, b: &[f32], beta: f32, c: &mut [f32]) {
    let view = a.as_ref();
    let shape = (view.rows(), view.cols());
    naive_product(alpha, (a.values(), a.meta()), shape, view.pattern(), b, beta, c);
}

/// The same of any values and metadata without padding, valid or not.
pub fn naive_product(
    alpha: f32,
    (values, meta): (&[f32], &[u8]),
    (rows, inner): (usize, usize),
    p: spnm::Pattern,
    b: &[f32],
    beta: f32,
    c: &mut [f32],
) {
    if rows == 0 || c.is_empty() {
        return;
    }
    let cols = c.len() / rows;
    let (kept, bytes) = (p.row_values(inner), p.row_meta(inner));
    for i in 0..rows {
        for j in 0..cols {
            let c = &mut c[i * cols + j];
            let mut acc = match beta {
                0.0 => 0.0,
                1.0 => *c,
                beta => beta * *c,
            };
            for e in 0..kept {
                let bit = e * p.index_bits();
                let byte = usize::from(meta[i / p.group() * bytes + bit / 8]);
                let k = e / p.n() * p.m() + ((byte >> (bit % 8)) & (p.m() - 1));
                let value = values[i * kept + e];
                let value = if alpha == 1.0 { value } else { alpha * value };
                // Past `inner` there is a zero of alpha's sign times +0.
                let past = (0f32.copysign(alpha), 0.0);
                let (value, b) = if k < inner { (value, b[k * cols + j]) } else { past };
                acc = value.mul_add(b, acc);
            }
            *c = acc;
        }
    }
}

/// How much of the heavy loops to run: the environment variable `SPNM_TEST_EFFORT`, 1 (the default:
/// everything) or 0 (a small part, for emulators). Scaled-down tests say so on stdout, once a program.
pub fn effort() -> usize {
    match std::env::var("SPNM_TEST_EFFORT").as_deref() {
        Err(_) | Ok("1") => 1,
        Ok("0") => {
            static SAID: Once = Once::new();
            // Past the test harness, which would swallow a `println!`.
            SAID.call_once(|| {
                writeln!(std::io::stdout(), "SPNM_TEST_EFFORT=0: heavy loops run a small part")
                    .expect("standard output");
            });
            0
        }
        Ok(other) => panic!("SPNM_TEST_EFFORT is {other:?}: expected 0 or 1"),
    }
}

/// `full` at the default effort, `small` at effort 0.
pub fn by_effort(full: usize, small: usize) -> usize {
    if effort() == 0 { small } else { full }
}

/// The column in its group of kept value `e` of a row, from the row's packed metadata.
pub fn index_of(meta: &[u8], e: usize, p: spnm::Pattern) -> usize {
    let bit = e * p.index_bits();
    usize::from(meta[bit / 8] >> (bit % 8)) & (p.m() - 1)
}

/// The dense form of compressed rows without padding, by the definition of the format.
pub fn dense_of(
    values: &[f32],
    meta: &[u8],
    rows: usize,
    cols: usize,
    p: spnm::Pattern,
) -> Vec<f32> {
    let (kept, bytes) = (p.row_values(cols), p.row_meta(cols));
    let mut dense = vec![0.0; rows * cols];
    for i in 0..rows {
        for e in 0..kept {
            let col = e / p.n() * p.m() + index_of(&meta[i / p.group() * bytes..], e, p);
            if col < cols {
                dense[i * cols + col] = values[i * kept + e];
            }
        }
    }
    dense
}

/// The probability that entry i is one of two drawn without replacement, each in proportion to its magnitude.
pub fn chance(group: &[f32], i: usize) -> f64 {
    let a: Vec<f64> = group.iter().map(|&x| f64::from(x).abs()).collect();
    // Sums of what is left, and not differences, whose rounding a large entry would make large.
    let others = |i: usize| (0..a.len()).filter(|&j| j != i).map(|j| a[j]).sum::<f64>();
    let total: f64 = a.iter().sum();
    let second = (0..a.len()).filter(|&j| j != i).map(|j| a[j] / total * a[i] / others(j));
    a[i] / total + second.sum::<f64>()
}

/// A pattern, one time in three with rows that share indices: 2 to 17 of them.
pub fn some_pattern(data: &mut Data) -> spnm::Pattern {
    let p = spnm::Pattern::ALL[data.below(spnm::Pattern::ALL.len())];
    let rows = if data.below(3) == 0 { 2 + data.below(16) as u32 } else { 1 };
    p.grouped(rows).expect("a group of rows")
}

/// Every element times `factor`.
pub fn scaled(data: &[f32], factor: f32) -> Vec<f32> {
    data.iter().map(|x| x * factor).collect()
}

/// The matrix (row-major) compressed on one level, as an owned value.
pub fn compressed(
    isa: Isa,
    method: spnm::Method,
    data: &[f32],
    (rows, cols): (usize, usize),
    p: spnm::Pattern,
) -> spnm::Compressed {
    let a = MatRef::row_major(data, rows, cols).expect("a row-major matrix");
    let mut out = spnm::Compressed::new(rows, cols, p).expect("memory");
    spnm::compress(&spnm::Options::new().isa(isa), method, a, out.as_mut()).expect("compress");
    out
}
