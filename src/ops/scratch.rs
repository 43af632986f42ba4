//! Working memory that outlives a call.

use crate::compressed::Line;
use crate::error::Error;
use std::mem::MaybeUninit;

/// The unit of scratch memory, in bytes: a cache line, and the alignment of packed panels.
pub(super) const LINE_BYTES: usize = size_of::<Line>();

/// Working memory for [`gemm`](crate::gemm) and [`prune_gemm`](crate::prune_gemm).
///
/// It grows to what the largest call so far needed (less than 1 MiB a thread, whatever the size of the
/// matrices) and is reused, so a training loop that keeps one allocates nothing after its
/// first step. A new one holds no memory.
#[derive(Default)]
pub struct Scratch {
    lines: Vec<MaybeUninit<Line>>,
}

impl Scratch {
    /// Empty: nothing is allocated yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lines.capacity() * LINE_BYTES
    }

    /// Memory for `threads` threads of `bytes` each (a multiple of [`LINE_BYTES`]), cache line aligned.
    pub(super) fn slots(&mut self, threads: usize, bytes: usize) -> Result<Slots, Error> {
        let wanted = (bytes / LINE_BYTES).saturating_mul(threads);
        if wanted > self.lines.capacity() {
            self.lines
                .try_reserve_exact(wanted)
                .map_err(|_| Error::Memory { bytes: wanted.saturating_mul(LINE_BYTES) })?;
        }
        Ok(Slots { base: self.lines.as_mut_ptr().cast(), bytes })
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("bytes", &self.bytes()).finish()
    }
}

/// One slot of scratch memory a thread.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: slots of different threads do not overlap, and `of` is told the thread.
unsafe impl Sync for Slots {}

impl Slots {
    /// The first byte of a thread's slot.
    pub(super) fn of(&self, thread: usize) -> *mut u8 {
        self.base.wrapping_add(thread * self.bytes)
    }
}

/// `bytes` rounded up to whole cache lines.
pub(super) const fn lines(bytes: usize) -> usize {
    bytes.next_multiple_of(LINE_BYTES)
}
