//! Products by every table of kernels that this CPU can run: a call takes one of them, by level and CPU.

use super::*;
use crate::compressed::{Compressed, Line};
use crate::kernels::{self, numbers};
use crate::rng::Rng;

#[test]
fn products_of_every_table_return_the_reference_bits() {
    // More than a slice of B, of whichever table, and panels of every width; few rows beside a small B.
    for shape in [(37, 1100, 16 * 15 + 3), (13, 123, 256)] {
        returns_the_reference_bits(shape);
    }
}

fn returns_the_reference_bits((rows, inner, cols): (usize, usize, usize)) {
    let (a, b) = (numbers(1, rows * inner), numbers(2, Line::LEN + inner * cols));
    let a = MatRef::row_major(&a, rows, inner).expect("a matrix");
    // Its rows begin with lines, where their length allows it.
    let b = &b[b.as_ptr().align_offset(size_of::<Line>())..];
    let b = MatRef::row_major(b, inner, cols).expect("a matrix");
    let old = numbers(3, rows * cols);
    for (p, group) in
        [(Pattern::N2M4, 1), (Pattern::N1M4, 2), (Pattern::N2M4, 8), (Pattern::N1M16, 16)]
    {
        let p = p.grouped(group).expect("a group of rows");
        let method = Method::Mvue(Rng::new(1, 2));
        let mut packed = Compressed::new(rows, inner, p).expect("memory");
        crate::compress(&Options::new(), method, a, packed.as_mut()).expect("compress");
        let run = |kernels: Level, source: Source<'_>| {
            let (mut c, mut scratch) = (old.clone(), Scratch::new());
            let to = MatMut::row_major(&mut c, rows, cols).expect("a matrix");
            // SAFETY: operands of matching shapes, C in a buffer of its own.
            let made =
                unsafe { product((kernels, None), &mut scratch, p, source, b, 0.5, to.output()) };
            made.expect("memory");
            c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let want = run(kernels::reference::level(), Source::Scaled(packed.as_ref(), 1.5));
        for (name, kernels) in kernels::levels() {
            for source in [Source::Scaled(packed.as_ref(), 1.5), Source::Pruned(a, method, 1.5)] {
                assert!(run(kernels, source) == want, "{name} {p}");
            }
        }
    }
}
