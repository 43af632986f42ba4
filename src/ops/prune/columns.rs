//! From contiguous columns to contiguous columns, without the compressed form between.

use crate::kernels::Level;
use crate::kernels::cpu::cpu;
use crate::kernels::generic::philox::WORD_GROUPS;
use crate::matrix::{MatRef, Output};
use crate::ops::compress::{Target, compress_block, tall};
use crate::ops::tiles::{PastCaches, for_each_tile};
use crate::ops::{Method, Options};
use crate::pattern::Pattern;

/// Rows of a page of each column.
const ROWS: usize = 1024;

/// [`prune`](super::prune) where no rows share indices, after its checks.
///
/// # Safety
/// `a` is readable and `to` writable; each entry is that of A in the same place, or they do not overlap.
pub(super) unsafe fn prune(
    options: &Options<'_>,
    kernels: Level,
    (method, pattern): (Method, Pattern),
    a: MatRef<'_>,
    to: Output<'_>,
) {
    let past = PastCaches::of(to);
    // (Measured, like `tall`, where lines are fetched into a second-level cache.)
    let tall = tall(a) || (past.any() && cpu().far_into_l2);
    let tile = (ROWS, WORD_GROUPS * pattern.m());
    for_each_tile(options, to, (tile, past.lead()), |row, col, rows, cols| {
        let (a, to) =
            (a.part(row..row + rows, col..col + cols), to.part(row..row + rows, col..col + cols));
        let target = Target { tall, ..Target::dense_columns(to, past.any() && row >= past.lead()) };
        // SAFETY: the caller's promise; tiles are disjoint.
        unsafe { compress_block(kernels, pattern, method, a, (row, col), target) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compressed::{CompressedRef, Line};
    use crate::kernels::{self, numbers};
    use crate::matrix::MatMut;
    use crate::ops::decompress::expand_tile;
    use crate::rng::Rng;

    /// In memory that a kernel must not write.
    const UNTOUCHED: f32 = -7.25;

    #[test]
    fn dense_columns_have_the_bits_of_the_compressed_form() {
        // No whole band at the end, no whole group; more groups than a chunk; so many rows that compressed ones would share
        // some with their neighbours.
        for (rows, groups) in [(16_usize, 3), (37, 70), (290, 9)] {
            for (name, kernels) in kernels::levels() {
                for &p in Pattern::ALL {
                    let (cols, ld) =
                        (groups * p.m() - 1, rows.next_multiple_of(Line::LEN) + Line::LEN);
                    let mut data = numbers(5, ld * cols);
                    // Groups with few entries, some that tie, and a poisoned one.
                    data.iter_mut().step_by(3).for_each(|x| *x = 0.0);
                    data.iter_mut().step_by(7).for_each(|x| *x = -0.5);
                    data[ld + 7] = f32::NAN;
                    let twice = (p.n() == 2).then_some(Method::MvueApprox(Rng::new(1, 2)));
                    let mvue = Method::Mvue(Rng::new(1, 2));
                    let methods = [Method::Magnitude, Method::SoftThreshold, mvue];
                    for method in methods.into_iter().chain(twice) {
                        // At the beginning of a chunk, and where its words are drawn in two.
                        for at in [(0, 0), (3, 5 * p.m())] {
                            let want =
                                by_way_of_rows(kernels, (p, method, at), &data, (rows, cols, ld));
                            for how in (0..8).map(How::new) {
                                let got =
                                    run(kernels, (p, method, at), &data, (rows, cols, ld), how);
                                assert!(got == want, "{name} {p} {method:?} {at:?} {rows} {how:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    struct How {
        in_place: bool,
        stream: bool,
        tall: bool,
    }

    impl How {
        fn new(number: usize) -> Self {
            Self { in_place: number & 1 > 0, stream: number & 2 > 0, tall: number & 4 > 0 }
        }
    }

    type What = (Pattern, Method, (usize, usize));

    /// The bits of columns `ld` apart, and of what lies between them. Those of A begin within lines, unless they are the output.
    fn run(
        kernels: Level,
        (p, method, at): What,
        data: &[f32],
        (rows, cols, ld): (usize, usize, usize),
        how: How,
    ) -> Vec<u32> {
        let stride = ld.cast_signed();
        let mut memory = vec![Line::default(); data.len() / Line::LEN];
        let out: *mut f32 = memory.as_mut_ptr().cast();
        for (i, &x) in data.iter().enumerate() {
            let between = i % ld >= rows;
            let x = if between || !how.in_place { UNTOUCHED } else { x };
            // SAFETY: as many elements.
            unsafe { *out.add(i) = x };
        }
        let mut apart = vec![Line::default(); data.len() / Line::LEN + 1];
        let apart: *mut f32 = apart.as_mut_ptr().cast::<f32>().wrapping_add(5);
        // SAFETY: columns in their buffers, the output's on lines.
        unsafe {
            apart.copy_from_nonoverlapping(data.as_ptr(), data.len());
            let source = if how.in_place { out } else { apart };
            let a = MatRef::from_raw_parts(source, rows, cols, 1, stride);
            let to = MatMut::from_raw_parts(out, rows, cols, 1, stride).output();
            let target = Target { tall: how.tall, ..Target::dense_columns(to, how.stream) };
            compress_block(kernels, p, method, a, at, target);
            (0..data.len()).map(|i| (*out.add(i)).to_bits()).collect()
        }
    }

    /// The same bits, by the compressed form.
    fn by_way_of_rows(
        kernels: Level,
        (p, method, at): What,
        data: &[f32],
        (rows, cols, ld): (usize, usize, usize),
    ) -> Vec<u32> {
        let (ld_values, ld_meta) = (p.row_values(cols), p.row_meta(cols));
        let (mut values, mut meta) = (vec![0.0; rows * ld_values], vec![0; rows * ld_meta]);
        let mut dense = vec![0.0; rows * cols];
        // SAFETY: rows fit the buffers.
        unsafe {
            let a = MatRef::from_raw_parts(data.as_ptr(), rows, cols, 1, ld.cast_signed());
            let target = Target::new(values.as_mut_ptr(), ld_values, meta.as_mut_ptr(), ld_meta);
            compress_block(kernels, p, method, a, at, target);
            let (values, meta) = (values.as_ptr(), meta.as_ptr());
            let kept =
                CompressedRef::from_raw_parts(values, meta, rows, cols, p, ld_values, ld_meta);
            let out = MatMut::row_major(&mut dense, rows, cols).expect("a matrix").output();
            expand_tile(kernels, kept, 0, out, false);
        }
        let at = |i: usize| if i % ld < rows { dense[i % ld * cols + i / ld] } else { UNTOUCHED };
        (0..data.len()).map(|i| at(i).to_bits()).collect()
    }
}
