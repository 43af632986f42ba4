//! Trains a small language model with N:M-sparse products, once per recipe and method, and compares.
//!
//! ```text
//! cargo run --release --example train
//! ```
//!
//! Every weight gradient dW = D^T X, with D = dL/dY \[tokens x out\] the neural gradient of a layer
//! and X \[tokens x in\] its input, is made from D pruned along the tokens: in groups of M tokens,
//! N entries stay, and the product does N/M of the multiplications. Which N is the question. The
//! minimum-variance unbiased estimator (MVUE, arXiv 2203.10991) trains like the dense product;
//! keeping the largest ones ("greedy"), though nearer to D in every single step, is biased, and
//! does not.
//!
//! With `--recipe` the other two products of a layer become sparse, too:
//!
//! ```text
//! cargo run --release --example train -- --recipe update,full,sste
//! ```
//!
//! Where to look: `gradient.rs` and `products.rs` call spnm, `recipe.rs` makes the sparse weights,
//! `model.rs` is the network, `trainer.rs` the loop.

mod args;
mod corpus;
mod gradient;
mod matrix;
mod method;
mod model;
mod products;
mod recipe;
mod report;
mod tokenizer;
mod trainer;

use args::Args;
use clap::Parser as _;
use corpus::Corpus;
use gemm::Parallelism;
use model::{CONTEXT, EMBEDDING, Model};
use products::Engine;
use report::Table;
use spnm::{Isa, Options, Pool};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use tokenizer::Tokenizer;
use trainer::{Plan, Run};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            // The first line says it all; clap would follow it with hints and the usage.
            let text = error.to_string();
            eprintln!("{} (--help lists the options)", text.lines().next().unwrap_or_default());
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let threads = args.thread_count();
    let pool = Pool::new(threads)?;
    // The gemm crate works in rayon's global pool; one thread is the caller's own.
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    let mut options = Options::new().pool(&pool);
    if let Some(isa) = args.isa {
        options = options.isa(isa);
    }

    let corpus =
        if args.text.is_empty() { Corpus::of_dependencies()? } else { Corpus::read(&args.text)? };
    let tokenizer = Tokenizer::learn(&corpus.train, args.vocab);
    let train = tokenizer.encode(&corpus.train);
    let validation = tokenizer.encode(&corpus.validation);
    for (part, tokens) in [("training", &train), ("validation", &validation)] {
        let needed = args.batch + CONTEXT;
        if tokens.len() < needed {
            let len = tokens.len();
            let message = format!(
                "too little text: {len} tokens for {part}, and a batch of {} needs {needed}",
                args.batch
            );
            return Err(message.into());
        }
    }

    let model = Model::new(tokenizer.size(), args.hidden, args.seed);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "text {:.1} MB ({} files, {} tokens), vocabulary {}, model {CONTEXT} x {EMBEDDING} -> {} -> {} \
         ({} weights), CPU level {}, threads {threads}",
        corpus.megabytes(),
        corpus.files(),
        train.len() + validation.len(),
        tokenizer.size(),
        args.hidden,
        tokenizer.size(),
        model.parameters(),
        args.isa.unwrap_or_else(Isa::effective).name(),
    )?;
    out.flush()?;

    for path in args.csv.iter().chain(&args.gradients).chain([&args.svg]) {
        writable(path)?;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (recipe, method) in args.runs() {
        runs.push(Run::new(recipe, method, model.clone().prepare(recipe, &options)?));
    }
    let plan = Plan {
        train: &train,
        validation: &validation,
        steps: args.steps,
        batch: args.batch,
        learning_rate: args.learning_rate,
        seed: args.seed,
    };
    let mut engine = Engine::new(options, parallelism, args.seed);
    if args.gradients.is_some() {
        engine.keep_corners();
    }
    plan.train(&mut engine, &mut runs)?;

    let table = Table::new(&runs);
    writeln!(out, "\n{}", table.text()?)?;
    if let Some(path) = &args.csv {
        std::fs::write(path, table.csv()?).map_err(|e| format!("{}: {e}", path.display()))?;
        writeln!(out, "table written to {}", path.display())?;
    }
    if let Some(path) = &args.gradients {
        std::fs::write(path, engine.corners()).map_err(|e| format!("{}: {e}", path.display()))?;
        writeln!(out, "gradients written to {}", path.display())?;
    }
    report::draw(&args.svg, &runs)?;
    writeln!(out, "loss curves drawn in {}", args.svg.display())?;
    Ok(())
}

/// Better to know before the training than after.
fn writable(path: &Path) -> Result<(), String> {
    let file = std::fs::File::options().write(true).create(true).truncate(false).open(path);
    file.map(drop).map_err(|e| format!("{}: {e}", path.display()))
}
