//! Threads that the caller owns.

use crate::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of threads to work with, passed to a call by [`Options::pool`](crate::Options::pool).
///
/// The thread that makes the call is one of them, so a pool of `n` starts `n - 1`; they sleep
/// between calls. Any number of threads may use one pool at once. Results do not depend on it.
///
/// After a `fork` the child has none of the threads: there the pool lets the calling thread do
/// the work alone.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
    workers: Option<rayon::ThreadPool>,
    /// The process that started the workers.
    process: u32,
}

impl Pool {
    /// The largest pool.
    pub const MAX_THREADS: usize = 4096;

    /// A pool of `threads` threads, the caller's included.
    ///
    /// # Errors
    /// [`Error::Threads`] unless `1 <= threads <= MAX_THREADS`; [`Error::Memory`] if the system
    /// cannot start them.
    pub fn new(threads: usize) -> Result<Self, Error> {
        if threads == 0 || threads > Self::MAX_THREADS {
            return Err(Error::Threads { threads });
        }
        let workers = match threads {
            1 => None,
            _ => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads - 1)
                    .thread_name(|i| format!("spnm-{}", i + 1))
                    .build()
                    .map_err(|_| Error::Memory { bytes: 0 })?,
            ),
        };
        Ok(Self { threads, workers, process: std::process::id() })
    }

    /// Threads, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The workers, in the process that has them.
    fn workers(&self) -> Option<&rayon::ThreadPool> {
        self.workers.as_ref().filter(|_| self.process == std::process::id())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // Shutting down would wait on locks that the threads left behind in the parent may hold.
            std::mem::forget(self.workers.take());
        }
    }
}

/// How many threads `tasks` tasks would use: [`run`] numbers them from 0.
pub(crate) fn threads(pool: Option<&Pool>, tasks: usize) -> usize {
    pool.and_then(|p| p.workers().map(|_| p.threads)).unwrap_or(1).min(tasks.max(1))
}

/// Runs `work(task, thread)` for every task, each exactly once, and returns when all are done.
///
/// `thread` is below [`threads`], and no two tasks run at once with the same one. Tasks are handed
/// out in order as threads come free. A panic in a task reaches the caller.
pub(crate) fn run(pool: Option<&Pool>, tasks: usize, work: impl Fn(usize, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let drain = |thread: usize| {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                break;
            }
            work(task, thread);
        }
    };
    let threads = threads(pool, tasks);
    match pool.and_then(Pool::workers) {
        Some(workers) if threads > 1 => workers.in_place_scope(|scope| {
            for thread in 1..threads {
                let drain = &drain;
                scope.spawn(move |_| drain(thread));
            }
            drain(0);
        }),
        _ => drain(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_task_runs_once_on_a_thread_of_its_own() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).expect("a small pool");
            let busy: Vec<Mutex<()>> = (0..threads).map(|_| Mutex::new(())).collect();
            let seen: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            run(Some(&pool), seen.len(), |task, thread| {
                let _alone = busy[thread].try_lock().expect("one task at a time on a thread");
                seen[task].fetch_add(1, Ordering::Relaxed);
            });
            assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{threads} threads");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
        let pool = Pool::new(3).expect("a small pool");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(Some(&pool), 8, |task, _| assert!(task != 5, "task five"));
        }));
        assert!(caught.is_err(), "the panic was lost");
        let done = AtomicUsize::new(0);
        run(Some(&pool), 8, |_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 8);
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for threads in [0, Pool::MAX_THREADS + 1, usize::MAX] {
            assert_eq!(Pool::new(threads).err(), Some(Error::Threads { threads }));
        }
    }
}
