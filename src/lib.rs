//! N:M sparsity for CPUs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod compressed;
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
    Method, Options, Scratch, compress, decompress, gemm, prune, prune_gemm, prune_in_place,
    validate,
};
pub use pattern::Pattern;
pub use pool::Pool;
pub use rng::Rng;
