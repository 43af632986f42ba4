//! Algorithms written once, over the lanes of any instruction set.
//!
//! Everything here is `#[inline(always)]` into functions that enable their instruction set with
//! `#[target_feature]` (see [`kernel_table`](super::kernel_table)); so nothing here may use closures or iterator
//! adaptors in a hot loop: a closure is a function of its own, without those features.

pub(crate) mod blocks;
pub(crate) mod compress;
pub(crate) mod dot;
pub(crate) mod estimators;
pub(crate) mod expand;
pub(crate) mod group;
pub(crate) mod lanes;
pub(crate) mod logarithms;
pub(crate) mod narrow;
pub(crate) mod philox;
pub(crate) mod shared;
pub(crate) mod threshold;
pub(crate) mod tile;
pub(crate) mod transposable;
mod twice;

pub(crate) use lanes::{Lanes, Lanewise};
