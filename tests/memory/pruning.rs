//! Compression, pruning, and what looks at whole tensors.

use crate::arena::{Arena, Place, case};
use crate::common::{Data, by_effort, compressed, dense_of, levels};
use crate::views::{Grid, Packed, layout};
use crate::{EDGES, fit_for, method};
use spnm::{
    Isa, MatMut, Options, Pattern, Rng, analyse, compress, decompress, lognormal_fit, prune,
    prune_in_place, prune_threshold, prune_threshold_in_place, recommend, soft_threshold_scale,
    validate,
};

#[test]
fn compress_prune_and_decompress() {
    let arenas: Vec<Arena> = (0..4).map(|_| Arena::new(1 << 17)).collect();
    let mut data = Data::new(0x6A);
    let mut count = 0u64;
    let cols = (0..=70).chain([126, 127, 128, 129, 255, 256, 257, 258]);
    for cols in cols.step_by(by_effort(1, 5)) {
        for rows in EDGES.into_iter().filter(|&r| r <= 33).step_by(by_effort(1, 3)) {
            let kind = data.below(4);
            let source = data.matrix(kind, rows * cols);
            // Two of the patterns a shape; every shape's neighbours have the others.
            for turn in 0..2 {
                let p = Pattern::ALL[(count as usize + 5 * turn) % Pattern::ALL.len()];
                // Now and then rows share indices.
                let group = [1, 1, 1, 2, 3, 8, 33][count as usize % 7];
                let p = p.grouped(group).expect("a group of rows");
                let col0 = (data.below(200) * p.m()) as u64;
                let row0 = (data.below(99) * p.group()) as u64;
                let method = method(&mut data, p, Rng::new(count, 1).at(row0, col0));
                let source = fit_for(method, source.clone(), (rows, cols), p);
                let want = compressed(Isa::Reference, method, &source, (rows, cols), p);
                let dense = dense_of(want.values(), want.meta(), rows, cols, p);
                for isa in levels() {
                    for place in [Place::End, Place::Start] {
                        let options = Options::new().isa(isa);
                        let (from, to, slack) =
                            (layout(&mut data), layout(&mut data), data.below(3));
                        case(|text| {
                            use std::fmt::Write;
                            let _ = write!(
                                text,
                                "{p} {rows}x{cols} {method:?} {isa:?} {place:?} {from:?} {to:?} {slack}"
                            );
                        });
                        let a = Grid::new(&arenas[0], place, rows, cols, from).with(&source);
                        let mut out = Packed::new(
                            [&arenas[1], &arenas[2]],
                            [place; 2],
                            (rows, cols),
                            p,
                            slack,
                        );
                        compress(&options, method, a.view(), out.view_mut()).expect("compress");
                        out.assert_holds(&want);
                        validate(out.view()).expect("validate");
                        let mut full = Grid::new(&arenas[3], place, rows, cols, to);
                        decompress(&options, out.view(), full.view_mut()).expect("decompress");
                        full.assert_holds(&dense, "decompress");
                        let mut full = Grid::new(&arenas[3], place, rows, cols, to);
                        prune(&options, method, p, a.view(), full.view_mut()).expect("prune");
                        full.assert_holds(&dense, "prune");
                        a.assert_holds(&source, "the input of compress and prune");
                        let mut a = a;
                        prune_in_place(&options, method, p, a.view_mut()).expect("in place");
                        a.assert_holds(&dense, "prune_in_place");
                    }
                }
                count += 1;
            }
        }
    }
    println!("{count} shapes");
}

#[test]
fn whole_tensors() {
    let arenas: Vec<Arena> = (0..2).map(|_| Arena::new(1 << 17)).collect();
    let mut data = Data::new(0x6B);
    let mut count = 0usize;
    for cols in (0..=70).chain([100, 127, 128, 129, 130]).step_by(by_effort(1, 9)) {
        for rows in [0, 1, 3, 15, 16, 17, 63, 64, 65].into_iter().step_by(by_effort(1, 2)) {
            let odd = count % 64;
            count += 1;
            let source = data.bells(rows * cols);
            let rng = Rng::new(4, 5).at(9, data.below(200) as u64);
            let mut want = source.clone();
            let to = MatMut::row_major(&mut want, rows, cols).expect("a view");
            let reference = Options::new().isa(Isa::Reference);
            prune_threshold_in_place(&reference, rng, 1.2, to).expect("reference");
            let p = Pattern::ALL[count % Pattern::ALL.len()];
            for isa in levels() {
                for place in [Place::End, Place::Start, Place::Offset(odd)] {
                    let options = Options::new().isa(isa);
                    let (from, to) = (layout(&mut data), layout(&mut data));
                    case(|text| {
                        use std::fmt::Write;
                        let _ = write!(text, "{rows}x{cols} {isa:?} {place:?} {from:?} {to:?}");
                    });
                    let mut a = Grid::new(&arenas[0], place, rows, cols, from).with(&source);
                    let mut out = Grid::new(&arenas[1], place, rows, cols, to);
                    prune_threshold(&options, rng, 1.2, a.view(), out.view_mut()).expect("prune");
                    out.assert_holds(&want, "prune_threshold");
                    lognormal_fit(&options, a.view()).expect("fit");
                    for group in [1, 3] {
                        let p = p.grouped(group).expect("a group of rows");
                        analyse(&options, p, a.view()).expect("analyse");
                    }
                    if count.is_multiple_of(8) {
                        recommend(&options, 1, a.view(), 0.7).expect("recommend");
                    }
                    soft_threshold_scale(&options, p, a.view()).expect("soft_threshold_scale");
                    a.assert_holds(&source, "the input of whole tensors");
                    prune_threshold_in_place(&options, rng, 1.2, a.view_mut()).expect("in place");
                    a.assert_holds(&want, "prune_threshold_in_place");
                }
            }
        }
    }
    println!("{count} shapes");
}
