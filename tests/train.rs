//! The main job keeps its promise: unbiased pruning trains like the dense product, greedy does not.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The example, built in the profile and for the target of this test: the build that `cargo test`
/// has made already. `None` under an emulator, which would need minutes.
fn example() -> Option<Command> {
    static EXAMPLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let mut example = Command::new(EXAMPLE.get_or_init(build).as_ref()?);
    example.arg("--svg").arg(scratch("train.svg"));
    Some(example)
}

fn build() -> Option<PathBuf> {
    // <target folder>/[<triple>/]<profile>/deps/<this test>
    let this = std::env::current_exe().expect("the path of this test");
    let above = |n: usize| this.ancestors().nth(n).expect("a folder of cargo's");
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let profile = name(above(2)).expect("a profile");
    let profile = if profile == "debug" { "dev".to_owned() } else { profile };
    let triple = name(above(3)).filter(|n| n.starts_with(&format!("{}-", std::env::consts::ARCH)));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "train", "--profile", &profile]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    cargo.arg("--target-dir").arg(above(if triple.is_some() { 4 } else { 3 }));
    if let Some(triple) = triple {
        let runner =
            format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"));
        if std::env::var_os(&runner).is_some() {
            // Past the test harness, which would swallow a `println!`.
            writeln!(std::io::stdout(), "tests/train.rs: NOT run, {runner} names an emulator")
                .expect("standard output");
            return None;
        }
        cargo.args(["--target", &triple]);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the example does not build");
    Some(above(2).join("examples").join(format!("train{}", std::env::consts::EXE_SUFFIX)))
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn run(arguments: &[&str]) -> Option<Output> {
    Some(example()?.args(arguments).output().expect("the example runs"))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn mvue_trains_like_dense_and_greedy_does_not() {
    let csv = scratch("train.csv");
    let csv_path = csv.to_str().expect("a path in UTF-8");
    let sources = ["src", "tests", "examples"]
        .map(|folder| format!("{}/{folder}", env!("CARGO_MANIFEST_DIR")));
    let mut arguments = vec![
        "--learning-rate",
        "1",
        "--threads",
        "1",
        "--steps",
        "400",
        "--batch",
        "256",
        "--hidden",
        "64",
        "--vocab",
    ];
    arguments.extend(["512", "--methods", "dense,mvue-2:4,greedy-2:4,greedy-1:2", "--csv"]);
    arguments.extend([csv_path, "--text"]);
    arguments.extend(sources.iter().map(String::as_str));
    let Some(output) = run(&arguments) else { return };
    assert!(output.status.success(), "{}", text_of(&output.stderr));

    let table = std::fs::read_to_string(&csv).expect("the table");
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let column = header.iter().position(|&name| name == "validation_loss").expect("the losses");
    let rows: Vec<_> = lines.collect();
    let loss = |method: &str| -> f64 {
        let row = rows.iter().find(|row| row[0] == method).expect("the method's row");
        row[column].parse().expect("a number")
    };
    let dense = loss("dense");
    let uniform_guess = 512f64.ln();
    assert!(dense < uniform_guess - 1.0, "nothing was learnt:\n{table}");
    let gap = (loss("mvue 2:4") - dense).abs();
    for greedy in ["greedy 2:4", "greedy 1:2"] {
        let worse = loss(greedy) - dense;
        assert!(worse > 0.05 && worse > 2.0 * gap, "{greedy} is not clearly worse:\n{table}");
    }
    assert!(gap < 0.03, "mvue 2:4 does not train like dense:\n{table}");

    let svg = std::fs::read_to_string(scratch("train.svg")).expect("the loss curves");
    assert!(svg.starts_with("<svg") && svg.contains("greedy 1:2"), "not the curves:\n{svg}");
}

#[test]
fn the_default_text_is_this_crates_dependencies() {
    let arguments = ["--steps", "1", "--batch", "16", "--hidden", "16", "--methods", "dense"];
    let Some(output) = run(&arguments) else { return };
    let stdout = text_of(&output.stdout);
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let size = stdout.strip_prefix("text ").and_then(|rest| rest.split(" MB").next());
    let size: f64 = size.and_then(|size| size.parse().ok()).expect("the size of the text");
    assert!(size >= 1.0, "less than a megabyte: {stdout}");
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let other_isa = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    for (arguments, code, message) in [
        (&["--text", "/no/such/file"][..], 1, "/no/such/file"),
        (&["--text", here, "--batch", "4096"], 1, "too little text"),
        (&["--csv", "/no/such/folder/table.csv"], 1, "/no/such/folder/table.csv"),
        (&["--methods", "dense,nonsense"], 2, "nonsense"),
        (&["--methods", "mvue-3:4"], 2, "3:4"),
        (&["--isa", other_isa], 2, "not available"),
        (&["--isa", "nonsense"], 2, "not an instruction set"),
        (&["--threads", "0"], 2, "--threads"),
        (&["--vocab", "100"], 2, "--vocab"),
    ] {
        let Some(output) = run(arguments) else { return };
        let stderr = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        let one_line = stderr.trim_end().lines().count() == 1;
        assert!(one_line && stderr.starts_with("error: "), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}
