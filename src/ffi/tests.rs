//! What C programs cannot reach: panics, and the agreement of numbers that are written twice.

use super::functions::*;
use super::guard::{compute, guard};
use super::info::*;
use super::memory::{KEPT, with_kept};
use super::pool::{spnm_pool, spnm_pool_create, spnm_pool_free};
use super::refused::{Refused, remember, spnm_last_error};
use super::status::message;
use super::tensor::*;
use super::transposable::*;
use super::types::*;
use crate::error::Error;
use crate::ops::Scratch;
use std::ffi::CStr;
use std::io::Write;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("not a number"),
    }
}

#[test]
fn the_header_has_the_version_of_the_crate() {
    let parts = [SPNM_VERSION_MAJOR, SPNM_VERSION_MINOR, SPNM_VERSION_PATCH];
    let of_the_crate = [
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    ];
    assert_eq!(parts, of_the_crate);
    assert_eq!(SPNM_VERSION, parts.iter().fold(0, |all, part| all << 8 | part));
    assert_eq!(SPNM_ABI_VERSION, number(env!("SPNM_BUILD_ABI_VERSION")), "the soname of build.rs");
}

#[test]
fn a_panic_becomes_a_status_and_prints_nothing() {
    const ALONE: &str = "SPNM_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        assert_eq!(guard(|| panic!("nobody sees this")), SPNM_E_PANIC);
        assert_eq!(compute(|| panic!("nor this")), SPNM_E_PANIC);
        assert_eq!(guard(|| Err(Error::Meta { row: 0, group: 0 }.into())), SPNM_E_META);
        assert_eq!(guard(|| Ok(())), SPNM_OK);
        return;
    }
    // What a process of its own prints.
    let this = std::env::current_exe().expect("the path of this test");
    let name = "ffi::tests::a_panic_becomes_a_status_and_prints_nothing";
    let mut again = std::process::Command::new(this);
    again.args([name, "--exact", "--nocapture"]).env(ALONE, "alone");
    let Ok(output) = again.output() else {
        // Past the test harness, which would swallow a `println!`.
        writeln!(std::io::stdout(), "not run: what panics print: no other process can be started")
            .expect("standard output");
        return;
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn last_error() -> String {
    // SAFETY: this thread's text, which ends in a NUL.
    unsafe { CStr::from_ptr(spnm_last_error()) }.to_str().expect("ASCII").to_owned()
}

#[test]
fn the_last_error_names_argument_and_value_and_is_its_threads_own() {
    let refused = |why: Refused| guard(|| Err(why));
    assert_eq!(refused(Refused::null("a")), SPNM_E_NULL);
    assert_eq!(last_error(), "`a` is NULL");
    assert_eq!(refused(Refused::value(SPNM_E_DTYPE, "a->dtype", 7u32)), SPNM_E_DTYPE);
    assert_eq!(last_error(), "`a->dtype` is 7: this dtype is not supported");
    let shape = Error::Shape { what: "rows of `out`", got: 3, expected: 2 };
    assert_eq!(refused(shape.into()), SPNM_E_SHAPE);
    assert_eq!(last_error(), "rows of `out` is 3, but must be 2");
    assert_eq!(guard(|| Ok(())), SPNM_OK);
    std::thread::spawn(|| assert_eq!(last_error(), "")).join().expect("its own");
    assert_eq!(last_error(), "rows of `out` is 3, but must be 2");
    assert_eq!(guard(|| panic!("a bug")), SPNM_E_PANIC);
    assert!(last_error().starts_with("internal error"));
    let long = "x".repeat(300);
    remember(&long);
    assert_eq!(last_error(), long[..255]);
}

#[test]
fn a_panic_in_a_worker_becomes_a_status_and_leaves_the_pool_usable() {
    let mut pool: *mut spnm_pool = null_mut();
    // SAFETY: a valid out-pointer.
    assert_eq!(unsafe { spnm_pool_create(3, &raw mut pool) }, SPNM_OK);
    // SAFETY: alive until it is freed below.
    let threads = unsafe { &(*pool).pool };
    for turn in 0..50 {
        // Whichever thread gets the task: the caller's own, or a worker.
        let status = compute(|| {
            crate::pool::run(Some(threads), 8, |task, _| assert!(task != turn % 8, "a bug"));
            Ok(())
        });
        assert_eq!(status, SPNM_E_PANIC);
        let done = AtomicUsize::new(0);
        let status = compute(|| {
            crate::pool::run(Some(threads), 8, |_, _| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            Ok(())
        });
        assert_eq!((status, done.into_inner()), (SPNM_OK, 8));
    }
    // A panic while the working memory of a pool is lent out leaves the rest of it.
    let lend = |bug: bool| {
        // SAFETY: alive until it is freed below.
        compute(|| unsafe { &*pool }.with_scratch(|_| if bug { panic!("a bug") } else { Ok(()) }))
    };
    assert_eq!([lend(false), lend(true), lend(false)], [SPNM_OK, SPNM_E_PANIC, SPNM_OK]);
    // SAFETY: not used any more.
    unsafe { spnm_pool_free(pool) };
}

#[test]
fn every_status_has_a_text_of_its_own() {
    let mut texts: Vec<_> = (SPNM_E_PANIC..=SPNM_OK).map(message).collect();
    texts.push(message(SPNM_E_PANIC - 1));
    assert!(texts.iter().all(|text| !text.is_empty()));
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 16);
    assert_eq!(message(i32::MIN), message(i32::MAX));
}

/// A product with these options, checked.
fn product(options: *const spnm_options) {
    let mut values = [1.0f32; 64 * 32];
    let mut meta = [0x44u8; 64 * 8];
    let (mut b, mut c) = ([1.0f32; 64 * 32], [0.0f32; 64 * 32]);
    let a = spnm_compressed {
        values: values.as_mut_ptr().cast(),
        meta: meta.as_mut_ptr(),
        rows: 64,
        cols: 64,
        ld_values: 32,
        ld_meta: 8,
        n: 2,
        m: 4,
        dtype: SPNM_F32,
        group: 1,
    };
    let matrix = |data: &mut [f32]| spnm_matrix {
        data: data.as_mut_ptr().cast(),
        rows: 64,
        cols: 32,
        row_stride: 32,
        col_stride: 1,
        dtype: SPNM_F32,
        reserved: 0,
    };
    let (b, view) = (matrix(&mut b), matrix(&mut c));
    // SAFETY: structs that describe the buffers above.
    let status =
        unsafe { spnm_gemm(options, 1.0, &raw const a, &raw const b, 0.0, &raw const view) };
    assert_eq!(status, SPNM_OK);
    assert!(c.iter().all(|&x| x == 32.0));
}

#[test]
fn a_pool_keeps_its_working_memory() {
    let mut pool: *mut spnm_pool = null_mut();
    // SAFETY: a valid out-pointer.
    assert_eq!(unsafe { spnm_pool_create(3, &raw mut pool) }, SPNM_OK);
    let options = spnm_options { struct_size: size_of::<spnm_options>(), isa: 0, flags: 0, pool };
    product(&raw const options);
    // SAFETY: alive, and no call runs.
    let held = unsafe { &*pool }.with_scratch(|scratch| scratch.bytes());
    assert_ne!(held, 0, "the pool kept nothing");
    product(&raw const options);
    // SAFETY: as above.
    assert_eq!(unsafe { &*pool }.with_scratch(|scratch| scratch.bytes()), held);
    // SAFETY: not used any more.
    unsafe { spnm_pool_free(pool) };
}

#[test]
fn calls_without_a_pool_keep_working_memory() {
    product(null());
    assert_ne!(with_kept(|scratch| scratch.bytes()), 0, "nothing was kept");
    // A panic, which the interface catches, does not lose it.
    let caught = std::panic::catch_unwind(|| with_kept(|_| panic!("a bug")));
    assert!(caught.is_err());
    assert_ne!(with_kept(|scratch| scratch.bytes()), 0, "lost");
    // As many calls at once as there is memory for: each has its own, and the next is on its own.
    fn at_once(held: &mut Vec<*const Scratch>) {
        with_kept(|scratch| {
            let here = &raw const *scratch;
            assert!(!held.contains(&here), "used twice");
            held.push(here);
            if held.len() <= KEPT {
                at_once(held);
            } else {
                assert_eq!(scratch.bytes(), 0);
                product(null());
            }
        });
    }
    at_once(&mut Vec::new());
}

#[test]
fn null_is_named_everywhere() {
    let refused = |argument: &str, status: spnm_status| {
        assert_eq!((status, last_error()), (SPNM_E_NULL, format!("`{argument}` is NULL")));
    };
    // SAFETY: NULL is what is tested; nothing is behind it.
    unsafe {
        refused("a", spnm_compress(null(), SPNM_MVUE, null(), null(), null()));
        refused("a", spnm_prune(null(), SPNM_KEEP, null(), 2, 4, 1, null(), null()));
        refused("a", spnm_decompress(null(), null(), null()));
        refused("a", spnm_gemm(null(), 1.0, null(), null(), 0.0, null()));
        refused("a", spnm_validate(null(), null_mut(), null_mut()));
        refused("out and out_t", spnm_compress_transposable(null(), null(), null(), null()));
        refused("w", spnm_prune_transposable(null(), null(), null()));
        refused("w", spnm_soft_threshold_scale(null(), 2, 4, null(), null_mut()));
        refused("rng", spnm_prune_threshold(null(), null(), 1.0, null(), null()));
        refused("a", spnm_lognormal_fit(null(), null(), null_mut()));
        refused("fit", spnm_threshold_for_sparsity(null(), 0.5, null_mut()));
        refused("a", spnm_analyse(null(), 2, 4, 1, null(), null_mut()));
        refused("a", spnm_recommend(null(), 1, null(), 0.5, null_mut(), null_mut()));
        refused("pool", spnm_pool_create(1, null_mut()));
        refused("ld_values", spnm_compressed_layout(1, 1, 2, 4, 1, null_mut(), null_mut()));
        spnm_pool_free(null_mut());
    }
    assert_eq!(spnm_isa_available(SPNM_ISA_AUTO), 1);
    assert_eq!(spnm_isa_available(u32::MAX), 0);
}
