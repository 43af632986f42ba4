//! Which shapes are measured, and for how long.

use crate::args::{Args, Part};
use crate::common::matrix::Storage;
use crate::common::product::{Layout, Shape};
use crate::machine;
use crate::race::Budget;

/// A product, its rows in memory as they come or `ld` elements apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) ld: Option<usize>,
}

impl Case {
    const fn new(rows: usize, inner: usize, cols: usize) -> Self {
        Self { shape: Shape::new(rows, inner, cols), ld: None }
    }

    const fn cube(size: usize) -> Self {
        Self::new(size, size, size)
    }

    const fn padded(self, ld: usize) -> Self {
        Self { ld: Some(ld), ..self }
    }

    pub(crate) fn layout(self, a: Storage) -> Layout {
        self.ld.map_or_else(|| Layout::tight(self.shape, a), |ld| Layout::padded(ld, a))
    }

    /// The size of a cube without gaps.
    pub(crate) fn cube_size(self) -> Option<usize> {
        let Shape { rows, inner, cols } = self.shape;
        (rows == inner && inner == cols && self.ld.is_none()).then_some(rows)
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shape.fmt(f)?;
        self.ld.map_or(Ok(()), |ld| write!(f, ", ld {ld}"))
    }
}

/// A matrix to compress, and where it comes from when it is read again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    L2,
    Dram,
}

impl Pass {
    const fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols, place: None }
    }

    const fn from(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// A quarter of the second-level cache, as a copy of it must fit beside it; 512 KiB at most.
    fn from_l2() -> Self {
        let caches = machine::caches();
        let l2 = caches.iter().find(|(name, _)| name == "L2").map_or(1 << 20, |&(_, bytes)| bytes);
        let sizes = [Self::new(256, 512), Self::new(256, 256), Self::new(128, 256)];
        let fits = |pass: &Self| pass.rows * pass.cols * size_of::<f32>() <= l2 / 4;
        sizes.into_iter().find(fits).unwrap_or(Self::new(128, 128)).from(Place::L2)
    }

    const fn is(self, other: Self) -> bool {
        self.rows == other.rows && self.cols == other.cols
    }
}

pub(crate) struct Plan {
    pub(crate) gemm: Vec<Case>,
    pub(crate) speed: Vec<Case>,
    pub(crate) step: Vec<Case>,
    pub(crate) groups: Vec<Case>,
    pub(crate) small: Vec<Case>,
    pub(crate) scan: Vec<Case>,
    pub(crate) threads: Vec<Case>,
    pub(crate) memory: Vec<Case>,
    pub(crate) compress: Vec<Pass>,
    pub(crate) rate: Vec<Pass>,
    pub(crate) prune: (usize, usize),
    pub(crate) budget: Budget,
    /// Of each race of the scan, which are many.
    pub(crate) scan_budget: Budget,
}

impl Plan {
    pub(crate) fn new(args: &Args) -> Self {
        let mut plan = match (args.test, args.quick) {
            (true, _) => Self::test(),
            (_, true) => Self::quick(),
            _ => Self::full(),
        };
        let keep = |part, cases: &mut Vec<Case>| {
            if !args.wants(part) {
                cases.clear();
            }
        };
        keep(Part::Gemm, &mut plan.gemm);
        keep(Part::Speed, &mut plan.speed);
        keep(Part::Step, &mut plan.step);
        keep(Part::Groups, &mut plan.groups);
        keep(Part::Small, &mut plan.small);
        keep(Part::Scan, &mut plan.scan);
        keep(Part::Threads, &mut plan.threads);
        keep(Part::Memory, &mut plan.memory);
        for (part, passes) in [(Part::Compress, &mut plan.compress), (Part::Rate, &mut plan.rate)] {
            if !args.wants(part) {
                passes.clear();
            }
        }
        plan
    }

    /// The first five shapes and the last are those of the targets; at a power of two rows lie
    /// onto each other in caches, which a leading dimension of some more prevents.
    fn full() -> Self {
        const LAYER: Case = Case::new(3072, 2048, 768);
        let cubes = |sizes: &[usize]| sizes.iter().map(|&size| Case::cube(size)).collect();
        let from_l2 = Pass::from_l2();
        Self {
            gemm: vec![
                Case::cube(512),
                Case::cube(1024),
                Case::cube(2048),
                Case::cube(2048).padded(2064),
                Case::cube(4096),
                LAYER,
            ],
            speed: cubes(&[64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096]),
            step: vec![Case::cube(512), Case::cube(1024), LAYER, Case::new(768, 4096, 3072)],
            groups: vec![Case::cube(512), Case::cube(1024), Case::cube(2048), LAYER],
            small: vec![
                Case::cube(64),
                Case::cube(128),
                Case::new(1, 1024, 1024),
                Case::new(7, 1024, 1024),
                Case::new(33, 1024, 1024),
                Case::new(1024, 1024, 1),
                Case::new(1024, 1024, 7),
                Case::new(1024, 1024, 33),
                // Operands that stay in a second-level cache.
                Case::new(7, 256, 256),
                Case::new(256, 256, 1),
                Case::new(256, 256, 7),
            ],
            scan: Self::grid(
                &[1, 2, 4, 8, 16, 32, 64, 128, 256],
                &[64, 256, 1024],
                &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            ),
            threads: vec![Case::cube(1024), Case::cube(2048), LAYER],
            memory: vec![Case::cube(1024), Case::cube(1024).padded(1040), LAYER],
            compress: vec![from_l2, Pass::new(4096, 8192).from(Place::Dram)],
            rate: vec![
                Pass::new(64, 64),
                Pass::new(64, 128),
                Pass::new(128, 128),
                Pass::new(128, 256),
                Pass::new(256, 256),
                Pass::new(256, 512),
                Pass::new(512, 512),
                Pass::new(512, 1024),
                Pass::new(1024, 1024),
                Pass::new(1024, 2048),
                Pass::new(2048, 2048),
                Pass::new(2048, 4096),
                Pass::new(4096, 4096),
                Pass::new(4096, 8192).from(Place::Dram),
            ]
            .into_iter()
            .map(|pass| if pass.is(from_l2) { from_l2 } else { pass })
            .collect(),
            prune: (512, 1024),
            budget: Budget { seconds: 4.0, least: 11, most: 41, turn: 0.004 },
            scan_budget: Budget { seconds: 0.1, least: 7, most: 15, turn: 0.001 },
        }
    }

    fn grid(rows: &[usize], inner: &[usize], cols: &[usize]) -> Vec<Case> {
        let beside = |rows, inner| cols.iter().map(move |&cols| Case::new(rows, inner, cols));
        let of = |rows| inner.iter().flat_map(move |&inner| beside(rows, inner));
        rows.iter().flat_map(|&rows| of(rows)).collect()
    }

    fn quick() -> Self {
        let full = Self::full();
        let few = |mut cases: Vec<Case>| {
            cases.retain(|case| case.shape.flops() < 3e9);
            cases
        };
        let mut rate = full.rate;
        rate.retain(|pass| pass.place.is_some() || pass.rows * pass.cols <= 1 << 20);
        Self {
            gemm: few(full.gemm),
            speed: few(full.speed),
            step: few(full.step),
            groups: few(full.groups),
            threads: vec![Case::cube(1024)],
            memory: vec![Case::cube(1024)],
            scan: Self::grid(&[1, 8, 64], &[64, 256], &[1, 8, 64]),
            rate,
            budget: Budget { seconds: 0.5, least: 3, most: 15, turn: 0.002 },
            ..full
        }
    }

    fn test() -> Self {
        let odd = Case::new(37, 150, 41);
        let pass = Pass::new(37, 150);
        let passes = vec![pass.from(Place::L2), Pass::new(74, 150).from(Place::Dram)];
        Self {
            gemm: vec![odd, odd.padded(160)],
            speed: [24, 48, 96].map(Case::cube).to_vec(),
            step: vec![odd],
            groups: vec![odd],
            small: vec![Case::cube(64), Case::new(7, 150, 41), Case::new(37, 150, 1)],
            scan: Self::grid(&[1, 20], &[30, 150], &[1, 40]),
            threads: vec![odd],
            memory: vec![odd],
            compress: passes.clone(),
            rate: passes,
            prune: (37, 150),
            budget: Budget { seconds: 0.0, least: 2, most: 2, turn: 0.0 },
            scan_budget: Budget { seconds: 0.0, least: 2, most: 2, turn: 0.0 },
        }
    }
}
