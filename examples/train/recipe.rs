//! Which of a layer's products are sparse, and the sparse weights that two of them need.
//!
//! The gradient of the loss is taken with respect to the sparse weights and applied to the dense ones
//! as it is ("straight-through"); the next sparse weights are made from these, in every step.
//!
//! The papers do more: arXiv 2404.01847 keeps a mask for 40 steps (its search is dear there; here it is
//! part of compressing), decays the weights that the mask drops, and ends with dense steps;
//! arXiv 2409.09099 computes in FP8. Both prune with the approximate MVUE. None of this is done here.

use crate::matrix::Matrix;
use spnm::{Compressed, Error, Method, Options, Pattern};

/// The pattern of sparse weights.
const PATTERN: Pattern = Pattern::N2M4;
/// Which products of a layer are sparse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Recipe {
    /// The update alone, dW = P(D^T) X: pruned neural gradients, dense weights.
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
    Transposable { forward: Compressed, backward: Compressed },
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
        let form = match recipe {
            Recipe::Update => Form::Dense,
            Recipe::Full => Form::Transposable {
                forward: Compressed::new(rows, cols, PATTERN)?,
                backward: Compressed::new(cols, rows, PATTERN)?,
            },
            Recipe::Sste => Form::Soft {
                forward: Compressed::new(rows, cols, PATTERN)?,
                pruned: Matrix::zeros(rows, cols),
                beta: scale(options, &self.dense)?,
            },
        };
        let mut weights = Self { dense: self.dense, form };
        weights.refresh(options)?;
        Ok(weights)
    }

    /// Makes the sparse form anew from the dense weights.
    pub(crate) fn refresh(&mut self, options: &Options<'_>) -> Result<(), Error> {
        let w = self.dense.as_ref()?;
        match &mut self.form {
            Form::Dense => {}
            Form::Transposable { forward, backward } => {
                let (forward, backward) = (Some(forward.as_mut()), Some(backward.as_mut()));
                spnm::compress_transposable(options, w, forward, backward)?;
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
