//! Which of a layer's products are sparse, and the sparse weights that two of them need.
//!
//! The gradient of the loss is taken with respect to the sparse weights and applied to the dense ones
//! as it is ("straight-through"); the next sparse weights are made from these.

use crate::matrix::Matrix;
use spnm::{Compressed, Error, Method, Options, Pattern};

/// The pattern of sparse weights.
const PATTERN: Pattern = Pattern::N2M4;
/// Steps that a transposable mask is kept for, as in arXiv 2404.01847. The weights under it are new
/// in every step.
pub(crate) const MASK_STEPS: usize = 40;

/// Which products of a layer are sparse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Recipe {
    /// The update alone, dW = P(D)^T X: pruned neural gradients, dense weights.
    Update,
    /// All three: transposable 2:4 weights forward and backward (arXiv 2404.01847), pruned
    /// neural gradients.
    Full,
    /// Forward and update: soft-thresholded 2:4 weights with a frozen scale (S-STE, arXiv 2409.09099),
    /// pruned neural gradients. The input gradient is a dense product with the sparse weights.
    Sste,
}

/// The weights of a layer, \[out x in\].
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// The dense ones, which are learnt.
    pub(crate) dense: Matrix,
    pub(crate) form: Form,
}

/// What the forward product and the input gradient multiply by.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// The dense weights.
    Dense,
    /// W and its transpose, pruned by one mask.
    Transposable {
        forward: Compressed,
        backward: Compressed,
        /// W once more, dense with zeros: what remembers the mask.
        pruned: Matrix,
    },
    /// `beta` S(W), where S is the soft threshold. The transpose of S(W) is not 2:4, so the input
    /// gradient is a dense product with `pruned`.
    Soft {
        forward: Compressed,
        /// S(W), dense with zeros.
        pruned: Matrix,
        beta: f32,
    },
}

impl Weights {
    pub(crate) fn dense(dense: Matrix) -> Self {
        Self { dense, form: Form::Dense }
    }

    /// The same weights in the form that `recipe` multiplies by.
    pub(crate) fn prepare(self, recipe: Recipe, options: &Options<'_>) -> Result<Self, Error> {
        let Matrix { rows, cols, .. } = self.dense;
        let zeros = || Matrix::zeros(rows, cols);
        let form = match recipe {
            Recipe::Update => Form::Dense,
            Recipe::Full => Form::Transposable {
                forward: Compressed::new(rows, cols, PATTERN)?,
                backward: Compressed::new(cols, rows, PATTERN)?,
                pruned: zeros(),
            },
            Recipe::Sste => Form::Soft {
                forward: Compressed::new(rows, cols, PATTERN)?,
                pruned: zeros(),
                beta: scale(options, &self.dense)?,
            },
        };
        let mut weights = Self { dense: self.dense, form };
        weights.refresh(options, 0)?;
        Ok(weights)
    }

    /// Makes the sparse form anew from the dense weights, for step number `step`.
    pub(crate) fn refresh(&mut self, options: &Options<'_>, step: usize) -> Result<(), Error> {
        let w = self.dense.as_ref()?;
        match &mut self.form {
            Form::Dense => {}
            Form::Transposable { forward, backward, pruned } if step.is_multiple_of(MASK_STEPS) => {
                let outputs = (Some(forward.as_mut()), Some(backward.as_mut()));
                spnm::compress_transposable(options, w, outputs.0, outputs.1)?;
                spnm::decompress(options, forward.as_ref(), pruned.as_mut()?)?;
            }
            Form::Transposable { forward, backward, pruned } => {
                for (pruned, &w) in pruned.data.iter_mut().zip(&self.dense.data) {
                    *pruned = if *pruned == 0.0 { 0.0 } else { w };
                }
                let w = pruned.as_ref()?;
                spnm::compress(options, Method::Keep, w, forward.as_mut())?;
                spnm::compress(options, Method::Keep, w.t(), backward.as_mut())?;
            }
            Form::Soft { forward, pruned, .. } => {
                spnm::compress(options, Method::SoftThreshold, w, forward.as_mut())?;
                spnm::decompress(options, forward.as_ref(), pruned.as_mut()?)?;
            }
        }
        Ok(())
    }
}

/// The scale of S-STE, which is taken from the first weights and stays.
#[expect(clippy::cast_possible_truncation, reason = "a factor for f32 matrices")]
fn scale(options: &Options<'_>, w: &Matrix) -> Result<f32, Error> {
    Ok(spnm::soft_threshold_scale(options, PATTERN, w.as_ref()?)? as f32)
}
