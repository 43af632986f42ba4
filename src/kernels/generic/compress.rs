//! Prune and compress in one pass, from either storage of A.

mod columns;
mod rows;
mod stream;

pub(crate) use columns::{cols, write_lines};
pub(crate) use rows::rows;
pub(crate) use stream::{Stream, move_lines};

use super::philox::WORD_GROUPS;
use std::mem::MaybeUninit;

/// Groups that are selected before their indices are packed: whole bytes for every pattern.
const CHUNK: usize = WORD_GROUPS;

/// Where the words of `count` groups, no more than a chunk, lie: the aligned group to draw from, the first's offset from
/// it, and how many chunks to draw.
#[inline(always)]
fn aligned(group: u32, count: usize) -> (u32, usize, usize) {
    let offset = group % CHUNK as u32;
    let chunks = if offset as usize + count > CHUNK { 2 } else { 1 };
    (group - offset, offset as usize, chunks)
}

/// Memory that need not be cleared first, from the beginning of a line on: vectors in it do not straddle lines.
#[repr(align(64))]
pub(super) struct Room<T, const LEN: usize>([MaybeUninit<T>; LEN]);

pub(super) const fn uninit<T, const LEN: usize>() -> Room<T, LEN> {
    Room([const { MaybeUninit::uninit() }; LEN])
}

#[inline(always)]
pub(super) fn pointer<T, const LEN: usize>(room: &mut Room<T, LEN>) -> *mut T {
    room.0.as_mut_ptr().cast()
}
