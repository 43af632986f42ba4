//! What a run leaves behind: the table on the standard output and in table.md, table.csv, every
//! contestant of every race in races.csv, and the charts.

use crate::args::Args;
use crate::common::{is_test, target_folder};
use crate::peak::Peak;
use crate::race::{Race, Who};
use crate::run::Run;
use crate::{charts, machine, scan, table};
use spnm::{Isa, Pattern};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

pub(crate) fn write(args: &Args, run: &Run, disturbed: &[String]) -> Result<(), Box<dyn Error>> {
    let folder = args.out.clone().unwrap_or_else(|| match args.test {
        true => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("peers"),
        false => target_folder().join("peers"),
    });
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let preliminary = preliminary(args, disturbed);
    let text = text(run, &preliminary)?;
    if args.test {
        tested(run);
    } else {
        print!("{text}");
    }
    let mut files =
        vec![("table.md", text), ("table.csv", table::csv(&run.rows)), ("races.csv", races(run))];
    let mut note = format!("{}, {}", machine::cpu(), machine::date());
    if !preliminary.is_empty() {
        note += ", preliminary";
    }
    files.extend(charts::draw(run, &note)?);
    println!();
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("written: {}", path.display());
    }
    Ok(())
}

/// What a test has run; its figures, which mean nothing, are in the files alone.
fn tested(run: &Run) {
    for peer in &run.peers.found {
        println!("found: {}", peer.about());
    }
    for variable in &run.peers.removed {
        println!("removed from the environment: {variable}");
    }
    for what in &run.not_measured {
        println!("not run: bench peers, {what}");
    }
    let products = run.gemm.len() + run.step.len() + run.scan.len() + run.other.len();
    let (passes, rows) = (run.compress.len(), run.rows.len());
    println!("{products} races of products, {passes} of compress, results right; {rows} rows");
}

/// Everything that is printed, as Markdown.
fn text(run: &Run, preliminary: &[String]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "{}, {}, spnm {}, commit {}:\n",
        machine::cpu(),
        machine::date(),
        env!("CARGO_PKG_VERSION"),
        machine::commit()
    )?;
    writeln!(out, "```sh\n{}\n```\n", command())?;
    if !preliminary.is_empty() {
        writeln!(out, "**Preliminary**: {}.\n", preliminary.join("; "))?;
    }
    writeln!(out, "Peers, with as many threads as spnm:\n")?;
    for peer in &run.peers.found {
        writeln!(out, "- {}: {}", peer.name(), peer.about())?;
    }
    for (name, why) in &run.peers.missing {
        writeln!(out, "- {name}: **{why}**")?;
    }
    if !run.peers.removed.is_empty() {
        let removed = run.peers.removed.join(", ");
        writeln!(out, "\nRemoved from the environment, as it would hold them back: {removed}.")?;
    }
    let peaks: Vec<String> = run
        .levels
        .iter()
        .rev()
        .filter_map(|&isa| {
            let Peak { registers, loads } = run.peak(isa)?;
            let share = loads / registers;
            Some(format!("{} {registers:.1} GFLOP/s, {share:.2} of it", isa.name()))
        })
        .collect();
    if !peaks.is_empty() {
        writeln!(
            out,
            "\nPeak of multiply-adds from registers, one thread, and with a factor of each loaded from a \
             first-level cache: {}.",
            peaks.join("; ")
        )?;
    }
    if !run.rows.is_empty() {
        writeln!(out, "\n{}", table::summary(&run.rows))?;
        writeln!(
            out,
            "Shapes are rows x inner x cols. Medians; ratios are those of interleaved pairs, with \
             their quartiles.\nGFLOP/s are dense-equivalent: what the pattern saves counts too.\n"
        )?;
        write!(out, "{}", table::rows(&run.rows))?;
    }
    if let Some(scanned) = scan::table(&run.scan, run.scanned()) {
        writeln!(out, "\n{scanned}")?;
    }
    let crossings = crossings(run);
    if !crossings.is_empty() {
        writeln!(out, "\nCubes, beside the best dense product of each size:\n")?;
        for (who, crossing) in crossings {
            writeln!(out, "- {who}: {crossing}")?;
        }
    }
    if !run.not_measured.is_empty() {
        writeln!(out, "\nNot measured:\n")?;
        for what in &run.not_measured {
            writeln!(out, "- {what}")?;
        }
    }
    Ok(out)
}

/// Why the figures are not to be quoted, if they are not.
fn preliminary(args: &Args, disturbed: &[String]) -> Vec<String> {
    let mut why = Vec::new();
    if args.quick {
        why.push("a quick run".to_owned());
    }
    if args.test {
        why.push("a test, whose figures mean nothing".to_owned());
    }
    why.extend_from_slice(disturbed);
    why
}

/// The command, as it can be repeated, with what the environment asks of the allocator.
fn command() -> String {
    const TUNABLES: &str = "GLIBC_TUNABLES";
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let tunables = std::env::var(TUNABLES).map(|value| format!("{TUNABLES}={value} "));
    let mut command = tunables.unwrap_or_default();
    command += if is_test() {
        "cargo test --bench peers --features peers"
    } else {
        "cargo bench --bench peers --features peers"
    };
    if !arguments.is_empty() {
        command += " -- ";
        command += &arguments.join(" ");
    }
    command
}

/// Every contestant of every race.
fn races(run: &Run) -> String {
    let mut out = String::from(
        "race,shape,contestant,repetitions,seconds_median,seconds_q1,seconds_q3,rate,unit\n",
    );
    let mut add = |kind: &str, shape: String, race: &Race, work: f64, unit: &str| {
        for times in &race.times {
            let Some(time) = race.time(times.who) else { continue };
            out.push_str(&table::csv_line(&[
                kind.to_owned(),
                shape.clone(),
                times.who.to_string(),
                times.seconds.len().to_string(),
                format!("{:.6e}", time.median),
                format!("{:.6e}", time.low),
                format!("{:.6e}", time.high),
                format!("{:.4}", work / time.median / 1e9),
                unit.to_owned(),
            ]));
        }
    };
    let all =
        [("gemm", &run.gemm), ("step", &run.step), ("scan", &run.scan), ("other", &run.other)];
    for (kind, races) in all {
        for (case, race) in races {
            add(kind, case.to_string(), race, case.shape.flops(), "GFLOP/s");
        }
    }
    for (pass, race) in &run.compress {
        let shape = format!("{}x{}", pass.rows, pass.cols);
        add("compress", shape, race, (pass.rows * pass.cols) as f64, "G entries/s");
    }
    out
}

/// Where a line overtakes the best dense product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crossing {
    Always,
    Never,
    /// For good, at this size of cube and speed, which lie between two that were measured.
    At {
        size: f64,
        gflops: f64,
    },
}

impl std::fmt::Display for Crossing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Always => write!(f, "faster at every size"),
            Self::Never => write!(f, "not faster at the largest size"),
            Self::At { size, .. } => write!(f, "faster from about {size:.0}^3 on"),
        }
    }
}

/// The crossings of 2:4 and 1:4 on the best level, of the step, and of 2:4 on other levels.
pub(crate) fn crossings(run: &Run) -> Vec<(Who, Crossing)> {
    use crate::products::{GEMM, PRUNE_GEMM};
    use crate::race::Ours;
    let best = run.best();
    let mut lines: Vec<Ours> = vec![
        Ours::new(GEMM, Pattern::N2M4, best),
        Ours::new(GEMM, Pattern::N1M4, best),
        Ours::new(PRUNE_GEMM, Pattern::N2M4, best),
    ];
    let lower = |isa: &&Isa| **isa != best;
    lines.extend(run.levels.iter().filter(lower).map(|&isa| Ours::new(GEMM, Pattern::N2M4, isa)));
    lines
        .into_iter()
        .filter_map(|ours| {
            let points: Vec<_> = cubes(run)
                .iter()
                .filter_map(|&(size, flops, race)| {
                    let speed = |who| race.time(who).map(|time| flops / time.median / 1e9);
                    let dense = speed(Who::Peer(race.best_peer()?))?;
                    Some((size, speed(Who::Ours(ours))?, dense))
                })
                .collect();
            (points.len() > 1).then(|| (Who::Ours(ours), crossing(&points)))
        })
        .collect()
}

/// The cubes among the races of gemm, by size: size, operations, race.
pub(crate) fn cubes(run: &Run) -> Vec<(f64, f64, &Race)> {
    let mut cubes: Vec<_> = run
        .gemm
        .iter()
        .filter_map(|(case, race)| Some((case.cube_size()? as f64, case.shape.flops(), race)))
        .collect();
    cubes.sort_by(|a, b| a.0.total_cmp(&b.0));
    cubes
}

/// Of points (size, own speed, dense speed), by size.
fn crossing(points: &[(f64, f64, f64)]) -> Crossing {
    let Some(last) = points.iter().rposition(|&(_, own, dense)| own < dense) else {
        return Crossing::Always;
    };
    let Some(&(next, own_next, dense_next)) = points.get(last + 1) else {
        return Crossing::Never;
    };
    let (size, own, dense) = points[last];
    // Straight lines on logarithmic scales.
    let (low, high) = ((own / dense).ln(), (own_next / dense_next).ln());
    let part = if high > low { -low / (high - low) } else { 1.0 };
    let between = |a: f64, b: f64| (a.ln() + part * (b / a).ln()).exp();
    Crossing::At { size: between(size, next), gflops: between(own, own_next) }
}
