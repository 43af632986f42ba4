//! The run: every race of the plan, and the rows of the table that come of it.

use crate::args::{Args, Part};
use crate::common::levels;
use crate::common::matrix::Storage;
use crate::libraries::{Dense, GEMM_CRATE, Peers};
use crate::passes::{MEMCPY, compress_race, prune_of, prune_race};
use crate::peak::Peak;
use crate::plan::{Case, Pass, Place, Plan};
use crate::products::{GEMM, Operands, PRUNE_GEMM, product_race};
use crate::race::{Budget, Ours, Race, Who};
use crate::table::{Row, Value};
use crate::targets::{self, Target};
use indicatif::{ProgressBar, ProgressStyle};
use spnm::{Isa, Pattern};

/// The patterns of products.
pub(crate) const PATTERNS: [Pattern; 3] = [Pattern::N2M4, Pattern::N1M2, Pattern::N1M4];

pub(crate) struct Run {
    wants: Box<dyn Fn(Part) -> bool>,
    plan: Plan,
    pub(crate) peers: Peers,
    /// Lowest first.
    pub(crate) levels: Vec<Isa>,
    progress: ProgressBar,
    /// The best of samples between races.
    peaks: Vec<(Isa, Option<Peak>)>,
    /// Races of gemm, and of `prune_gemm` at shapes of training.
    pub(crate) gemm: Vec<(Case, Race)>,
    pub(crate) step: Vec<(Case, Race)>,
    /// The shapes of the targets, which the first chart shows.
    shown: Vec<Case>,
    /// Races of gemm over rows and columns.
    pub(crate) scan: Vec<(Case, Race)>,
    /// Other races of products.
    pub(crate) other: Vec<(Case, Race)>,
    pub(crate) compress: Vec<(Pass, Race)>,
    pub(crate) rows: Vec<Row>,
    /// What was left out, and why.
    pub(crate) not_measured: Vec<String>,
}

impl Run {
    pub(crate) fn new(args: &Args, peers: Peers) -> Result<Self, String> {
        let mut levels: Vec<Isa> = match &args.isa[..] {
            [] => levels().into_iter().filter(|&isa| isa > Isa::Portable).collect(),
            some => some.to_vec(),
        };
        if let Some(isa) = levels.iter().find(|isa| !isa.is_available()) {
            return Err(format!("this CPU does not have {}", isa.name()));
        }
        if levels.is_empty() {
            levels.push(Isa::Portable);
        }
        levels.sort();
        levels.dedup();
        let plan = Plan::new(args);
        let races = plan.gemm.len()
            + plan.speed.len()
            + plan.step.len()
            + 2 * plan.groups.len()
            + plan.small.len()
            + plan.scan.len()
            + 2 * plan.threads.len()
            + plan.compress.len()
            + plan.rate.len();
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")
            .map_err(|error| error.to_string())?;
        let mut not_measured: Vec<String> =
            peers.missing.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        if args.only.is_empty() {
            for target in targets::ALL {
                if let Some(isa) = target.isa.filter(|isa| !levels.contains(isa)) {
                    let why =
                        if isa.is_available() { "left out by --isa" } else { "not on this CPU" };
                    not_measured.push(format!("{}: {} is {why}", target.what, isa.name()));
                }
            }
        }
        let only = args.only.clone();
        Ok(Self {
            wants: Box::new(move |part| only.is_empty() || only.contains(&part)),
            plan,
            peers,
            peaks: levels.iter().map(|&isa| (isa, None)).collect(),
            levels,
            progress: ProgressBar::new(races as u64).with_style(style),
            gemm: Vec::new(),
            step: Vec::new(),
            shown: Vec::new(),
            scan: Vec::new(),
            other: Vec::new(),
            compress: Vec::new(),
            rows: Vec::new(),
            not_measured,
        })
    }

    pub(crate) fn best(&self) -> Isa {
        self.levels.last().copied().unwrap_or(Isa::Portable)
    }

    pub(crate) fn peak(&self, isa: Isa) -> Option<Peak> {
        self.peaks.iter().find(|(own, _)| *own == isa)?.1
    }

    /// Whether the shape is one of the targets'.
    pub(crate) fn shows(&self, case: &Case) -> bool {
        self.shown.contains(case)
    }

    pub(crate) fn all(&mut self) {
        self.gemm();
        self.step();
        self.groups();
        self.small();
        self.scan();
        self.compress();
        self.threads();
        self.memory();
        self.portable();
        self.progress.finish_and_clear();
    }

    fn next(&mut self, what: String) {
        self.progress.set_message(what);
        self.progress.inc(1);
        for (isa, best) in &mut self.peaks {
            *best = Peak::sample(*isa).map(|peak| best.map_or(peak, |best| best.max(peak)));
        }
    }

    fn race(&mut self, case: Case, a: Storage, ours: &[Ours]) -> Race {
        self.race_within(self.plan.budget, case, a, ours)
    }

    /// Peers have as many threads as the last of `ours`; those that cannot do not take part.
    fn race_within(&mut self, budget: Budget, case: Case, a: Storage, ours: &[Ours]) -> Race {
        let threads = ours.last().map_or(1, |ours| ours.threads);
        let mut peers: Vec<&mut dyn Dense> = Vec::new();
        for peer in &mut self.peers.found {
            if peer.set_threads(threads) {
                peers.push(&mut **peer);
            }
        }
        product_race(case.shape, case.layout(a), ours, peers, budget)
    }

    /// Who is scanned.
    pub(crate) fn scanned(&self) -> Ours {
        Ours::new(GEMM, Pattern::N2M4, self.best())
    }

    fn scan(&mut self) {
        let ours = [self.scanned()];
        for case in std::mem::take(&mut self.plan.scan) {
            self.next(format!("scan {case}"));
            let race = self.race_within(self.plan.scan_budget, case, Storage::Rows, &ours);
            self.scan.push((case, race));
        }
    }

    fn gemm(&mut self) {
        let shapes = std::mem::take(&mut self.plan.gemm);
        let mut cases = shapes.clone();
        cases.extend(self.plan.speed.iter().filter(|case| !shapes.contains(case)));
        let mut ours: Vec<Ours> = Vec::new();
        for &isa in self.levels.iter().rev() {
            ours.extend(PATTERNS.map(|pattern| Ours::new(GEMM, pattern, isa)));
        }
        ours.push(Ours::new(PRUNE_GEMM, Pattern::N2M4, self.best()));
        for case in cases {
            self.next(format!("gemm {case}"));
            let race = self.race(case, Storage::Rows, &ours);
            self.gemm.push((case, race));
        }
        self.shown.clone_from(&shapes);
        for isa in self.levels.clone().into_iter().rev() {
            for pattern in PATTERNS {
                let target = match (isa, pattern) {
                    (Isa::Avx512, Pattern::N1M4) => Some(&targets::GEMM_1_4),
                    (Isa::Avx512, _) => Some(&targets::GEMM),
                    (Isa::Avx2, Pattern::N2M4 | Pattern::N1M2) => Some(&targets::GEMM_AVX2),
                    _ => None,
                };
                for (case, race) in self.gemm.iter().filter(|(case, _)| shapes.contains(case)) {
                    let ours = Ours::new(GEMM, pattern, isa);
                    let peer = race.best_peer();
                    self.rows.extend(product_row(target, case, race, ours, peer));
                }
            }
        }
    }

    fn step(&mut self) {
        let mut ours: Vec<Ours> =
            PATTERNS.map(|pattern| Ours::new(PRUNE_GEMM, pattern, self.best())).to_vec();
        for &isa in self.levels.iter().rev().skip(1) {
            ours.push(Ours::new(PRUNE_GEMM, Pattern::N2M4, isa));
        }
        let cases = std::mem::take(&mut self.plan.step);
        for case in cases {
            self.next(format!("prune_gemm {case}"));
            let race = self.race(case, Storage::Cols, &ours);
            self.step.push((case, race));
        }
        for ours in ours {
            let target = match (ours.isa, ours.pattern) {
                (Isa::Avx512, Pattern::N2M4) => Some(&targets::STEP),
                _ => None,
            };
            for (case, race) in &self.step {
                let peer = race.best_peer();
                self.rows.extend(product_row(target, case, race, ours, peer));
            }
        }
    }

    fn groups(&mut self) {
        let best = self.best();
        let cases = std::mem::take(&mut self.plan.groups);
        // As products row by row: the step has A by columns, for the peers as well.
        for (op, storage) in [(GEMM, Storage::Rows), (PRUNE_GEMM, Storage::Cols)] {
            // Rows with indices of their own among them: what groups gain is seen in one race.
            let ours = [1, 4, 8, 16].map(|rows| {
                Ours::new(op, Pattern::N2M4.grouped(rows).expect("a size of groups"), best)
            });
            let mut races = Vec::new();
            for case in &cases {
                self.next(format!("groups {case}"));
                races.push((*case, self.race(*case, storage, &ours)));
            }
            for ours in ours {
                let counts = op == GEMM && best == Isa::Avx512 && ours.pattern.group() >= 8;
                for (case, race) in &races {
                    let (target, peer) = (counts.then_some(&targets::GROUPS), race.best_peer());
                    self.rows.extend(product_row(target, case, race, ours, peer));
                }
            }
            self.other.extend(races);
        }
    }

    fn small(&mut self) {
        let ours = Ours::new(GEMM, Pattern::N2M4, self.best());
        for case in std::mem::take(&mut self.plan.small) {
            self.next(format!("small {case}"));
            let race = self.race(case, Storage::Rows, &[ours]);
            let target = Some(&targets::SMALL);
            self.rows.extend(product_row(target, &case, &race, ours, Some(GEMM_CRATE)));
            // The target's peer need not be the best.
            let best = race.best_peer().filter(|&peer| peer != GEMM_CRATE);
            self.rows.extend(product_row(None, &case, &race, ours, best));
            self.other.push((case, race));
        }
    }

    fn compress(&mut self) {
        let best = self.best();
        let passes = if self.plan.rate.is_empty() { &self.plan.compress } else { &self.plan.rate };
        for pass in passes.clone() {
            let Pass { rows, cols, place } = pass;
            let mut cases: Vec<_> =
                self.levels.iter().rev().map(|&isa| (Pattern::N2M4, isa)).collect();
            if place.is_some() {
                cases.push((Pattern::N4M8, best));
            }
            self.next(format!("compress {rows}x{cols}"));
            let race = compress_race(rows, cols, &cases, self.plan.budget);
            self.compress.push((pass, race));
        }
        if !(self.wants)(Part::Compress) {
            return;
        }
        for place in [Place::Dram, Place::L2] {
            let Some((pass, race)) =
                self.compress.iter().find(|(pass, _)| pass.place == Some(place))
            else {
                continue;
            };
            let entries = (pass.rows * pass.cols) as f64 / 1e9;
            let rate = |who| race.time(who).map(|time| Value::Entries(entries / time.median));
            for times in &race.times {
                let Who::Ours(ours) = times.who else { continue };
                let target = match (place, ours.pattern, ours.isa) {
                    (Place::Dram, Pattern::N2M4, Isa::Avx512) => Some(&targets::DRAM),
                    (Place::L2, Pattern::N2M4, Isa::Avx512) => Some(&targets::L2),
                    (Place::Dram, Pattern::N2M4, Isa::Avx2) => Some(&targets::DRAM_AVX2),
                    (Place::Dram, Pattern::N4M8, Isa::Avx512) => Some(&targets::DRAM_4_8),
                    _ => None,
                };
                let memcpy = Who::Peer(MEMCPY);
                let Some(value) = rate(times.who) else { continue };
                let from = if place == Place::Dram { "DRAM" } else { "L2" };
                self.rows.push(Row {
                    target,
                    what: ours.to_string(),
                    shape: format!("{}x{} from {from}", pass.rows, pass.cols),
                    ours: value,
                    peer: rate(memcpy).map(|value| (MEMCPY.to_owned(), value)),
                    ratio: race.ratio(times.who, memcpy),
                });
            }
        }
    }

    fn threads(&mut self) {
        let cases = std::mem::take(&mut self.plan.threads);
        if cases.is_empty() {
            return;
        }
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            self.not_measured.push("two threads: one logical CPU".into());
            return;
        }
        let best = self.best();
        for case in cases {
            for (op, storage) in [(GEMM, Storage::Rows), (PRUNE_GEMM, Storage::Cols)] {
                let one = Ours::new(op, Pattern::N2M4, best);
                let two = Ours { threads: 2, ..one };
                self.next(format!("threads {case}"));
                let race = self.race(case, storage, &[one, two]);
                let gflops = |ours| {
                    let time = race.time(Who::Ours(ours))?;
                    Some(Value::Flops(case.shape.flops() / time.median / 1e9))
                };
                let (Some(ours), Some(alone)) = (gflops(two), gflops(one)) else { continue };
                self.rows.push(Row {
                    target: Some(&targets::THREADS),
                    what: two.to_string(),
                    shape: case.to_string(),
                    ours,
                    peer: Some(("one thread".to_owned(), alone)),
                    ratio: race.ratio(Who::Ours(two), Who::Ours(one)),
                });
                self.rows.extend(product_row(None, &case, &race, two, race.best_peer()));
                self.other.push((case, race));
            }
        }
    }

    /// What one call needs at most, over the shapes, levels and storages of A.
    fn memory(&mut self) {
        const ALL: &str = "any pattern";
        let mut most: Vec<(&str, &str, usize, String)> = Vec::new();
        for case in std::mem::take(&mut self.plan.memory) {
            for storage in [Storage::Rows, Storage::Cols] {
                let operands = Operands::new(case.shape, case.layout(storage));
                let mut c = vec![0.0; operands.c_len()];
                for (op, &pattern) in [GEMM, PRUNE_GEMM]
                    .iter()
                    .flat_map(|op| Pattern::ALL.iter().map(move |p| (op, p)))
                {
                    if *op == GEMM && storage == Storage::Cols {
                        continue; // its A is compressed
                    }
                    for &isa in &self.levels {
                        let bytes = operands.once(Ours::new(op, pattern, isa), &mut c);
                        let of = if pattern == Pattern::N2M4 { "2:4" } else { ALL };
                        for of in [of, ALL] {
                            let at = format!("{case}, {pattern} {}", isa.name());
                            match most.iter_mut().find(|most| (most.0, most.1) == (*op, of)) {
                                Some(most) if most.2 >= bytes => {}
                                Some(most) => (most.2, most.3) = (bytes, at),
                                None => most.push((op, of, bytes, at)),
                            }
                        }
                    }
                }
            }
        }
        most.sort_by_key(|&(op, of, ..)| (op, of));
        for (op, of, bytes, at) in most {
            self.rows.push(Row {
                target: Some(&targets::MEMORY),
                what: format!("memory of {op}, {of}, at most"),
                shape: at,
                ours: Value::Bytes(bytes),
                peer: None,
                ratio: None,
            });
        }
    }

    fn portable(&mut self) {
        if !(self.wants)(Part::Portable) {
            return;
        }
        let (rows, cols) = self.plan.prune;
        let race = prune_race(rows, cols, &[Isa::Portable, Isa::Reference], self.plan.budget);
        for storage in [Storage::Rows, Storage::Cols] {
            let of = |isa| Who::Ours(Ours::new(prune_of(storage), Pattern::N2M4, isa));
            let entries = (rows * cols) as f64 / 1e9;
            let rate = |isa| race.time(of(isa)).map(|time| Value::Entries(entries / time.median));
            let Some(ours) = rate(Isa::Portable) else { continue };
            self.rows.push(Row {
                target: Some(&targets::PORTABLE),
                what: of(Isa::Portable).to_string(),
                shape: format!("{rows}x{cols}"),
                ours,
                peer: rate(Isa::Reference).map(|value| ("reference".to_owned(), value)),
                ratio: race.ratio(of(Isa::Portable), of(Isa::Reference)),
            });
        }
    }
}

/// `ours` beside `peer`, where both took part.
fn product_row(
    target: Option<&'static Target>,
    case: &Case,
    race: &Race,
    ours: Ours,
    peer: Option<&'static str>,
) -> Option<Row> {
    let gflops =
        |who| race.time(who).map(|time| Value::Flops(case.shape.flops() / time.median / 1e9));
    let peer = Who::Peer(peer?);
    Some(Row {
        target,
        what: ours.to_string(),
        shape: case.to_string(),
        ours: gflops(Who::Ours(ours))?,
        peer: Some((peer.to_string(), gflops(peer)?)),
        ratio: race.ratio(Who::Ours(ours), peer),
    })
}
