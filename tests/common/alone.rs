//! A test in a process of its own: for what counts a whole process's allocations, threads and memory.

use std::process::{Command, Output};

const VARIABLE: &str = "SPNM_TEST_ALONE";

/// Runs the test `name` again in a process of its own, on its main thread, with `argument`.
pub fn again(name: &str, argument: &str) -> Output {
    let this = std::env::current_exe().expect("the path of this test");
    Command::new(this)
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(VARIABLE, argument)
        .output()
        .expect("the test runs again")
}

/// The argument, in a process that [`again`] started.
pub fn argument() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// Whether this is the process of its own; where it is not, makes one and asserts that it passes.
pub fn alone(name: &str) -> bool {
    if argument().is_some() {
        return true;
    }
    let output = again(name, "alone");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    print!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{name} did not run");
    false
}

/// A number of /proc/self/status: `Threads`, or `VmRSS` and the like in KiB.
#[cfg(target_os = "linux")]
pub fn status(field: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {field} in /proc/self/status"))
}

/// Whether the process comes to have so many threads. One that was joined may take the kernel some time
/// more to forget: a second at the very most.
#[cfg(target_os = "linux")]
pub fn threads_become(count: usize) -> bool {
    (0..1000).any(|turn| {
        if turn > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        status("Threads") == count
    })
}
