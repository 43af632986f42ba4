//! A training loop allocates nothing after its first step, and memory that cannot be had is an error.

mod common;

use common::{Data, levels, view, view_mut};
use spnm::{
    Compressed, Error, Method, Options, Pattern, Pool, Rng, Scratch, analyse, compress,
    compress_transposable, decompress, gemm, lognormal_fit, prune, prune_gemm, prune_in_place,
    prune_threshold, prune_threshold_in_place, prune_transposable, prune_transposable_in_place,
    recommend, soft_threshold_scale, threshold_for_sparsity, validate,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the calling thread's allocations, and refuses them on demand.
struct Watched;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static REFUSE: Cell<bool> = const { Cell::new(false) };
}

impl Watched {
    /// Counts one; whether it may proceed.
    fn admit() -> bool {
        COUNT.set(COUNT.get() + 1);
        !REFUSE.get()
    }
}

// SAFETY: the system's allocator, or null.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if Self::admit() { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) };
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if Self::admit() { unsafe { System.alloc_zeroed(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !Self::admit() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// Runs `work` while every allocation of this thread fails.
fn without_memory<T>(work: impl FnOnce() -> T) -> T {
    REFUSE.set(true);
    let result = work();
    REFUSE.set(false);
    result
}

const ROWS: usize = 150;
const INNER: usize = 301;
const COLS: usize = 70;

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let refused = without_memory(|| Vec::<u8>::new().try_reserve_exact(10).is_err());
    assert!(refused);
}

#[test]
fn a_training_loop_allocates_in_its_first_step_alone() {
    let mut data = Data::new(1);
    // Rows contiguous and, as for a weight gradient, columns contiguous.
    let (a, b) = (data.matrix(0, ROWS * INNER), data.matrix(0, INNER * COLS));
    let mut c = vec![0.0; ROWS * COLS];
    for isa in levels() {
        let options = Options::new().isa(isa);
        for &p in Pattern::ALL {
            for transposed in [false, true] {
                let a = match transposed {
                    false => view(&a, ROWS, INNER),
                    true => view(&a, INNER, ROWS).t(),
                };
                let mut scratch = Scratch::new();
                let mut packed = Compressed::new(ROWS, INNER, p).expect("memory");
                let mut step = |stream: u64| {
                    let method = Method::Mvue(Rng::new(7, stream));
                    // C with its columns contiguous needs the most scratch memory.
                    let to = view_mut(&mut c, COLS, ROWS).t();
                    prune_gemm(
                        &options,
                        &mut scratch,
                        method,
                        p,
                        0.5,
                        a,
                        view(&b, INNER, COLS),
                        0.9,
                        to,
                    )
                    .expect("prune_gemm");
                    compress(&options, method, a, packed.as_mut()).expect("compress");
                    let to = view_mut(&mut c, ROWS, COLS);
                    let (a, b) = (packed.as_ref(), view(&b, INNER, COLS));
                    gemm(&options, &mut scratch, 1.0, a, b, 1.0, to).expect("gemm");
                    // Smaller ones fit as well.
                    let to = view_mut(&mut c[..COLS], 1, COLS);
                    let first = spnm::CompressedRef::new(
                        packed.values(),
                        packed.meta(),
                        1,
                        INNER,
                        p,
                        p.row_values(INNER),
                        p.row_meta(INNER),
                    );
                    let first = first.expect("the first row");
                    gemm(&options, &mut scratch, 1.0, first, b, 1.0, to).expect("gemm");
                };
                let first = allocations(|| step(0));
                assert!((1..=2).contains(&first), "{first} in the first step: {p} {isa:?}");
                let later = allocations(|| (1..4).for_each(&mut step));
                assert_eq!(later, 0, "{p} {isa:?} transposed: {transposed}");
            }
        }
    }
}

#[test]
fn a_product_works_in_less_than_a_mebibyte() {
    // More of everything than a block holds.
    let (rows, inner, cols) = (1200, 4100, 130);
    let mut data = Data::new(2);
    let (a, b) = (data.matrix(0, rows * inner), data.matrix(0, inner * cols));
    let mut c = vec![0.0; rows * cols];
    for &p in Pattern::ALL {
        let mut scratch = Scratch::new();
        let (a, b) = (view(&a, rows, inner), view(&b, inner, cols));
        let options = Options::new();
        let method = Method::Mvue(Rng::new(7, 1));
        let to = view_mut(&mut c, cols, rows).t();
        prune_gemm(&options, &mut scratch, method, p, 1.0, a, b, 0.0, to).expect("prune_gemm");
        let bytes = scratch.bytes();
        assert!((1 << 16..1 << 20).contains(&bytes), "{bytes} bytes: {p}");
        // So does each thread of a pool.
        let pool = Pool::new(3).expect("a pool");
        let mut scratch = Scratch::new();
        let (options, to) = (options.pool(&pool), view_mut(&mut c, cols, rows).t());
        prune_gemm(&options, &mut scratch, method, p, 1.0, a, b, 0.0, to).expect("prune_gemm");
        let all = scratch.bytes();
        assert!(bytes < all && all < 3 << 20, "{bytes} bytes, of three threads {all}: {p}");
    }
}

#[test]
fn one_pass_operations_allocate_nothing() {
    let mut data = Data::new(2);
    let a = data.matrix(0, ROWS * INNER);
    let mut out = vec![0.0; ROWS * INNER];
    for isa in levels() {
        let options = Options::new().isa(isa);
        let grouped = Pattern::N2M4.grouped(8).expect("a group of rows");
        for p in Pattern::ALL.iter().copied().chain([grouped]) {
            for method in common::methods(p, Rng::new(1, 1)) {
                for transposed in [false, true] {
                    let source = match method {
                        Method::Keep => vec![0.0; a.len()],
                        _ => a.clone(),
                    };
                    let mut packed = Compressed::new(ROWS, INNER, p).expect("memory");
                    let count = allocations(|| {
                        let (a, o) = match transposed {
                            false => (view(&source, ROWS, INNER), view_mut(&mut out, ROWS, INNER)),
                            true => (
                                view(&source, INNER, ROWS).t(),
                                view_mut(&mut out, INNER, ROWS).t(),
                            ),
                        };
                        compress(&options, method, a, packed.as_mut()).expect("compress");
                        validate(packed.as_ref()).expect("validate");
                        prune(&options, method, p, a, o).expect("prune");
                        let o = view_mut(&mut out, ROWS, INNER);
                        decompress(&options, packed.as_ref(), o).expect("decompress");
                        let o = view_mut(&mut out, ROWS, INNER);
                        prune_in_place(&options, Method::Magnitude, p, o).expect("in place");
                        // Refusals neither.
                        let o = view_mut(&mut out, INNER, ROWS);
                        let refused = decompress(&options, packed.as_ref(), o);
                        assert!(matches!(refused, Err(Error::Shape { .. })));
                    });
                    assert_eq!(count, 0, "{p} {isa:?} {method:?} transposed: {transposed}");
                }
            }
        }
    }
}

#[test]
fn transposable_masks_allocate_nothing() {
    let w = Data::new(7).matrix(0, ROWS * INNER);
    let mut dense = vec![0.0; ROWS * INNER];
    let p = Pattern::N2M4;
    for isa in levels() {
        let options = Options::new().isa(isa);
        let mut out = Compressed::new(ROWS, INNER, p).expect("memory");
        let mut out_t = Compressed::new(INNER, ROWS, p).expect("memory");
        let count = allocations(|| {
            let w = view(&w, ROWS, INNER);
            let (a, b) = (Some(out.as_mut()), Some(out_t.as_mut()));
            compress_transposable(&options, w, a, b).expect("both");
            let (a, b) = (Some(out_t.as_mut()), Some(out.as_mut()));
            compress_transposable(&options, w.t(), a, b).expect("both, transposed");
            prune_transposable(&options, w, view_mut(&mut dense, ROWS, INNER)).expect("prune");
            let within = view_mut(&mut dense, INNER, ROWS).t();
            prune_transposable_in_place(&options, within).expect("in place, transposed");
            let refused = compress_transposable(&options, w, Some(out_t.as_mut()), None);
            assert!(matches!(refused, Err(Error::Shape { .. })));
        });
        assert_eq!(count, 0, "{isa:?}");
    }
}

#[test]
fn whole_tensors_allocate_nothing() {
    let mut a = Data::new(4).matrix(1, ROWS * INNER);
    let mut out = vec![0.0; ROWS * INNER];
    for isa in levels() {
        let options = Options::new().isa(isa);
        let count = allocations(|| {
            let fit = lognormal_fit(&options, view(&a, INNER, ROWS).t()).expect("fit");
            let alpha = threshold_for_sparsity(&fit, 0.5).expect("a threshold");
            for p in [Pattern::N1M2, Pattern::N2M16] {
                let p = p.grouped(5).expect("a group of rows");
                analyse(&options, p, view(&a, ROWS, INNER)).expect("analyse");
            }
            recommend(&options, 1, view(&a, ROWS, INNER), 0.0).expect("recommend");
            soft_threshold_scale(&options, Pattern::N2M4, view(&a, ROWS, INNER)).expect("scale");
            let to = view_mut(&mut out, ROWS, INNER);
            prune_threshold(&options, Rng::new(1, 2), alpha, view(&a, ROWS, INNER), to)
                .expect("prune");
            let to = view_mut(&mut a, INNER, ROWS).t();
            prune_threshold_in_place(&options, Rng::new(1, 2), alpha, to).expect("prune");
        });
        assert_eq!(count, 0, "{isa:?}");
    }
}

#[test]
fn memory_that_cannot_be_had() {
    let mut data = Data::new(3);
    let p = Pattern::N2M4;
    let (a, b) = (data.matrix(0, ROWS * INNER), data.matrix(0, INNER * COLS));
    let packed = common::compressed(spnm::Isa::Reference, Method::Magnitude, &a, (ROWS, INNER), p);
    let (a, b) = (view(&a, ROWS, INNER), view(&b, INNER, COLS));
    for isa in levels() {
        let options = Options::new().isa(isa);
        for fused in [false, true] {
            let mut c = vec![7.0; ROWS * COLS];
            let mut scratch = Scratch::new();
            let call = |scratch: &mut Scratch, c: &mut [f32]| {
                let c = view_mut(c, ROWS, COLS);
                match fused {
                    false => gemm(&options, scratch, 1.0, packed.as_ref(), b, 0.0, c),
                    true => prune_gemm(&options, scratch, Method::Magnitude, p, 1.0, a, b, 0.0, c),
                }
            };
            let error = without_memory(|| call(&mut scratch, &mut c)).expect_err("no memory");
            let Error::Memory { bytes } = error else { panic!("{error:?}") };
            assert!(bytes > 0 && error.to_string().contains(&bytes.to_string()), "{error}");
            assert!(c.iter().all(|&x| x == 7.0), "C was written: {isa:?}");
            assert_eq!(scratch.bytes(), 0);
            // The same scratch works when there is memory, holds what was asked for, and then needs none.
            call(&mut scratch, &mut c).expect("memory again");
            assert_eq!(scratch.bytes(), bytes, "{isa:?}");
            let first = c.clone();
            without_memory(|| call(&mut scratch, &mut c)).expect("no memory needed");
            assert!(common::same_bits(&c, &first));
        }
    }
    let made = without_memory(|| Compressed::new(ROWS, INNER, p));
    let bytes = (4 * ROWS * p.row_values(INNER)).next_multiple_of(64);
    assert_eq!(made.expect_err("no memory"), Error::Memory { bytes });
}
