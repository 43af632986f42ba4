//! spnm beside other libraries: the table of targets, and charts. One process, as many threads for
//! each, all in turn. `--help` says what it takes, ../README.md how to read it.

#[path = "../common/mod.rs"]
mod common;

mod args;
mod charts;
mod libraries;
mod machine;
mod passes;
mod peak;
mod plan;
mod products;
mod race;
mod report;
mod run;
mod scan;
mod table;
mod targets;

use args::Args;
use clap::Parser;
use run::Run;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = Args::parse();
    args.test |= common::is_test();
    if args.probe_blis {
        println!("{}", libraries::probe_blis(&args.library)?);
        return Ok(());
    }
    let before = machine::Disturbance::now();
    // Before anything starts a thread.
    let peers = libraries::load(&args.library);
    let mut run = Run::new(&args, peers)?;
    run.all();
    report::write(&args, &run, &before.since())
}
