//! The main job keeps its promise: unbiased pruning trains like the dense product, greedy does not.

use spnm::{Method, Options, Pattern};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

#[path = "../examples/train/matrix.rs"]
#[expect(dead_code, reason = "the example's own, used in part")]
mod matrix;
#[path = "../examples/train/recipe.rs"]
mod recipe;

use matrix::Matrix;
use recipe::{Form, Recipe, Weights};

/// The example, built in the profile and for the target of this test: the build that `cargo test`
/// has made already; its curves go to NAME.svg, a file for each caller, as tests run side by side. `None` under an
/// emulator, which would need minutes.
fn example(name: &str) -> Option<Command> {
    static EXAMPLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let mut example = Command::new(EXAMPLE.get_or_init(build).as_ref()?);
    example.arg("--svg").arg(scratch(&format!("{name}.svg")));
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
    // With other features cargo would make the library anew.
    for (feature, on) in [("capi", cfg!(feature = "capi")), ("peers", cfg!(feature = "peers"))] {
        if on {
            cargo.args(["--features", feature]);
        }
    }
    cargo.arg("--target-dir").arg(above(if triple.is_some() { 4 } else { 3 }));
    if let Some(triple) = triple {
        let runner =
            format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"));
        if std::env::var_os(&runner).is_some() {
            // Past the test harness, which would swallow a `println!`.
            writeln!(std::io::stdout(), "not run: tests/train.rs: {runner} names an emulator")
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

fn run(name: &str, arguments: &[&str]) -> Option<Output> {
    Some(example(name)?.args(arguments).output().expect("the example runs"))
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
    let Some(output) = run("train", &arguments) else { return };
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

/// The sources of this crate, a small model, few steps: the losses of a comparison.
fn losses(name: &str, extra: &[&str]) -> Option<Vec<(String, f64)>> {
    let csv = scratch(&format!("{name}.csv"));
    let mut example = example(name)?;
    example.args(["--steps", "150", "--batch", "128", "--hidden", "64", "--vocab", "512"]);
    example.args(["--learning-rate", "1"]);
    example.args(extra).arg("--csv").arg(&csv).arg("--text");
    example.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let output = example.output().expect("the example runs");
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let table = std::fs::read_to_string(&csv).expect("the table");
    assert!(table.starts_with("method,validation_loss,"), "{table}");
    let losses = table.lines().skip(1).map(|line| {
        let mut fields = line.split(',');
        let mut next = || fields.next().expect("two columns").to_owned();
        (next(), next().parse().expect("a number"))
    });
    Some(losses.collect())
}

#[test]
fn recipes_learn_and_their_losses_do_not_depend_on_the_level_or_the_threads() {
    let recipes = ["--recipe", "update,full,sste", "--group", "8"];
    let run = |name, levels| losses(name, &[&recipes[..], levels].concat());
    let Some(losses) = run("recipes", &["--threads", "1"]) else { return };
    let labels: Vec<_> = losses.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["dense", "mvue 2:4x8", "full mvue 2:4x8", "sste mvue 2:4x8"]);
    let uniform_guess = 512f64.ln();
    for (label, loss) in &losses {
        assert!(*loss < uniform_guess - 0.5, "{label} learnt nothing: {losses:?}");
    }
    // Four different ways to train, not one under four names.
    for (i, (_, loss)) in losses.iter().enumerate() {
        assert!(losses[..i].iter().all(|(_, other)| loss != other), "{losses:?}");
    }
    let again = run("recipes-portable", &["--threads", "2", "--isa", "portable"]);
    assert_eq!(again, Some(losses), "not the same bits");
}

#[test]
fn sparse_weights_are_two_of_four_and_follow_the_dense_ones() {
    let options = Options::new();
    // Not multiples of 4, so that tiles and groups end short.
    let (rows, cols) = (37, 50);
    let mut dense = Matrix::zeros(rows, cols);
    let fill = |dense: &mut Matrix, step: f32| {
        for (i, w) in dense.data.iter_mut().enumerate() {
            *w = (i as f32 * 0.7 + step).sin();
        }
    };
    fill(&mut dense, 0.0);
    let prepare = |recipe| Weights::dense(dense.clone()).prepare(recipe, &options);
    let mut full = prepare(Recipe::Full).expect("transposable weights");
    let mut soft = prepare(Recipe::Sste).expect("soft-thresholded weights");
    let update = prepare(Recipe::Update).expect("dense weights");
    assert!(matches!(update.form, Form::Dense));
    let w = dense.as_ref().expect("a view");
    let first = spnm::soft_threshold_scale(&options, Pattern::N2M4, w).expect("a scale");
    for step in 0..3u8 {
        if step > 0 {
            for weights in [&mut full, &mut soft] {
                fill(&mut weights.dense, f32::from(step));
                weights.refresh(&options).expect("new weights");
            }
        }
        let Form::Transposable { forward, backward } = &full.form else { panic!("{full:?}") };
        let w = decompressed(forward.as_ref());
        let wt = decompressed(backward.as_ref());
        for i in 0..rows {
            for j in 0..cols {
                let kept = w.row(i)[j];
                assert_eq!(kept.to_bits(), wt.row(j)[i].to_bits(), "one mask for both");
                assert!(kept == 0.0 || kept == full.dense.row(i)[j], "kept as it is");
            }
        }
        assert_two_of_four(&w);
        assert_two_of_four(&wt);
        assert!(w.data.iter().filter(|&&w| w != 0.0).count() > rows * cols * 2 / 5);

        let Form::Soft { forward, pruned, beta } = &soft.form else { panic!("{soft:?}") };
        let mut expected = Matrix::zeros(rows, cols);
        let (a, out) = (soft.dense.as_ref(), expected.as_mut());
        let (a, out) = (a.expect("a view"), out.expect("a view"));
        spnm::prune(&options, Method::SoftThreshold, Pattern::N2M4, a, out).expect("pruned");
        assert_eq!(pruned.data, expected.data);
        assert_eq!(decompressed(forward.as_ref()).data, expected.data);
        assert_two_of_four(pruned);
        let gap = (f64::from(*beta) - first).abs();
        assert!(gap <= first.abs() * f64::from(f32::EPSILON), "the scale is frozen");
    }
}

fn decompressed(a: spnm::CompressedRef<'_>) -> Matrix {
    let mut out = Matrix::zeros(a.rows(), a.cols());
    let view = out.as_mut().expect("a view");
    spnm::decompress(&Options::new(), a, view).expect("decompressed");
    out
}

fn assert_two_of_four(w: &Matrix) {
    for i in 0..w.rows {
        for group in w.row(i).chunks(4) {
            assert!(group.iter().filter(|&&w| w != 0.0).count() <= 2, "row {i}: {group:?}");
        }
    }
}

#[test]
fn the_default_text_is_this_crates_dependencies() {
    // Bytes for word pieces: to learn others takes seconds.
    let small = ["--steps", "1", "--batch", "16", "--hidden", "16", "--vocab", "256"];
    let arguments = [&small[..], &["--methods", "dense"]].concat();
    let Some(output) = run("default-text", &arguments) else { return };
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
        (
            &["--text", here, "--batch", "16", "--csv", "/no/such/folder/a.csv"],
            1,
            "/no/such/folder/a.csv",
        ),
        (&["--methods", "dense,nonsense"], 2, "nonsense"),
        (&["--methods", "mvue-3:4"], 2, "3:4"),
        (&["--isa", other_isa], 2, "not available"),
        (&["--isa", "nonsense"], 2, "not an instruction set"),
        (&["--recipe", "nonsense"], 2, "nonsense"),
        (&["--group", "65"], 2, "--group"),
        (&["--threads", "0"], 2, "--threads"),
        (&["--vocab", "100"], 2, "--vocab"),
    ] {
        let Some(output) = run("mistakes", arguments) else { return };
        let stderr = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        let one_line = stderr.trim_end().lines().count() == 1;
        assert!(one_line && stderr.starts_with("error: "), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}
