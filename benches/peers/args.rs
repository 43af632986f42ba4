//! The command line.

use crate::libraries::Place;
use clap::{Parser, ValueEnum};
use spnm::Isa;
use std::path::PathBuf;

/// Measures spnm beside other libraries, in one process, mostly on one thread: prints a table of targets
/// as Markdown, and writes it as CSV with three charts.
#[derive(Parser, Debug)]
#[command(override_usage = "cargo bench --bench peers --features peers -- [OPTIONS]")]
pub(crate) struct Args {
    /// Smaller matrices and fewer repetitions: half a minute instead of five.
    #[arg(long)]
    pub(crate) quick: bool,

    /// The folder for the table and the charts [default: peers in cargo's target folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Only these parts.
    #[arg(long, value_enum, value_name = "PART", num_args = 1.., value_delimiter = ',')]
    pub(crate) only: Vec<Part>,

    /// Only these levels [default: all that the CPU has, but reference and portable].
    #[arg(long, value_name = "LEVEL", num_args = 1.., value_delimiter = ',')]
    pub(crate) isa: Vec<Isa>,

    /// A library to take instead of the system's, as openblas=/some/libopenblas.so; also blis, onednn,
    /// mkl, libxsmm.
    #[arg(long, value_name = "KIND=FILE")]
    pub(crate) library: Vec<Place>,

    /// Each part once, on small matrices: checks results and draws, without meaningful figures.
    #[arg(long)]
    pub(crate) test: bool,

    /// Prints what BLIS takes this CPU for; the bench asks itself.
    #[arg(long, hide = true)]
    pub(crate) probe_blis: bool,

    /// What cargo passes to benches.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

impl Args {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// gemm and the best dense product: the first chart.
    Gemm,
    /// `prune_gemm` at shapes of training: the first chart too.
    Step,
    /// gemm and `prune_gemm` where rows share their indices.
    Groups,
    /// Small and skinny products.
    Small,
    /// gemm over rows and columns, up to a few hundred of each.
    Scan,
    /// gemm over the size of cubes: the second chart.
    Speed,
    /// compress from DRAM and from L2, beside memcpy.
    Compress,
    /// compress over the size of the matrix: the third chart.
    Rate,
    /// Two threads against one, and beside peers with two.
    Threads,
    /// What a product allocates.
    Memory,
    /// The portable level against the reference.
    Portable,
}
