//! Races of products: compressed, pruned on the way, and dense.

use crate::common::data;
use crate::common::product::{Layout, Shape, stride};
use crate::libraries::Dense;
use crate::race::{Budget, Contestant, Ours, Race, Who, race};
use spnm::{
    Compressed, MatMut, MatRef, Method, Options, Pattern, Pool, Rng, Scratch, compress, decompress,
    gemm, prune_gemm,
};

pub(crate) const GEMM: &str = "gemm";
pub(crate) const PRUNE_GEMM: &str = "prune_gemm";
pub(crate) const METHOD: Method = Method::Mvue(Rng::new(1, 2));

/// A and B. Rows of C are written one after another, `layout.ldc` apart.
pub(crate) struct Operands {
    shape: Shape,
    layout: Layout,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Operands {
    pub(crate) fn new(shape: Shape, layout: Layout) -> Self {
        let (a, b) = (data(3, layout.a_len(shape)), data(4, shape.inner * layout.ldb));
        Self { shape, layout, a, b }
    }

    fn a(&self) -> MatRef<'_> {
        let (row, col) = self.layout.a_strides();
        MatRef::new(&self.a, self.shape.rows, self.shape.inner, row, col).expect("its own buffer")
    }

    fn b(&self) -> MatRef<'_> {
        let Shape { inner, cols, .. } = self.shape;
        MatRef::new(&self.b, inner, cols, stride(self.layout.ldb), 1).expect("its own buffer")
    }

    /// Elements of C's buffer.
    pub(crate) fn c_len(&self) -> usize {
        self.shape.rows * self.layout.ldc
    }

    fn c<'c>(&self, c: &'c mut [f32]) -> MatMut<'c> {
        let Shape { rows, cols, .. } = self.shape;
        MatMut::new(c, rows, cols, stride(self.layout.ldc), 1).expect("a buffer of its length")
    }

    fn compressed(&self, pattern: Pattern) -> Compressed {
        let Shape { rows, inner, .. } = self.shape;
        let mut packed = Compressed::new(rows, inner, pattern).expect("memory");
        compress(&Options::new(), METHOD, self.a(), packed.as_mut()).expect("valid operands");
        packed
    }

    /// One product of ours; returns what it needed of memory.
    pub(crate) fn once(&self, ours: Ours, c: &mut [f32]) -> usize {
        let mut scratch = Scratch::new();
        let pool = Pool::new(ours.threads).expect("a small pool");
        let packed = (ours.op == GEMM).then(|| self.compressed(ours.pattern));
        self.product(ours, packed.as_ref(), &pool, &mut scratch, c);
        scratch.bytes()
    }

    fn product(
        &self,
        ours: Ours,
        packed: Option<&Compressed>,
        pool: &Pool,
        scratch: &mut Scratch,
        c: &mut [f32],
    ) {
        let options = Options::new().isa(ours.isa).pool(pool);
        let (b, c) = (self.b(), self.c(c));
        match packed {
            Some(packed) => gemm(&options, scratch, 1.0, packed.as_ref(), b, 0.0, c),
            None => {
                let a = self.a();
                prune_gemm(&options, scratch, METHOD, ours.pattern, 1.0, a, b, 0.0, c)
            }
        }
        .expect("valid operands");
    }
}

/// Some rows of C, as double precision has them, of A as it is or pruned.
struct Samples<'a> {
    operands: &'a Operands,
    rows: Vec<usize>,
    expected: Vec<Expected>,
}

struct Expected {
    pattern: Option<Pattern>,
    /// Row by row: the element, and how far any order of summation in single precision may be from it.
    elements: Vec<(f64, f64)>,
}

impl<'a> Samples<'a> {
    fn new(operands: &'a Operands, patterns: &[Pattern]) -> Self {
        let last = operands.shape.rows - 1;
        let mut rows = vec![0, last / 3, last];
        rows.dedup();
        let mut samples = Self { operands, rows, expected: Vec::new() };
        samples.expect(None, operands.a());
        let Shape { rows, inner, .. } = operands.shape;
        let mut pruned = vec![0.0; rows * inner];
        for &pattern in patterns {
            let view = MatMut::row_major(&mut pruned, rows, inner).expect("its own buffer");
            let packed = operands.compressed(pattern);
            decompress(&Options::new(), packed.as_ref(), view).expect("valid operands");
            let view = MatRef::row_major(&pruned, rows, inner).expect("its own buffer");
            samples.expect(Some(pattern), view);
        }
        samples
    }

    fn expect(&mut self, pattern: Option<Pattern>, a: MatRef<'_>) {
        let Operands { shape, layout, b, .. } = self.operands;
        let mut elements = Vec::new();
        for &row in &self.rows {
            let mut sums = vec![(0.0, 0.0); shape.cols];
            for (k, b) in b.chunks(layout.ldb).take(shape.inner).enumerate() {
                let a = f64::from(a.at(row, k));
                for ((sum, magnitude), &b) in sums.iter_mut().zip(b) {
                    *sum += a * f64::from(b);
                    *magnitude += (a * f64::from(b)).abs();
                }
            }
            let rounding = shape.inner as f64 * f64::from(f32::EPSILON);
            elements.extend(sums.iter().map(|&(sum, magnitude)| (sum, magnitude * rounding)));
        }
        self.expected.push(Expected { pattern, elements });
    }

    /// Ends the run if `c` is not the product.
    fn check(&self, who: Who, c: &[f32]) {
        let Operands { shape, layout, .. } = self.operands;
        let pattern = match who {
            Who::Ours(ours) => Some(ours.pattern),
            Who::Peer(_) => None,
        };
        let expected = self.expected.iter().find(|expected| expected.pattern == pattern);
        let mut elements = expected.expect("every pattern that runs").elements.iter();
        for &row in &self.rows {
            let c = &c[row * layout.ldc..][..shape.cols];
            for (col, (&c, (want, slack))) in c.iter().zip(&mut elements).enumerate() {
                assert!(
                    (f64::from(c) - want).abs() <= *slack,
                    "{who}, {shape}: element ({row}, {col}) is {c}, not {want}"
                );
            }
        }
    }
}

/// Races `ours` and the `peers`.
pub(crate) fn product_race(
    shape: Shape,
    layout: Layout,
    ours: &[Ours],
    peers: Vec<&mut dyn Dense>,
    budget: Budget,
) -> Race {
    let operands = Operands::new(shape, layout);
    let mut patterns: Vec<Pattern> = Vec::new();
    for ours in ours {
        if !patterns.contains(&ours.pattern) {
            patterns.push(ours.pattern);
        }
    }
    let samples = Samples::new(&operands, &patterns);
    let packed: Vec<Compressed> = patterns.iter().map(|&p| operands.compressed(p)).collect();
    let mut contestants = Vec::new();
    for &ours in ours {
        let which = patterns.iter().position(|&pattern| pattern == ours.pattern);
        let packed = which.filter(|_| ours.op == GEMM).map(|which| &packed[which]);
        let mut scratch = Scratch::new();
        let pool = Pool::new(ours.threads).expect("a small pool");
        let operands = &operands;
        contestants.push(Contestant::ours(ours, move |c| {
            operands.product(ours, packed, &pool, &mut scratch, c);
        }));
    }
    for peer in peers {
        let Operands { a, b, .. } = &operands;
        contestants.push(Contestant::peer(peer.name(), move |c| {
            peer.multiply(shape, &layout, a, b, c);
        }));
    }
    let mut c = vec![0.0; operands.c_len()];
    race(contestants, &mut c, budget, &|who, c| samples.check(who, c))
}
