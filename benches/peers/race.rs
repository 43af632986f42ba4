//! Contestants timed in turn, so that what the machine does besides meets all of them.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;
use spnm::{Isa, Pattern};
use std::fmt;
use std::hint::black_box;
use std::time::Instant;

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Ours(Ours),
    Peer(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) op: &'static str,
    pub(crate) pattern: Pattern,
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
}

impl Ours {
    pub(crate) const fn new(op: &'static str, pattern: Pattern, isa: Isa) -> Self {
        Self { op, pattern, isa, threads: 1 }
    }
}

impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.op, self.pattern, self.isa.name())?;
        if self.threads > 1 { write!(f, " {} threads", self.threads) } else { Ok(()) }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(ours) => ours.fmt(f),
            Self::Peer(name) => f.write_str(name),
        }
    }
}

type Call<'a> = dyn FnMut(&mut [f32]) + 'a;

/// One of a race. It is handed the output that all of them write in turn.
pub(crate) struct Contestant<'a> {
    who: Who,
    run: Box<Call<'a>>,
}

impl<'a> Contestant<'a> {
    pub(crate) fn ours(ours: Ours, run: impl FnMut(&mut [f32]) + 'a) -> Self {
        Self { who: Who::Ours(ours), run: Box::new(run) }
    }

    pub(crate) fn peer(name: &'static str, run: impl FnMut(&mut [f32]) + 'a) -> Self {
        Self { who: Who::Peer(name), run: Box::new(run) }
    }
}

/// How long a race may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Of all repetitions together; `least` of them may take longer.
    pub(crate) seconds: f64,
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// A turn calls until this many seconds have passed, by the first calls' time.
    pub(crate) turn: f64,
}

/// Seconds of a call, one for each repetition.
pub(crate) struct Times {
    pub(crate) who: Who,
    pub(crate) seconds: Vec<f64>,
}

/// A median, and the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        let middle = (numbers[last / 2] + numbers[last.div_ceil(2)]) / 2.0;
        Self { low: numbers[last / 4], median: middle, high: numbers[last - last / 4] }
    }
}

pub(crate) struct Race {
    pub(crate) times: Vec<Times>,
}

impl Race {
    fn seconds(&self, who: Who) -> Option<&[f64]> {
        self.times.iter().find(|times| times.who == who).map(|times| &times.seconds[..])
    }

    /// The seconds of a call.
    pub(crate) fn time(&self, who: Who) -> Option<Spread> {
        self.seconds(who).map(|seconds| Spread::of(seconds.to_vec()))
    }

    /// How many times as fast as `base` each repetition of `who` was.
    pub(crate) fn ratio(&self, who: Who, base: Who) -> Option<Spread> {
        let (own, base) = (self.seconds(who)?, self.seconds(base)?);
        Some(Spread::of(own.iter().zip(base).map(|(own, base)| base / own).collect()))
    }

    /// The peer of the least median time.
    pub(crate) fn best_peer(&self) -> Option<&'static str> {
        self.times
            .iter()
            .filter_map(|times| match times.who {
                Who::Peer(name) => Some((name, Spread::of(times.seconds.clone()).median)),
                Who::Ours(_) => None,
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(name, _)| name)
    }
}

/// Times the contestants in turn, in an order that is drawn anew for each repetition: none is always behind the same other,
/// and finds in the caches what that has left. Before, `check` sees what each has left in `output`, which was all NaN.
pub(crate) fn race(
    mut contestants: Vec<Contestant<'_>>,
    output: &mut [f32],
    budget: Budget,
    check: &dyn Fn(Who, &[f32]),
) -> Race {
    let mut turns = Vec::new();
    let mut repetition = 0.0;
    for contestant in &mut contestants {
        output.fill(f32::NAN);
        let first = time(contestant, output, 1);
        check(contestant.who, output);
        // The first call pays for page faults and the like: small ones are asked again.
        let seconds = if first < 0.1 { time(contestant, output, 1).min(first) } else { first };
        let calls = (budget.turn / seconds).ceil().clamp(1.0, 1e6);
        repetition += calls * seconds;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        turns.push(calls as usize);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let wanted = (budget.seconds / repetition) as usize;
    let repetitions = wanted.clamp(budget.least, budget.most);
    let mut times: Vec<Times> = contestants
        .iter()
        .map(|contestant| Times { who: contestant.who, seconds: Vec::new() })
        .collect();
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    let mut words = Pcg64Mcg::new(1);
    for _ in 0..repetitions {
        for turn in (1..order.len()).rev() {
            order.swap(turn, words.next_u32() as usize % (turn + 1));
        }
        for &which in &order {
            let contestant = &mut contestants[which];
            if turns[which] > 1 {
                time(contestant, output, 1); // its code and data come back into the caches
            }
            let seconds = time(contestant, output, turns[which]);
            times[which].seconds.push(seconds);
        }
    }
    Race { times }
}

/// Seconds of one call, of `calls` in a row.
fn time(contestant: &mut Contestant<'_>, output: &mut [f32], calls: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        (contestant.run)(black_box(output));
    }
    start.elapsed().as_secs_f64() / calls as f64
}
