//! What stands around every entry: no panic crosses the boundary, and nothing is printed.

use super::environment::Environment;
use super::refused::{Refused, remember};
use super::status::message;
use super::types::{SPNM_E_PANIC, SPNM_OK, spnm_status};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Once, OnceLock};

/// Runs an entry that computes nothing in floating point.
///
/// Never inlined: the compiler does not order what is computed in floating point with the assembly by which [`compute`] sets
/// the environment, unless it is behind a call.
#[inline(never)]
pub(super) fn guard(entry: impl FnOnce() -> Result<(), Refused>) -> spnm_status {
    silence();
    let outer = INSIDE.replace(true);
    // Unwind safety: after a panic the caller's outputs are unspecified, and said to be; a pool
    // stays usable.
    let outcome = catch_unwind(AssertUnwindSafe(entry));
    INSIDE.set(outer);
    match outcome {
        Ok(Ok(())) => SPNM_OK,
        Ok(Err(refused)) => {
            remember(&refused);
            refused.status()
        }
        Err(_) => {
            remember(&message(SPNM_E_PANIC).to_str().unwrap_or_default());
            SPNM_E_PANIC
        }
    }
}

/// Runs an entry in the default floating-point environment.
pub(super) fn compute(entry: impl FnOnce() -> Result<(), Refused>) -> spnm_status {
    let _environment = Environment::enter();
    guard(entry)
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panic hook, which would print, from running for panics that [`guard`] turns into a
/// status: those inside an entry, and those of pool threads.
///
/// Allocates nothing, since a first call may find no memory: a closure without captures needs no box. A child that
/// is forked while another thread is in here would wait for ever: see `spnm_pool_create`.
fn silence() {
    static INSTALLED: Once = Once::new();
    static HOOK: OnceLock<Hook> = OnceLock::new();
    if INSTALLED.is_completed() || std::thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        HOOK.get_or_init(take_hook);
        set_hook(Box::new(|info| {
            let ours = |name: &str| name.starts_with("spnm-");
            if !INSIDE.get()
                && !std::thread::current().name().is_some_and(ours)
                && let Some(hook) = HOOK.get()
            {
                hook(info);
            }
        }));
    });
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;
