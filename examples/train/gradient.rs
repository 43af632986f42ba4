//! The weight gradients: the one place where the methods of pruning neural gradients differ.

use crate::matrix::{Matrix, product};
use crate::method::Method;
use crate::products::{Engine, Times};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;
use spnm::{Compressed, Pattern};
use std::time::{Duration, Instant};

/// Tokens and units of a corner.
const CORNER: usize = 64;

/// One weight gradient to make: of the layer Y = X W^T, from D = dL/dY \[tokens x out\] and
/// X \[tokens x in\].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) d: &'a Matrix,
    pub(crate) x: &'a Matrix,
    /// Different for every layer and step: the pruning of each draws its own random numbers.
    pub(crate) stream: u64,
    /// Whether to time pruning alone, too.
    pub(crate) sample: bool,
}

impl Engine<'_> {
    /// Keeps a corner of D of both layers, for [`corners`](Self::corners).
    pub(crate) fn keep_corners(&mut self) {
        self.corners = Some(Default::default());
    }

    /// The first tokens and units of D, row-major, of the output layer, then of the hidden layer, in the last
    /// step, as little-endian f32s.
    pub(crate) fn corners(&self) -> Vec<u8> {
        let all = self.corners.iter().flatten().flatten();
        all.flat_map(|x| x.to_le_bytes()).collect()
    }

    /// dW = D^T X, or P(D^T) X with D^T \[out x tokens\] pruned along the tokens.
    pub(crate) fn weight_gradient(
        &mut self,
        method: Method,
        job: Job<'_>,
        dw: &mut Matrix,
        times: &mut Times,
    ) -> Result<(), spnm::Error> {
        if let Some(corners) = &mut self.corners {
            corners.swap(0, 1);
            let d = job.d.as_ref()?;
            let (tokens, units) = (CORNER.min(d.rows()), CORNER.min(d.cols()));
            let corner = (0..tokens).flat_map(|i| (0..units).map(move |j| d.at(i, j)));
            corners[1] = corner.collect();
        }
        let start = Instant::now();
        let Some((prune, pattern)) = method.request(self.seed, job.stream) else {
            product(self.parallelism, 1.0, job.d.t(), job.x.view(), dw);
            times.update += start.elapsed();
            return Ok(());
        };
        let d = if method == Method::Uniform {
            keep_two_of_four(job.d, self.seed, job.stream, &mut self.kept);
            &self.kept
        } else {
            job.d
        };
        let pruned_by_hand = start.elapsed();
        let a = d.as_ref()?.t();
        spnm::prune_gemm(
            &self.options,
            &mut self.scratch,
            prune,
            pattern,
            1.0,
            a,
            job.x.as_ref()?,
            0.0,
            dw.as_mut()?,
        )?;
        let took = start.elapsed();
        times.update += took;
        if job.sample {
            times.sampled += took;
            times.pruning += pruned_by_hand + self.time_compress(prune, pattern, a)?;
        }
        Ok(())
    }

    /// How long pruning and compressing `a` alone takes.
    fn time_compress(
        &self,
        method: spnm::Method,
        pattern: Pattern,
        a: spnm::MatRef<'_>,
    ) -> Result<Duration, spnm::Error> {
        let mut out = Compressed::new(a.rows(), a.cols(), pattern)?;
        let start = Instant::now();
        spnm::compress(&self.options, method, a, out.as_mut())?;
        Ok(start.elapsed())
    }
}

/// The naive unbiased estimator: of every four tokens keep two, each pair with probability 1/6, and
/// double them. (The short last group counts as padded with zeros.)
fn keep_two_of_four(d: &Matrix, seed: u64, stream: u64, out: &mut Matrix) {
    const PAIRS: [[f32; 4]; 6] = [
        [2.0, 2.0, 0.0, 0.0],
        [2.0, 0.0, 2.0, 0.0],
        [2.0, 0.0, 0.0, 2.0],
        [0.0, 2.0, 2.0, 0.0],
        [0.0, 2.0, 0.0, 2.0],
        [0.0, 0.0, 2.0, 2.0],
    ];
    if (out.rows, out.cols) != (d.rows, d.cols) {
        *out = Matrix::zeros(d.rows, d.cols);
    }
    let cols = d.cols;
    let groups = out.data.par_chunks_mut(4 * cols).zip(d.data.par_chunks(4 * cols)).enumerate();
    groups.for_each(|(group, (out, d))| {
        let mut random = Pcg64Mcg::seed_from_u64(seed ^ (stream << 20 | group as u64));
        for col in 0..cols {
            let pair = (u64::from(random.next_u32()) * PAIRS.len() as u64) >> 32;
            let factors = &PAIRS[usize::try_from(pair).unwrap_or(0)];
            for (at, factor) in (col..d.len()).step_by(cols).zip(factors) {
                out[at] = factor * d[at];
            }
        }
    });
}
