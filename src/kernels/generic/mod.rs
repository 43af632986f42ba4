//! Algorithms written once, over the lanes of any instruction set.
//!
//! Everything here is `#[inline(always)]` into functions that enable their instruction set with
//! `#[target_feature]` (see [`kernel_table`](super::kernel_table)); so no operation on lanes may be in a closure, nor
//! in what an iterator adaptor calls: a closure is a function of its own, without those features.
//!
//! # Words
//! - A **group** is M consecutive entries of a row, of which N are kept; where rows share indices ("groups of rows"), and in
//!   the closed forms of `analyse`, it is called a **block**.
//! - A **word** is a random number of 32 bits, one of which decides a group. A **draw** is a word for each group of a chunk:
//!   16 counters of Philox a row. A **code** is what the N indices of a group pack to.
//! - A **strip** is the rows, or groups, of one vector: [`Lanes::COUNT`]. A **band** is 16 rows, a cache line of a column.
//! - A **chunk** is 64 groups of a row; a **part** of it, in streamed and tall jobs, those whose values fill a cache line; a
//!   **batch**, as many, is transposed at a time.
//! - A **panel** is the columns of B and C of one micro-kernel, 1 to 8 vectors; a **slice** the rows of a panel of B that are
//!   packed at a time, for a first-level cache.
//! - What is **tall** has so many rows that columns of A come from beyond a second-level cache: several bands then go through
//!   a part one after another. What is **streamed** is written past the caches.

pub(crate) mod blocks;
pub(crate) mod compress;
pub(crate) mod copy;
pub(crate) mod dot;
pub(crate) mod estimators;
pub(crate) mod expand;
pub(crate) mod group;
pub(crate) mod lanes;
pub(crate) mod logarithms;
pub(crate) mod narrow;
pub(crate) mod philox;
mod room;
pub(crate) mod shared;
pub(crate) mod threshold;
pub(crate) mod tile;
pub(crate) mod transposable;
mod twice;

pub(crate) use lanes::{Lanes, Lanewise};
