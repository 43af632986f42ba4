//! N:M sparsity for CPUs: prune a matrix so that N of every M entries stay, **without bias and with
//! the least possible variance**, compress it, and multiply the compressed form.
//!
//! The weight gradient of a layer is a product of two dense matrices. Replace one of them by an
//! unbiased N:M estimate of itself and half of the multiplications go (three quarters for 1:4), while the expectation
//! of the gradient stays what it was. That is "Minimum Variance Unbiased N:M Sparsity for the Neural
//! Gradients" (arXiv 2203.10991), here for CPUs: [`prune_gemm`] is the whole step in one call.
//!
//! ```
#![doc = include_str!("../examples/quickstart.rs")]
//! ```
//!
//! # What is where
//!
//! | to | call |
//! |---|---|
//! | prune and compress in one pass | [`compress`] |
//! | prune, compress and multiply in one call | [`prune_gemm`] |
//! | multiply a compressed matrix | [`gemm`] |
//! | prune and stay dense | [`prune`], [`prune_in_place`] |
//! | prune weights by one mask for W and its transpose | [`compress_transposable`], [`prune_transposable`] |
//! | go back to dense | [`decompress`] |
//! | scale soft-thresholded weights | [`soft_threshold_scale`] |
//! | prune a dense matrix at a threshold, without bias | [`prune_threshold`], with [`lognormal_fit`] and [`threshold_for_sparsity`] |
//! | know what a pattern would cost a tensor | [`analyse`], [`recommend`] |
//! | check metadata that comes from elsewhere | [`validate`] |
//!
//! Matrices are strided views, [`MatRef`] and [`MatMut`]: a transpose is a swap of strides. `N:M`
//! keeps **N of every M** consecutive entries of a row of A, a *group* ([`Pattern`]); how they are
//! chosen is a [`Method`]. [`Options`] select the instruction set and the threads of a call. Where *groups of rows*
//! share indices, [`Pattern::grouped`] says so. The *water level* tau of a group is the magnitude from which on
//! [`Method::Mvue`] keeps an entry for certain.
//!
//! # What holds for every function
//!
//! - **Same bits everywhere.** In Rust's default floating-point environment results do not depend on the
//!   instruction set ([`Isa`]), the number of threads, the storage order of an operand, or how rows and columns
//!   are cut into calls. Random numbers are a function of logical coordinates ([`Rng`]).
//! - **Checked first.** Sizes, strides, overlap and overflow are checked before anything is
//!   written; an [`Error`] names the argument and the value, and outputs are untouched.
//! - **No surprises.** No threads but those of a [`Pool`] that the caller passes. Computing allocates in nothing but a
//!   [`Scratch`] that the caller keeps (but for a few bytes in the first call, to read `SPNM_MAX_ISA` where that is set),
//!   and takes less than 112 KiB of the calling thread's stack where the crate is optimised. The only global state is what was detected of the CPU and read of
//!   the environment and, from the first [`Pool`] on, a count of forks, by a handler that stays (`pthread_atfork`). Nothing is read or written
//!   outside a view. (What the C interface adds, its header says.)
//!
//! # When not to use it
//!
//! A matrix that is unstructured sparse (most entries zero anywhere) wants CSR. A product with a single column is
//! slower than the dense one on some CPUs (`benches/RESULTS.md`), and to prune a matrix for one product with few columns costs more
//! than it saves. A model that was never trained for N:M weights loses accuracy with [`Method::Magnitude`]. The
//! unbiased estimate adds variance to a gradient: at small batches it may matter, and [`Method::Mvue`] only makes it
//! as small as it can be.

mod compressed;
mod dispatch;
mod error;
#[cfg(feature = "capi")]
mod ffi;
mod isa;
mod kernels;
mod matrix;
mod ops;
mod pattern;
mod pool;
mod rng;

pub use compressed::{Compressed, CompressedMut, CompressedRef};
pub use error::Error;
pub use isa::{Isa, MAX_ISA_VARIABLE, UnknownIsa};
pub use matrix::{MatMut, MatRef};
pub use ops::{
    Analysis, LogNormal, Method, Options, Scratch, analyse, compress, compress_transposable,
    decompress, gemm, lognormal_fit, prune, prune_gemm, prune_in_place, prune_threshold,
    prune_threshold_in_place, prune_transposable, prune_transposable_in_place, recommend,
    soft_threshold_scale, threshold_for_sparsity, validate,
};
pub use pattern::Pattern;
pub use pool::Pool;
pub use rng::Rng;
