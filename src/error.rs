//! What can be wrong with a call, with the numbers that were wrong.

use crate::isa::Isa;
use crate::pattern::{MAX_GROUP, Pattern};
use std::fmt::{self, Display};

/// The most threads of a pool.
pub(crate) const MAX_THREADS: usize = 4096;

/// Why a call was refused (or, for [`Error::Memory`], failed).
///
/// Every function checks everything before it writes anything: after an error the outputs are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A view with at least one element has a null data pointer, or an operation was given no output.
    #[error("`{argument}` is null")]
    Null {
        /// The argument, by the name it has in the function's signature.
        argument: &'static str,
    },

    /// N:M is not one of [`Pattern::ALL`], or not one of the method's: n = 2 for
    /// [`Method::MvueApprox`](crate::Method::MvueApprox).
    #[error(
        "{n}:{m} is not a supported N:M pattern (keep n of every m), or not one of this method"
    )]
    Pattern {
        /// How many of each group were to be kept.
        n: u32,
        /// The length of a group.
        m: u32,
    },

    /// A number of rows that cannot share one set of indices.
    #[error("groups of {rows} rows: there must be 1 to {MAX_GROUP} that share indices")]
    Group {
        /// The number asked for.
        rows: u32,
    },

    /// A method that has no groups of rows that share indices.
    #[error("groups of {rows} rows: this method has no rows that share indices")]
    Ungrouped {
        /// The rows of a group that were asked for.
        rows: usize,
    },

    /// Two operands disagree about a size.
    #[error("{what} is {got}, but must be {expected}")]
    Shape {
        /// Which size of which argument.
        what: &'static str,
        /// Its value.
        got: usize,
        /// The value that the other arguments call for.
        expected: usize,
    },

    /// The first column of a shard is not the first of a group.
    #[error("`col0` is {col0}, not a multiple of m = {m}")]
    ShardColumn {
        /// The shard's first column in the whole matrix.
        col0: u64,
        /// The length of a group.
        m: usize,
    },

    /// The first row of a shard is not the first of a group of rows that share indices.
    #[error("`row0` is {row0}, not a multiple of the group of {group} rows")]
    ShardRow {
        /// The shard's first row in the whole matrix.
        row0: u64,
        /// The rows of a group.
        group: usize,
    },

    /// A leading dimension is shorter than a row.
    #[error("{what} is {got}, but a row needs {needed}")]
    LeadingDimension {
        /// Which leading dimension of which argument.
        what: &'static str,
        /// Its value.
        got: usize,
        /// The smallest value that holds a row.
        needed: usize,
    },

    /// The strides of an output give two of its elements the same address.
    #[error(
        "elements of the output `{argument}` share memory: {rows} x {cols} with strides {row_stride}, {col_stride}"
    )]
    Aliased {
        /// The argument.
        argument: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
        /// Elements from one row to the next.
        row_stride: isize,
        /// Elements from one column to the next.
        col_stride: isize,
    },

    /// A view does not fit into the slice that it was to be made of.
    #[error("`{argument}` holds {len} elements, but the view needs {needed}")]
    OutOfSlice {
        /// The slice.
        argument: &'static str,
        /// One past the last element that the view touches.
        needed: usize,
        /// The slice's length.
        len: usize,
    },

    /// A negative stride takes a view to elements before the first of the slice that it was to be made of.
    #[error("the view begins {elements} elements before the first of `{argument}`")]
    BeforeSlice {
        /// The slice.
        argument: &'static str,
        /// How far before it.
        elements: usize,
    },

    /// An extent exceeds the address space, or a size its documented limit.
    #[error("{what} is too large{}", TooLarge(*.value))]
    Overflow {
        /// Which extent or size.
        what: &'static str,
        /// Its value, or `usize::MAX` where the value itself overflows: the text then gives none.
        value: usize,
    },

    /// An output overlaps another operand.
    ///
    /// Where one of the two is compressed, its values and its metadata each count as all the addresses from their first
    /// to their last, gaps between rows included, and so does a dense view beside them. Two dense views may interleave in
    /// one buffer: column ranges with contiguous rows (`col_stride` 1) and the same leading dimension, row ranges with
    /// contiguous columns (`row_stride` 1) and the same, or views whose strides have a common factor that keeps their elements apart, as
    /// real and imaginary parts have.
    #[error("the output `{output}` overlaps `{other}`")]
    Overlap {
        /// The output.
        output: &'static str,
        /// The operand that it overlaps.
        other: &'static str,
    },

    /// [`Method::Keep`](crate::Method::Keep) was given a matrix that is not N:M.
    #[error(
        "row {row}, group {group} has {nonzeros} entries that are not zero; {pattern} allows {}",
        pattern.n()
    )]
    NotNm {
        /// The first row with such a group (of rows that share indices: the first of them).
        row: usize,
        /// The first such group in that row.
        group: usize,
        /// How many of its entries are not zero (in any of the rows that share indices).
        nonzeros: usize,
        /// The pattern asked for.
        pattern: Pattern,
    },

    /// Metadata is malformed: indices not ascending, out of range, or padding bits set.
    #[error("malformed metadata in row {row}, group {group}")]
    Meta {
        /// The first row with malformed metadata (of rows that share it: the first of them).
        row: usize,
        /// The first malformed group in that row (the number of groups: the padding bits).
        group: usize,
    },

    /// A number outside the range that a function takes.
    #[error("`{argument}` is {}, but must be {expected}", f64::from_bits(*.bits))]
    Value {
        /// The argument.
        argument: &'static str,
        /// Its value, as [`f64::to_bits`] (so that an error with a NaN equals itself).
        bits: u64,
        /// What it must be.
        expected: &'static str,
    },

    /// The instruction set asked for is not available on this CPU, or in this build.
    #[error("the instruction set `{}` is not available on this CPU", isa.name())]
    Isa {
        /// The level asked for.
        isa: Isa,
    },

    /// A pool of no threads, or of more than [`Pool::MAX_THREADS`](crate::Pool::MAX_THREADS).
    #[error("a pool of {threads} threads: there must be 1 to {MAX_THREADS}")]
    Threads {
        /// The number asked for.
        threads: usize,
    },

    /// An allocation failed.
    #[error("out of memory: {bytes} bytes")]
    Memory {
        /// How many bytes were asked for.
        bytes: usize,
    },

    /// The system did not start the threads of a pool.
    #[error("a pool of {threads} threads: the system does not start so many")]
    NoThread {
        /// The number asked for.
        threads: usize,
    },
}

/// The end of a text: what is too large, or that there is no number for it.
struct TooLarge(usize);

impl Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            usize::MAX => f.write_str(" for the address space"),
            value => write!(f, ": {value}"),
        }
    }
}
