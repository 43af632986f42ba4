//! Rows that are pruned several together are those of any other call.

use super::*;
use crate::kernels::{self, DENSE_ROWS, Level, numbers};
use crate::rng::Rng;

#[test]
fn short_rows_have_the_same_bits_whatever_is_between_them() {
    const UNTOUCHED: f32 = -7.25;
    let method = Method::Mvue(Rng::new(1, 2).at(3, 0));
    // Matrices of more rows than go together, of some, of one.
    let pruned =
        |kernels: Level, p: Pattern, (rows, cols): (usize, usize), gaps: (usize, usize)| {
            let (ld, ld_out) = (cols + gaps.0, cols + gaps.1);
            let data = numbers(5, rows * ld);
            let a = MatRef::new(&data, rows, cols, ld.cast_signed(), 1).expect("a matrix");
            let mut apart = vec![UNTOUCHED; rows * ld_out];
            let out =
                MatMut::new(&mut apart, rows, cols, ld_out.cast_signed(), 1).expect("a matrix");
            // SAFETY: views of buffers that do not overlap.
            unsafe { rows::prune(&Options::new(), kernels, (method, p), a, out.output()) };
            let mut same = data.clone();
            let to = same.as_mut_ptr();
            // SAFETY: two views of one buffer, entry by entry.
            unsafe {
                let a = MatRef::from_raw_parts(to, rows, cols, ld.cast_signed(), 1);
                let out = MatMut::from_raw_parts(to, rows, cols, ld.cast_signed(), 1);
                rows::prune(&Options::new(), kernels, (method, p), a, out.output());
            }
            [apart, same].map(|x| x.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
    for &p in Pattern::ALL.iter().filter(|p| p.m() <= DENSE_ROWS) {
        for cols in [1, 3, 4, 16, 30, 32, 64, 100, 128, 250, 300, 1000] {
            for rows in [1, 5, 67] {
                for gaps in [(0, 0), (0, 3), (3, 0), (16, 16)] {
                    let want = pruned(kernels::reference::level(), p, (rows, cols), gaps);
                    for (name, kernels) in kernels::levels() {
                        let got = pruned(kernels, p, (rows, cols), gaps);
                        assert!(got == want, "{name} {p} {rows} {cols} {gaps:?}");
                    }
                }
            }
        }
    }
}
