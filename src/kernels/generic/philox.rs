//! Philox4x32-10, a counter to a lane.

use super::Lanes;
use crate::kernels::RngKey;
use crate::rng::{PHILOX_M, PHILOX_ROUNDS, halves, product};
use std::ops::Range;

/// A vector of counters on their way through the rounds: its even and its odd lanes.
///
/// These go through the rounds apart, each as 64-bit lanes whose low word counts and whose high word is left to be anything: a
/// widening multiplication reads low words only, so the product itself serves as "low word" and one shift of it as "high
/// word".
#[derive(Clone, Copy)]
pub(crate) struct Counters<L: Lanes> {
    even: [L::U; 4],
    odd: [L::U; 4],
}

impl<L: Lanes> Counters<L> {
    /// Every lane's counter (c0, c1, stream), after all rounds.
    #[inline(always)]
    pub(crate) fn new(l: L, c0: L::U, c1: L::U, key: &RngKey) -> Self {
        let [s0, s1] = halves(key.stream);
        let (s0, s1) = (l.splat_u(s0), l.splat_u(s1));
        let odd = [l.odd_to_even(c0), l.odd_to_even(c1), s0, s1];
        Self { even: [c0, c1, s0, s1], odd }.rounds::<0, PHILOX_ROUNDS>(l, key)
    }

    /// Rounds `FROM` to `TO`, without it.
    ///
    /// Written out, as LLVM makes a loop of them for AVX2, and in it the keys anew.
    #[inline(always)]
    pub(crate) fn rounds<const FROM: u32, const TO: u32>(mut self, l: L, key: &RngKey) -> Self {
        const { assert!(PHILOX_ROUNDS == 10) };
        macro_rules! rounds {
            ($($r:literal)*) => {$(
                if FROM <= $r && $r < TO {
                    let [k0, k1] = key.rounds[$r];
                    let (k0, k1) = (l.splat_u(k0), l.splat_u(k1));
                    self.even = round(l, self.even, k0, k1);
                    self.odd = round(l, self.odd, k0, k1);
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9);
        self
    }

    /// The four words of every lane.
    #[inline(always)]
    fn words(self, l: L) -> [L::U; 4] {
        let mut out = self.even;
        for i in 0..4 {
            out[i] = l.merge_even(self.even[i], self.odd[i]);
        }
        out
    }
}

#[inline(always)]
fn round<L: Lanes>(l: L, c: [L::U; 4], key0: L::U, key1: L::U) -> [L::U; 4] {
    let p0 = l.mul_even(c[0], l.splat_u(PHILOX_M[0]));
    let p1 = l.mul_even(c[2], l.splat_u(PHILOX_M[1]));
    [
        l.xor(l.xor(l.odd_to_even(p1), c[1]), key0),
        p1,
        l.xor(l.xor(l.odd_to_even(p0), c[3]), key1),
        p0,
    ]
}

/// Groups that one Philox call (of sixteen lanes) serves, and the unit in which words are drawn.
pub(crate) const WORD_GROUPS: usize = 64;
/// The counters of these, four words each: one serves every sixteenth group.
pub(crate) const COUNTERS: usize = WORD_GROUPS / 4;

/// The words of groups `first .. first + WORD_GROUPS` (`first` a multiple of it) of one row; `draw` as in
/// [`rng::word`](crate::rng::word).
///
/// # Safety
/// `WORD_GROUPS` words must be writable.
#[inline(always)]
pub(crate) unsafe fn words_of_row<L: Lanes>(
    l: L,
    key: &RngKey,
    row: u32,
    first: u32,
    draw: u32,
    words: *mut u32,
) {
    for part in 0..COUNTERS / L::COUNT {
        let counters = row_begun(l, key, (row, first, draw), part);
        // SAFETY: the caller's promise.
        unsafe {
            row_ended(l, counters.rounds::<ROW_BEGUN, PHILOX_ROUNDS>(l, key), part, words);
        }
    }
}

/// The next [`COUNTERS`] counters where rows have no more groups than that: each group has a counter of its own, and these go
/// side by side, row after row.
pub(crate) struct RowCounters {
    group: [u32; COUNTERS],
    row: [u32; COUNTERS],
    /// Groups of a row, and the counter of its first.
    groups: u32,
    first: u32,
}

impl RowCounters {
    /// Those of `groups` groups of each row from `row` on, from `first` on, a multiple of [`WORD_GROUPS`]; `draw` as in
    /// [`words_of_row`].
    pub(crate) fn new((row, first, draw): (u32, u32, u32), groups: u32) -> Self {
        let mut counters =
            Self { group: [0; COUNTERS], row: [0; COUNTERS], groups, first: (first >> 6) << 4 };
        let (mut group, mut row) = (0, row | draw << 31);
        for lane in 0..COUNTERS {
            (counters.group[lane], counters.row[lane]) = (group, row);
            group += 1;
            if group == groups {
                // (Rows behind the last may carry into the top bit; nobody reads their words.)
                (group, row) = (0, row.wrapping_add(1));
            }
        }
        counters
    }
}

/// The words of the next [`COUNTERS`] groups.
///
/// # Safety
/// As many words must be writable.
#[inline(always)]
pub(crate) unsafe fn words_of_rows<L: Lanes>(
    l: L,
    key: &RngKey,
    counters: &mut RowCounters,
    words: *mut u32,
) {
    let (first, groups) = (l.splat_u(counters.first), l.splat_u(counters.groups));
    let rows_on = l.splat_u(COUNTERS as u32 / counters.groups);
    let groups_on = l.splat_u(COUNTERS as u32 % counters.groups);
    for at in (0..COUNTERS).step_by(L::COUNT) {
        let (group, row) = (counters.group[at..].as_mut_ptr(), counters.row[at..].as_mut_ptr());
        // SAFETY: a vector of each; the caller's promise.
        unsafe {
            let (c0, c1) = (l.load_u(group), l.load_u(row));
            let word = Counters::new(l, l.add_u(first, c0), c1, key).words(l)[0];
            l.store_u(words.add(at), word);
            let (c0, c1) = (l.add_u(c0, groups_on), l.add_u(c1, rows_on));
            let beyond = l.le_u(groups, c0);
            l.store_u(group, l.add_where(beyond, c0, l.splat_u(counters.groups.wrapping_neg())));
            l.store_u(row, l.add_where(beyond, c1, l.splat_u(1)));
        }
    }
}

/// Rounds done by [`row_begun`].
pub(crate) const ROW_BEGUN: u32 = 2;

/// Lanes `part * COUNT ..` of the [`COUNTERS`] of [`words_of_row`], after two rounds, which are done in
/// scalars as far as only the group differs between lanes.
#[inline(always)]
pub(crate) fn row_begun<L: Lanes>(
    l: L,
    key: &RngKey,
    (row, first, draw): (u32, u32, u32),
    part: usize,
) -> Counters<L> {
    // A counter is (group, row, stream), and only groups differ between lanes: what the first round makes of the stream,
    // and the second of the row, is one number.
    let [s0, s1] = halves(key.stream);
    let [k0, k1, ..] = key.rounds;
    let [low0, high0] = product(1, s0);
    let [low1, high1] = product(0, high0 ^ (row | draw << 31) ^ k0[0]);
    let m = [l.splat_u(PHILOX_M[0]), l.splat_u(PHILOX_M[1])];
    let (x0, x1, x2) = (l.splat_u(s1 ^ k0[1]), l.splat_u(low0 ^ k1[0]), l.splat_u(high1 ^ k1[1]));
    let lane0 = (part * L::COUNT) as u32;
    let c0 = l.add_u(l.splat_u(((first >> 6) << 4) + lane0), l.iota());
    let mut lanes = [[c0; 4]; 2]; // even, odd
    for i in 0..2 {
        let p0 = l.mul_even(if i == 0 { c0 } else { l.odd_to_even(c0) }, m[0]);
        let p1 = l.mul_even(l.xor(l.odd_to_even(p0), x0), m[1]);
        lanes[i] = [l.xor(l.odd_to_even(p1), x1), p1, l.xor(p0, x2), l.splat_u(low1)];
    }
    Counters { even: lanes[0], odd: lanes[1] }
}

/// Writes the words of counters that have gone through all rounds.
///
/// # Safety
/// As [`words_of_row`].
#[inline(always)]
pub(crate) unsafe fn row_ended<L: Lanes>(
    l: L,
    counters: Counters<L>,
    part: usize,
    words: *mut u32,
) {
    let four = counters.words(l);
    for w in 0..4 {
        // SAFETY: w * COUNTERS + part * COUNT + COUNT <= 64.
        unsafe { l.store_u(words.add(w * COUNTERS + part * L::COUNT), four[w]) };
    }
}

/// The words of groups `first .. first + WORD_GROUPS` of `L::COUNT` consecutive rows, a vector of
/// rows for each group; `draw` as in [`words_of_row`]. Of these only the ones of some of the sixteen `counters`, each of
/// which serves every sixteenth group.
///
/// # Safety
/// `WORD_GROUPS * L::COUNT` words must be writable.
#[inline(always)]
pub(crate) unsafe fn words_of_strip<L: Lanes>(
    l: L,
    key: &RngKey,
    row: u32,
    first: u32,
    counters: Range<u32>,
    draw: u32,
    words: *mut u32,
) {
    // Rows that only pad the last strip may carry into the top bit; nobody reads their words.
    let rows = l.add_u(l.splat_u(row | draw << 31), l.iota());
    // A counter is (group, row, stream), and only rows differ between lanes. What the first three rounds make of the
    // stream and the rows is the same for all groups, and what they make of groups alone is the same in all lanes.
    let [s0, s1] = halves(key.stream);
    let [k0, k1, k2, ..] = key.rounds;
    let [low1, high1] = product(1, s0);
    let c0 = l.xor(rows, l.splat_u(high1 ^ k0[0]));
    let m = [l.splat_u(PHILOX_M[0]), l.splat_u(PHILOX_M[1])];
    let of_rows = [l.mul_even(c0, m[0]), l.mul_even(l.odd_to_even(c0), m[0])];
    for low in counters {
        let [low0, high0] = product(0, ((first >> 6) << 4) | low);
        let [low2, high2] = product(1, high0 ^ s1 ^ k0[1]);
        let [low3, high3] = product(0, high2 ^ low1 ^ k1[0]);
        let (x0, x1, x2) =
            (l.splat_u(low0 ^ k1[1]), l.splat_u(low2 ^ k2[0]), l.splat_u(high3 ^ k2[1]));
        let mut lanes = [[rows; 4]; 2]; // even, odd
        for i in 0..2 {
            let p1 = l.mul_even(l.xor(l.odd_to_even(of_rows[i]), x0), m[1]);
            let c0 = l.xor(l.odd_to_even(p1), x1);
            lanes[i] = [c0, p1, l.xor(of_rows[i], x2), l.splat_u(low3)];
        }
        let counters = Counters { even: lanes[0], odd: lanes[1] };
        let four = counters.rounds::<3, PHILOX_ROUNDS>(l, key).words(l);
        for w in 0..4 {
            // SAFETY: w * COUNTERS + low < 64.
            unsafe { l.store_u(words.add((w * COUNTERS + low as usize) * L::COUNT), four[w]) };
        }
    }
}
