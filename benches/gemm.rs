//! Products with a compressed operand, beside the dense product of the `gemm` crate. One thread.

mod common;

use common::matrix::{Dense, Storage, view_mut};
use common::product::{Layout, Shape, dense};
use common::{PATTERNS, flops, group, grouped, is_test, levels, print_table, transposed};
use criterion::Criterion;
use gemm::Parallelism;
use spnm::{
    Compressed, Isa, MatMut, MatRef, Method, Options, Pattern, Rng, Scratch, compress, decompress,
    gemm, prune_gemm,
};
use std::cell::LazyCell;
use std::hint::black_box;
use std::time::SystemTime;

const METHOD: Method = Method::Mvue(Rng::new(1, 2));

/// The compressed A, and what the product must be: the dense product of its zeros and values, with
/// the rounding error that any two orders of summation may differ by.
struct Expected {
    a: Compressed,
    c: Vec<f32>,
    slack: Vec<f32>,
}

impl Expected {
    fn new(shape: Shape, pattern: Pattern, a: &[f32], b: &[f32]) -> Self {
        let Shape { rows, inner, cols } = shape;
        let layout = Layout::tight(shape, Storage::Rows);
        let view = MatRef::row_major(a, rows, inner).expect("its own buffer");
        let mut packed = Compressed::new(rows, inner, pattern).expect("memory");
        compress(&Options::new(), METHOD, view, packed.as_mut()).expect("valid operands");
        let mut pruned = vec![0.0; rows * inner];
        let view = MatMut::row_major(&mut pruned, rows, inner).expect("its own buffer");
        decompress(&Options::new(), packed.as_ref(), view).expect("valid operands");
        let (mut c, mut slack) = (vec![0.0; rows * cols], vec![0.0; rows * cols]);
        dense(Parallelism::None, shape, &layout, &pruned, b, &mut c);
        let magnitudes = |x: &[f32]| x.iter().map(|x| x.abs()).collect::<Vec<_>>();
        dense(Parallelism::None, shape, &layout, &magnitudes(&pruned), &magnitudes(b), &mut slack);
        slack.iter_mut().for_each(|s| *s *= 2.0 * inner as f32 * f32::EPSILON);
        Self { a: packed, c, slack }
    }

    fn check(&self, what: &str, c: &[f32]) {
        for (e, (c, (want, slack))) in c.iter().zip(self.c.iter().zip(&self.slack)).enumerate() {
            assert!((c - want).abs() <= *slack, "{what}: element {e} is {c}, not {want}");
        }
    }
}

fn bench(criterion: &mut Criterion, shape: Shape, levels: &[Isa]) {
    let Shape { rows, inner, cols } = shape;
    let name = shape.to_string();
    let (a, b) = (Dense::new(3, rows, inner), Dense::new(4, inner, cols));
    let by_rows = || (a.data(Storage::Rows), b.data(Storage::Rows));
    let mut c = vec![0.0f32; rows * cols];
    let mut scratch = Scratch::new();

    let mut baseline = group(criterion, "dense");
    baseline.throughput(flops(rows, inner, cols));
    baseline.bench_function(format!("dense/rows/{name}/-"), |bencher| {
        let layout = Layout::tight(shape, Storage::Rows);
        let (a, b) = by_rows();
        bencher.iter(|| {
            dense(Parallelism::None, shape, &layout, black_box(a), black_box(b), black_box(&mut c));
        });
    });
    baseline.finish();

    for pattern in PATTERNS.into_iter().chain(grouped()) {
        let expected = LazyCell::new(|| {
            let (a, b) = by_rows();
            Expected::new(shape, pattern, a, b)
        });
        // The storage that has the most use, and for 2:4 the other one too.
        let storages = |usual, other| match pattern {
            Pattern::N2M4 => vec![usual, other],
            _ => vec![usual],
        };

        // The storage of B and C; A is compressed.
        let mut products = group(criterion, "gemm");
        products.throughput(flops(rows, inner, cols));
        for storage in storages(Storage::Rows, Storage::Cols) {
            for &isa in levels {
                let id = format!("{pattern}/{storage}/{name}/{}", isa.name());
                let mut checked = false;
                products.bench_function(&id, |bencher| {
                    let options = Options::new().isa(isa);
                    let b = b.view(storage);
                    let mut run = |c: &mut [f32]| {
                        let (a, c) = (expected.a.as_ref(), view_mut(c, (rows, cols), storage));
                        gemm(&options, &mut scratch, 1.0, black_box(a), black_box(b), 0.0, c)
                            .expect("valid operands");
                    };
                    if !std::mem::replace(&mut checked, true) {
                        run(&mut c);
                        let row_major = match storage {
                            Storage::Rows => c.clone(),
                            Storage::Cols => transposed(&c, cols, rows),
                        };
                        expected.check(&id, &row_major);
                    }
                    bencher.iter(|| run(black_box(&mut c)));
                });
            }
        }
        products.finish();

        // The storage of A; B and C are row-major. Columns contiguous is the weight gradient.
        let mut fused = group(criterion, "prune_gemm");
        fused.throughput(flops(rows, inner, cols));
        for storage in storages(Storage::Cols, Storage::Rows) {
            for &isa in levels {
                let id = format!("{pattern}/{storage}/{name}/{}", isa.name());
                let mut checked = false;
                fused.bench_function(&id, |bencher| {
                    let options = Options::new().isa(isa);
                    let (a, b) = (a.view(storage), b.view(Storage::Rows));
                    let mut run = |c: &mut [f32]| {
                        let c = MatMut::row_major(c, rows, cols).expect("its own buffer");
                        let (a, b) = (black_box(a), black_box(b));
                        prune_gemm(&options, &mut scratch, METHOD, pattern, 1.0, a, b, 0.0, c)
                            .expect("valid operands");
                    };
                    if !std::mem::replace(&mut checked, true) {
                        run(&mut c);
                        expected.check(&id, &c);
                    }
                    bencher.iter(|| run(black_box(&mut c)));
                });
            }
        }
        fused.finish();
    }
}

fn main() {
    let start = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    if is_test() {
        bench(&mut criterion, Shape::new(37, 150, 41), &levels());
    } else {
        // The portable level emulates fused multiply-adds where the target's baseline has none: its
        // large products would take most of the time of a run.
        let fast: Vec<Isa> = levels().into_iter().filter(|&isa| isa > Isa::Portable).collect();
        bench(&mut criterion, Shape::cube(64), &levels());
        bench(&mut criterion, Shape::cube(512), &levels());
        bench(&mut criterion, Shape::cube(1024), &fast);
        // A layer with 768 inputs and 3072 outputs, over 2048 tokens.
        bench(&mut criterion, Shape::new(3072, 768, 2048), &fast);
    }
    criterion.final_summary();
    print_table(start, "dense", "GFLOP/s, dense-equivalent");
}
