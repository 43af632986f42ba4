//! The command line.

use crate::method::Method;
use crate::recipe::Recipe;
use clap::{Parser, builder::RangedU64ValueParser};
use spnm::Pattern;
use std::path::PathBuf;

/// The most threads that are used without being asked for: the products of this model are small.
const DEFAULT_THREADS: usize = 8;

/// Trains a small next-token model once per recipe and method of pruning, and compares.
///
/// The model: embeddings of the last 4 word pieces -> hidden layer (rectified) -> softmax over the
/// vocabulary, plain SGD. Every run starts from the same weights and sees the same batches at
/// the same learning rates; only the products of its layers differ, and with the default recipe only
/// those that make the weight gradients.
#[derive(Debug, Parser)]
#[command(name = "train", version, max_term_width = 100)]
pub(crate) struct Args {
    /// SGD steps.
    #[arg(long, default_value_t = 1500, value_parser = sizes(1, 10_000_000))]
    pub(crate) steps: usize,

    /// Tokens in a batch. Groups of N:M run along them.
    #[arg(long, default_value_t = 512, value_parser = sizes(1, 1 << 14))]
    pub(crate) batch: usize,

    /// Units of the hidden layer.
    #[arg(long, default_value_t = 256, value_parser = sizes(1, 1 << 13))]
    pub(crate) hidden: usize,

    /// Word pieces in the vocabulary, the 256 bytes included.
    #[arg(long, default_value_t = 2048, value_parser = sizes(256, 1 << 15))]
    pub(crate) vocab: usize,

    /// SGD's learning rate in the first step; it falls linearly to zero.
    #[arg(long, default_value_t = 0.6, value_parser = learning_rate)]
    pub(crate) learning_rate: f32,

    /// Which products of a layer are sparse. Several, with commas, are compared in one table.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "update")]
    pub(crate) recipe: Vec<Recipe>,

    /// How neural gradients are pruned: dense, mvue-N:M, greedy-N:M (every pattern of the library),
    /// uniform-2:4; `dense` is the run without any pruning, whatever the recipe
    /// [default: with the recipe update alone
    /// dense,mvue-1:2,mvue-2:4,mvue-1:4,greedy-1:2,greedy-2:4,uniform-2:4; else dense,mvue-2:4].
    #[arg(long, value_delimiter = ',')]
    methods: Option<Vec<Method>>,

    /// Rows of D^T, units of a layer that is, that share the tokens which mvue and greedy keep
    /// (vector-wise N:M). To compare groups in one table, name them with the method: mvue-2:4x8.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(Pattern::MAX_GROUP)))]
    group: u32,

    /// Threads [default: one for each CPU, at most 8].
    #[arg(long, value_parser = sizes(1, spnm::Pool::MAX_THREADS))]
    pub(crate) threads: Option<usize>,

    /// Instruction set of spnm's kernels: reference, portable, avx2, avx512 or neon
    /// [default: the best that the CPU has]. Changes the time, never the result.
    #[arg(long, value_parser = isa)]
    pub(crate) isa: Option<spnm::Isa>,

    /// Seed of the weights, the batches and the pruning.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Text to train on, files or folders [default: the sources of this crate's dependencies].
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) text: Vec<PathBuf>,

    /// Write the table as CSV, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Write 64 tokens x 64 units of the last step's gradient of the output layer and of the hidden
    /// layer, as little-endian f32s (tests/gradients.bin is made so).
    #[arg(long, value_name = "FILE")]
    pub(crate) gradients: Option<PathBuf>,

    /// Where the loss curves go.
    #[arg(long, value_name = "FILE", default_value = "train.svg")]
    pub(crate) svg: PathBuf,
}

impl Args {
    /// What to compare: dense runs once, every other method once with every recipe.
    pub(crate) fn runs(&self) -> Vec<(Recipe, Method)> {
        let methods = self.methods.clone().unwrap_or_else(|| {
            let two_of_four = Method::Mvue(Pattern::N2M4);
            if self.recipe.iter().any(|&recipe| recipe != Recipe::Update) {
                return vec![Method::Dense, two_of_four];
            }
            vec![
                Method::Dense,
                Method::Mvue(Pattern::N1M2),
                two_of_four,
                Method::Mvue(Pattern::N1M4),
                Method::Greedy(Pattern::N1M2),
                Method::Greedy(Pattern::N2M4),
                Method::Uniform,
            ]
        });
        let mut runs = Vec::new();
        for &recipe in &self.recipe {
            for method in methods.iter().map(|method| method.grouped(self.group)) {
                let recipe = if method == Method::Dense { Recipe::Update } else { recipe };
                if !runs.contains(&(recipe, method)) {
                    runs.push((recipe, method));
                }
            }
        }
        runs
    }

    /// The number of threads to use.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |n| n.get().min(DEFAULT_THREADS))
        })
    }
}

/// A size from `low` to `high`.
fn sizes(low: usize, high: usize) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(low as u64..=high as u64)
}

fn learning_rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("not a positive number".to_owned()),
    }
}

fn isa(text: &str) -> Result<spnm::Isa, String> {
    let isa: spnm::Isa = text.parse().map_err(|e: spnm::UnknownIsa| e.to_string())?;
    if isa.is_available() {
        return Ok(isa);
    }
    let names: Vec<_> = spnm::Isa::available().map(spnm::Isa::name).collect();
    Err(format!("not available on this CPU, which has {}", names.join(", ")))
}
