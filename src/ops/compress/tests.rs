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
fn tall_and_streamed_jobs_return_the_same_bits_wherever_lines_begin() {
    // More rows than are streamed together, and then than carry what a chunk leaves of a line to the next one; no whole band
    // at the end. More groups of 4 than a chunk, then of all patterns, the last one not whole: fewer of it than a line's first
    // values, or more. The larger ones in turn: each place in a line with one of the methods.
    for (rows, groups) in [(147_usize, None), (290, Some(70)), (530, Some(65))] {
        for (name, kernels) in kernels::levels() {
            for &p in Pattern::ALL {
                let cols = groups.map_or(301, |groups: usize| groups * p.m() - 1);
                let ld = rows.next_multiple_of(LINE);
                let data = numbers(5, ld * cols);
                // SAFETY: rows `ld` apart, as `data` has them.
                let a = unsafe {
                    MatRef::from_raw_parts(data.as_ptr(), rows, cols, 1, ld.cast_signed())
                };
                let twice = (p.n() == 2).then_some(Method::MvueApprox(Rng::new(1, 2)));
                let methods = [Method::Magnitude, Method::Mvue(Rng::new(1, 2))];
                let methods: Vec<_> = methods.into_iter().chain(twice).collect();
                // At the beginning of a chunk, and where its words are drawn in two.
                let places = [(0, 0), (3, 5 * p.m())];
                for (i, &method) in methods.iter().enumerate() {
                    let (places, skip, step) = match groups {
                        None => (&places[..], 0, 1),
                        Some(_) => (&places[i % 2..=i % 2], i, methods.len()),
                    };
                    for &at in places {
                        let want = run(kernels, (p, method, at), a, (0, How::BandByBand));
                        for before in (0..LINE).skip(skip).step_by(step) {
                            // Columns that begin with a line, and elsewhere.
                            for column in [0, before * 5 % LINE] {
                                let mut copy = vec![0.0; data.len() + 2 * LINE];
                                let to = at_line(&mut copy, column);
                                // SAFETY: `copy` has room behind the line.
                                let a = unsafe {
                                    to.copy_from_nonoverlapping(data.as_ptr(), data.len());
                                    MatRef::from_raw_parts(to, rows, cols, 1, ld.cast_signed())
                                };
                                for how in [How::Streamed, How::Tall] {
                                    let got = run(kernels, (p, method, at), a, (before, how));
                                    let case = (name, rows, i, at, before, column);
                                    assert!(got == want, "{case:?} {p} {how:?}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn few_rows_and_the_last_by_columns_are_those_by_rows() {
    // More columns than a copy holds, the last group of m > 1 not whole.
    let (cols, ld, method) = (COPY + 37, 43, Method::Mvue(Rng::new(1, 2)));
    let data = numbers(5, ld * cols);
    // Few rows, and some behind whole vectors of others.
    for rows in [1, 4, 8, 17, 22, 40] {
        let by_rows: Vec<f32> = (0..rows * cols).map(|e| data[e % cols * ld + e / cols]).collect();
        let by_rows = MatRef::row_major(&by_rows, rows, cols).expect("a matrix");
        let by_columns = MatRef::new(&data, rows, cols, 1, ld.cast_signed()).expect("a matrix");
        for &p in Pattern::ALL {
            let what = (p, method, (3, 5 * p.m()));
            let want = run(kernels::reference::level(), what, by_rows, (0, How::BandByBand));
            for (name, kernels) in kernels::levels() {
                let got = run(kernels, what, by_columns, (0, How::BandByBand));
                assert!(got == want, "{name} {p}, {rows} rows");
            }
        }
    }
}

#[test]
fn short_rows_and_the_ends_of_long_ones_go_together() {
    // One row; not as many as go together; more. In memory nothing between rows, or something.
    const ROWS: [usize; 3] = [1, 5, 67];
    let methods = |p: Pattern| {
        let twice = (p.n() == 2).then_some(Method::MvueApprox(Rng::new(1, 2)));
        [Method::Magnitude, Method::Mvue(Rng::new(1, 2))].into_iter().chain(twice)
    };
    for &p in Pattern::ALL {
        // Fewer groups than share a draw of the generator, as many, more, than a chunk; whole vectors, and one short.
        let groups = [1, 2, 3, 7, 8, 16, 17, 25, 48, 58, 64, 64 + 1, 64 + 25, 2 * 64 + 60];
        for (i, cols) in groups.map(|groups| groups * p.m()).into_iter().enumerate() {
            for (rows, gap, cut) in [0, 3].into_iter().flat_map(|gap| {
                ROWS.into_iter().flat_map(move |rows| [0, 1].map(|cut| (rows, gap, cut)))
            }) {
                let (cols, ld) = (cols - cut, cols - cut + gap);
                let data = numbers(5, rows * ld);
                let a = MatRef::new(&data, rows, cols, ld.cast_signed(), 1).expect("a matrix");
                // At the beginning of a chunk, and elsewhere.
                let at = (3, [0, 64, 5][i % 3] * p.m());
                for method in methods(p) {
                    let what = (p, method, at);
                    let want = run(kernels::reference::level(), what, a, (0, How::BandByBand));
                    for (name, kernels) in kernels::levels() {
                        let case = (name, rows, cols, gap, at);
                        let got = run(kernels, what, a, (0, How::BandByBand));
                        assert!(got == want, "{case:?} {p}");
                        let close = run_closely(kernels, what, a);
                        assert!(close == closely(&want, p, a), "{case:?} {p}, without gaps");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_and_columns_of_one_may_have_any_stride() {
    let data = numbers(5, 64);
    let (p, far) = (Pattern::N2M4, isize::MAX / 4);
    for (name, kernels) in kernels::levels() {
        for (rows, cols, row_stride, col_stride) in [(1, 64, far, 1), (64, 1, 1, far)] {
            // SAFETY: strides are multiplied by 0 alone.
            let a = unsafe {
                MatRef::from_raw_parts(data.as_ptr(), rows, cols, row_stride, col_stride)
            };
            let what = (p, Method::Magnitude, (0, 0));
            let want = run(kernels, what, a, (0, How::BandByBand));
            for how in [How::Streamed, How::Tall] {
                assert!(run(kernels, what, a, (0, how)) == want, "{name} {how:?}");
            }
        }
    }
}

/// How bands follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    BandByBand,
    Tall,
    Streamed,
}

/// Bits of the values, and the indices, written without gaps.
fn run_closely(
    kernels: Level,
    (p, method, at): (Pattern, Method, (usize, usize)),
    a: MatRef<'_>,
) -> (Vec<u32>, Vec<u8>) {
    let (ld_values, ld_meta) = (p.row_values(a.cols), p.row_meta(a.cols));
    let mut values = vec![UNTOUCHED.0; a.rows * ld_values];
    let mut meta = vec![UNTOUCHED.1; a.rows * ld_meta];
    let target = Target::new(values.as_mut_ptr(), ld_values, meta.as_mut_ptr(), ld_meta);
    // SAFETY: rows fill the buffers.
    unsafe { compress_block(kernels, p, method, a, at, target) };
    (values.into_iter().map(f32::to_bits).collect(), meta)
}

/// The rows of what [`run`] returned, without what is between them.
fn closely((values, meta): &(Vec<u32>, Vec<u8>), p: Pattern, a: MatRef<'_>) -> (Vec<u32>, Vec<u8>) {
    let (of_row, meta_of_row) = (p.row_values(a.cols), p.row_meta(a.cols));
    let ld = of_row.next_multiple_of(LINE) + LINE;
    let values = values.chunks(ld).take(a.rows).flat_map(|row| &row[..of_row]);
    let meta = meta.chunks(meta_of_row + 1).flat_map(|row| &row[..meta_of_row]);
    (values.copied().collect(), meta.copied().collect())
}

/// Bits of the values, `before` elements past a line, and of what surrounds them; the indices.
fn run(
    kernels: Level,
    (p, method, at): (Pattern, Method, (usize, usize)),
    a: MatRef<'_>,
    (before, how): (usize, How),
) -> (Vec<u32>, Vec<u8>) {
    let ld_values = p.row_values(a.cols).next_multiple_of(LINE) + LINE;
    let ld_meta = p.row_meta(a.cols) + 1;
    let mut values = vec![UNTOUCHED.0; a.rows * ld_values + 2 * LINE];
    let mut meta = vec![UNTOUCHED.1; a.rows * ld_meta];
    let first = at_line(&mut values, before);
    let target = Target::new(first, ld_values, meta.as_mut_ptr(), ld_meta);
    let target = Target { tall: how == How::Tall, ..target };
    let work = |room| {
        // SAFETY: rows fit the buffers.
        unsafe { compress_block(kernels, p, method, a, at, Target { room, ..target }) };
    };
    if how == How::Streamed {
        with_room(work);
    } else {
        work(std::ptr::null_mut());
    }
    // SAFETY: an element of the buffer.
    let line = unsafe { first.offset_from(values.as_ptr()) };
    // As if every buffer began with a line.
    values.rotate_left(line.cast_unsigned());
    (values.into_iter().map(f32::to_bits).collect(), meta)
}
