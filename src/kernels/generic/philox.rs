//! Philox4x32-10, a counter to a lane.

use super::Lanes;
use crate::kernels::RngKey;
use crate::rng::{PHILOX_M, PHILOX_ROUNDS, PHILOX_W, halves};

/// The four words of every lane's counter (c0, c1, stream).
///
/// Even and odd lanes go through the rounds apart, each as 64-bit lanes whose low word counts and
/// whose high word is left to be anything: a widening multiplication reads low words only, so the
/// product itself serves as "low word" and one shift of it as "high word".
#[inline(always)]
pub(crate) fn philox<L: Lanes>(l: L, c0: L::U, c1: L::U, key: &RngKey) -> [L::U; 4] {
    let [s0, s1] = halves(key.stream);
    let (s0, s1) = (l.splat_u(s0), l.splat_u(s1));
    let mut even = [c0, c1, s0, s1];
    let mut odd = [l.odd_to_even(c0), l.odd_to_even(c1), s0, s1];
    let [mut k0, mut k1] = halves(key.seed);
    for _ in 0..PHILOX_ROUNDS {
        let (key0, key1) = (l.splat_u(k0), l.splat_u(k1));
        even = round(l, even, key0, key1);
        odd = round(l, odd, key0, key1);
        k0 = k0.wrapping_add(PHILOX_W[0]);
        k1 = k1.wrapping_add(PHILOX_W[1]);
    }
    let mut out = even;
    for i in 0..4 {
        out[i] = l.merge_even(even[i], odd[i]);
    }
    out
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
    let c1 = l.splat_u(row | draw << 31);
    for part in 0..16 / L::COUNT {
        let lane0 = (part * L::COUNT) as u32;
        let c0 = l.add_u(l.splat_u(((first >> 6) << 4) + lane0), l.iota());
        let four = philox(l, c0, c1, key);
        for w in 0..4 {
            // SAFETY: w * 16 + part * COUNT + COUNT <= 64.
            unsafe { l.store_u(words.add(w * 16 + part * L::COUNT), four[w]) };
        }
    }
}

/// The words of groups `first .. first + WORD_GROUPS` of `L::COUNT` consecutive rows, a vector of
/// rows for each group; `draw` as in [`words_of_row`].
///
/// # Safety
/// `WORD_GROUPS * L::COUNT` words must be writable.
#[inline(always)]
pub(crate) unsafe fn words_of_strip<L: Lanes>(
    l: L,
    key: &RngKey,
    row: u32,
    first: u32,
    draw: u32,
    words: *mut u32,
) {
    // Rows that only pad the last strip may carry into the top bit; nobody reads their words.
    let c1 = l.add_u(l.splat_u(row | draw << 31), l.iota());
    for low in 0..16u32 {
        let c0 = l.splat_u(((first >> 6) << 4) | low);
        let four = philox(l, c0, c1, key);
        for w in 0..4 {
            // SAFETY: w * 16 + low < 64.
            unsafe { l.store_u(words.add((w * 16 + low as usize) * L::COUNT), four[w]) };
        }
    }
}
