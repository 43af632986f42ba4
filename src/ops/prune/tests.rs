//! Rows written past the caches are those of any other call.

use super::*;
use crate::kernels::{self, numbers};

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
