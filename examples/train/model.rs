//! The model: embeddings of the last tokens -> hidden layer (rectified) -> softmax over the vocabulary.
//!
//! No biases: two weight matrices and a table of embeddings are all there is to learn.

use crate::gradient::Job;
use crate::matrix::Matrix;
use crate::method::Method;
use crate::products::{Engine, Times};
use crate::recipe::{Recipe, Weights};
use crate::tokenizer::Token;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;
use wide::f32x8;

/// Tokens that the model sees of what precedes the one to predict.
pub(crate) const CONTEXT: usize = 4;
/// Numbers that stand for a token.
pub(crate) const EMBEDDING: usize = 64;
/// Layers with a weight matrix.
const LAYERS: u64 = 2;

/// Windows of text: the last tokens, one window after another, and the tokens to predict.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) contexts: Vec<Token>,
    pub(crate) targets: Vec<Token>,
}

impl Batch {
    /// Makes this the windows of `tokens` that begin at `starts`.
    pub(crate) fn fill(&mut self, tokens: &[Token], starts: impl Iterator<Item = usize>) {
        self.contexts.clear();
        self.targets.clear();
        for start in starts {
            let end = start + CONTEXT;
            self.contexts.extend_from_slice(&tokens[start..end]);
            self.targets.push(tokens[end]);
        }
    }
}

/// What is learnt.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// \[vocabulary x embedding\]
    embeddings: Matrix,
    /// \[hidden x context * embedding\]
    hidden: Weights,
    /// \[vocabulary x hidden\]
    output: Weights,
}

/// What a pass over a batch leaves behind: activations, neural gradients, weight gradients. One is
/// enough for any number of models.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// \[tokens x context * embedding\]: the input of the hidden layer, and its gradient.
    x: Matrix,
    dx: Matrix,
    /// \[tokens x hidden\]: the hidden layer's output, and the gradient of its sum.
    h: Matrix,
    dh: Matrix,
    /// \[tokens x vocabulary\]: the logits, which the softmax turns into their gradient.
    logits: Matrix,
    hidden_gradient: Matrix,
    output_gradient: Matrix,
}

impl Model {
    /// Random weights: of unit variance for the embeddings, and such that sums keep theirs.
    #[expect(clippy::cast_precision_loss, reason = "a size of a layer")]
    pub(crate) fn new(vocabulary: usize, hidden: usize, seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut matrix = |rows, cols, variance: f32| {
            // Uniform in +-half has variance half^2 / 3.
            let half = (3.0 * variance).sqrt();
            let mut matrix = Matrix::zeros(rows, cols);
            for weight in &mut matrix.data {
                let unit = (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
                *weight = half * unit;
            }
            matrix
        };
        let inputs = CONTEXT * EMBEDDING;
        Self {
            embeddings: matrix(vocabulary, EMBEDDING, 1.0),
            hidden: Weights::dense(matrix(hidden, inputs, 2.0 / inputs as f32)),
            output: Weights::dense(matrix(vocabulary, hidden, 1.0 / hidden as f32)),
        }
    }

    /// The same model, with the weights in the form that `recipe` multiplies by.
    pub(crate) fn prepare(
        self,
        recipe: Recipe,
        options: &spnm::Options<'_>,
    ) -> Result<Self, spnm::Error> {
        let Self { embeddings, hidden, output } = self;
        let hidden = hidden.prepare(recipe, options)?;
        Ok(Self { embeddings, hidden, output: output.prepare(recipe, options)? })
    }

    pub(crate) fn parameters(&self) -> usize {
        [&self.embeddings, &self.hidden.dense, &self.output.dense]
            .iter()
            .map(|m| m.data.len())
            .sum()
    }

    /// From windows to logits.
    fn forward(
        &self,
        engine: &mut Engine<'_>,
        batch: &Batch,
        work: &mut Workspace,
        times: &mut Times,
    ) -> Result<(), spnm::Error> {
        for (window, x) in batch.contexts.chunks(CONTEXT).zip(work.x.data.chunks_mut(work.x.cols)) {
            for (&token, x) in window.iter().zip(x.chunks_mut(EMBEDDING)) {
                x.copy_from_slice(self.embeddings.row(token as usize));
            }
        }
        engine.forward(&self.hidden, &work.x, &mut work.h, times)?;
        for h in &mut work.h.data {
            *h = h.max(0.0);
        }
        engine.forward(&self.output, &work.h, &mut work.logits, times)
    }

    /// The mean loss of a batch, in nats per token.
    pub(crate) fn loss(
        &self,
        engine: &mut Engine<'_>,
        batch: &Batch,
        work: &mut Workspace,
        times: &mut Times,
    ) -> Result<f64, spnm::Error> {
        self.forward(engine, batch, work, times)?;
        Ok(softmax_cross_entropy(&mut work.logits, &batch.targets))
    }

    /// One step of SGD, with weight gradients made by `method`; the other products use the weights' form.
    /// The gradient of the embeddings is always dense: they are looked up, not multiplied.
    pub(crate) fn step(
        &mut self,
        engine: &mut Engine<'_>,
        method: Method,
        step: Step<'_>,
        work: &mut Workspace,
        times: &mut Times,
    ) -> Result<(), spnm::Error> {
        let Step { batch, number, learning_rate, sample } = step;
        self.loss(engine, batch, work, times)?;
        let Workspace { x, dx, h, dh, logits, hidden_gradient, output_gradient } = work;
        let stream = number * LAYERS;

        // Output layer. `logits` holds their gradient now.
        let job = Job { d: logits, x: h, stream, sample };
        engine.weight_gradient(method, job, output_gradient, times)?;
        engine.input_gradient(&self.output, logits, dh, times)?;
        for (dh, &h) in dh.data.iter_mut().zip(&h.data) {
            *dh = if h > 0.0 { *dh } else { 0.0 };
        }

        // Hidden layer.
        let job = Job { d: dh, x, stream: stream + 1, sample };
        engine.weight_gradient(method, job, hidden_gradient, times)?;
        engine.input_gradient(&self.hidden, dh, dx, times)?;

        for (window, dx) in batch.contexts.chunks(CONTEXT).zip(dx.data.chunks(dx.cols)) {
            for (&token, dx) in window.iter().zip(dx.chunks(EMBEDDING)) {
                descend(learning_rate, self.embeddings.row_mut(token as usize), dx);
            }
        }
        for (w, gradient) in
            [(&mut self.hidden, hidden_gradient), (&mut self.output, output_gradient)]
        {
            descend(learning_rate, &mut w.dense.data, &gradient.data);
            engine.refresh(w, times)?;
        }
        Ok(())
    }
}

/// What a step is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) number: u64,
    pub(crate) learning_rate: f32,
    /// Whether to time pruning alone, too.
    pub(crate) sample: bool,
}

impl Workspace {
    pub(crate) fn new(model: &Model, tokens: usize) -> Self {
        let (hidden, output) = (&model.hidden.dense, &model.output.dense);
        let zeros = Matrix::zeros;
        Self {
            x: zeros(tokens, hidden.cols),
            dx: zeros(tokens, hidden.cols),
            h: zeros(tokens, hidden.rows),
            dh: zeros(tokens, hidden.rows),
            logits: zeros(tokens, output.rows),
            hidden_gradient: zeros(hidden.rows, hidden.cols),
            output_gradient: zeros(output.rows, output.cols),
        }
    }
}

/// SGD.
fn descend(learning_rate: f32, weights: &mut [f32], gradient: &[f32]) {
    for (weight, gradient) in weights.iter_mut().zip(gradient) {
        *weight -= learning_rate * gradient;
    }
}

/// Turns logits into the gradient of the mean cross-entropy, which is returned.
#[expect(clippy::cast_precision_loss, reason = "the size of a batch")]
fn softmax_cross_entropy(logits: &mut Matrix, targets: &[Token]) -> f64 {
    let tokens = targets.len();
    let cols = logits.cols;
    let losses: Vec<f32> = logits
        .data
        .par_chunks_mut(cols)
        .zip(targets)
        .map(|(row, &target)| {
            let target = target as usize;
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let wanted = row[target] - top;
            let sum = exponentials(row, top);
            let scale = 1.0 / (sum * tokens as f32);
            for p in &mut *row {
                *p *= scale;
            }
            row[target] -= 1.0 / tokens as f32;
            sum.ln() - wanted
        })
        .collect();
    losses.iter().copied().map(f64::from).sum::<f64>() / tokens as f64
}

/// Replaces each x by exp(x - top), and returns their sum.
fn exponentials(row: &mut [f32], top: f32) -> f32 {
    let (eights, rest) = row.as_chunks_mut::<8>();
    let mut sum = f32x8::ZERO;
    for eight in eights {
        let e = (f32x8::from(*eight) - f32x8::splat(top)).exp();
        *eight = e.to_array();
        sum += e;
    }
    let mut total = sum.reduce_add();
    for x in rest {
        *x = (*x - top).exp();
        total += *x;
    }
    total
}
