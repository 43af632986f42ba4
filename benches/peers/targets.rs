//! What is to be reached. Nothing else here knows these numbers, and no measurement depends on them.

use spnm::Isa;

/// A figure to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Times as fast as the peer.
    Ratio(f64),
    /// 10^9 entries of the dense matrix a second.
    Entries(f64),
    /// At most so many bytes.
    Bytes(usize),
}

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    /// The level that it is meant for, if not the best that the CPU has.
    pub(crate) isa: Option<Isa>,
    pub(crate) at_least: Option<Bound>,
    pub(crate) goal: Option<Bound>,
}

const fn ratio(what: &'static str, isa: Option<Isa>, at_least: f64, goal: f64) -> Target {
    let (at_least, goal) = (Some(Bound::Ratio(at_least)), Some(Bound::Ratio(goal)));
    Target { what, isa, at_least, goal }
}

const AVX512: Option<Isa> = Some(Isa::Avx512);
const AVX2: Option<Isa> = Some(Isa::Avx2);

pub(crate) static GEMM: Target =
    ratio("gemm 2:4 and 1:2, AVX-512, to the best dense", AVX512, 1.5, 1.75);
pub(crate) static GEMM_1_4: Target =
    ratio("gemm 1:4, AVX-512, to the best dense", AVX512, 2.6, 3.3);
pub(crate) static GEMM_AVX2: Target =
    ratio("gemm 2:4 and 1:2, AVX2, to the same dense", AVX2, 1.35, 1.6);
pub(crate) static STEP: Target =
    ratio("prune_gemm 2:4, AVX-512, to the best dense", AVX512, 1.4, 1.65);
pub(crate) static GROUPS: Target = Target {
    what: "gemm 2:4, groups of 8 rows and more, AVX-512, to the best dense",
    isa: AVX512,
    at_least: Some(Bound::Ratio(1.8)),
    goal: None,
};
pub(crate) static SMALL: Target =
    ratio("small and skinny, gemm 2:4, to the gemm crate", None, 0.9, 1.5);
pub(crate) static DRAM: Target =
    ratio("compress 2:4 from DRAM, AVX-512, to memcpy", AVX512, 1.0, 1.0);
pub(crate) static L2: Target = Target {
    what: "compress 2:4 from L2, AVX-512",
    isa: AVX512,
    at_least: None,
    goal: Some(Bound::Entries(4.0)),
};
pub(crate) static DRAM_AVX2: Target =
    ratio("compress 2:4 from DRAM, AVX2, to memcpy", AVX2, 0.7, 1.0);
pub(crate) static DRAM_4_8: Target =
    ratio("compress 4:8 from DRAM, AVX-512, to memcpy", AVX512, 0.5, 0.8);
pub(crate) static THREADS: Target = ratio("two threads, to one", None, 1.85, 1.95);
pub(crate) static MEMORY: Target = Target {
    what: "extra memory of a product, a thread",
    isa: None,
    at_least: Some(Bound::Bytes(1 << 20)),
    goal: Some(Bound::Bytes(256 << 10)),
};
pub(crate) static PORTABLE: Target = Target {
    what: "prune, portable, to reference",
    isa: None,
    at_least: Some(Bound::Ratio(5.0)),
    goal: None,
};

/// In the order of the summary.
pub(crate) static ALL: [&Target; 13] = [
    &GEMM, &GEMM_1_4, &GEMM_AVX2, &STEP, &GROUPS, &SMALL, &DRAM, &L2, &DRAM_AVX2, &DRAM_4_8,
    &THREADS, &MEMORY, &PORTABLE,
];
