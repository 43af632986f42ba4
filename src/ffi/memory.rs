//! The working memory of calls without a pool.
//!
//! Allocated and freed in each call it would come from the system each time, as allocators give blocks of this size
//! back: two hundred page faults, which cost as much as a third of a product of 512 x 512 x 512.

use crate::ops::Scratch;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

/// How much is kept: as many calls may run at once without allocating.
pub(super) const KEPT: usize = 16;

/// Kept as long as the process lives. Tried, never waited for: what a thread held when another one forked stays locked
/// in the child.
static KEPT_MEMORY: [Mutex<Scratch>; KEPT] = [const { Mutex::new(Scratch::new()) }; KEPT];

/// Threads that have called.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Where this thread begins to look: at what it used last, which is in its caches. (A number: nothing to drop
    /// when the thread ends, so nothing that has to be registered, for which memory may be wanting.)
    static FIRST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Calls `work` with memory that an earlier call left; with some of its own where all is in use.
pub(super) fn with_kept<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    let first = FIRST.get().unwrap_or_else(|| THREADS.fetch_add(1, Ordering::Relaxed));
    for i in 0..KEPT {
        let place = first.wrapping_add(i) % KEPT;
        let mut scratch = match KEPT_MEMORY[place].try_lock() {
            Ok(scratch) => scratch,
            // A panic leaves memory as good as it was.
            Err(TryLockError::Poisoned(scratch)) => scratch.into_inner(),
            Err(TryLockError::WouldBlock) => continue,
        };
        FIRST.set(Some(place));
        return work(&mut scratch);
    }
    work(&mut Scratch::new())
}
