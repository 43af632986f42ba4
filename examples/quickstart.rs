//! Prune, compress, multiply, and compare with the dense product: `cargo run --example quickstart`.

use spnm::{Compressed, MatMut, MatRef, Method, Options, Pattern, Rng, Scratch, compress, gemm};

fn main() -> Result<(), spnm::Error> {
    let (rows, inner, cols) = (16, 4096, 16);
    let a: Vec<f32> = (0..rows * inner).map(|i| 0.5 + (i as f32).sin()).collect();
    let b: Vec<f32> = (0..inner * cols).map(|i| 0.5 + (i as f32).cos()).collect();
    let (a, b) = (MatRef::row_major(&a, rows, inner)?, MatRef::row_major(&b, inner, cols)?);
    // Keep 2 of every 4 entries of A, without bias: one seed an experiment, one stream a step.
    let mut pruned = Compressed::new(rows, inner, Pattern::N2M4)?;
    compress(&Options::new(), Method::Mvue(Rng::new(42, 0)), a, pruned.as_mut())?;
    // C = 1 * pruned(A).B + 0 * C
    let mut c = vec![0.0; rows * cols];
    let out = MatMut::row_major(&mut c, rows, cols)?;
    gemm(&Options::new(), &mut Scratch::new(), 1.0, pruned.as_ref(), b, 0.0, out)?;
    // Against the dense product: noise of mean zero, relatively smaller the longer the sums.
    let dense = |i: usize, j: usize| (0..inner).map(|k| a.at(i, k) * b.at(k, j)).sum::<f32>();
    let error = |e: usize| (c[e] / dense(e / cols, e % cols) - 1.0).abs();
    let mean = (0..c.len()).map(error).sum::<f32>() / c.len() as f32;
    println!("half of A: {} bytes of {}, mean error {mean:.4}", pruned.bytes(), 4 * rows * inner);
    assert!(mean < 0.1);
    Ok(())
}
