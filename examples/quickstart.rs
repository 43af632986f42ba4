//! Prune, compress, multiply, and compare with the dense product: `cargo run --example quickstart`.

use spnm::{Compressed, MatMut, MatRef, Method, Options, Pattern, Rng, Scratch, compress, gemm};

fn main() -> Result<(), spnm::Error> {
    let (rows, inner, cols) = (16, 256, 16);
    let a: Vec<f32> = (0..rows * inner).map(|i| 0.5 + (i as f32).sin()).collect();
    let b: Vec<f32> = (0..inner * cols).map(|i| 0.5 + (i as f32).cos()).collect();
    let (a, b) = (MatRef::row_major(&a, rows, inner)?, MatRef::row_major(&b, inner, cols)?);
    let (options, mut scratch) = (Options::new(), Scratch::new());
    let mut pruned = Compressed::new(rows, inner, Pattern::N2M4)?;
    let mut errors = Vec::new();
    for draws in [1u16, 400] {
        let mut c = vec![0.0; rows * cols];
        for stream in 0..draws.into() {
            // Keep 2 of every 4 entries of A, drawn anew for each stream; C += P(A).B / draws.
            compress(&options, Method::Mvue(Rng::new(1, stream)), a, pruned.as_mut())?;
            let (alpha, c) = (1.0 / f32::from(draws), MatMut::row_major(&mut c, rows, cols)?);
            gemm(&options, &mut scratch, alpha, pruned.as_ref(), b, 1.0, c)?;
        }
        let (mut off, mut all) = (0.0, 0.0);
        for (i, c) in c.iter().enumerate() {
            let dense: f32 = (0..inner).map(|k| a.at(i / cols, k) * b.at(k, i % cols)).sum();
            (off, all) = (off + (c - dense).powi(2), all + dense.powi(2));
        }
        errors.push((off / all).sqrt());
        println!("mean of {draws} pruned products: relative error {:.4}", (off / all).sqrt());
    }
    // Unbiased: the error of one product is noise, and the mean of 400 has 20 times less of it.
    assert!(errors[1] < errors[0] / 10.0, "the estimate is biased");
    Ok(())
}
