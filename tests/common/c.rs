//! The C interface as a C program sees it: `include/spnm.h` by hand, for tests that need Rust around the
//! calls. The symbols come from the crate itself, built with the feature `capi`.
#![allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    reason = "every test file uses a part of this; the header documents it"
)]

use spnm as _;
use std::ffi::c_void;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_matrix {
    pub data: *mut c_void,
    pub rows: usize,
    pub cols: usize,
    pub row_stride: isize,
    pub col_stride: isize,
    pub dtype: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_compressed {
    pub values: *mut c_void,
    pub meta: *mut u8,
    pub rows: usize,
    pub cols: usize,
    pub ld_values: usize,
    pub ld_meta: usize,
    pub n: u32,
    pub m: u32,
    pub dtype: u32,
    pub group: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_rng {
    pub seed: u64,
    pub stream: u64,
    pub row0: u64,
    pub col0: u64,
}

pub enum spnm_pool {}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_options {
    pub struct_size: usize,
    pub isa: u32,
    pub flags: u32,
    pub pool: *mut spnm_pool,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_lognormal {
    pub struct_size: usize,
    pub mu: f64,
    pub sigma: f64,
    pub zeros: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct spnm_analysis {
    pub struct_size: usize,
    /// Its eight numbers, in the header's order.
    pub numbers: [f64; 8],
}

pub const OK: i32 = 0;
pub const E_MEMORY: i32 = -13;
pub const E_PANIC: i32 = -14;

pub const MAGNITUDE: u32 = 1;
pub const MVUE: u32 = 2;

unsafe extern "C" {
    pub fn spnm_pool_create(threads: usize, pool: *mut *mut spnm_pool) -> i32;
    pub fn spnm_pool_free(pool: *mut spnm_pool);
    pub fn spnm_compress(
        options: *const spnm_options,
        method: u32,
        rng: *const spnm_rng,
        a: *const spnm_matrix,
        out: *const spnm_compressed,
    ) -> i32;
    pub fn spnm_prune(
        options: *const spnm_options,
        method: u32,
        rng: *const spnm_rng,
        n: u32,
        m: u32,
        group: u32,
        a: *const spnm_matrix,
        out: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_decompress(
        options: *const spnm_options,
        a: *const spnm_compressed,
        out: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_validate(
        a: *const spnm_compressed,
        bad_row: *mut usize,
        bad_group: *mut usize,
    ) -> i32;
    pub fn spnm_gemm(
        options: *const spnm_options,
        alpha: f32,
        a: *const spnm_compressed,
        b: *const spnm_matrix,
        beta: f32,
        c: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_prune_gemm(
        options: *const spnm_options,
        method: u32,
        rng: *const spnm_rng,
        n: u32,
        m: u32,
        group: u32,
        alpha: f32,
        a: *const spnm_matrix,
        b: *const spnm_matrix,
        beta: f32,
        c: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_compress_transposable(
        options: *const spnm_options,
        w: *const spnm_matrix,
        out: *const spnm_compressed,
        out_t: *const spnm_compressed,
    ) -> i32;
    pub fn spnm_prune_transposable(
        options: *const spnm_options,
        w: *const spnm_matrix,
        out: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_soft_threshold_scale(
        options: *const spnm_options,
        n: u32,
        m: u32,
        w: *const spnm_matrix,
        scale: *mut f64,
    ) -> i32;
    pub fn spnm_prune_threshold(
        options: *const spnm_options,
        rng: *const spnm_rng,
        alpha: f32,
        a: *const spnm_matrix,
        out: *const spnm_matrix,
    ) -> i32;
    pub fn spnm_lognormal_fit(
        options: *const spnm_options,
        a: *const spnm_matrix,
        fit: *mut spnm_lognormal,
    ) -> i32;
    pub fn spnm_threshold_for_sparsity(
        fit: *const spnm_lognormal,
        sparsity: f64,
        alpha: *mut f32,
    ) -> i32;
    pub fn spnm_analyse(
        options: *const spnm_options,
        n: u32,
        m: u32,
        group: u32,
        a: *const spnm_matrix,
        analysis: *mut spnm_analysis,
    ) -> i32;
    pub fn spnm_recommend(
        options: *const spnm_options,
        group: u32,
        a: *const spnm_matrix,
        max_relative_variance: f64,
        n: *mut u32,
        m: *mut u32,
    ) -> i32;
}

/// A row-major f32 matrix.
pub fn matrix(data: &mut [f32], rows: usize, cols: usize) -> spnm_matrix {
    assert!(data.len() >= rows * cols);
    spnm_matrix {
        data: data.as_mut_ptr().cast(),
        rows,
        cols,
        row_stride: cols as isize,
        col_stride: 1,
        dtype: 0,
        reserved: 0,
    }
}

/// The best level, with these threads (or NULL).
pub fn options(pool: *mut spnm_pool) -> spnm_options {
    spnm_options { struct_size: size_of::<spnm_options>(), isa: 0, flags: 0, pool }
}
