//! Threads that the caller owns.
//!
//! For its threads a call needs a place in the queue, and nothing else, so that it cannot run out of memory
//! half-way. The queue has room for 64 calls at once, and never grows: while it is full, a call does its work alone.

use crate::error::{Error, MAX_THREADS};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// A number of threads to work with, passed to a call by [`Options::pool`](crate::Options::pool).
///
/// The thread that makes the call is one of them, so a pool of `n` starts `n - 1`; they sleep
/// between calls, and dropping the pool ends and joins them. Any number of threads may use one pool
/// at once (while 64 calls are under way, a further one has its own thread alone). Results do not depend on it, and no
/// call allocates for it.
///
/// After a `fork` the child has none of the threads: there the pool lets the calling thread do
/// the work alone. In a process with threads, make one call (such as [`compress`](crate::compress) of a small
/// matrix) before the first fork: otherwise a child that is forked while another thread is inside the very first call
/// waits for ever for the one-time initialisation.
///
/// # Examples
/// ```
/// use spnm::{Compressed, MatRef, Method, Options, Pattern, Pool, compress};
///
/// let pool = Pool::new(2)?;
/// let a = vec![1.0; 512 * 512];
/// let mut out = Compressed::new(512, 512, Pattern::N1M2)?;
/// let options = Options::new().pool(&pool);
/// compress(&options, Method::Magnitude, MatRef::row_major(&a, 512, 512)?, out.as_mut())?;
/// # Ok::<(), spnm::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    threads: usize,
    workers: Option<Workers>,
    /// [`FORKS`] in the process that started the workers.
    forks: usize,
}

/// Forks between the process that made the first pool and this one. (Its number would not do: in a namespace of its own a
/// child may have its parent's.)
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that they are counted from now on; false if there is no memory for that.
#[cfg(unix)]
fn count_forks() -> bool {
    use std::ffi::c_int;
    use std::sync::atomic::AtomicBool;
    type Handler = Option<unsafe extern "C" fn()>;
    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }
    unsafe extern "C" fn forked() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // Nobody waits here, as the child of a fork would for a thread that it does not have; and want of memory passes. Two
    // threads may both register the handler: all that matters is that a fork changes the count.
    static COUNTED: AtomicBool = AtomicBool::new(false);
    if COUNTED.load(Ordering::Relaxed) {
        return true;
    }
    // SAFETY: as POSIX declares it; the handler does what is allowed in any child.
    let counted = unsafe { pthread_atfork(None, None, Some(forked)) } == 0;
    COUNTED.fetch_or(counted, Ordering::Relaxed) || counted
}

#[cfg(not(unix))]
fn count_forks() -> bool {
    true
}

impl Pool {
    /// The largest pool.
    pub const MAX_THREADS: usize = MAX_THREADS;

    /// A pool of `threads` threads, the caller's included.
    ///
    /// # Errors
    /// [`Error::Threads`] unless `1 <= threads <= MAX_THREADS`; [`Error::Memory`] or [`Error::NoThread`]
    /// if memory or threads are not to be had. (`std::thread` allocates a few hundred bytes a thread and ends the
    /// process where that fails, as Rust does everywhere; this function first tries whether that much is there.)
    pub fn new(threads: usize) -> Result<Self, Error> {
        if threads == 0 || threads > Self::MAX_THREADS {
            return Err(Error::Threads { threads });
        }
        if !count_forks() {
            return Err(Error::Memory { bytes: 3 * size_of::<fn()>() });
        }
        let workers = if threads == 1 { None } else { Some(Workers::start(threads - 1)?) };
        Ok(Self { threads, workers, forks: FORKS.load(Ordering::Relaxed) })
    }

    /// Threads, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether this is the child of a fork, which has none of the threads, and whose locks others may have held.
    pub(crate) fn is_forked(&self) -> bool {
        self.forks != FORKS.load(Ordering::Relaxed)
    }

    /// The workers, in the process that has them.
    fn workers(&self) -> Option<&Workers> {
        self.workers.as_ref().filter(|_| !self.is_forked())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.is_forked() {
            // Shutting down would wait for threads, and on locks that they may hold, of the parent.
            std::mem::forget(self.workers.take());
        }
    }
}

/// The threads of a pool, and what they and its callers share.
#[derive(Debug)]
struct Workers {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is a call that wants threads, or the end; a worker has come up.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// The calls under way, oldest first.
    calls: Vec<Call>,
    next_id: u64,
    /// Workers that have come up.
    started: usize,
    ended: bool,
}

/// A call under way.
#[derive(Debug)]
struct Call {
    id: u64,
    /// `(work.0)(work.1, thread)`.
    work: (unsafe fn(*const (), usize), *const ()),
    /// The next thread to join in, and how many may.
    thread: usize,
    threads: usize,
    /// Workers that are in it.
    running: usize,
    /// The caller waits here for `running` to become 0.
    left: *const Condvar,
    panic: Option<Box<dyn Any + Send>>,
}

// SAFETY: the pointers are to what a caller shares (`Sync`) and keeps alive until no worker has them.
unsafe impl Send for Call {}

/// Room for so many calls at once.
const CALLS: usize = 64;
/// What `std::thread` and the C library allocate for a thread beside its stack, generously.
const THREAD_BYTES: usize = 16 * 1024;
/// Of a worker's stack: that of `std::thread`, whatever `RUST_MIN_STACK` says. Optimised kernels take less than 112 KiB.
const STACK: usize = 2 << 20;

impl Shared {
    /// No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life: joins in calls that want threads, the oldest first.
    fn serve(&self) {
        let mut queue = self.lock();
        queue.started += 1;
        self.news.notify_all();
        loop {
            let Some(call) = queue.calls.iter_mut().find(|call| call.thread < call.threads) else {
                if queue.ended {
                    return;
                }
                queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (id, (work, data), thread) = (call.id, call.work, call.thread);
            call.thread += 1;
            call.running += 1;
            drop(queue);
            // SAFETY: the caller keeps the data alive while a worker is in the call.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { work(data, thread) }));
            queue = self.lock();
            let Some(call) = queue.calls.iter_mut().find(|call| call.id == id) else { continue };
            call.running -= 1;
            call.panic = call.panic.take().or(outcome.err());
            if call.running == 0 {
                // SAFETY: the caller cannot leave before this thread lets go of the lock.
                unsafe { (*call.left).notify_one() };
            }
        }
    }
}

impl Workers {
    fn start(count: usize) -> Result<Self, Error> {
        let no_memory = |bytes: usize| move |_| Error::Memory { bytes };
        let try_for = |bytes: usize| {
            let trial = Vec::<u8>::new().try_reserve_exact(bytes);
            std::hint::black_box(trial).map_err(no_memory(bytes))
        };
        try_for(THREAD_BYTES)?;
        let mut queue = Queue::default();
        queue.calls.try_reserve(CALLS).map_err(no_memory(CALLS * size_of::<Call>()))?;
        let mut workers = Self { shared: Arc::default(), handles: Vec::new() };
        workers.shared.lock().calls = queue.calls;
        let bytes = count * size_of::<JoinHandle<()>>();
        workers.handles.try_reserve_exact(count).map_err(no_memory(bytes))?;
        for i in 0..count {
            try_for(THREAD_BYTES)?;
            let shared = Arc::clone(&workers.shared);
            let thread = Builder::new().name(format!("spnm-{}", i + 1)).stack_size(STACK);
            let started = thread.spawn(move || shared.serve());
            // Those that were started already end with `workers`.
            workers.handles.push(started.map_err(|_| Error::NoThread { threads: count + 1 })?);
        }
        // What a thread allocates while it comes up, it shall not allocate during a call.
        let mut queue = workers.shared.lock();
        while queue.started < count {
            queue = workers.shared.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        Ok(workers)
    }

    /// Calls `work(thread)` for thread 0 here and for 1 .. `threads` on workers, as far as they come
    /// free before thread 0 returns.
    fn join_in<F: Fn(usize) + Sync>(&self, threads: usize, work: &F) {
        unsafe fn call<F: Fn(usize)>(work: *const (), thread: usize) {
            // SAFETY: made of a `&F` below, which outlives the call.
            unsafe { (*work.cast::<F>())(thread) };
        }
        let left = Condvar::new();
        let mut queue = self.shared.lock();
        if queue.calls.len() == CALLS {
            drop(queue);
            return work(0);
        }
        let id = queue.next_id;
        queue.next_id += 1;
        queue.calls.push(Call {
            id,
            work: (call::<F>, std::ptr::from_ref(work).cast()),
            thread: 1,
            threads,
            running: 0,
            left: &raw const left,
            panic: None,
        });
        drop(queue);
        for _ in 1..threads.min(self.handles.len() + 1) {
            self.shared.news.notify_one();
        }
        // From here on the call must be taken back, whatever happens.
        let under_way = UnderWay { shared: &self.shared, left: &left, id };
        work(0);
        let panic = under_way.take_back();
        std::mem::forget(under_way);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.news.notify_all();
        for handle in self.handles.drain(..) {
            // A worker catches every panic.
            _ = handle.join();
        }
    }
}

/// A call in the queue, taken back when its caller is done or unwinds.
struct UnderWay<'a> {
    shared: &'a Shared,
    left: &'a Condvar,
    id: u64,
}

impl UnderWay<'_> {
    /// Lets no more workers in, waits for those that are, and returns the panic of one.
    fn take_back(&self) -> Option<Box<dyn Any + Send>> {
        let mut queue = self.shared.lock();
        loop {
            let at = queue.calls.iter().position(|call| call.id == self.id)?;
            queue.calls[at].threads = 0;
            if queue.calls[at].running == 0 {
                return queue.calls.remove(at).panic;
            }
            queue = self.left.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // The caller's own panic is under way.
        drop(self.take_back());
    }
}

/// How many threads `tasks` tasks would use: [`run`] numbers them from 0.
pub(crate) fn threads(pool: Option<&Pool>, tasks: usize) -> usize {
    pool.and_then(|p| p.workers().map(|_| p.threads)).unwrap_or(1).min(tasks.max(1))
}

/// Entries that are worth a task: fewer take about as long as to wake a thread.
const TASK: usize = 8 * 1024;

/// How many of `rows` rows of so many `entries` a task is given: all of them without a pool, else so many, a multiple of
/// `whole`, that there are some tasks for each thread, each worth it.
pub(crate) fn rows_of_tasks(
    pool: Option<&Pool>,
    rows: usize,
    entries: usize,
    whole: usize,
) -> usize {
    match threads(pool, usize::MAX) {
        1 => rows,
        threads => {
            let least = TASK.div_ceil(entries.max(1));
            rows.div_ceil(4 * threads).max(least).next_multiple_of(whole)
        }
    }
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
        Some(workers) if threads > 1 => workers.join_in(threads, &drain),
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
        let caught = catch_unwind(AssertUnwindSafe(|| {
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
    fn a_panic_of_the_caller_waits_for_the_workers() {
        let pool = Pool::new(4).expect("a small pool");
        for _ in 0..100 {
            let (inside, caller_came) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let caught = catch_unwind(AssertUnwindSafe(|| {
                run(Some(&pool), 64, |_, thread| {
                    if thread == 0 {
                        caller_came.store(1, Ordering::SeqCst);
                        panic!("the caller");
                    }
                    inside.fetch_add(1, Ordering::SeqCst);
                    // So that a task is left for the caller.
                    while caller_came.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }));
            assert!(caught.is_err(), "the panic was lost");
            assert_eq!(inside.load(Ordering::SeqCst), 0, "a worker was still inside");
        }
    }

    #[test]
    fn a_call_that_finds_the_queue_full_works_alone() {
        let pool = Pool::new(3).expect("a small pool");
        let workers = pool.workers().expect("workers");
        let calls = || workers.shared.lock().calls.len();
        let (released, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..CALLS {
                scope.spawn(|| {
                    run(Some(&pool), 2, |_, _| {
                        while released.load(Ordering::Relaxed) == 0 {
                            std::thread::yield_now();
                        }
                    });
                });
            }
            while calls() < CALLS {
                std::thread::yield_now();
            }
            run(Some(&pool), 5, |_, thread| {
                done.fetch_add(if thread == 0 { 1 } else { 100 }, Ordering::Relaxed);
            });
            let (done, still) = (done.load(Ordering::Relaxed), calls());
            released.store(1, Ordering::Relaxed);
            assert_eq!((done, still), (5, CALLS));
        });
        assert_eq!(calls(), 0, "a call was left in the queue");
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for threads in [0, Pool::MAX_THREADS + 1, usize::MAX] {
            assert_eq!(Pool::new(threads).err(), Some(Error::Threads { threads }));
        }
    }
}
