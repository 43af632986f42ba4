//! Transposable masks.

use crate::EDGES;
use crate::arena::{Arena, Place, case};
use crate::common::{Data, by_effort, dense_of, levels};
use crate::views::{Grid, Packed, layout};
use spnm::{
    Compressed, Isa, MatRef, Options, Pattern, compress_transposable, prune_transposable,
    prune_transposable_in_place,
};

/// Transposable masks: every size at the edges of tiles, vectors and bands, both outputs or one, at either end
/// of their pages and at every misalignment.
#[test]
fn transposable_masks() {
    let arenas: Vec<Arena> = (0..6).map(|_| Arena::new(1 << 17)).collect();
    let [from, values, meta, values_t, meta_t, dense] = &arenas[..] else { unreachable!() };
    let mut data = Data::new(0x6B);
    let p = Pattern::N2M4;
    let mut count = 0usize;
    let cols = (0..=9).chain([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 130, 255, 256, 257]);
    for cols in cols.step_by(by_effort(1, 4)) {
        for rows in EDGES.into_iter().filter(|&r| r <= 49).step_by(by_effort(1, 3)) {
            let source = data.matrix(count % 4, rows * cols);
            let mut want = Compressed::new(rows, cols, p).expect("memory");
            let mut want_t = Compressed::new(cols, rows, p).expect("memory");
            let plain = MatRef::row_major(&source, rows, cols).expect("its own buffer");
            let reference = Options::new().isa(Isa::Reference);
            let both = (Some(want.as_mut()), Some(want_t.as_mut()));
            compress_transposable(&reference, plain, both.0, both.1).expect("valid");
            let pruned = dense_of(want.values(), want.meta(), rows, cols, p);
            for isa in levels() {
                let options = Options::new().isa(isa);
                let odd = count % 64;
                for places in [
                    [Place::End; 2],
                    [Place::Start; 2],
                    [Place::Offset((odd + 13) % 64), Place::Offset(odd)],
                ] {
                    let (lay, to) = (layout(&mut data), layout(&mut data));
                    let (slack, turn) = (data.below(3), data.below(3));
                    case(|text| {
                        use std::fmt::Write;
                        let _ = write!(
                            text,
                            "transposable {rows}x{cols} {isa:?} {places:?} {lay:?} {to:?} {slack} {turn}"
                        );
                    });
                    let mut w = Grid::new(from, places[0], rows, cols, lay).with(&source);
                    let mut out = Packed::new([values, meta], places, (rows, cols), p, slack);
                    let mut out_t = Packed::new([values_t, meta_t], places, (cols, rows), p, slack);
                    let first = (turn != 1).then(|| out.view_mut());
                    let second = (turn != 2).then(|| out_t.view_mut());
                    compress_transposable(&options, w.view(), first, second).expect("valid");
                    if turn != 1 {
                        out.assert_holds(&want);
                    }
                    if turn != 2 {
                        out_t.assert_holds(&want_t);
                    }
                    let mut full = Grid::new(dense, places[0], rows, cols, to);
                    prune_transposable(&options, w.view(), full.view_mut()).expect("valid");
                    full.assert_holds(&pruned, "prune_transposable");
                    w.assert_holds(&source, "the input");
                    prune_transposable_in_place(&options, w.view_mut()).expect("valid");
                    w.assert_holds(&pruned, "prune_transposable_in_place");
                }
            }
            count += 1;
        }
    }
    println!("{count} shapes");
}
