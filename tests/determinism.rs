//! The same bits for every number of threads, every caller, storage, level and machine.
//!
//! tests/digests.txt holds a digest of every operation. `SPNM_BLESS=1` rewrites it: a change of bits
//! is a deliberate act, to be recorded in the change log.

mod common;

use common::{Data, Dense, ORDERS, Order, by_effort, levels, same_bits};
use spnm::{
    Compressed, Isa, MatMut, Method, Options, Pattern, Pool, Rng, Scratch, analyse, compress,
    compress_transposable, decompress, gemm, lognormal_fit, prune, prune_gemm, prune_in_place,
    prune_threshold, prune_threshold_in_place, prune_transposable, recommend, soft_threshold_scale,
    threshold_for_sparsity,
};
use std::fmt::Write as _;

/// Operands, and how they lie in memory.
struct Job {
    p: Pattern,
    method: Method,
    shape: (usize, usize, usize),
    alpha: f32,
    beta: f32,
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

/// What every operation made of a job, as bits.
#[derive(Clone, Debug, Default, PartialEq)]
struct Results {
    values: Vec<u32>,
    meta: Vec<u8>,
    pruned: Vec<u32>,
    product: Vec<u32>,
}

/// Bits, with one NaN for all: which NaN an operation returns is up to the hardware.
fn bits(data: &[f32]) -> Vec<u32> {
    data.iter().map(|x| if x.is_nan() { 0x7FC0_0000 } else { x.to_bits() }).collect()
}

impl Job {
    fn new(
        data: &mut Data,
        p: Pattern,
        method: Method,
        (rows, inner, cols): (usize, usize, usize),
    ) -> Self {
        let mut a = data.mixture(rows * inner);
        if method == Method::Keep {
            a = prune_by_hand(&a, inner, p);
        }
        let (b, c) = (data.bells(inner * cols), data.bells(rows * cols));
        let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (-1.3, 0.7)][data.below(3)];
        Self { p, method, shape: (rows, inner, cols), alpha, beta, a, b, c }
    }

    /// `prune` and `prune_gemm` cut into calls: rows, columns of C and the inner dimension in two each.
    fn run_in_parts(&self, options: &Options<'_>) -> (Vec<u32>, Vec<u32>) {
        let Self { p, method, shape: (rows, inner, cols), alpha, beta, .. } = *self;
        let halves = |size: usize, step: usize| {
            let cut = (size / 2).next_multiple_of(step).min(size);
            [0..cut, cut..size].into_iter().filter(|part| !part.is_empty())
        };
        let a = Dense::new(&self.a, rows, inner, Order::Cols, 1);
        let b = Dense::new(&self.b, inner, cols, Order::Rows, 0);
        let (mut pruned, mut c) = (vec![1.0; rows * inner], self.c.clone());
        let mut scratch = Scratch::new();
        for r in halves(rows, p.group()) {
            for k in halves(inner, p.m()) {
                let a = a.view().part(r.clone(), k.clone());
                let method = shard(method, r.start, k.start);
                let to = &mut pruned[r.start * inner + k.start..];
                let to = MatMut::new(to, r.len(), k.len(), inner.cast_signed(), 1).expect("a part");
                prune(options, method, p, a, to).expect("prune");
                for j in halves(cols, 1) {
                    // A later part of the chain goes on from what is there.
                    let beta = if k.start == 0 { beta } else { 1.0 };
                    let b = b.view().part(k.clone(), j.clone());
                    let to = &mut c[r.start * cols + j.start..];
                    let to =
                        MatMut::new(to, r.len(), j.len(), cols.cast_signed(), 1).expect("a part");
                    prune_gemm(options, &mut scratch, method, p, alpha, a, b, beta, to)
                        .expect("prune_gemm");
                }
            }
        }
        (bits(&pruned), bits(&c))
    }

    /// Runs every operation in its forms, which must agree, and returns what came out.
    fn run(&self, options: &Options<'_>, [oa, ob, oc]: [Order; 3]) -> Results {
        let Self { p, method, shape: (rows, inner, cols), alpha, beta, .. } = *self;
        let mut scratch = Scratch::new();
        let a = Dense::new(&self.a, rows, inner, oa, 1);
        let mut packed = Compressed::new(rows, inner, p).expect("memory");
        compress(options, method, a.view(), packed.as_mut()).expect("compress");

        let mut apart = Dense::new(&vec![1.0; rows * inner], rows, inner, ob, 0);
        prune(options, method, p, a.view(), apart.view_mut()).expect("prune");
        let mut within = a.clone();
        prune_in_place(options, method, p, within.view_mut()).expect("prune_in_place");
        assert!(same_bits(&apart.data(), &within.data()), "in place and out of place differ");
        let mut dense = Dense::new(&vec![1.0; rows * inner], rows, inner, oc, 0);
        decompress(options, packed.as_ref(), dense.view_mut()).expect("decompress");
        assert!(same_bits(&apart.data(), &dense.data()), "prune and decompress differ");

        let b = Dense::new(&self.b, inner, cols, ob, 2);
        let mut c = Dense::new(&self.c, rows, cols, oc, 3);
        let to = c.view_mut();
        gemm(options, &mut scratch, alpha, packed.as_ref(), b.view(), beta, to).expect("gemm");
        let mut fused = Dense::new(&self.c, rows, cols, oc, 0);
        let to = fused.view_mut();
        prune_gemm(options, &mut scratch, method, p, alpha, a.view(), b.view(), beta, to)
            .expect("prune_gemm");
        assert!(same_bits(&c.data(), &fused.data()), "fused and separate differ");
        Results {
            values: bits(packed.values()),
            meta: packed.meta().to_vec(),
            pruned: bits(&apart.data()),
            product: bits(&c.data()),
        }
    }
}

/// Keeps the first n non-zeros of every group, so that KEEP has something to accept.
fn prune_by_hand(a: &[f32], cols: usize, p: Pattern) -> Vec<f32> {
    let mut out = a.to_vec();
    for rows in out.chunks_mut(cols.max(1) * p.group()) {
        for group in (0..cols).step_by(p.m()) {
            // Columns of a group of rows, of which a row has one entry.
            let column = |j: usize| (j..rows.len()).step_by(cols);
            let entries = group..cols.min(group + p.m());
            let full = entries.filter(|&j| column(j).any(|at| rows[at] != 0.0));
            let extra: Vec<usize> = full.skip(p.n()).flat_map(column).collect();
            extra.into_iter().for_each(|at| rows[at] = 0.0);
        }
    }
    out
}

/// What came later, with lines of its own behind the others: soft thresholds, and for n = 2 two draws.
fn later_methods(p: Pattern) -> Vec<(Method, &'static str)> {
    let mut all = vec![(Method::SoftThreshold, "soft_threshold")];
    if p.n() == 2 {
        let rng = Rng::new(0xD1CE, p.m() as u64).at(9, 48);
        all.push((Method::MvueApprox(rng), "mvue_approx"));
    }
    all
}

/// The method for a shard that begins at this row and column.
fn shard(method: Method, row: usize, col: usize) -> Method {
    let moved = |rng: Rng| rng.at(rng.row0 + row as u64, rng.col0 + col as u64);
    match method {
        Method::Mvue(rng) => Method::Mvue(moved(rng)),
        Method::MvueApprox(rng) => Method::MvueApprox(moved(rng)),
        // What draws nothing does not ask where it is; what draws and is not named above fails here.
        other => other,
    }
}

fn methods(stream: u64) -> [Method; 3] {
    methods_of(Pattern::N2M4, stream)
}

/// From row 9, or the ninth group of rows, on.
fn methods_of(p: Pattern, stream: u64) -> [Method; 3] {
    let rng = Rng::new(0xD1CE, stream).at(9 * p.group() as u64, 48);
    [Method::Mvue(rng), Method::Magnitude, Method::Keep]
}

#[test]
fn threads_and_storages() {
    let pools: Vec<Pool> = [1, 2, 3, 7].map(|n| Pool::new(n).expect("a small pool")).into();
    let mut data = Data::new(40);
    let shapes = [(301, 203, 157), (64, 1030, 19), (2, 70, 900)];
    for (number, &p) in Pattern::ALL.iter().enumerate().step_by(by_effort(1, 4)) {
        for (turn, method) in methods(number as u64).into_iter().enumerate() {
            let job = Job::new(&mut data, p, method, shapes[(number + turn) % 3]);
            for isa in levels() {
                let options = Options::new().isa(isa);
                let want = job.run(&options, [Order::Rows; 3]);
                for (i, pool) in pools.iter().enumerate() {
                    for start in 0..3 {
                        let orders = [0, 1, 2].map(|k| ORDERS[(start + k * (i + turn)) % 3]);
                        let got = job.run(&options.pool(pool), orders);
                        let threads = pool.threads();
                        assert!(got == want, "{p} {method:?} {isa:?} {threads} threads {orders:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn callers_at_once() {
    let shared = Pool::new(3).expect("a small pool");
    let mut data = Data::new(41);
    let jobs: Vec<Job> = (0..8)
        .map(|i| {
            let p = Pattern::ALL[i];
            Job::new(&mut data, p, Method::Mvue(Rng::new(1, i as u64)), (200, 150 + i, 90))
        })
        .collect();
    let alone: Vec<Results> =
        jobs.iter().map(|job| job.run(&Options::new(), [Order::Rows; 3])).collect();
    for private in [false, true] {
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let (jobs, alone, shared) = (&jobs, &alone, &shared);
                scope.spawn(move || {
                    let own = private.then(|| Pool::new(2).expect("a small pool"));
                    let pool = own.as_ref().unwrap_or(shared);
                    for turn in 0..by_effort(20, 3) {
                        let k = (caller + turn) % jobs.len();
                        let orders = [0, 1, 2].map(|o| ORDERS[(turn + o) % 3]);
                        let got = jobs[k].run(&Options::new().pool(pool), orders);
                        assert!(got == alone[k], "caller {caller}, job {k}, private: {private}");
                    }
                });
            }
        });
    }
}

/// FNV-1a, 64 bits, of the little-endian bytes.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        for &b in bytes {
            self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self
    }

    fn words(self, words: &[u32]) -> Self {
        words.iter().fold(self, |d, w| d.bytes(&w.to_le_bytes()))
    }
}

/// A line for every operation, pattern, method and shape: whatever the storages, the threads, and the calls
/// into which the work is cut.
fn digests(isa: Isa) -> String {
    let mut text = String::new();
    let first =
        |p: Pattern| methods_of(p, p.m() as u64).into_iter().zip(["mvue", "magnitude", "keep"]);
    let mut cases: Vec<(Pattern, Vec<(Method, &str)>)> =
        Pattern::ALL.iter().map(|&p| (p, first(p).collect())).collect();
    cases.extend(Pattern::ALL.iter().map(|&p| (p, later_methods(p))));
    method_digests(isa, cases, &mut text);
    transposable_digests(isa, &mut text);
    // Rows that share indices.
    let groups = [(Pattern::N2M4, 2), (Pattern::N1M2, 5), (Pattern::N2M4, 8), (Pattern::N4M8, 8)];
    let groups = groups.into_iter().chain([(Pattern::N1M16, 16), (Pattern::N8M16, 64)]);
    let grouped = groups.map(|(p, rows)| p.grouped(rows).expect("a group of rows"));
    method_digests(isa, grouped.map(|p| (p, first(p).collect())).collect(), &mut text);
    tensor_digests(isa, &mut text);
    text
}

fn method_digests(isa: Isa, cases: Vec<(Pattern, Vec<(Method, &str)>)>, text: &mut String) {
    // Under an emulator one storage of three, and one pool of two.
    let pools = [3, 1].map(|n| Pool::new(n).expect("a small pool"));
    let pools = &pools[..by_effort(2, 1)];
    for (p, methods) in cases {
        for (method, name) in methods {
            let shapes = [
                (1, 1, 1),
                (17, p.m() * 9 + 1, 37),
                (5, p.m() * 140, 16),
                (70, p.m() * 3 - 1, 101),
            ];
            for (number, shape) in shapes.into_iter().enumerate() {
                let mut data = Data::new(1000 + number as u64);
                let job = Job::new(&mut data, p, method, shape);
                let mut all: Option<Results> = None;
                for order in 0..by_effort(3, 1) {
                    let orders = [0, 1, 2].map(|k| ORDERS[(order + k * number) % 3]);
                    let got = job.run(&Options::new().isa(isa), orders);
                    let what = format!("{p} {name} {shape:?} {isa:?} {orders:?}");
                    assert!(all.as_ref().is_none_or(|all| *all == got), "{what}");
                    all = Some(got);
                }
                let r = all.expect("a storage at least");
                let what = format!("{p} {name} {shape:?} {isa:?}");
                for pool in pools {
                    let options = Options::new().isa(isa).pool(pool);
                    let threads = pool.threads();
                    let got = job.run(&options, [Order::Rows; 3]);
                    assert!(got == r, "{what} {threads} threads");
                    let (pruned, product) = job.run_in_parts(&options);
                    assert!(pruned == r.pruned, "{what} pruned in parts, {threads} threads");
                    assert!(product == r.product, "{what} multiplied in parts, {threads} threads");
                }
                let (rows, inner, cols) = shape;
                for (op, digest) in [
                    ("compress", Digest::new().words(&r.values).bytes(&r.meta)),
                    ("prune", Digest::new().words(&r.pruned)),
                    ("gemm", Digest::new().words(&r.product)),
                ] {
                    let _ =
                        writeln!(text, "{op} {p} {name} {rows}x{inner}x{cols} {:016x}", digest.0);
                }
            }
        }
    }
}

/// A line for every shape, storage by storage and with threads the same.
fn transposable_digests(isa: Isa, text: &mut String) {
    let pool = Pool::new(3).expect("a small pool");
    for (rows, cols) in [(1, 1), (17, 37), (203, 301), (140, 70), (64, 512)] {
        let w = Data::new(2000 + rows as u64).mixture(rows * cols);
        let mut all: Option<[u64; 3]> = None;
        for order in ORDERS.into_iter().take(by_effort(3, 2)) {
            for options in [Options::new().isa(isa), Options::new().isa(isa).pool(&pool)] {
                let w = Dense::new(&w, rows, cols, order, 1);
                let mut out = Compressed::new(rows, cols, Pattern::N2M4).expect("memory");
                let mut out_t = Compressed::new(cols, rows, Pattern::N2M4).expect("memory");
                let both = (Some(out.as_mut()), Some(out_t.as_mut()));
                compress_transposable(&options, w.view(), both.0, both.1).expect("compress");
                let mut pruned = Dense::new(&vec![1.0; rows * cols], rows, cols, order, 0);
                prune_transposable(&options, w.view(), pruned.view_mut()).expect("prune");
                let packed =
                    |a: &Compressed| Digest::new().words(&bits(a.values())).bytes(a.meta());
                let dense = Digest::new().words(&bits(&pruned.data()));
                let got = [packed(&out), packed(&out_t), dense].map(|digest| digest.0);
                assert!(all.is_none_or(|all| all == got), "{rows}x{cols} {isa:?} {order:?}");
                all = Some(got);
            }
        }
        let names = ["compress", "compress transpose", "prune"];
        for (name, digest) in names.into_iter().zip(all.expect("a storage at least")) {
            let _ = writeln!(text, "{name} transposable {rows}x{cols} {digest:016x}");
        }
    }
}

/// What works on whole tensors: threshold pruning, and the sums and what is made of them. With each storage, with
/// and without threads the same; threshold pruning cut into calls too.
fn tensor_digests(isa: Isa, text: &mut String) {
    let pool = Pool::new(3).expect("a small pool");
    for (number, (rows, cols)) in [(1, 1), (17, 37), (130, 203), (5, 560)].into_iter().enumerate() {
        let mut data = Data::new(3000 + number as u64);
        // With entries that are not finite, and without: a sum says nothing once one of them is in it.
        let (wild, calm) = (data.mixture(rows * cols), data.bells(rows * cols));
        let mut all: Option<Vec<(String, u64)>> = None;
        for order in ORDERS.into_iter().take(by_effort(3, 2)) {
            for options in [Options::new().isa(isa), Options::new().isa(isa).pool(&pool)] {
                let got = tensor_lines(&options, (rows, cols), &wild, &calm, order);
                let what = format!("{rows}x{cols} {isa:?} {order:?}");
                assert!(all.as_ref().is_none_or(|all| *all == got), "{what}");
                all = Some(got);
            }
        }
        for (name, digest) in all.expect("a storage at least") {
            let _ = writeln!(text, "{name} {rows}x{cols} {digest:016x}");
        }
    }
}

fn tensor_lines(
    options: &Options<'_>,
    (rows, cols): (usize, usize),
    wild: &[f32],
    calm: &[f32],
    order: Order,
) -> Vec<(String, u64)> {
    let numbers = |numbers: &[f64]| {
        // One NaN for all, as for entries.
        let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        numbers.iter().fold(Digest::new(), |d, x| d.bytes(&bits(x).to_le_bytes())).0
    };
    let mut lines = Vec::new();
    let a = Dense::new(wild, rows, cols, order, 1);
    let rng = Rng::new(0xD1CE, 77).at(9, 50);
    for alpha in [0.0, 0.6, 1.5] {
        let mut out = Dense::new(&vec![1.0; rows * cols], rows, cols, order, 2);
        prune_threshold(options, rng, alpha, a.view(), out.view_mut()).expect("prune_threshold");
        let mut within = a.clone();
        let to = within.view_mut();
        prune_threshold_in_place(options, rng, alpha, to).expect("prune_threshold_in_place");
        assert!(same_bits(&out.data(), &within.data()), "in place and out of place differ");
        let mut parts = vec![1.0; rows * cols];
        for r in [0..rows / 2, rows / 2..rows] {
            for c in [0..cols / 3, cols / 3..cols].into_iter().filter(|c| !c.is_empty()) {
                let to = &mut parts[r.start * cols + c.start..];
                let to = MatMut::new(to, r.len(), c.len(), cols.cast_signed(), 1).expect("a part");
                let rng = rng.at(rng.row0 + r.start as u64, rng.col0 + c.start as u64);
                let from = a.view().part(r.clone(), c);
                prune_threshold(options, rng, alpha, from, to).expect("prune_threshold");
            }
        }
        assert!(same_bits(&out.data(), &parts), "parts and the whole differ");
        let name = format!("prune_threshold {alpha}");
        lines.push((name, Digest::new().words(&bits(&out.data())).0));
    }
    for (kind, data) in [("mixture", wild), ("bells", calm)] {
        let a = Dense::new(data, rows, cols, order, 1);
        let fit = lognormal_fit(options, a.view()).expect("lognormal_fit");
        lines.push((format!("lognormal_fit {kind}"), numbers(&[fit.mu, fit.sigma, fit.zeros])));
        let alphas = [0.3, 0.5, 0.9].map(|share| {
            threshold_for_sparsity(&fit, share).expect("threshold_for_sparsity").to_bits()
        });
        lines.push((format!("threshold_for_sparsity {kind}"), Digest::new().words(&alphas).0));
        for (p, group) in [(Pattern::N1M2, 1), (Pattern::N2M4, 1), (Pattern::N2M8, 3)] {
            let grouped = p.grouped(group).expect("a group of rows");
            let x = analyse(options, grouped, a.view()).expect("analyse");
            let x = common::numbers(&x);
            lines.push((format!("analyse {p} {group} {kind}"), numbers(&x)));
            let scale = soft_threshold_scale(options, p, a.view()).expect("soft_threshold_scale");
            lines.push((format!("soft_threshold_scale {p} {group} {kind}"), numbers(&[scale])));
        }
        let limits = [0.1, 0.5, 1.0, 3.0];
        let found = limits.map(|limit| match recommend(options, 1, a.view(), limit) {
            Ok(pattern) => {
                pattern.map_or(0, |p| u32::try_from(p.n() * 256 + p.m()).expect("small"))
            }
            Err(error) => panic!("recommend: {error}"),
        });
        lines.push((format!("recommend {kind}"), Digest::new().words(&found).0));
    }
    lines
}

#[test]
fn digests_are_the_committed_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/digests.txt");
    if std::env::var("SPNM_BLESS").as_deref() == Ok("1") {
        std::fs::write(path, digests(Isa::Reference)).expect("tests/digests.txt can be written");
        println!("tests/digests.txt rewritten");
    }
    let committed =
        std::fs::read_to_string(path).expect("tests/digests.txt (SPNM_BLESS=1 makes it)");
    assert!(committed.lines().count() > 800, "{} lines", committed.lines().count());
    for isa in levels() {
        let mine = digests(isa);
        for (got, want) in mine.lines().zip(committed.lines()) {
            assert_eq!(got, want, "{isa:?}");
        }
        assert_eq!(mine.lines().count(), committed.lines().count(), "{isa:?}");
        println!("{} digests as committed: {}", mine.lines().count(), isa.name());
    }
}
