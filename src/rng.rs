//! Random numbers that are a function of where they are used: Philox4x32-10 on logical coordinates.

/// Which random numbers a pruning draws.
///
/// The generator is counter-based (Philox4x32-10, Salmon et al., SC'11): the 32 random bits of a
/// group depend on the seed, the stream, the row and the group alone, never on the storage order,
/// the thread, the instruction set, or on how a matrix is cut into calls. A shard that says where
/// it lies in the whole (`row0`, `col0`) draws what the whole draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rng {
    /// The key: one number for a whole experiment.
    pub seed: u64,
    /// One number for every tensor and step: calls with equal seed, stream and coordinates draw the same words.
    pub stream: u64,
    /// The row of A's element (0, 0) in the whole matrix: a multiple of the pattern's
    /// [`group`](crate::Pattern::group), else [`Error::ShardRow`](crate::Error::ShardRow). `row0 + rows <= 2^31`.
    ///
    /// For [`prune_threshold`](crate::prune_threshold), which has no pattern, any row.
    pub row0: u64,
    /// The column of A's element (0, 0) in the whole matrix: a multiple of m, else
    /// [`Error::ShardColumn`](crate::Error::ShardColumn). `col0 / m + groups <= 2^32`.
    ///
    /// For [`prune_threshold`](crate::prune_threshold) any column: `col0 + columns <= 2^32`.
    pub col0: u64,
}

impl Rng {
    /// The numbers of this seed and stream, for a matrix that is not a shard: its element (0, 0) is that of the whole.
    #[must_use]
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream, row0: 0, col0: 0 }
    }

    /// The same numbers for a shard whose element (0, 0) is element (`row0`, `col0`) of the whole.
    ///
    /// # Examples
    /// ```
    /// use spnm::{MatMut, MatRef, Method, Options, Pattern, Rng, prune};
    ///
    /// let data: Vec<f32> = (0..16).map(|i| (i as f32).sin()).collect();
    /// let (a, rng) = (MatRef::row_major(&data, 2, 8)?, Rng::new(7, 0));
    /// let (mut whole, mut right) = ([0.0; 16], [0.0; 8]);
    /// let out = MatMut::row_major(&mut whole, 2, 8)?;
    /// prune(&Options::new(), Method::Mvue(rng), Pattern::N2M4, a, out)?;
    /// // Columns 4 to 7 alone.
    /// let (shard, out) = (a.part(0..2, 4..8), MatMut::row_major(&mut right, 2, 4)?);
    /// prune(&Options::new(), Method::Mvue(rng.at(0, 4)), Pattern::N2M4, shard, out)?;
    /// assert_eq!((&right[..4], &right[4..]), (&whole[4..8], &whole[12..]));
    /// # Ok::<(), spnm::Error>(())
    /// ```
    #[must_use]
    pub const fn at(self, row0: u64, col0: u64) -> Self {
        Self { row0, col0, ..self }
    }
}

/// The two words of the Philox key.
#[expect(clippy::cast_possible_truncation, reason = "the low and the high half are what is meant")]
pub(crate) const fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// The multipliers and the Weyl increments of Philox4x32.
pub(crate) const PHILOX_M: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const PHILOX_W: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub(crate) const PHILOX_ROUNDS: u32 = 10;

/// `PHILOX_M[i]` times x: the low and the high word.
#[inline(always)]
pub(crate) fn product(i: usize, x: u32) -> [u32; 2] {
    halves(u64::from(PHILOX_M[i]) * u64::from(x))
}

/// The key of a round.
#[inline(always)]
pub(crate) fn round_key(key: [u32; 2], round: u32) -> [u32; 2] {
    let word = |i: usize| key[i].wrapping_add(PHILOX_W[i].wrapping_mul(round));
    [word(0), word(1)]
}

/// Philox4x32-10 of one counter.
pub(crate) fn philox4x32_10(mut c: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    for round in 0..PHILOX_ROUNDS {
        let [k0, k1] = round_key(key, round);
        let ([lo0, hi0], [lo1, hi1]) = (product(0, c[0]), product(1, c[2]));
        c = [hi1 ^ c[1] ^ k0, lo1, hi0 ^ c[3] ^ k1, lo0];
    }
    c
}

/// The random word of one group. One Philox call serves groups g, g + 16, g + 32, g + 48 of a row.
///
/// `draw` is 0, or 1 for the second word of an estimator that needs two.
pub(crate) fn word(seed: u64, stream: u64, row: u32, group: u32, draw: u32) -> u32 {
    let [s0, s1] = halves(stream);
    let counter = [((group >> 6) << 4) | (group & 15), row | (draw << 31), s0, s1];
    philox4x32_10(counter, halves(seed))[(group >> 4) as usize & 3]
}

/// Entries of a row whose words sixteen neighbouring Philox calls make.
pub(crate) const ENTRY_COLS: usize = 64;

/// The first two counter words of the call that makes the word of one entry. The counters of groups stay below 2^30 in
/// the first, which this one's top bit sets apart.
pub(crate) const fn entry_counter(row: u32, col: u32) -> [u32; 2] {
    [1 << 31 | (col >> 6) << 4 | (col & 15), row]
}

/// The random word of one entry, for what draws for every entry. One Philox call serves columns c, c + 16, c + 32,
/// c + 48 of a row.
pub(crate) fn entry_word(seed: u64, stream: u64, row: u32, col: u32) -> u32 {
    let [c0, c1] = entry_counter(row, col);
    let [s0, s1] = halves(stream);
    philox4x32_10([c0, c1, s0, s1], halves(seed))[(col >> 4) as usize & 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that Random123 publishes for philox4x32, 10 rounds.
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
        );
        assert_eq!(
            philox4x32_10(
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0]
            ),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
        );
    }

    /// The counters of docs/MATHEMATICS.md, by their numbers.
    #[test]
    fn words_come_from_the_documented_counters() {
        let (seed, stream) = (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210);
        let call =
            |c0, c1| philox4x32_10([c0, c1, 0x7654_3210, 0xFEDC_BA98], [0x89AB_CDEF, 0x0123_4567]);
        assert_eq!(word(seed, stream, 5, 0, 0), call(0, 5)[0]);
        // Group 181 = 2 * 64 + 3 * 16 + 5.
        assert_eq!(word(seed, stream, 5, 181, 0), call(0x25, 5)[3]);
        assert_eq!(word(seed, stream, 5, 181, 1), call(0x25, 0x8000_0005)[3]);
        assert_eq!(entry_word(seed, stream, 5, 181), call(0x8000_0025, 5)[3]);
        let last = word(seed, stream, (1 << 31) - 1, u32::MAX, 1);
        assert_eq!(last, call(0x3FFF_FFFF, u32::MAX)[3]);
        assert_eq!(entry_word(seed, stream, 0, u32::MAX), call(0xBFFF_FFFF, 0)[3]);
    }
}
