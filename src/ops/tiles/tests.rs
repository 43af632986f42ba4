//! What is written past the caches is what any other call writes.

use super::*;
use crate::kernels::{self, numbers};
use crate::ops::decompress::expand_tile;

#[test]
fn rows_past_the_caches_have_the_same_bits_wherever_they_begin() {
    const UNTOUCHED: f32 = -7.25;
    // As many as a tile has, a few lines, less than one.
    for cols in [1365, 1024, 130, 5] {
        for &p in Pattern::ALL {
            let (rows, ld) = (3, cols + 7);
            let (ld_values, ld_meta) = (p.row_values(cols), p.row_meta(cols));
            let values = numbers(3, rows * ld_values);
            // Any bytes will do.
            let meta: Vec<u8> =
                (0..rows * ld_meta).map(|i| (i * 167 + i / 7).to_le_bytes()[0]).collect();
            let expanded = |kernels: Level, before: usize, stream: bool| {
                let mut dense = vec![UNTOUCHED; rows * ld + 2 * 16];
                let line = dense.as_ptr().align_offset(64);
                // SAFETY: buffers of these rows, as the leading dimensions say.
                unsafe {
                    let (values, meta) = (values.as_ptr(), meta.as_ptr());
                    let kept = CompressedRef::from_raw_parts(
                        values, meta, rows, cols, p, ld_values, ld_meta,
                    );
                    let data = dense[line + before..].as_mut_ptr();
                    let out = MatMut::from_raw_parts(data, rows, cols, ld.cast_signed(), 1);
                    expand_tile(kernels, kept, 0, out.output(), stream);
                }
                // As if every buffer began with a line.
                dense.rotate_left(line + before);
                dense.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let want = expanded(kernels::reference::level(), 0, false);
            for (name, kernels) in kernels::levels() {
                for before in [0, 1, 4, 8, 15] {
                    for stream in [false, true] {
                        let got = expanded(kernels, before, stream);
                        assert!(got == want, "{name} {p} {cols} {before} {stream}");
                    }
                }
            }
        }
    }
}

#[test]
fn columns_past_the_caches_have_the_same_bits_wherever_they_begin() {
    const UNTOUCHED: f32 = -7.25;
    let source = numbers(7, 70 * 40);
    // Whole lines, some more, and less than one; columns beside whole squares.
    for (rows, cols) in [(16_usize, 32), (48, 35), (37, 16), (70, 40), (15, 9)] {
        for ld in [rows.next_multiple_of(16), rows + 3] {
            let copied = |kernels: Level, before: usize, stream: bool| {
                let mut dense = vec![UNTOUCHED; cols * ld + 2 * 16];
                let line = dense.as_ptr().align_offset(64);
                // SAFETY: buffers of these rows and columns.
                unsafe {
                    let data = dense[line + before..].as_mut_ptr();
                    let out = MatMut::from_raw_parts(data, rows, cols, 1, ld.cast_signed());
                    if stream {
                        copies::stream(kernels, source.as_ptr(), cols, out.output());
                    } else {
                        copies::scatter(kernels, source.as_ptr(), cols, out.output(), false);
                    }
                }
                // As if every buffer began with a line.
                dense.rotate_left(line + before);
                dense.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let want = copied(kernels::reference::level(), 0, false);
            for (name, kernels) in kernels::levels() {
                for before in [0, 1, 8, 15] {
                    for stream in [false, true] {
                        let got = copied(kernels, before, stream);
                        assert!(got == want, "{name} {rows} {cols} {ld} {before} {stream}");
                    }
                }
            }
        }
    }
}
