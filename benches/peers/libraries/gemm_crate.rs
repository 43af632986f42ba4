//! The `gemm` crate, built with its AVX-512 kernels.

use super::Dense;
use crate::common::product::{Layout, Shape, dense};
use gemm::Parallelism;

pub(crate) struct GemmCrate {
    pub(super) threads: Parallelism,
}

/// As tables and charts call it.
pub(crate) const NAME: &str = "gemm crate";

impl Dense for GemmCrate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> String {
        let version = include_str!("../../../Cargo.lock")
            .split_once("name = \"gemm\"\nversion = \"")
            .and_then(|(_, rest)| rest.split('"').next());
        format!("gemm {} of crates.io, with x86-v4", version.unwrap_or("of unknown version"))
    }

    fn set_threads(&mut self, threads: usize) -> bool {
        self.threads = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
        true
    }

    fn multiply(&mut self, shape: Shape, layout: &Layout, a: &[f32], b: &[f32], c: &mut [f32]) {
        dense(self.threads, shape, layout, a, b, c);
    }
}
