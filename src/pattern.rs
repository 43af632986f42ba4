//! N:M patterns: how many of how many entries stay.

use crate::error::Error;
use std::fmt;

/// Calls a macro with every supported pattern: by the length of the group, the sparsest first within one length.
///
/// This is the one list: a pattern added here gets its kernels on every instruction set, its
/// constant, its tests and its benches.
macro_rules! for_each_pattern {
    ($callback:ident) => {
        $callback! {
            (N1M2, 1, 2), (N1M4, 1, 4), (N2M4, 2, 4), (N1M8, 1, 8), (N2M8, 2, 8), (N4M8, 4, 8),
            (N1M16, 1, 16), (N2M16, 2, 16), (N4M16, 4, 16), (N8M16, 8, 16)
        }
    };
}
pub(crate) use for_each_pattern;

/// The most consecutive rows that share one set of indices.
pub(crate) const MAX_GROUP: u32 = 64;

/// **N of every M** consecutive entries of a row are kept.
///
/// Groups are M consecutive entries of a row; a short last group behaves as if it were padded with
/// zeros.
///
/// [`grouped`](Self::grouped) makes consecutive rows share one set of indices (vector-wise N:M).
///
/// # Examples
/// ```
/// use spnm::Pattern;
///
/// let pattern: Pattern = "2:4x8".parse()?; // 2 of every 4; 8 rows share indices
/// assert_eq!(pattern, Pattern::N2M4.grouped(8)?);
/// // Ten columns are three groups: six values, and six indices of two bits. 20 rows have three rows of indices.
/// assert_eq!((pattern.row_values(10), pattern.row_meta(10), pattern.meta_rows(20)), (6, 2, 3));
/// # Ok::<(), spnm::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pattern {
    n: u8,
    m: u8,
    /// Rows that share indices.
    group: u8,
}

macro_rules! constants {
    ($(($name:ident, $n:literal, $m:literal)),*) => {
        impl Pattern {
            $(
                #[doc = concat!("Keep ", $n, " of every ", $m, ".")]
                pub const $name: Self = Self { n: $n, m: $m, group: 1 };
            )*

            /// Every supported pattern, with indices of its own for each row.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
        // What kernels and their buffers are made for.
        $(const _: () = assert!(0 < $n && 2 * $n <= $m && $m <= 16);)*
        $(const _: () = assert!(usize::is_power_of_two($n) && usize::is_power_of_two($m));)*
    };
}
for_each_pattern!(constants);

impl Pattern {
    /// The pattern that keeps `n` of every `m`.
    ///
    /// # Errors
    /// [`Error::Pattern`] if it is not one of [`Pattern::ALL`].
    pub fn new(n: u32, m: u32) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|p| u32::from(p.n) == n && u32::from(p.m) == m);
        found.copied().ok_or(Error::Pattern { n, m })
    }

    /// The error of a method that does not have this pattern.
    pub(crate) fn refused(self) -> Error {
        Error::Pattern { n: self.n.into(), m: self.m.into() }
    }

    /// The most consecutive rows that can share one set of indices.
    pub const MAX_GROUP: u32 = MAX_GROUP;

    /// This pattern with one set of indices for every `rows` consecutive rows (a last group of
    /// rows may be shorter). 1 gives each row its own: the pattern as the constants have it.
    ///
    /// In each column the entries of these rows are kept or dropped together, by their 2-norm. The estimates
    /// stay unbiased, with the least variance that shared indices allow, and a product loads each row of B once
    /// for up to 8 rows of a group at a time: 2:4 in groups of 8 and more ran 1.5 to 1.9 times as fast as a dense product on
    /// CPUs with AVX-512, 1.3 to 1.4 on one with AVX2 alone (`benches/RESULTS.md`).
    ///
    /// # Errors
    /// [`Error::Group`] unless `1 <= rows <= MAX_GROUP`.
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_GROUP")]
    pub const fn grouped(self, rows: u32) -> Result<Self, Error> {
        if rows == 0 || rows > MAX_GROUP {
            return Err(Error::Group { rows });
        }
        Ok(Self { group: rows as u8, ..self })
    }

    /// Consecutive rows that share one set of indices.
    #[must_use]
    pub const fn group(self) -> usize {
        self.group as usize
    }

    /// How many entries of a group are kept.
    #[must_use]
    pub const fn n(self) -> usize {
        self.n as usize
    }

    /// The length of a group.
    #[must_use]
    pub const fn m(self) -> usize {
        self.m as usize
    }

    /// Bits of one packed index: 1, 2, 4, 4 for m = 2, 4, 8, 16.
    #[must_use]
    pub const fn index_bits(self) -> usize {
        index_bits(self.m())
    }

    /// Bits of the packed indices of one group.
    #[must_use]
    pub const fn group_bits(self) -> usize {
        self.n() * self.index_bits()
    }

    /// Groups in a row of `cols` entries, the short last one included.
    #[must_use]
    pub const fn groups(self, cols: usize) -> usize {
        cols.div_ceil(self.m())
    }

    /// Kept values in a compressed row of `cols` entries: the smallest `ld_values`.
    #[must_use]
    pub const fn row_values(self, cols: usize) -> usize {
        self.groups(cols).saturating_mul(self.n())
    }

    /// Bytes of packed indices of a row of `cols` entries: the smallest `ld_meta`.
    #[must_use]
    pub const fn row_meta(self, cols: usize) -> usize {
        // Eight groups fill a whole number of bytes; group_bits() <= 32 keeps this from overflowing.
        let groups = self.groups(cols);
        (groups / 8) * self.group_bits() + ((groups % 8) * self.group_bits()).div_ceil(8)
    }

    /// Rows of metadata of `rows` rows: one for each group of rows that share indices.
    #[must_use]
    pub const fn meta_rows(self, rows: usize) -> usize {
        rows.div_ceil(self.group())
    }

    /// The place of this pattern in [`Pattern::ALL`], and so in every table of kernels.
    pub(crate) fn ordinal(self) -> usize {
        Self::ALL.iter().position(|p| (p.n, p.m) == (self.n, self.m)).unwrap_or(0)
    }
}

/// Bits of one packed index in a group of `m`.
pub(crate) const fn index_bits(m: usize) -> usize {
    match m {
        2 => 1,
        4 => 2,
        _ => 4,
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.m)?;
        if self.group > 1 { write!(f, "x{}", self.group) } else { Ok(()) }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Pattern {
    type Err = Error;

    /// Reads `"2:4"`, and `"2:4x8"` for groups of 8 rows; anything else is [`Error::Pattern`] or
    /// [`Error::Group`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let (n, rest) = text.split_once(':').unwrap_or((text, ""));
        let (m, rows) = rest.split_once('x').unwrap_or((rest, "1"));
        let number = |text: &str| text.trim().parse().unwrap_or(0);
        Self::new(number(n), number(m))?.grouped(number(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_of_short_and_long_rows() {
        // 2:4 of 7 columns: two groups, four values, one byte (two nibbles).
        assert_eq!((Pattern::N2M4.row_values(7), Pattern::N2M4.row_meta(7)), (4, 1));
        // 1:2 of 17 columns: nine groups, nine values, nine bits.
        assert_eq!((Pattern::N1M2.row_values(17), Pattern::N1M2.row_meta(17)), (9, 2));
        // 8:16 of 16 columns: one group, eight nibbles.
        assert_eq!((Pattern::N8M16.row_values(16), Pattern::N8M16.row_meta(16)), (8, 4));
        assert_eq!((Pattern::N2M4.row_values(0), Pattern::N2M4.row_meta(0)), (0, 0));
    }

    #[test]
    fn only_the_listed_patterns_exist() {
        assert_eq!("2:4".parse(), Ok(Pattern::N2M4));
        assert_eq!(format!("{:?}", Pattern::N4M8), "4:8");
        for (n, m) in [(0, 0), (4, 4), (3, 4), (2, 2), (1, 32), (16, 16), (u32::MAX, u32::MAX)] {
            assert_eq!(Pattern::new(n, m), Err(Error::Pattern { n, m }));
        }
        for (i, p) in Pattern::ALL.iter().enumerate() {
            assert_eq!(p.ordinal(), i);
        }
    }

    #[test]
    fn groups_of_rows() {
        let p = Pattern::N2M4.grouped(8).expect("a group of 8");
        assert_eq!((p.n(), p.m(), p.group(), p.ordinal()), (2, 4, 8, Pattern::N2M4.ordinal()));
        assert_eq!((p.row_values(7), p.row_meta(7)), (4, 1));
        assert_eq!((p.to_string().as_str(), "2:4x8".parse()), ("2:4x8", Ok(p)));
        assert_ne!(p, Pattern::N2M4);
        assert_eq!(p.grouped(1), Ok(Pattern::N2M4));
        for rows in [0, 65, 256, u32::MAX] {
            assert_eq!(Pattern::N1M2.grouped(rows), Err(Error::Group { rows }));
        }
        assert_eq!("2:4x0".parse::<Pattern>(), Err(Error::Group { rows: 0 }));
    }
}
