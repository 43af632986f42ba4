//! The opaque pool: threads, and the working memory that calls with it reuse.

use super::arguments::not_null;
use super::guard::{compute, guard};
use super::memory::with_kept;
use super::types::spnm_status;
use crate::error::Error;
use crate::ops::Scratch;
use crate::pool::Pool;
use std::sync::{Mutex, PoisonError};

/// Threads, and the working memory that calls with them reuse. Opaque.
pub struct spnm_pool {
    pub(super) pool: Pool,
    /// Working memory that no call is using: one for each of the most calls that ever ran at once. Not for the child of a fork.
    idle: Mutex<Vec<Scratch>>,
}

impl spnm_pool {
    pub(super) fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        if self.pool.is_forked() {
            // The fork may have happened while another thread held the lock.
            return with_kept(work);
        }
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = idle().pop().unwrap_or_default();
        let result = work(&mut scratch);
        let mut idle = idle();
        if idle.try_reserve(1).is_ok() {
            idle.push(scratch);
        }
        result
    }
}

/// Starts a pool of `threads` threads, the calling one included: threads - 1 are started, and sleep
/// between calls.
///
/// Pass the pool to calls in spnm_options. Any number of threads may use one pool at once. Results do
/// not depend on it. Calls with a pool keep their working memory in it, for later calls: less than 1 MiB for each
/// thread of the pool, as many times as calls were under way at once.
///
/// After fork() the child has none of the threads: there a pool of the parent lets the calling thread do
/// the work alone, and may be freed. In a process with threads, make one call before the first fork, such
/// as spnm_compress of a small matrix with NULL options (and of spnm_build_info, if children call that): otherwise
/// a child that is forked while another thread is inside the very first call waits for ever for the one-time
/// initialisation.
///
/// Output:  *pool, written on success alone
/// Threads: the new threads start in the default floating-point environment, whatever the caller's (on x86-64
///   and AArch64)
///
/// SPNM_E_NULL    pool is NULL
/// SPNM_E_OPTION  threads is 0 or above 4096
/// SPNM_E_MEMORY  a thread could not be started. (A few hundred bytes that Rust's std::thread allocates for
///                each are beyond its reach: memory that ends exactly there ends the process.)
/// SPNM_E_PANIC   a bug; *pool is untouched, as after every other error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_pool_create(
    threads: usize,
    pool: *mut *mut spnm_pool,
) -> spnm_status {
    // New threads inherit the floating-point environment, so they start in the default one.
    compute(|| {
        not_null("pool", pool)?;
        let made = spnm_pool { pool: Pool::new(threads)?, idle: Mutex::default() };
        // A box that may be refused: a vector of one, without room for more.
        let mut made_in = Vec::new();
        made_in
            .try_reserve_exact(1)
            .map_err(|_| Error::Memory { bytes: size_of::<spnm_pool>() })?;
        made_in.push(made);
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { pool.write_unaligned(Box::into_raw(made_in.into_boxed_slice()).cast()) };
        Ok(())
    })
}

/// Ends a pool's threads, waits for them, and frees it. No call may be using the pool, then or later. NULL is
/// fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spnm_pool_free(pool: *mut spnm_pool) {
    guard(|| {
        if !pool.is_null() {
            // SAFETY: made by `spnm_pool_create`, and not freed before: the caller's promise.
            let spnm_pool { pool, idle } = *unsafe { Box::from_raw(pool) };
            if pool.is_forked() {
                // Another thread of the parent may have been at work on it.
                std::mem::forget(idle);
            }
        }
        Ok(())
    });
}
