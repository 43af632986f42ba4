//! Races of what passes over a matrix once: compress beside memcpy, prune.

use crate::common::matrix::{Dense, STORAGES, Storage, view_mut};
use crate::common::transposed;
use crate::products::METHOD;
use crate::race::{Budget, Contestant, Ours, Race, race};
use spnm::{Compressed, Isa, Options, Pattern, compress, prune};

pub(crate) const MEMCPY: &str = "memcpy";

/// The name of the op, by the storage of A.
pub(crate) const fn compress_of(storage: Storage) -> &'static str {
    match storage {
        Storage::Rows => "compress by rows",
        Storage::Cols => "compress by columns",
    }
}

pub(crate) const fn prune_of(storage: Storage) -> &'static str {
    match storage {
        Storage::Rows => "prune by rows",
        Storage::Cols => "prune by columns",
    }
}

/// Races `compress` of `cases` from both storages with a copy of the same matrix. Results are the
/// reference's, or the run ends.
pub(crate) fn compress_race(
    rows: usize,
    cols: usize,
    cases: &[(Pattern, Isa)],
    budget: Budget,
) -> Race {
    let dense = Dense::new(3, rows, cols);
    let compressed = |pattern, isa, storage| {
        let mut out = Compressed::new(rows, cols, pattern).expect("memory");
        compress(&Options::new().isa(isa), METHOD, dense.view(storage), out.as_mut())
            .expect("valid operands");
        out
    };
    let mut references: Vec<(Pattern, Compressed)> = Vec::new();
    let mut contestants = Vec::new();
    for &(pattern, isa) in cases {
        if references.iter().all(|(known, _)| *known != pattern) {
            references.push((pattern, compressed(pattern, Isa::Reference, Storage::Rows)));
        }
        let reference = references.iter().find(|(known, _)| *known == pattern).map(|(_, out)| out);
        for storage in STORAGES {
            let ours = Ours::new(compress_of(storage), pattern, isa);
            let mut out = compressed(pattern, isa, storage);
            assert!(Some(&out) == reference, "{ours}, {rows}x{cols}: not the reference's result");
            let a = dense.view(storage);
            contestants.push(Contestant::ours(ours, move |_| {
                compress(&Options::new().isa(isa), METHOD, a, out.as_mut())
                    .expect("valid operands");
            }));
        }
    }
    drop(references);
    let source = dense.data(Storage::Rows);
    contestants.push(Contestant::peer(MEMCPY, |copy| copy.copy_from_slice(source)));
    let mut copy = vec![0.0; rows * cols];
    race(contestants, &mut copy, budget, &|_, _| {})
}

/// Races the `levels` of `prune` 2:4, from both storages.
pub(crate) fn prune_race(rows: usize, cols: usize, levels: &[Isa], budget: Budget) -> Race {
    let dense = Dense::new(3, rows, cols);
    let mut expected = vec![0.0; rows * cols];
    let run = |isa, storage, out: &mut [f32]| {
        let (options, out) = (Options::new().isa(isa), view_mut(out, (rows, cols), storage));
        prune(&options, METHOD, Pattern::N2M4, dense.view(storage), out).expect("valid operands");
    };
    run(Isa::Reference, Storage::Rows, &mut expected);
    let by_cols = transposed(&expected, rows, cols);
    let mut contestants = Vec::new();
    for &isa in levels {
        for storage in STORAGES {
            let ours = Ours::new(prune_of(storage), Pattern::N2M4, isa);
            let want = if storage == Storage::Rows { &expected } else { &by_cols };
            let mut out = vec![f32::NAN; rows * cols];
            run(isa, storage, &mut out);
            assert!(out == *want, "{ours}, {rows}x{cols}: not the reference's result");
            contestants.push(Contestant::ours(ours, move |out| run(isa, storage, out)));
        }
    }
    let mut out = vec![0.0; rows * cols];
    race(contestants, &mut out, budget, &|_, _| {})
}
