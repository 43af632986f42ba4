//! Steps of kernels that do not depend on the pattern.

use super::narrow::Strip;
use super::philox::RowCounters;
use crate::kernels::{CompressJob, NarrowJob, RngKey};
use std::ops::Range;

/// The steps of one level: compiled once, with its features, instead of into every kernel. Each takes much longer than its
/// call.
pub(crate) struct Shared {
    /// [`words_of_row`](super::philox::words_of_row).
    pub(crate) words_of_row: WordsFn,
    /// [`words_of_rows`](super::philox::words_of_rows).
    pub(crate) words_of_rows: RowsWordsFn,
    /// [`words_of_strip`](super::philox::words_of_strip).
    pub(crate) words_of_strip: StripWordsFn,
    /// [`Lanes::transpose`](super::Lanes::transpose).
    pub(crate) transpose: TransposeFn,
    /// [`copy_values`](super::narrow::copy_values).
    pub(crate) copy_values: CopyValuesFn,
    /// [`stage_words`](super::narrow::stage_words).
    pub(crate) stage_words: StageWordsFn,
    /// [`pad_columns`](super::compress::pad_columns).
    pub(crate) pad_columns: PadColumnsFn,
    /// [`write_lines`](super::compress::write_lines).
    pub(crate) write_lines: WriteLinesFn,
    /// [`move_lines`](super::compress::move_lines).
    pub(crate) move_lines: MoveLinesFn,
}

/// # Safety
/// The CPU has the level's instruction set; the contract of the function that it is made of.
pub(crate) type WordsFn = unsafe fn(key: &RngKey, row: u32, first: u32, draw: u32, words: *mut u32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type RowsWordsFn = unsafe fn(&RngKey, &mut RowCounters, words: *mut u32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type StripWordsFn =
    unsafe fn(&RngKey, row: u32, first: u32, counters: Range<u32>, draw: u32, words: *mut u32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type TransposeFn =
    unsafe fn(source: *const f32, from: isize, target: *mut f32, to: isize);
/// # Safety
/// As [`WordsFn`].
pub(crate) type CopyValuesFn = unsafe fn(&NarrowJob, Strip, values: (usize, usize), copy: *mut f32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type StageWordsFn = unsafe fn(&NarrowJob, Strip, bits: (usize, usize), words: *mut u32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type PadColumnsFn =
    unsafe fn(&CompressJob, band: (usize, usize), columns: (usize, usize), padded: *mut f32);
/// # Safety
/// As [`WordsFn`].
pub(crate) type WriteLinesFn =
    unsafe fn(&CompressJob, tile: *const f32, target: (*mut f32, usize), count: usize);
/// # Safety
/// As [`WordsFn`].
pub(crate) type MoveLinesFn =
    unsafe fn(&CompressJob, stream: &mut super::compress::Stream, fetched: usize, written: usize);

/// The functions and `SHARED` of one level.
macro_rules! shared_steps {
    ($lanes:expr $(, $features:literal)?) => {
        use $crate::kernels::generic::shared::{Shared, shared_step};
        use generic::narrow::Strip;
        use generic::philox::RowCounters;
        use std::ops::Range;

        shared_step!(words_of_row(key: &RngKey, row: u32, first: u32, draw: u32, words: *mut u32),
            generic::philox::words_of_row, $lanes $(, $features)?);
        shared_step!(words_of_rows(key: &RngKey, counters: &mut RowCounters, words: *mut u32),
            generic::philox::words_of_rows, $lanes $(, $features)?);
        shared_step!(words_of_strip(key: &RngKey, row: u32, first: u32, counters: Range<u32>, draw: u32, words: *mut u32),
            generic::philox::words_of_strip, $lanes $(, $features)?);
        shared_step!(transpose_square(source: *const f32, from: isize, target: *mut f32, to: isize),
            generic::Lanes::transpose, $lanes $(, $features)?);
        shared_step!(copy_values(job: &NarrowJob, strip: Strip, values: (usize, usize), copy: *mut f32),
            generic::narrow::copy_values, $lanes $(, $features)?);
        shared_step!(stage_words(job: &NarrowJob, strip: Strip, bits: (usize, usize), words: *mut u32),
            generic::narrow::stage_words, $lanes $(, $features)?);
        shared_step!(pad_columns(job: &CompressJob, band: (usize, usize), columns: (usize, usize), padded: *mut f32),
            generic::compress::pad_columns, $lanes $(, $features)?);
        shared_step!(write_lines(job: &CompressJob, tile: *const f32, target: (*mut f32, usize), count: usize),
            generic::compress::write_lines, $lanes $(, $features)?);
        shared_step!(move_lines(job: &CompressJob, stream: &mut generic::compress::Stream, fetched: usize, written: usize),
            generic::compress::move_lines, $lanes $(, $features)?);

        const SHARED: Shared = Shared {
            words_of_row,
            words_of_rows,
            words_of_strip,
            transpose: transpose_square,
            copy_values,
            stage_words,
            pad_columns,
            write_lines,
            move_lines,
        };
    };
}
pub(crate) use shared_steps;

/// One of them. (A function around a function: rustc 1.95 forgets the `inline(never)` of one with features of its own.)
macro_rules! shared_step {
    ($name:ident($($x:ident: $type:ty),*), $function:path, $lanes:expr $(, $features:literal)?) => {
        #[inline(never)]
        unsafe fn $name($($x: $type),*) {
            $(#[target_feature(enable = $features)])?
            unsafe fn step($($x: $type),*) {
                // SAFETY: this function runs only where its features are there; the caller's promise.
                unsafe { $function($lanes, $($x),*) }
            }
            // SAFETY: the caller's promise.
            unsafe { step($($x),*) }
        }
    };
}
pub(crate) use shared_step;
