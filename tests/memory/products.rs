//! Products, and every misalignment.

use crate::arena::{Arena, Place, case};
use crate::common::{Data, by_effort, compressed, dense_of, levels, naive_gemm, some_pattern};
use crate::views::{Grid, Layout, Packed, layout};
use crate::{EDGES, fit_for, method};
use spnm::{
    Isa, Method, Options, Pattern, Rng, Scratch, compress, decompress, gemm, prune, prune_gemm,
};

/// The buffers of a product, and scratch memory that is kept.
struct Bench {
    arenas: Vec<Arena>,
    scratch: Scratch,
    count: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            arenas: (0..5).map(|_| Arena::new(1 << 17)).collect(),
            scratch: Scratch::new(),
            count: 0,
        }
    }

    /// `gemm` and `prune_gemm` of one shape, on every level, with each buffer at its place:
    /// a, values, meta, b, c.
    fn products(
        &mut self,
        data: &mut Data,
        (rows, inner, cols): (usize, usize, usize),
        places: &[[Place; 5]],
    ) {
        let p = some_pattern(data);
        let method = method(data, p, Rng::new(self.count as u64, 2));
        let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (-1.5, 0.0), (1.0, 0.3)][data.below(4)];
        let source = fit_for(method, data.matrix(0, rows * inner), (rows, inner), p);
        let (b, start) = (data.matrix(0, inner * cols), data.matrix(0, rows * cols));
        let packed = compressed(Isa::Reference, method, &source, (rows, inner), p);
        let mut want = start.clone();
        naive_gemm(alpha, &packed, &b, beta, &mut want);
        for isa in levels() {
            for places in places {
                let [la, lb, lc] = [(); 3].map(|()| layout(data));
                let slack = data.below(3);
                case(|text| {
                    use std::fmt::Write;
                    let _ = write!(
                        text,
                        "{p} {rows}x{inner}x{cols} {alpha} {beta} {isa:?} {places:?} {la:?} {lb:?} {lc:?} {slack}"
                    );
                });
                let options = Options::new().isa(isa);
                let [fa, fv, fm, fb, fc] = &self.arenas[..] else { unreachable!("five arenas") };
                let [pa, pv, pm, pb, pc] = *places;
                let a = Packed::new([fv, fm], [pv, pm], (rows, inner), p, slack).with(&packed);
                let b = Grid::new(fb, pb, inner, cols, lb).with(&b);
                let mut c = Grid::new(fc, pc, rows, cols, lc).with(&start);
                let scratch = &mut self.scratch;
                gemm(&options, scratch, alpha, a.view(), b.view(), beta, c.view_mut())
                    .expect("gemm");
                c.assert_holds(&want, "gemm");
                let a = Grid::new(fa, pa, rows, inner, la).with(&source);
                let mut c = Grid::new(fc, pc, rows, cols, lc).with(&start);
                let to = c.view_mut();
                prune_gemm(&options, scratch, method, p, alpha, a.view(), b.view(), beta, to)
                    .expect("prune_gemm");
                c.assert_holds(&want, "prune_gemm");
            }
        }
        self.count += 1;
    }
}

const ENDS: [[Place; 5]; 2] = [[Place::End; 5], [Place::Start; 5]];

/// Two of the three sizes run over all of 0 ..= 70, the third over the edges.
#[test]
fn products() {
    let mut bench = Bench::new();
    let mut data = Data::new(0x6E);
    for i in (0..=70).step_by(by_effort(1, 9)) {
        for j in (0..=70).step_by(by_effort(1, 9)) {
            let [k, l, m] = [(); 3].map(|()| EDGES[data.below(EDGES.len())]);
            for shape in [(i, j, k), (i, l, j), (m, i, j)] {
                bench.products(&mut data, shape, &ENDS);
            }
        }
    }
    // Few columns, alone and behind a panel: rows in lanes.
    for rows in [1, 3, 4, 5, 7, 8, 11, 12, 15, 16, 17, 31, 33].into_iter().step_by(by_effort(1, 3))
    {
        for cols in [1, 2, 3, 4, 5, 7, 8, 9, 17, 20].into_iter().step_by(by_effort(1, 3)) {
            for inner in [1 + data.below(40), 60 + data.below(80), 300 + data.below(90)] {
                bench.products(&mut data, (rows, inner, cols), &ENDS);
            }
        }
    }
    // Each buffer in turn at a guard page of its own, the others inside.
    for shape in [(17, 33, 49), (3, 7, 5), (9, 65, 130), (33, 130, 31), (140, 70, 100)] {
        for buffer in 0..5 {
            for place in [Place::End, Place::Start] {
                let mut places = [Place::Offset(4); 5];
                places[buffer] = place;
                bench.products(&mut data, shape, &[places]);
            }
        }
    }
    println!("{} shapes", bench.count);
}

/// Every misalignment, by every byte: f32s need no alignment either.
#[test]
fn misalignment() {
    let mut bench = Bench::new();
    let mut data = Data::new(0x6F);
    let mut out_count = 0;
    for offset in (0..64).step_by(by_effort(1, 7)) {
        let float = |step: usize| Place::Offset((offset + step * 13) % 64);
        let shape = (1 + data.below(40), 1 + data.below(70), 1 + data.below(70));
        let places = [float(0), float(1), Place::Offset(offset), float(2), float(3)];
        for _ in 0..4 {
            bench.products(&mut data, shape, &[places]);
        }
        for &p in Pattern::ALL {
            let (rows, cols) = (1 + data.below(20), 1 + data.below(300));
            let source = data.matrix(1, rows * cols);
            let method = Method::Mvue(Rng::new(1, offset as u64));
            let want = compressed(Isa::Reference, method, &source, (rows, cols), p);
            let dense = dense_of(want.values(), want.meta(), rows, cols, p);
            for isa in levels() {
                let options = Options::new().isa(isa);
                case(|text| {
                    use std::fmt::Write;
                    let _ = write!(text, "{p} {rows}x{cols} {isa:?} offset {offset}");
                });
                for layout in [Layout::Rows(0), Layout::Cols(0), Layout::Spread] {
                    let a = Grid::new(&bench.arenas[0], float(0), rows, cols, layout).with(&source);
                    let arenas = [&bench.arenas[1], &bench.arenas[2]];
                    let places = [float(1), Place::Offset(offset)];
                    let mut out = Packed::new(arenas, places, (rows, cols), p, offset % 2);
                    compress(&options, method, a.view(), out.view_mut()).expect("compress");
                    out.assert_holds(&want);
                    let mut full = Grid::new(&bench.arenas[3], float(2), rows, cols, layout);
                    decompress(&options, out.view(), full.view_mut()).expect("decompress");
                    full.assert_holds(&dense, "decompress");
                    let mut full = Grid::new(&bench.arenas[3], float(2), rows, cols, layout);
                    prune(&options, method, p, a.view(), full.view_mut()).expect("prune");
                    full.assert_holds(&dense, "prune");
                    out_count += 1;
                }
            }
        }
    }
    println!("{} products, {out_count} compressions", bench.count);
}
