//! What a reader must know of the machine to weigh the figures.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

/// The CPU, as Linux names it.
pub(crate) fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim())
    };
    let Some(name) = field("model name") else {
        return format!("{} CPU that the system does not name", std::env::consts::ARCH);
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let number = |name| field(name).unwrap_or("unknown");
    let (family, model) = (number("cpu family"), number("model"));
    format!("{name} (family {family}, model {model}), {cpus} logical CPUs")
}

/// The commit of the kernels that are measured, where git knows it.
pub(crate) fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
    match git.output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// Today, in UTC.
pub(crate) fn date() -> String {
    let mut date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    date.truncate("2000-01-01".len());
    date
}

/// What disturbs a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    /// How many processes ran or wanted to, over the last minute.
    load: Option<f64>,
    /// The time of all CPUs since the start, and what of it the host of a virtual machine gave to others.
    time: Option<(u64, u64)>,
}

impl Disturbance {
    pub(crate) fn now() -> Self {
        let load = || fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok();
        let time = || -> Option<(u64, u64)> {
            let stat = fs::read_to_string("/proc/stat").ok()?;
            // user, nice, system, idle, iowait, irq, softirq, steal.
            let numbers = stat.lines().next()?.split_whitespace().skip(1).take(8);
            let numbers: Vec<u64> = numbers.map_while(|number| number.parse().ok()).collect();
            Some((numbers.iter().sum(), *numbers.get(7)?))
        };
        Self { load: load(), time: time() }
    }

    /// Why what was measured from `self` to now is not to be quoted, if it is not.
    pub(crate) fn since(self) -> Vec<String> {
        let (now, mut why) = (Self::now(), Vec::new());
        match (self.load, now.load) {
            // The run itself is one process, and two while it measures threads.
            (Some(before), Some(after)) if before > 0.5 || after > 1.5 => why.push(format!(
                "load average {before:.2} before (a build counts too) and {after:.2} after (this run too)"
            )),
            (Some(_), Some(_)) => {}
            _ => why.push("the system does not tell its load".to_owned()),
        }
        if let (Some((from, stolen)), Some((to, stolen_now))) = (self.time, now.time) {
            let share = 100.0 * stolen_now.saturating_sub(stolen) as f64
                / to.saturating_sub(from).max(1) as f64;
            if share > 2.0 {
                why.push(format!("{share:.0} % of the time of its CPUs went to other machines"));
            }
        }
        why
    }
}

/// The data caches of the first CPU: name and bytes.
pub(crate) fn caches() -> Vec<(String, usize)> {
    let cache = |index: usize| -> Option<(String, usize)> {
        let read = |name: &str| {
            let file = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}");
            fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
        };
        if read("type")? == "Instruction" {
            return None;
        }
        let kib: usize = read("size")?.strip_suffix('K')?.parse().ok()?;
        Some((format!("L{}", read("level")?), kib << 10))
    };
    (0..8).filter_map(cache).collect()
}
