//! Values written past the caches are those of any other call.

use super::*;
use crate::kernels::generic::lanes::LINE;
use crate::kernels::{self, numbers};
use crate::rng::Rng;

/// In memory that a kernel must not write.
const UNTOUCHED: (f32, u8) = (-7.25, 0xA5);

/// `values` past the first `before` elements of a cache line.
fn at_line(values: &mut [f32], before: usize) -> *mut f32 {
    let line = values.as_ptr().align_offset(size_of::<[f32; LINE]>());
    values[line + before..].as_mut_ptr()
}

#[test]
fn streamed_values_are_the_same_bits_wherever_lines_begin() {
    // More rows than are streamed together, and than carry what a chunk leaves of a line to the next one.
    let rows = 290_usize;
    for (name, kernels) in kernels::levels() {
        for &p in Pattern::ALL {
            // More groups than a chunk, and no whole one at the end.
            let (cols, ld) = (70 * p.m() - 1, rows.next_multiple_of(LINE));
            let data = numbers(5, ld * cols);
            let twice = (p.n() == 2).then_some(Method::MvueApprox(Rng::new(1, 2)));
            let methods = [Method::Magnitude, Method::Mvue(Rng::new(1, 2))];
            for (i, method) in methods.into_iter().chain(twice).enumerate() {
                // At the beginning of a chunk, and where its words are drawn in two.
                for at in [(0, 0), (3, 5 * p.m())] {
                    let ld_values = p.row_values(cols).next_multiple_of(LINE) + LINE;
                    let ld_meta = p.row_meta(cols) + 1;
                    let run = |before: usize, stream: bool| {
                        // Columns that begin at other places of a line.
                        let mut copy = vec![0.0; data.len() + 2 * LINE];
                        let column = at_line(&mut copy, before * 5 % LINE);
                        // SAFETY: `copy` has room behind the line.
                        let a = unsafe {
                            column.copy_from_nonoverlapping(data.as_ptr(), data.len());
                            MatRef::from_raw_parts(column, rows, cols, 1, ld.cast_signed())
                        };
                        let mut values = vec![UNTOUCHED.0; rows * ld_values + 2 * LINE];
                        let mut meta = vec![UNTOUCHED.1; rows * ld_meta];
                        let first = at_line(&mut values, before);
                        let target = Target {
                            values: first,
                            ld_values,
                            meta: meta.as_mut_ptr(),
                            ld_meta,
                            stream,
                        };
                        // SAFETY: rows fit the buffers.
                        let line = unsafe {
                            compress_block(kernels, p, method, a, at, target);
                            first.offset_from(values.as_ptr())
                        };
                        // As if every buffer began with a line.
                        values.rotate_left(line.cast_unsigned());
                        (values.into_iter().map(f32::to_bits).collect::<Vec<_>>(), meta)
                    };
                    let want = run(0, false);
                    for before in 0..LINE {
                        assert!(run(before, true) == want, "{name} {p} {i} {at:?} {before}");
                    }
                }
            }
        }
    }
}
