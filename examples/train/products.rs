//! The three products of a layer Y = X W^T, and their stop-watch.
//!
//! | product | | sparse operand | its groups run along |
//! |---|---|---|---|
//! | forward | Y^T = W X^T | W | inputs |
//! | input gradient | dX^T = W^T D^T | W^T | outputs |
//! | update | dW = D^T X | D^T, pruned in the product (`gradient.rs`) | tokens |
//!
//! A sparse operand stands on the left; the first two products are written transposed, by strides.

use crate::matrix::{Matrix, product};
use crate::recipe::{Form, Weights};
use gemm::Parallelism;
use spnm::{Compressed, Error, Options, Scratch};
use std::time::{Duration, Instant};

/// What the products of one run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) forward: Duration,
    pub(crate) input_gradient: Duration,
    /// The products that make the weight gradients, pruning included.
    pub(crate) update: Duration,
    /// Making sparse weights.
    pub(crate) weights: Duration,
    /// The updates whose pruning was timed as well.
    pub(crate) sampled: Duration,
    /// Pruning and compressing neural gradients alone, for those.
    pub(crate) pruning: Duration,
}

impl Times {
    /// How much of the updates' time goes into pruning; `None` if none was sampled.
    pub(crate) fn prune_share(&self) -> Option<f64> {
        (self.pruning > Duration::ZERO)
            .then(|| self.pruning.as_secs_f64() / self.sampled.as_secs_f64())
    }

    /// All products, and all that is done for them.
    pub(crate) fn total(&self) -> Duration {
        self.forward + self.input_gradient + self.update + self.weights
    }
}

/// Makes products.
pub(crate) struct Engine<'a> {
    pub(crate) options: Options<'a>,
    pub(crate) parallelism: Parallelism,
    pub(crate) seed: u64,
    /// Grows in the first step, and is reused from then on.
    pub(crate) scratch: Scratch,
    /// The pruned copy that [`Method::Uniform`](crate::method::Method::Uniform) needs.
    pub(crate) kept: Matrix,
    /// A corner of the latest gradients, one of each layer, where they are asked for.
    pub(crate) corners: Option<[Vec<f32>; 2]>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(options: Options<'a>, parallelism: Parallelism, seed: u64) -> Self {
        Self {
            options,
            parallelism,
            seed,
            scratch: Scratch::new(),
            kept: Matrix::zeros(0, 0),
            corners: None,
        }
    }

    /// Y = X W^T.
    pub(crate) fn forward(
        &mut self,
        w: &Weights,
        x: &Matrix,
        y: &mut Matrix,
        times: &mut Times,
    ) -> Result<(), Error> {
        let start = Instant::now();
        match &w.form {
            Form::Dense => product(self.parallelism, 1.0, x.view(), w.dense.t(), y),
            Form::Transposable { forward, .. } => self.sparse_product(1.0, forward, x, y)?,
            Form::Soft { forward, beta, .. } => self.sparse_product(*beta, forward, x, y)?,
        }
        times.forward += start.elapsed();
        Ok(())
    }

    /// dX = D W.
    pub(crate) fn input_gradient(
        &mut self,
        w: &Weights,
        d: &Matrix,
        dx: &mut Matrix,
        times: &mut Times,
    ) -> Result<(), Error> {
        let start = Instant::now();
        match &w.form {
            Form::Dense => product(self.parallelism, 1.0, d.view(), w.dense.view(), dx),
            Form::Transposable { backward, .. } => self.sparse_product(1.0, backward, d, dx)?,
            Form::Soft { pruned, beta, .. } => {
                product(self.parallelism, *beta, d.view(), pruned.view(), dx);
            }
        }
        times.input_gradient += start.elapsed();
        Ok(())
    }

    /// Makes the sparse weights anew, where there are any.
    pub(crate) fn refresh(&self, w: &mut Weights, times: &mut Times) -> Result<(), Error> {
        let start = Instant::now();
        w.refresh(&self.options)?;
        if !matches!(w.form, Form::Dense) {
            times.weights += start.elapsed();
        }
        Ok(())
    }

    /// C^T = alpha A B^T: tokens are the rows of B and C, as everywhere in the model.
    fn sparse_product(
        &mut self,
        alpha: f32,
        a: &Compressed,
        b: &Matrix,
        c: &mut Matrix,
    ) -> Result<(), Error> {
        let (options, scratch) = (&self.options, &mut self.scratch);
        spnm::gemm(options, scratch, alpha, a.as_ref(), b.as_ref()?.t(), 0.0, c.as_mut()?.t())
    }
}
