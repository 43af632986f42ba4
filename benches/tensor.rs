//! Whole tensors: threshold pruning, the lognormal fit and the criterion, beside `memcpy` of the same bytes. One thread.

mod common;

use common::matrix::{Dense, STORAGES, Storage, view_mut};
use common::{PATTERNS, entries, group, is_test, levels, print_table};
use criterion::Criterion;
use spnm::{
    Analysis, Isa, LogNormal, Options, Pattern, Rng, analyse, lognormal_fit, prune_threshold,
};
use std::hint::black_box;
use std::time::SystemTime;

const RNG: Rng = Rng::new(1, 2);
/// Half of what is uniform between -1 and 1 becomes zero.
const ALPHA: f32 = 1.0;

/// Every number, to the bit; NaNs are equal.
fn numbers(x: &Analysis) -> String {
    format!("{x:?}")
}

fn bench(criterion: &mut Criterion, rows: usize, cols: usize) {
    let shape = format!("{rows}x{cols}");
    let matrix = Dense::new(3, rows, cols);
    let view = |storage| matrix.view(storage);
    let reference = Options::new().isa(Isa::Reference);
    let mut out = vec![0.0f32; rows * cols];

    let mut copies = group(criterion, "memcpy");
    copies.throughput(entries(rows, cols));
    copies.bench_function(format!("dense/rows/{shape}/-"), |bencher| {
        let source = matrix.data(Storage::Rows);
        bencher.iter(|| black_box(&mut out[..]).copy_from_slice(black_box(source)));
    });
    copies.finish();

    let threshold = |options: &Options<'_>, storage, out: &mut [f32]| {
        let to = view_mut(out, (rows, cols), storage);
        prune_threshold(options, RNG, ALPHA, black_box(view(storage)), to).expect("valid operands");
    };
    let mut thresholds = group(criterion, "threshold");
    thresholds.throughput(entries(rows, cols));
    for storage in STORAGES {
        let mut want = vec![0.0f32; rows * cols];
        threshold(&reference, storage, &mut want);
        for isa in levels() {
            let options = Options::new().isa(isa);
            thresholds.bench_function(format!("-/{storage}/{shape}/{}", isa.name()), |bencher| {
                threshold(&options, storage, &mut out);
                assert!(out == want, "{storage} {isa:?}: not the reference");
                bencher.iter(|| threshold(&options, storage, black_box(&mut out)));
            });
        }
    }
    thresholds.finish();

    let mut fits = group(criterion, "fit");
    fits.throughput(entries(rows, cols));
    let fit = |options: &Options<'_>, storage| -> LogNormal {
        lognormal_fit(options, black_box(view(storage))).expect("valid operands")
    };
    let want = fit(&reference, Storage::Rows);
    for storage in STORAGES {
        for isa in levels() {
            let options = Options::new().isa(isa);
            fits.bench_function(format!("-/{storage}/{shape}/{}", isa.name()), |bencher| {
                assert_eq!(fit(&options, storage), want, "{storage} {isa:?}");
                bencher.iter(|| fit(&options, storage));
            });
        }
    }
    fits.finish();

    let mut analyses = group(criterion, "analyse");
    analyses.throughput(entries(rows, cols));
    let analyse = |options: &Options<'_>, pattern: Pattern, storage| {
        analyse(options, pattern, black_box(view(storage))).expect("valid operands")
    };
    for pattern in PATTERNS {
        let want = numbers(&analyse(&reference, pattern, Storage::Rows));
        for storage in STORAGES {
            for isa in levels() {
                let options = Options::new().isa(isa);
                let id = format!("{pattern}/{storage}/{shape}/{}", isa.name());
                analyses.bench_function(id, |bencher| {
                    let got = numbers(&analyse(&options, pattern, storage));
                    assert_eq!(got, want, "{pattern} {storage} {isa:?}");
                    bencher.iter(|| analyse(&options, pattern, storage));
                });
            }
        }
    }
    analyses.finish();
}

fn main() {
    let start = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    let shapes: &[(usize, usize)] =
        if is_test() { &[(37, 150)] } else { &[(256, 512), (4096, 8192)] };
    for &(rows, cols) in shapes {
        bench(&mut criterion, rows, cols);
    }
    criterion.final_summary();
    print_table(start, "memcpy", "G entries/s");
}
