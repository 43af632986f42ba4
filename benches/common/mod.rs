//! What the benches share: units, data, levels and the closing table.
#![allow(dead_code, unreachable_pub, reason = "every bench uses a part of this")]

pub mod matrix;
pub mod product;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;
use serde_json::Value;
use spnm::{Isa, Pattern};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The patterns that are measured.
pub const PATTERNS: [Pattern; 4] = [Pattern::N1M2, Pattern::N2M4, Pattern::N1M4, Pattern::N4M8];

/// Rows that share indices.
pub fn grouped() -> [Pattern; 2] {
    [8, 16].map(|rows| Pattern::N2M4.grouped(rows).expect("a group of rows"))
}

/// The work of pruning, compressing or copying: entries of the dense matrix. Criterion's `elem/s`
/// are entries per second.
pub fn entries(rows: usize, cols: usize) -> Throughput {
    Throughput::Elements((rows * cols) as u64)
}

/// The work of a product, dense-equivalent: `2 * rows * inner * cols` floating-point operations,
/// those that the pattern saves included. Criterion's `elem/s` are FLOP/s.
pub fn flops(rows: usize, inner: usize, cols: usize) -> Throughput {
    Throughput::Elements((2 * rows * inner * cols) as u64)
}

/// Whether this is `cargo test --benches`: every bench runs once, on small matrices.
pub fn is_test() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

/// The levels that are measured: all that the CPU has but the scalar one, which defines the bits
/// and is not meant to be fast.
pub fn levels() -> Vec<Isa> {
    Isa::available().filter(|&isa| isa != Isa::Reference).collect()
}

/// Numbers between -1 and 1.
pub fn data(seed: u64, len: usize) -> Vec<f32> {
    let mut numbers = Pcg64Mcg::new(u128::from(seed) << 64 | 0x9E37_79B9_7F4A_7C15);
    (0..len).map(|_| numbers.next_u32().cast_signed() as f32 / 2f32.powi(31)).collect()
}

/// The transpose of a row-major matrix.
pub fn transposed(a: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|e| a[e % rows * cols + e / rows]).collect()
}

/// Where cargo builds, and results go.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// Short samples, one time each: many ids in minutes.
pub fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    group
}

/// Prints what was measured since `start`: the work per second of each id (from the median time),
/// and its ratio to the id of `baseline` with the same shape in the same run.
pub fn print_table(start: SystemTime, baseline: &str, unit: &str) {
    if is_test() {
        return;
    }
    let mut speeds = BTreeMap::new();
    collect(&target_folder().join("criterion"), start, &mut speeds);
    let shape = |id: &str| id.split('/').nth(3).map(str::to_owned);
    println!("\n| op/pattern/storage/shape/isa | {unit} | of {baseline} |\n|---|---|---|");
    for (id, speed) in &speeds {
        let of = speeds
            .iter()
            .find(|(other, _)| other.starts_with(baseline) && shape(other) == shape(id))
            .map_or("not measured".into(), |(_, base)| format!("{:.2}", speed / base));
        println!("| {id} | {speed:.2} | {of} |");
    }
}

/// Reads criterion's results below `folder` that are newer than `start`: 10^9 units of work per second.
fn collect(folder: &Path, start: SystemTime, speeds: &mut BTreeMap<String, f64>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "new") {
            if let Some((id, speed)) = result(&path, start) {
                speeds.insert(id, speed);
            }
        } else {
            collect(&path, start, speeds);
        }
    }
}

fn result(folder: &Path, start: SystemTime) -> Option<(String, f64)> {
    let read = |name: &str| -> Option<Value> {
        let path = folder.join(name);
        let newer = std::fs::metadata(&path).ok()?.modified().ok()? >= start;
        serde_json::from_slice(&std::fs::read(path).ok().filter(|_| newer)?).ok()
    };
    let (benchmark, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let work = benchmark["throughput"]["Elements"].as_f64()?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64()?;
    Some((benchmark["full_id"].as_str()?.to_owned(), work / nanoseconds))
}
