//! Many callers at once, for a long time: the same bits, no deadlock, no growth.
//!
//! `SPNM_SOAK_SECONDS` sets how long `soak` mixes calls (default 3), `SPNM_TEST_EFFORT=0` makes
//! everything short. Throughput is printed and never judged.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

#[path = "common/alone.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]
mod alone;
mod common;

use common::{Data, by_effort, same_bits, view, view_mut};
use spnm::{
    Compressed, Isa, Method, Options, Pattern, Pool, Rng, Scratch, compress, decompress, gemm,
    prune, prune_gemm, prune_in_place, validate,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Ends the process where nothing is finished for so long: a test that hangs says nothing. Far above what a
/// call takes on any machine.
const STALLED: Duration = Duration::from_secs(120);

/// Counts what is finished; a deadlock ends the process with a message.
struct Watch {
    finished: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    dog: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn new(what: &'static str) -> Self {
        let (finished, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&finished), Arc::clone(&over));
        let dog = std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            while !end.load(Relaxed) {
                std::thread::park_timeout(Duration::from_millis(200));
                let now = count.load(Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > STALLED {
                    eprintln!("{what}: no call has returned for {STALLED:?}: deadlock");
                    std::process::abort();
                }
            }
        });
        Self { finished, over, dog: Some(dog) }
    }

    fn calls(&self) -> usize {
        self.finished.load(Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(dog) = self.dog.take() {
            dog.thread().unpark();
            dog.join().expect("the watch-dog");
        }
    }
}

/// One set of operands, and what every operation makes of them, from the reference level.
struct Job {
    p: Pattern,
    method: Method,
    shape: (usize, usize, usize),
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    packed: Compressed,
    pruned: Vec<f32>,
    product: Vec<f32>,
}

impl Job {
    fn new(number: usize, shape: (usize, usize, usize)) -> Self {
        let (rows, inner, cols) = shape;
        let mut data = Data::new(number as u64);
        let p = Pattern::ALL[number % Pattern::ALL.len()];
        let method = match number % 3 {
            0 => Method::Magnitude,
            _ => Method::Mvue(Rng::new(5, number as u64)),
        };
        let (a, b) = (data.bells(rows * inner), data.bells(inner * cols));
        let c = data.bells(rows * cols);
        let packed = common::compressed(Isa::Reference, method, &a, (rows, inner), p);
        let pruned = common::dense_of(packed.values(), packed.meta(), rows, inner, p);
        let mut product = c.clone();
        common::naive_gemm(1.0, &packed, &b, 1.0, &mut product);
        Self { p, method, shape, a, b, c, packed, pruned, product }
    }
}

/// What a caller keeps between its calls.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    c: Vec<f32>,
    dense: Vec<f32>,
}

/// Operation `which` on a job: the right bits.
fn call(options: &Options<'_>, job: &Job, which: usize, kept: &mut Kept) {
    let Job { p, method, shape: (rows, inner, cols), .. } = *job;
    let (a, b) = (view(&job.a, rows, inner), view(&job.b, inner, cols));
    let Kept { scratch, c, dense } = kept;
    match which % 6 {
        0 | 1 => {
            c.clear();
            c.extend_from_slice(&job.c);
            let to = view_mut(c, rows, cols);
            match which % 6 {
                0 => gemm(options, scratch, 1.0, job.packed.as_ref(), b, 1.0, to),
                _ => prune_gemm(options, scratch, method, p, 1.0, a, b, 1.0, to),
            }
            .expect("a product");
            assert!(same_bits(c, &job.product), "product {p} {method:?} {:?}", job.shape);
        }
        2 => {
            let mut packed = Compressed::new(rows, inner, p).expect("memory");
            compress(options, method, a, packed.as_mut()).expect("compress");
            validate(packed.as_ref()).expect("validate");
            assert!(packed == job.packed, "compress {p} {method:?} {:?}", job.shape);
        }
        n => {
            dense.clear();
            dense.extend_from_slice(if n == 5 { &job.a } else { &job.pruned });
            if n != 5 {
                dense.fill(7.0);
            }
            let to = view_mut(dense, rows, inner);
            match n {
                3 => prune(options, method, p, a, to),
                4 => decompress(options, job.packed.as_ref(), to),
                _ => prune_in_place(options, method, p, to),
            }
            .expect("a dense form");
            assert!(same_bits(dense, &job.pruned), "dense {n} {p} {method:?} {:?}", job.shape);
        }
    }
}

fn jobs(shapes: &[(usize, usize, usize)]) -> Vec<Job> {
    shapes.iter().enumerate().map(|(i, &shape)| Job::new(i, shape)).collect()
}

/// How often the soak looks at its memory.
#[cfg(target_os = "linux")]
const SAMPLES: u32 = 100;

/// Four callers, pools shared, private, short-lived and none, every operation, for a while: memory stays
/// what it is after the first quarter of the calls.
#[cfg(target_os = "linux")]
#[test]
fn soak() {
    use alone::status;
    if !alone::alone("soak") {
        return;
    }
    let asked = std::env::var("SPNM_SOAK_SECONDS").ok();
    let seconds = match asked.as_deref().map(str::parse) {
        None => by_effort(3, 1) as u64,
        Some(seconds) => seconds.expect("SPNM_SOAK_SECONDS is a number"),
    };
    let jobs = jobs(&[
        (1, 64, 7),
        (33, 100, 40),
        (150, 300, 70),
        (64, 256, 256),
        (7, 1030, 19),
        (200, 64, 33),
        (96, 48, 300),
        (5, 5, 5),
        (128, 512, 65),
        (17, 33, 1),
    ]);
    let threads = status("Threads");
    let shared = Pool::new(3).expect("a small pool");
    let watch = Watch::new("soak");
    let start = Instant::now();
    let over = AtomicBool::new(false);
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (jobs, shared, over, finished) = (&jobs, &shared, &over, &watch.finished);
            scope.spawn(move || {
                let own = Pool::new(2).expect("a small pool");
                let (mut kept, mut data) = (Kept::default(), Data::new(caller));
                while !over.load(Relaxed) {
                    let short;
                    let mut options = Options::new();
                    match data.below(16) {
                        0 => {
                            short = Pool::new(1 + data.below(4)).expect("a small pool");
                            options = options.pool(&short);
                        }
                        1..6 => options = options.pool(shared),
                        6..11 => options = options.pool(&own),
                        _ => {}
                    }
                    let levels = Isa::available().skip(1).count();
                    let isa = Isa::available().nth(1 + data.below(levels)).expect("a level");
                    call(
                        &options.isa(isa),
                        &jobs[data.below(jobs.len())],
                        data.below(6),
                        &mut kept,
                    );
                    finished.fetch_add(1, Relaxed);
                }
            });
        }
        for _ in 0..SAMPLES {
            std::thread::sleep(Duration::from_secs(seconds) / SAMPLES);
            samples.push((watch.calls(), status("VmRSS"), status("Threads")));
        }
        over.store(true, Relaxed);
    });
    let (calls, spent) = (watch.calls(), start.elapsed());
    // By calls: on a busy machine most of them may be made in a small part of the time.
    let most = samples.last().expect("samples").0;
    let quarters: Vec<_> = (1..=4)
        .filter_map(|q| samples.iter().find(|&&(calls, ..)| 4 * calls >= q * most))
        .collect();
    println!(
        "soak: {calls} calls in {spent:.1?}; (calls, resident KiB, threads) by quarters of the calls: {quarters:?}"
    );
    assert!(most > 0);
    // The allocator's arenas fill in the first quarter; a leak would go on. (That of a sanitizer takes longer, and more.)
    let growth = std::env::var("SPNM_SOAK_GROWTH_KIB")
        .map_or(2048, |kib| kib.parse().expect("a number of KiB"));
    let (first, last) = (quarters[0].1, samples[samples.len() - 1].1);
    assert!(last <= first + growth, "memory grew: {quarters:?}");
    drop((watch, shared));
    assert!(alone::threads_become(threads), "threads are left");
}

/// The processor time that this process has had: on a shared machine it tells more than the clock.
#[cfg(unix)]
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out-pointer.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "clock_gettime");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn processor_seconds() -> f64 {
    f64::NAN
}

/// The calls that `callers` threads finish a second, and a second of processor time, each making `calls`,
/// with one of the pools, if there are any.
fn throughput(callers: usize, calls: usize, jobs: &[Job], pools: &[Pool]) -> [f64; 2] {
    let before = processor_seconds();
    let watch = Watch::new("load");
    let barrier = Barrier::new(callers + 1);
    let start = std::thread::scope(|scope| {
        for caller in 0..callers {
            let (barrier, finished) = (&barrier, &watch.finished);
            scope.spawn(move || {
                let mut options = Options::new();
                if !pools.is_empty() {
                    options = options.pool(&pools[caller % pools.len()]);
                }
                let mut kept = Kept::default();
                barrier.wait();
                for turn in 0..calls {
                    call(&options, &jobs[(caller + turn) % jobs.len()], turn, &mut kept);
                    finished.fetch_add(1, Relaxed);
                }
            });
        }
        // Before the barrier lets anybody go: after it, this thread would stand in line.
        let start = Instant::now();
        barrier.wait();
        start
    });
    assert_eq!(watch.calls(), callers * calls);
    let spent = [start.elapsed().as_secs_f64(), processor_seconds() - before];
    spent.map(|seconds| (callers * calls) as f64 / seconds)
}

/// 64 callers, however they share pools, all return, with the right bits.
#[test]
fn sixty_four_callers() {
    let jobs = jobs(&[(100, 300, 90), (64, 256, 256), (33, 1030, 19), (200, 100, 64)]);
    let all = by_effort(3200, 640);
    let pool = |threads: usize| Pool::new(threads).expect("a small pool");
    let shared = [pool(2)];
    let few: Vec<Pool> = (0..4).map(|_| pool(2)).collect();
    let private: Vec<Pool> = (0..64).map(|_| pool(2)).collect();
    let two = [pool(2), pool(2)];
    let cases: [(&str, usize, &[Pool]); 7] = [
        ("2 callers, no pool", 2, &[]),
        ("2 callers, a pool of 2 each", 2, &two),
        ("1 caller, a pool of 2", 1, &shared),
        ("64 callers, no pool", 64, &[]),
        ("64 callers, one pool of 2", 64, &shared),
        ("64 callers, four pools of 2", 64, &few),
        ("64 callers, a pool of 2 each", 64, &private),
    ];
    // Twice: the first round warms caches and clocks.
    let mut base = [0.0; 2];
    for round in 0..2 {
        for (what, callers, pools) in cases {
            let calls = if round == 0 { all / 5 } else { all };
            let rates = throughput(callers, calls / callers, &jobs, pools);
            if callers == 2 && pools.is_empty() {
                base = rates;
            }
            if round == 1 {
                let [clock, processor] = [0, 1].map(|i| rates[i] / base[i]);
                println!(
                    "load: {what}: {:.0} calls/s; of 2 callers without a pool: {clock:.2} by the clock, \
                     {processor:.2} by processor time",
                    rates[0]
                );
            }
        }
    }
}
