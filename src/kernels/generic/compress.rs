//! Prune and compress in one pass, from either storage of A.

mod columns;
mod lines;
mod rows;
mod stream;
mod tails;

pub(crate) use columns::cols;
pub(crate) use lines::{pad_columns, write_lines};
pub(crate) use rows::rows;
pub(crate) use stream::{Stream, move_lines};

use super::philox::WORD_GROUPS;

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
