//! The training runs, side by side.
//!
//! All runs take step 1, then all take step 2, and so on: they see the same batches by
//! construction, and a machine that is busy for a while slows all of them, not one.

use crate::method::Method;
use crate::model::{Batch, CONTEXT, Model, Step, Workspace};
use crate::products::{Engine, Times};
use crate::recipe::Recipe;
use crate::tokenizer::Token;
use indicatif::{ProgressBar, ProgressStyle};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

/// Pruning alone is timed on every so many steps.
const SAMPLE_EVERY: usize = 16;
/// Points of a loss curve.
const POINTS: usize = 15;
/// Windows that the validation loss is the mean of, rounded down to whole batches.
const VALIDATION_WINDOWS: usize = 8192;

/// One recipe's and method's run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) recipe: Recipe,
    pub(crate) method: Method,
    model: Model,
    pub(crate) times: Times,
    /// (step, validation loss), the last one after the last step.
    pub(crate) curve: Vec<(usize, f64)>,
}

impl Run {
    pub(crate) fn new(recipe: Recipe, method: Method, model: Model) -> Self {
        Self { recipe, method, model, times: Times::default(), curve: Vec::new() }
    }

    /// What the run is called: its method, and before it a recipe that does more than the method says.
    pub(crate) fn label(&self) -> String {
        match self.recipe {
            Recipe::Update => self.method.to_string(),
            Recipe::Full => format!("full {}", self.method),
            Recipe::Sste => format!("sste {}", self.method),
        }
    }

    /// The validation loss after the last step.
    pub(crate) fn loss(&self) -> f64 {
        self.curve.last().map_or(f64::NAN, |&(_, loss)| loss)
    }
}

/// What every run has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) train: &'a [Token],
    pub(crate) validation: &'a [Token],
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) learning_rate: f32,
    pub(crate) seed: u64,
}

impl Plan<'_> {
    /// Trains all `runs`, and validates them as they go.
    pub(crate) fn train(
        self,
        engine: &mut Engine<'_>,
        runs: &mut [Run],
    ) -> Result<(), spnm::Error> {
        let Some(first) = runs.first() else { return Ok(()) };
        let mut work = Workspace::new(&first.model, self.batch);
        let validation = self.validation_batches();
        let windows = self.train.len() - CONTEXT;
        let mut random = Pcg64Mcg::seed_from_u64(!self.seed);
        let mut batch = Batch::default();
        let every = self.steps.div_ceil(POINTS);
        let bar = progress_bar(self.steps);
        for step in 0..self.steps {
            if step % every == 0 {
                validate(engine, &validation, step, runs, &mut work)?;
                bar.set_message(message(runs));
            }
            let starts = std::iter::repeat_with(|| below(&mut random, windows));
            batch.fill(self.train, starts.take(self.batch));
            let now = Step {
                batch: &batch,
                number: step as u64,
                learning_rate: self.learning_rate_at(step),
                sample: step % SAMPLE_EVERY == 0,
            };
            for run in &mut *runs {
                run.model.step(engine, run.method, now, &mut work, &mut run.times)?;
            }
            bar.inc(1);
        }
        validate(engine, &validation, self.steps, runs, &mut work)?;
        bar.finish_and_clear();
        Ok(())
    }

    /// Falls linearly to zero: a constant rate would end on the noise of the last batches.
    #[expect(clippy::cast_precision_loss, reason = "a fraction of the steps")]
    fn learning_rate_at(&self, step: usize) -> f32 {
        self.learning_rate * (1.0 - step as f32 / self.steps as f32)
    }

    /// Windows evenly spread over the validation text, each once, in whole batches.
    fn validation_batches(&self) -> Vec<Batch> {
        let windows = self.validation.len() - CONTEXT;
        let count = (VALIDATION_WINDOWS.min(windows) / self.batch).max(1);
        let total = count * self.batch;
        let starts: Vec<usize> = (0..total).map(|i| i * windows / total).collect();
        let batch = |starts: &[usize]| {
            let mut batch = Batch::default();
            batch.fill(self.validation, starts.iter().copied());
            batch
        };
        starts.chunks(self.batch).map(batch).collect()
    }
}

/// Adds a point to the curve of every run: the loss of the weights that it trains, sparse ones where
/// they are.
#[expect(clippy::cast_precision_loss, reason = "a number of batches")]
fn validate(
    engine: &mut Engine<'_>,
    batches: &[Batch],
    step: usize,
    runs: &mut [Run],
    work: &mut Workspace,
) -> Result<(), spnm::Error> {
    // Not the training's time.
    let mut times = Times::default();
    for run in runs {
        let mut sum = 0.0;
        for batch in batches {
            sum += run.model.loss(engine, batch, work, &mut times)?;
        }
        run.curve.push((step, sum / batches.len() as f64));
    }
    Ok(())
}

/// A number below `n`.
fn below(random: &mut Pcg64Mcg, n: usize) -> usize {
    let wide = u128::from(random.next_u64()) * n as u128;
    usize::try_from(wide >> 64).unwrap_or(0)
}

/// On the terminal, where standard error is one.
fn progress_bar(steps: usize) -> ProgressBar {
    let template = "step {pos}/{len} [{bar:24}] {elapsed}, {eta} left; loss {msg}";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(steps as u64).with_style(style)
}

/// The latest losses.
fn message(runs: &[Run]) -> String {
    let each: Vec<_> = runs.iter().map(|r| format!("{} {:.2}", r.label(), r.loss())).collect();
    each.join(", ")
}
