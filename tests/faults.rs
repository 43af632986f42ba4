//! What happens when things fail: memory that cannot be had at any one of the places where it is asked
//! for, pools that come and go. (Panics, which nothing public can provoke, are in `src/pool.rs` and
//! `src/ffi/tests.rs`.)
#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

#[path = "common/alone.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]
mod alone;
#[cfg(feature = "capi")]
#[path = "common/c.rs"]
mod c;
mod common;

use alone::alone;
use common::{Data, by_effort, same_bits, view, view_mut};
use spnm::{
    Compressed, Error, Method, Options, Pattern, Pool, Rng, Scratch, compress, decompress, gemm,
    prune, prune_gemm,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// Counts the process's allocations while it is armed, and refuses one, or one and all after it.
struct Failing;

static ARMED: AtomicBool = AtomicBool::new(false);
static SEEN: AtomicUsize = AtomicUsize::new(0);
/// The allocation to refuse, from 1.
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static AND_ALL_AFTER: AtomicBool = AtomicBool::new(false);

impl Failing {
    fn admits() -> bool {
        if !ARMED.load(SeqCst) {
            return true;
        }
        let (number, refused) = (SEEN.fetch_add(1, SeqCst) + 1, REFUSED.load(SeqCst));
        number != refused && !(number > refused && AND_ALL_AFTER.load(SeqCst))
    }
}

// SAFETY: the system's allocator, or null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if Self::admits() { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs `work` while allocation number `k` fails; the result, and how many there were.
fn failing<T>(k: usize, and_all_after: bool, work: impl FnOnce() -> T) -> (T, usize) {
    REFUSED.store(k, SeqCst);
    AND_ALL_AFTER.store(and_all_after, SeqCst);
    SEEN.store(0, SeqCst);
    ARMED.store(true, SeqCst);
    let result = work();
    ARMED.store(false, SeqCst);
    (result, SEEN.load(SeqCst))
}

/// Calls `attempt` with k = 1, 2, .. until it makes fewer than k allocations; `attempt` returns whether it
/// was refused memory, and how many allocations it made.
fn for_every_allocation(what: &str, mut attempt: impl FnMut(usize, bool) -> (bool, usize)) {
    let mut refusals = 0;
    for and_all_after in [false, true] {
        for k in 1.. {
            let (refused, made) = attempt(k, and_all_after);
            refusals += usize::from(refused);
            if made < k {
                assert!(!refused, "{what}: refused without a refusal");
                break;
            }
            assert!(k < 100, "{what}: no end of allocations");
        }
    }
    assert!(refusals > 0, "{what}: nothing was ever refused");
    println!("{what}: refused {refusals} times");
}

const ROWS: usize = 150;
const INNER: usize = 300;
const COLS: usize = 70;
const P: Pattern = Pattern::N2M4;

struct Operands {
    a: Vec<f32>,
    b: Vec<f32>,
    /// What C holds before.
    c: Vec<f32>,
    packed: Compressed,
    /// Compressed, the product, pruned.
    want: (Compressed, Vec<f32>, Vec<f32>),
}

fn method() -> Method {
    Method::Mvue(Rng::new(3, 4))
}

impl Operands {
    /// What is wanted is worked out on the reference level: no call of the level under test before the test.
    fn new() -> Self {
        let mut data = Data::new(9);
        let (a, b) = (data.matrix(0, ROWS * INNER), data.matrix(0, INNER * COLS));
        let c = data.matrix(0, ROWS * COLS);
        let isa = spnm::Isa::Reference;
        let packed = common::compressed(isa, method(), &a, (ROWS, INNER), P);
        let pruned = common::dense_of(packed.values(), packed.meta(), ROWS, INNER, P);
        let mut product = c.clone();
        common::naive_gemm(1.5, &packed, &b, 0.5, &mut product);
        Self { a, b, c, want: (packed.clone(), product, pruned), packed }
    }
}

#[test]
fn memory_refused_to_rust_calls() {
    if !alone("memory_refused_to_rust_calls") {
        return;
    }
    let operands = Operands::new();
    let (a, b) = (view(&operands.a, ROWS, INNER), view(&operands.b, INNER, COLS));
    for threads in [1, 3] {
        let pool = Pool::new(threads).expect("a small pool");
        let options = Options::new().pool(&pool);
        for fused in [false, true] {
            let what = if fused { "prune_gemm" } else { "gemm" };
            for_every_allocation(&format!("{what}, {threads} threads"), |k, after| {
                let (mut c, mut scratch) = (operands.c.clone(), Scratch::new());
                let to = view_mut(&mut c, ROWS, COLS);
                let packed = operands.packed.as_ref();
                let (result, made) = failing(k, after, || match fused {
                    false => gemm(&options, &mut scratch, 1.5, packed, b, 0.5, to),
                    true => prune_gemm(&options, &mut scratch, method(), P, 1.5, a, b, 0.5, to),
                });
                match result {
                    Ok(()) => assert!(same_bits(&c, &operands.want.1), "{what}"),
                    Err(Error::Memory { .. }) => {
                        assert!(same_bits(&c, &operands.c), "{what}: C was written");
                    }
                    Err(error) => panic!("{what}: {error}"),
                }
                (result.is_err(), made)
            });
        }
        // One pass over the matrix: no memory is asked for, so none can be refused.
        let mut packed = Compressed::new(ROWS, INNER, P).expect("memory");
        let mut dense = vec![1.0; ROWS * INNER];
        let ((), made) = failing(1, true, || {
            compress(&options, method(), a, packed.as_mut()).expect("compress");
            spnm::validate(packed.as_ref()).expect("validate");
            let to = view_mut(&mut dense, ROWS, INNER);
            prune(&options, method(), P, a, to).expect("prune");
        });
        assert_eq!(made, 0, "{threads} threads");
        assert!(packed == operands.want.0 && same_bits(&dense, &operands.want.2));
        dense.fill(1.0);
        let to = view_mut(&mut dense, ROWS, INNER);
        let (result, made) = failing(1, true, || decompress(&options, packed.as_ref(), to));
        assert_eq!((result, made), (Ok(()), 0), "{threads} threads");
        assert!(same_bits(&dense, &operands.want.2));
    }
    for_every_allocation("Compressed::new", |k, after| {
        let (made, count) = failing(k, after, || Compressed::new(ROWS, INNER, P));
        assert!(matches!(made, Ok(_) | Err(Error::Memory { .. })), "{made:?}");
        (made.is_err(), count)
    });
}

/// The first calls of a process among them: nothing was called before.
#[cfg(feature = "capi")]
#[test]
fn memory_refused_to_c_calls() {
    if !alone("memory_refused_to_c_calls") {
        return;
    }
    // SAFETY (all calls): structs that describe live buffers of their sizes.
    let mut operands = Operands::new();
    let (mut values, mut meta) =
        (operands.packed.values().to_vec(), operands.packed.meta().to_vec());
    let packed = c::spnm_compressed {
        values: values.as_mut_ptr().cast(),
        meta: meta.as_mut_ptr(),
        rows: ROWS,
        cols: INNER,
        ld_values: P.row_values(INNER),
        ld_meta: P.row_meta(INNER),
        n: 2,
        m: 4,
        dtype: 0,
        group: 1,
    };
    let rng = c::spnm_rng { seed: 3, stream: 4, row0: 0, col0: 0 };
    let mut dense = vec![1.0f32; ROWS * INNER];
    let full = c::matrix(&mut dense, ROWS, INNER);
    let a = c::matrix(&mut operands.a, ROWS, INNER);
    let b = c::matrix(&mut operands.b, INNER, COLS);
    for threads in [0, 1, 3] {
        let pool_of = |threads| {
            let mut pool = std::ptr::null_mut();
            if threads > 0 {
                // SAFETY: as above.
                assert_eq!(unsafe { c::spnm_pool_create(threads, &raw mut pool) }, c::OK);
            }
            pool
        };
        for fused in [false, true] {
            // A pool of its own for each: it keeps the memory that it has got. Without one the process keeps it, and
            // the second product needs more than the first.
            let pool = pool_of(threads);
            let options = c::options(pool);
            let what = if fused { "spnm_prune_gemm" } else { "spnm_gemm" };
            for_every_allocation(&format!("{what}, {threads} threads"), |k, after| {
                let mut c = operands.c.clone();
                let to = c::matrix(&mut c, ROWS, COLS);
                let (o, r, a, b, c_) =
                    (&raw const options, &raw const rng, &raw const a, &raw const b, &raw const to);
                // SAFETY: as above.
                let (status, made) = failing(k, after, || unsafe {
                    match fused {
                        false => c::spnm_gemm(o, 1.5, &raw const packed, b, 0.5, c_),
                        true => c::spnm_prune_gemm(o, c::MVUE, r, 2, 4, 1, 1.5, a, b, 0.5, c_),
                    }
                });
                match status {
                    c::OK => assert!(same_bits(&c, &operands.want.1), "{what}"),
                    c::E_MEMORY => assert!(same_bits(&c, &operands.c), "{what}: C was written"),
                    status => panic!("{what}: {status}"),
                }
                (status != c::OK, made)
            });
            // SAFETY: no call uses it.
            unsafe { c::spnm_pool_free(pool) };
        }
        let pool = pool_of(threads);
        let options = c::options(pool);
        let o = &raw const options;
        // SAFETY: as above.
        let (status, made) = failing(1, true, || unsafe {
            [
                c::spnm_compress(o, c::MVUE, &raw const rng, &raw const a, &raw const packed),
                c::spnm_validate(&raw const packed, std::ptr::null_mut(), std::ptr::null_mut()),
                c::spnm_prune(o, c::MVUE, &raw const rng, 2, 4, 1, &raw const a, &raw const full),
            ]
        });
        assert_eq!((status, made), ([c::OK; 3], 0), "{threads} threads");
        assert!(
            same_bits(&values, operands.want.0.values()) && same_bits(&dense, &operands.want.2)
        );
        dense.fill(1.0);
        let (status, made) =
            // SAFETY: as above.
            failing(1, true, || unsafe { c::spnm_decompress(o, &raw const packed, &raw const full) });
        assert_eq!((status, made), (c::OK, 0), "{threads} threads");
        assert!(same_bits(&dense, &operands.want.2));
        // SAFETY: no call uses it.
        unsafe { c::spnm_pool_free(pool) };
    }
}

/// A pool is refused where its own allocations are. Those of `std::thread` end the process, as documented;
/// only those, and only while threads are started.
#[test]
fn memory_refused_to_new_pools() {
    const NAME: &str = "memory_refused_to_new_pools";
    if let Some(argument) = alone::argument() {
        let mut numbers = argument.split(' ').map(|n| n.parse::<usize>().expect("a number"));
        let mut next = || numbers.next().expect("five numbers");
        let (k, after, threads, through_c) = (next(), next() == 1, next(), next() == 1);
        let (refused, made) = if through_c {
            new_pool_in_c(k, after, threads)
        } else {
            let (pool, made) = failing(k, after, || Pool::new(threads));
            assert!(
                matches!(pool, Ok(_) | Err(Error::Memory { .. } | Error::NoThread { .. })),
                "{pool:?}"
            );
            (pool.is_err(), made)
        };
        println!("outcome: {} {}", if refused { "refused" } else { "made" }, made < k);
        return;
    }
    for through_c in [false, true] {
        if through_c && !cfg!(feature = "capi") {
            continue;
        }
        for (threads, after) in [(1, false), (3, false), (3, true)] {
            let (mut refused, mut ended, mut first) = (0, 0, None);
            for k in 1.. {
                let argument = format!("{k} {} {threads} {}", u8::from(after), u8::from(through_c));
                let output = alone::again(NAME, &argument);
                let (out, err) = (
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                );
                if output.status.success() {
                    let outcome =
                        out.lines().find_map(|line| Some(line.split_once("outcome: ")?.1));
                    let (what, past) = outcome.and_then(|o| o.split_once(' ')).expect("an outcome");
                    refused += usize::from(what == "refused");
                    first.get_or_insert(what == "refused");
                    if past == "true" {
                        break;
                    }
                } else {
                    let allocation = err.contains("memory allocation of") && err.contains("failed");
                    let aborted = output.status.signal() == Some(libc::SIGABRT);
                    assert!(allocation && aborted, "{argument}: {} {err}", output.status);
                    assert!(threads > 1, "{argument}: ended without a thread to start");
                    ended += 1;
                    first.get_or_insert(false);
                }
                assert!(k < 200, "no end of allocations");
            }
            // The first allocation is the library's own.
            let none_needed = threads == 1 && !through_c;
            assert_eq!(first, Some(!none_needed), "{threads} threads, C: {through_c}");
            println!(
                "{threads} threads, C: {through_c}, all after: {after}: {refused} refused, {ended} ended the process"
            );
        }
    }
}

#[cfg(feature = "capi")]
fn new_pool_in_c(k: usize, after: bool, threads: usize) -> (bool, usize) {
    let mut pool = std::ptr::null_mut();
    // SAFETY: a valid out-pointer.
    let (status, made) =
        failing(k, after, || unsafe { c::spnm_pool_create(threads, &raw mut pool) });
    assert!(status == c::OK || (status == c::E_MEMORY && pool.is_null()), "{status}");
    // SAFETY: NULL, or made above.
    unsafe { c::spnm_pool_free(pool) };
    (status != c::OK, made)
}

#[cfg(not(feature = "capi"))]
fn new_pool_in_c(_: usize, _: bool, _: usize) -> (bool, usize) {
    unreachable!("not asked for")
}

/// Dropping a pool joins its threads; ten thousand leave neither threads nor memory behind.
#[cfg(target_os = "linux")]
#[test]
fn pools_come_and_go() {
    use alone::status;
    if !alone("pools_come_and_go") {
        return;
    }
    let operands = Operands::new();
    let (a, b) = (view(&operands.a, ROWS, INNER), view(&operands.b, INNER, COLS));
    let mut scratch = Scratch::new();
    let before = status("Threads");
    let mut cycle = |used: bool| {
        let pool = Pool::new(3).expect("a small pool");
        assert_eq!(status("Threads"), before + 2);
        if used {
            let mut c = operands.c.clone();
            let (options, to) = (Options::new().pool(&pool), view_mut(&mut c, ROWS, COLS));
            prune_gemm(&options, &mut scratch, method(), P, 1.5, a, b, 0.5, to)
                .expect("prune_gemm");
            assert!(same_bits(&c, &operands.want.1));
        }
        drop(pool);
        assert!(alone::threads_become(before), "a thread outlived its pool");
    };
    let cycles = by_effort(10_000, 300);
    let mut resident = Vec::new();
    for i in 0..cycles {
        // Idle ones too: never used, or used and at rest.
        cycle(i % 8 == 0);
        if i % (cycles / 10) == cycles / 10 - 1 {
            resident.push(status("VmRSS"));
        }
    }
    println!("{cycles} pools, resident KiB after each tenth: {resident:?}");
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    assert!(last <= first + 512, "memory grew: {resident:?}");
}

/// The same through C, with a pool's working memory.
#[cfg(all(target_os = "linux", feature = "capi"))]
#[test]
fn c_pools_come_and_go() {
    use alone::status;
    if !alone("c_pools_come_and_go") {
        return;
    }
    let mut operands = Operands::new();
    let rng = c::spnm_rng { seed: 3, stream: 4, row0: 0, col0: 0 };
    let a = c::matrix(&mut operands.a, ROWS, INNER);
    let b = c::matrix(&mut operands.b, INNER, COLS);
    let before = status("Threads");
    let cycles = by_effort(2_000, 100);
    let mut resident = Vec::new();
    let mut c = operands.c.clone();
    for i in 0..cycles {
        let mut pool = std::ptr::null_mut();
        // SAFETY: a valid out-pointer.
        assert_eq!(unsafe { c::spnm_pool_create(3, &raw mut pool) }, c::OK);
        let options = c::options(pool);
        c.copy_from_slice(&operands.c);
        let to = c::matrix(&mut c, ROWS, COLS);
        // SAFETY: structs that describe live buffers; the pool is freed once, and not in use.
        unsafe {
            let (o, r) = (&raw const options, &raw const rng);
            let (a, b, to) = (&raw const a, &raw const b, &raw const to);
            assert_eq!(c::spnm_prune_gemm(o, c::MVUE, r, 2, 4, 1, 1.5, a, b, 0.5, to), c::OK);
            c::spnm_pool_free(pool);
        }
        assert!(same_bits(&c, &operands.want.1));
        assert!(alone::threads_become(before), "a thread outlived its pool");
        if i % (cycles / 10) == cycles / 10 - 1 {
            resident.push(status("VmRSS"));
        }
    }
    println!("{cycles} pools, resident KiB after each tenth: {resident:?}");
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    assert!(last <= first + 512, "memory grew: {resident:?}");
}
