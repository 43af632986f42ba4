//! Prune and compress in one pass, also by transposable masks, and dense forms, beside `memcpy` of the same dense bytes. One
//! thread.

mod common;

use common::matrix::{Dense, STORAGES, Storage, view_mut};
use common::{PATTERNS, entries, grouped, is_test, levels, print_table};
use criterion::Criterion;
use spnm::{
    Compressed, Isa, MatRef, Method, Options, Pattern, Rng, compress, compress_transposable,
    decompress, prune, soft_threshold_scale,
};
use std::cell::LazyCell;
use std::hint::black_box;
use std::time::SystemTime;

const METHOD: Method = Method::Mvue(Rng::new(1, 2));
/// The op that each of the other methods is measured as.
const OTHERS: [(&str, Method); 3] = [
    ("magnitude", Method::Magnitude),
    ("soft_threshold", Method::SoftThreshold),
    ("mvue_approx", Method::MvueApprox(Rng::new(1, 2))),
];

fn compressed(isa: Isa, method: Method, pattern: Pattern, a: MatRef<'_>) -> Compressed {
    let mut out = Compressed::new(a.rows(), a.cols(), pattern).expect("memory");
    compress(&Options::new().isa(isa), method, a, out.as_mut()).expect("valid operands");
    out
}

/// W's 2:4 form and that of its transpose.
fn both(isa: Isa, w: MatRef<'_>) -> [Compressed; 2] {
    let new = |rows, cols| Compressed::new(rows, cols, Pattern::N2M4).expect("memory");
    let mut both = [new(w.rows(), w.cols()), new(w.cols(), w.rows())];
    transposable(isa, w, &mut both);
    both
}

fn transposable(isa: Isa, w: MatRef<'_>, [out, out_t]: &mut [Compressed; 2]) {
    let (out, out_t) = (Some(out.as_mut()), Some(out_t.as_mut()));
    compress_transposable(&Options::new().isa(isa), w, out, out_t).expect("valid operands");
}

/// The other methods, and the factor of the soft threshold, on the best level with rows contiguous.
fn others(criterion: &mut Criterion, a: MatRef<'_>) {
    let isa = Isa::effective();
    let options = Options::new().isa(isa);
    let (rows, cols) = (a.rows(), a.cols());
    for (op, method) in OTHERS {
        let mut group = common::group(criterion, op);
        group.throughput(entries(rows, cols));
        let draws_two = matches!(method, Method::MvueApprox(_));
        for pattern in Pattern::ALL.iter().copied().filter(|p| !draws_two || p.n() == 2) {
            let mut out = None;
            group.bench_function(
                format!("{pattern}/rows/{rows}x{cols}/{}", isa.name()),
                |bencher| {
                    let out = out.get_or_insert_with(|| {
                        let out = compressed(isa, method, pattern, a);
                        let expected = compressed(Isa::Reference, method, pattern, a);
                        assert!(out == expected, "{op} {pattern}: not the reference");
                        out
                    });
                    bencher
                        .iter(|| compress(&options, method, black_box(a), black_box(out.as_mut())));
                },
            );
        }
        group.finish();
    }
    let mut group = common::group(criterion, "soft_threshold_scale");
    group.throughput(entries(rows, cols));
    for pattern in PATTERNS {
        group.bench_function(format!("{pattern}/rows/{rows}x{cols}/{}", isa.name()), |bencher| {
            let scale =
                |options: &Options<'_>| soft_threshold_scale(options, pattern, black_box(a));
            let reference = Options::new().isa(Isa::Reference);
            assert_eq!(scale(&options), scale(&reference), "{pattern}: not the reference");
            bencher.iter(|| scale(&options));
        });
    }
    group.finish();
}

/// `prune` and `decompress` into the storage that A has.
fn dense_forms(criterion: &mut Criterion, matrix: &Dense, (rows, cols): (usize, usize)) {
    for op in ["prune", "decompress"] {
        let mut group = common::group(criterion, op);
        group.throughput(entries(rows, cols));
        for (pattern, storage) in PATTERNS.into_iter().flat_map(|p| STORAGES.map(|s| (p, s))) {
            for isa in levels() {
                let mut ready = None;
                let id = format!("{pattern}/{storage}/{rows}x{cols}/{}", isa.name());
                group.bench_function(id, |bencher| {
                    let a = matrix.view(storage);
                    let run = |isa: Isa, kept: &Compressed, out: &mut [f32]| {
                        let options = Options::new().isa(isa);
                        let out = view_mut(out, (rows, cols), storage);
                        match op {
                            "prune" => prune(&options, METHOD, pattern, a, out),
                            _ => decompress(&options, kept.as_ref(), out),
                        }
                        .expect("valid operands");
                    };
                    let (kept, out) = ready.get_or_insert_with(|| {
                        let kept = compressed(isa, METHOD, pattern, a);
                        let mut out = vec![0.0; rows * cols];
                        run(Isa::Reference, &kept, &mut out);
                        let expected = out.clone();
                        out.fill(f32::NAN);
                        run(isa, &kept, &mut out);
                        assert!(
                            out == expected,
                            "{op} {pattern} {storage} {isa:?}: not the reference"
                        );
                        (kept, out)
                    });
                    bencher.iter(|| run(isa, black_box(kept), black_box(out)));
                });
            }
        }
        group.finish();
    }
}

fn bench(criterion: &mut Criterion, rows: usize, cols: usize) {
    let shape = format!("{rows}x{cols}");
    let matrix = Dense::new(3, rows, cols);

    let mut copies = common::group(criterion, "memcpy");
    copies.throughput(entries(rows, cols));
    let mut copy = vec![0.0f32; rows * cols];
    copies.bench_function(format!("dense/rows/{shape}/-"), |bencher| {
        let source = matrix.data(Storage::Rows);
        bencher.iter(|| black_box(&mut copy[..]).copy_from_slice(black_box(source)));
    });
    copies.finish();
    drop(copy);

    let mut group = common::group(criterion, "compress");
    group.throughput(entries(rows, cols));
    for pattern in Pattern::ALL.iter().copied().chain(grouped()) {
        let expected = LazyCell::new(|| {
            compressed(Isa::Reference, METHOD, pattern, matrix.view(Storage::Rows))
        });
        for storage in STORAGES {
            for isa in levels() {
                let mut out = None;
                let id = format!("{pattern}/{storage}/{shape}/{}", isa.name());
                group.bench_function(id, |bencher| {
                    let a = matrix.view(storage);
                    let out = out.get_or_insert_with(|| {
                        let out = compressed(isa, METHOD, pattern, a);
                        assert!(out == *expected, "{pattern} {storage} {isa:?}: not the reference");
                        out
                    });
                    let options = Options::new().isa(isa);
                    bencher
                        .iter(|| compress(&options, METHOD, black_box(a), black_box(out.as_mut())));
                });
            }
        }
    }
    group.finish();

    let mut group = common::group(criterion, "transposable");
    group.throughput(entries(rows, cols));
    let expected = LazyCell::new(|| both(Isa::Reference, matrix.view(Storage::Rows)));
    for storage in STORAGES {
        for isa in levels() {
            group.bench_function(format!("2:4/{storage}/{shape}/{}", isa.name()), |bencher| {
                let w = matrix.view(storage);
                let mut out = both(isa, w);
                assert!(out == *expected, "{storage} {isa:?}: not the reference");
                bencher.iter(|| transposable(isa, black_box(w), black_box(&mut out)));
            });
        }
    }
    group.finish();
    dense_forms(criterion, &matrix, (rows, cols));
    others(criterion, matrix.view(Storage::Rows));
}

fn main() {
    let start = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    let shapes: &[(usize, usize)] = if is_test() {
        &[(37, 150)]
    } else {
        // 512 KiB, which a second-level cache holds; 128 MiB, which none does.
        &[(256, 512), (4096, 8192)]
    };
    for &(rows, cols) in shapes {
        bench(&mut criterion, rows, cols);
    }
    criterion.final_summary();
    print_table(start, "memcpy", "G entries/s");
}
