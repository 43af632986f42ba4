//! The kernels, and the contract that every one of them keeps.
//!
//! A kernel is a plain function of one job. It knows nothing of threads, allocation, errors or
//! dispatch, and it trusts its job: everything was checked in [`ops`](crate::ops). In return it
//!
//! - reads and writes nothing outside the rows and columns that the job names: no over-read, no
//!   write of padding, any alignment (elements are read and written unaligned);
//! - returns the bits that [`reference`](mod@reference) returns, whatever its instruction set and lane count;
//! - treats a short last group as if it were padded with zeros.
//!
//! Kernels are compiled with `#[target_feature]` and may be called only where the CPU has the features, which a
//! [`Level`] stands for. [`generic`] holds the algorithms; each level's folder
//! holds its vocabulary of lanes, and [`kernel_table`] makes the functions of the two: one of each kernel for every pattern,
//! which call those of [`generic::shared`] for what knows of no pattern.
#![expect(
    clippy::cast_possible_truncation,
    reason = "rows and groups fit 32 bits, which `ops` has checked; the rest are lane numbers"
)]
#![expect(clippy::needless_range_loop, reason = "a lane number indexes several arrays at once")]

pub(crate) mod cpu;
pub(crate) mod generic;
pub(crate) mod group;
mod level;
pub(crate) mod portable;
pub(crate) mod reference;
mod table;
pub(crate) mod tensor;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(crate) mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use level::Level;
pub(crate) use table::{kernel_table, pattern_kernels, pattern_tiles};

use crate::pattern::Pattern;
use crate::rng::{PHILOX_ROUNDS, halves, round_key};
use std::ops::Range;

/// The key of the generator: see [`Rng`](crate::Rng).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RngKey {
    pub(crate) seed: u64,
    pub(crate) stream: u64,
    /// The keys of the rounds: read where an operation takes them from memory.
    pub(crate) rounds: [[u32; 2]; PHILOX_ROUNDS as usize],
}

impl RngKey {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rounds = [[0; 2]; PHILOX_ROUNDS as usize];
        for (key, round) in rounds.iter_mut().zip(0..) {
            *key = round_key(halves(seed), round);
        }
        Self { seed, stream, rounds }
    }
}

/// Prune and compress `rows` x `cols` entries of A, or write them as `dense` ones.
pub(crate) struct CompressJob {
    pub(crate) a: *const f32,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) values: *mut f32,
    pub(crate) ld_values: usize,
    pub(crate) meta: *mut u8,
    pub(crate) ld_meta: usize,
    pub(crate) selector: Selector,
    pub(crate) key: RngKey,
    /// Where row 0 and group 0 of the job lie in the whole matrix.
    pub(crate) row0: u32,
    pub(crate) group0: u32,
    /// See [`cpu::Cpu`].
    pub(crate) far_into_l2: bool,
    /// A comes from far, its columns drive each other out of caches, and values lie in whole lines: many rows go through a few
    /// columns at a time.
    pub(crate) tall: bool,
    /// Where the values are more than caches hold, and may be written past them: room for [`STREAM_ROOM`] of them, which
    /// rows carry from line to line. Else null.
    pub(crate) room: *mut f32,
    /// Where the pruned entries go, zeros between them, instead of values and metadata.
    pub(crate) dense: Option<Dense>,
}

/// A dense output.
#[derive(Clone, Copy)]
pub(crate) struct Dense {
    /// Its rows are contiguous, and those of A; or else its columns are.
    pub(crate) by_rows: bool,
    pub(crate) data: *mut f32,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
    /// Its columns are more than caches hold, and may be written past them: they begin with lines of memory.
    pub(crate) stream: bool,
}

impl Dense {
    /// The address of entry (i, j).
    #[inline(always)]
    pub(crate) fn entry(&self, i: usize, j: usize) -> *mut f32 {
        let down = i.cast_signed().wrapping_mul(self.row_stride);
        let across = j.cast_signed().wrapping_mul(self.col_stride);
        self.data.wrapping_offset(down.wrapping_add(across))
    }
}

/// Values that a call carries which streams them: so many that rows of a page of each column have room for four each.
pub(crate) const STREAM_ROOM: usize = 4096;

impl CompressJob {
    /// The address of entry (i, j).
    #[inline(always)]
    pub(crate) fn entry(&self, i: usize, j: usize) -> *const f32 {
        let offset = i.cast_signed() * self.row_stride + j.cast_signed() * self.col_stride;
        self.a.wrapping_offset(offset)
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; there are rows and columns; A is readable, its rows contiguous for a kernel of
/// contiguous rows; the rows of values and metadata are writable and overlap nothing, or the dense entries are writable, and
/// each is the entry of A in the same place or overlaps none, and where they are streamed, columns begin with lines of memory;
/// `room` is null or writable; `row0 + rows <= 2^31`, `group0 + groups <= 2^32`.
pub(crate) type CompressFn = unsafe fn(&CompressJob);

/// Write compressed rows as dense ones with zeros, columns contiguous.
pub(crate) struct ExpandJob {
    pub(crate) values: *const f32,
    pub(crate) ld_values: usize,
    pub(crate) meta: *const u8,
    pub(crate) ld_meta: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) out: *mut f32,
    pub(crate) out_stride: isize,
}

/// # Safety
/// The CPU has the kernel's instruction set; values and metadata are readable (any bytes will do:
/// an index counts modulo m), `cols` entries of each row of `out` are writable, nothing overlaps.
pub(crate) type ExpandFn = unsafe fn(&ExpandJob);

/// What a chain of multiply-adds starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
    /// +0; C is not read.
    Zero,
    /// C.
    Load,
    /// beta * C, rounded once.
    Scale(f32),
}

/// `C = init + A.B` for some rows of A, one panel of B and one block of the inner dimension.
pub(crate) struct TileJob<'a> {
    pub(crate) values: *const f32,
    pub(crate) ld_values: usize,
    pub(crate) meta: *const u8,
    pub(crate) ld_meta: usize,
    pub(crate) rows: usize,
    /// Whole groups of the inner dimension.
    pub(crate) groups: usize,
    /// `groups * m` rows of the panel's full width, `ldb` elements apart.
    pub(crate) b: *const f32,
    pub(crate) ldb: isize,
    pub(crate) c: *mut f32,
    pub(crate) ldc: isize,
    /// What `init` loads: C itself, or a tile that holds the sums of the slice before.
    pub(crate) from: *const f32,
    pub(crate) ld_from: isize,
    /// Columns of C that lie in the panel.
    pub(crate) cols: usize,
    pub(crate) init: Init,
    /// The rows of C itself, `ld_far` elements apart, where this job reads or writes them and they are likely to be in
    /// no near cache; null where it does not.
    pub(crate) far: *const f32,
    pub(crate) ld_far: isize,
    /// What is fetched into a second-level cache meanwhile.
    pub(crate) ahead: Option<&'a Ahead>,
}

/// A part of a matrix, rows contiguous, that is read soon. It need not be there.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub(crate) data: *const f32,
    pub(crate) stride: isize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// How many rows are fetched with each row of C.
    pub(crate) each: usize,
}

impl Ahead {
    /// Some of its rows, fetched with so many rows of C.
    pub(crate) fn part(&self, rows: Range<usize>, with: usize) -> Self {
        let offset = rows.start.cast_signed().wrapping_mul(self.stride);
        let (data, rows) = (self.data.wrapping_offset(offset), rows.len());
        Self { data, rows, each: rows.div_ceil(with), ..*self }
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; values, metadata (any bytes will do: an index counts
/// modulo m) and the rows of the panel are readable at the full width; `cols`, at most that width,
/// columns of each row of C are writable, and those of `from` readable unless `init` is `Zero`; C
/// overlaps nothing, but `from` may be C.
pub(crate) type TileFn = unsafe fn(&TileJob<'_>);

/// `C = init + A.B` for some rows of A, few columns and one block of the inner dimension.
pub(crate) struct NarrowJob {
    pub(crate) values: *const f32,
    pub(crate) ld_values: usize,
    pub(crate) meta: *const u8,
    pub(crate) ld_meta: usize,
    pub(crate) rows: usize,
    /// Rows that share a row of metadata, the first of the job among them.
    pub(crate) sharing: usize,
    /// Whole groups of the inner dimension.
    pub(crate) groups: usize,
    /// Columns of `groups * m` elements, `ldb` elements apart.
    pub(crate) b: *const f32,
    pub(crate) ldb: usize,
    pub(crate) c: *mut f32,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
    /// At most half as many as the level has lanes.
    pub(crate) cols: usize,
    pub(crate) init: Init,
}

impl NarrowJob {
    /// The indices of row i.
    #[inline(always)]
    pub(crate) fn row_meta(&self, i: usize) -> *const u8 {
        self.meta.wrapping_add(i / self.sharing * self.ld_meta)
    }

    /// The address of element (i, j) of C.
    #[inline(always)]
    pub(crate) fn element(&self, i: usize, j: usize) -> *mut f32 {
        let offset = i.cast_signed() * self.row_stride + j.cast_signed() * self.col_stride;
        self.c.wrapping_offset(offset)
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; values, metadata (any bytes will do: an index counts
/// modulo m) and the columns of B are readable; the elements of C are writable, and readable unless
/// `init` is `Zero`; C overlaps nothing.
pub(crate) type NarrowFn = unsafe fn(&NarrowJob);

/// A copy of `rows` x `cols` elements, rows `from` elements apart in the source and `to` in the
/// target.
pub(crate) struct CopyJob {
    pub(crate) source: *const f32,
    pub(crate) from: isize,
    pub(crate) target: *mut f32,
    pub(crate) to: isize,
    /// Of the source.
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Prefetch distance in elements, if anything is fetched: by copies of rows into a first-level cache, by transposing ones
    /// into a second-level one.
    pub(crate) ahead: Option<isize>,
    /// What follows each row of the target in memory is written soon, and is far away: see [`cpu::Cpu`].
    pub(crate) far_next: bool,
}

impl CopyJob {
    #[inline(always)]
    fn source_at(&self, i: usize, j: usize) -> *const f32 {
        self.source.wrapping_offset(i.cast_signed() * self.from).wrapping_add(j)
    }

    #[inline(always)]
    fn target_at(&self, j: usize, i: usize) -> *mut f32 {
        self.target.wrapping_offset(j.cast_signed() * self.to).wrapping_add(i)
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; source and target are readable and writable as named,
/// and do not overlap.
pub(crate) type CopyFn = unsafe fn(&CopyJob);

/// Rows of a matrix in 2:4 form.
#[derive(Clone, Copy)]
pub(crate) struct KeptRows {
    pub(crate) values: *mut f32,
    pub(crate) ld_values: usize,
    pub(crate) meta: *mut u8,
    pub(crate) ld_meta: usize,
}

/// Choose the masks of the 4 x 4 tiles of a matrix W, and write what they keep in 2:4 form.
///
/// The job's own matrix, `rows` x `cols`, is W or its transpose, whichever is faster: mostly that with its columns contiguous.
pub(crate) struct TransposableJob {
    pub(crate) a: *const f32,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// The job's matrix is W's transpose.
    pub(crate) transposed: bool,
    /// The kept entries by rows of the job's matrix.
    pub(crate) along: Option<KeptRows>,
    /// The kept entries by its columns: rows of its transpose.
    pub(crate) across: Option<KeptRows>,
    /// See [`cpu::Cpu`].
    pub(crate) far_into_l2: bool,
}

impl TransposableJob {
    /// The address of entry (i, j) of the job's matrix.
    #[inline(always)]
    pub(crate) fn entry(&self, i: usize, j: usize) -> *const f32 {
        let offset = i.cast_signed() * self.row_stride + j.cast_signed() * self.col_stride;
        self.a.wrapping_offset(offset)
    }
}

/// # Safety
/// The CPU has the kernel's instruction set; the matrix is readable, what the job names of `along` and
/// `across` is writable, and nothing overlaps.
pub(crate) type TransposableFn = unsafe fn(&TransposableJob);

/// Accumulators of a sum in binary64: the widest vector's lanes on every level, so that the order of the additions is
/// one and the same. See `ops/reduce.rs`.
pub(crate) const LANES: usize = 16;

/// `sums[t % LANES] += x[t] * y[t]` in binary64, t ascending, over two slices of one length, a multiple of
/// [`LANES`].
///
/// # Safety
/// The CPU has the kernel's instruction set.
pub(crate) type DotFn = unsafe fn(&[f32], &[f32], &mut [f64; LANES]);

/// Which N of M entries stay, and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Entries as they are; a group has at most N that are not zero.
    Keep,
    /// The N largest magnitudes as they are; ties: the lower index.
    Magnitude,
    /// The minimum-variance unbiased estimate: systematic sampling at the water level.
    Mvue,
    /// N = 2: two draws without replacement, each in proportion to the magnitudes; unbiased.
    MvueApprox,
    /// The N largest magnitudes, less the largest of the others.
    SoftThreshold,
}

impl Selector {
    /// How many random words it draws for a group.
    pub(crate) const fn words(self) -> usize {
        match self {
            Self::Keep | Self::Magnitude | Self::SoftThreshold => 0,
            Self::Mvue => 1,
            Self::MvueApprox => 2,
        }
    }
}

/// The place of a kernel in the table of a pattern that does not have it: `ops` refuses the method, or takes another way.
pub(crate) unsafe fn no_such_kernel(_: &CompressJob) {
    unreachable!("no kernel of this pattern");
}

/// The largest m of which contiguous rows are pruned to dense rows at once: to compress longer groups, and to expand them
/// then, costs no more.
pub(crate) const DENSE_ROWS: usize = 4;

/// Panel widths of the micro-kernels, in vectors, widest first.
pub(crate) const TILE_VECTORS: [usize; 4] = [8, 4, 2, 1];

/// The kernels of one pattern.
pub(crate) struct PatternKernels {
    /// Rows of A contiguous; by [`Selector::words`].
    pub(crate) compress_rows: [CompressFn; 3],
    /// Rows of A and of a dense output contiguous; by [`Selector::words`]; for m up to [`DENSE_ROWS`].
    pub(crate) prune_rows: [CompressFn; 3],
    /// Any strides, made for columns of A contiguous; by [`Selector::words`].
    pub(crate) compress_cols: [CompressFn; 3],
    pub(crate) expand: ExpandFn,
    pub(crate) narrow: NarrowFn,
}

/// The micro-kernels of one pattern.
pub(crate) struct PatternTiles {
    /// By [`TILE_VECTORS`], for rows of B that are as far apart as the panel is wide.
    pub(crate) packed: [TileFn; TILE_VECTORS.len()],
    /// The same for rows of B that are `ldb` apart: of products with few rows.
    pub(crate) in_place: [TileFn; TILE_VECTORS.len()],
}

/// The micro-kernels of one vector length.
pub(crate) struct Tiles {
    /// Of a vector; panels are multiples of it.
    pub(crate) lanes: usize,
    pub(crate) patterns: [PatternTiles; Pattern::ALL.len()],
}

impl Tiles {
    pub(crate) fn of(&self, pattern: Pattern) -> &PatternTiles {
        &self.patterns[pattern.ordinal()]
    }
}

/// The kernels of one level.
pub(crate) struct Kernels {
    pub(crate) lanes: usize,
    pub(crate) patterns: [PatternKernels; Pattern::ALL.len()],
    pub(crate) tiles: &'static Tiles,
    /// Of products with few rows, which read B where it lies.
    pub(crate) tiles_in_place: &'static Tiles,
    /// `target[j][i] = source[i][j]`.
    pub(crate) transpose: CopyFn,
    /// `target[i][j] = source[i][j]`.
    pub(crate) pack: CopyFn,
    /// The same, whole lines of the target past the caches where there are such stores; transposing, where columns of the
    /// target begin with lines.
    pub(crate) pack_streamed: CopyFn,
    pub(crate) transpose_streamed: CopyFn,
    pub(crate) transposable: TransposableFn,
    pub(crate) dot: DotFn,
    /// For whole tensors.
    pub(crate) tensor: tensor::TensorKernels,
    /// For rows that share indices.
    pub(crate) group: group::GroupKernels,
}

impl Kernels {
    pub(crate) fn of(&self, pattern: Pattern) -> &PatternKernels {
        &self.patterns[pattern.ordinal()]
    }
}

/// The tables of every level and CPU of this architecture, lowest first.
#[cfg(test)]
pub(crate) fn tables() -> Vec<(&'static str, &'static Kernels)> {
    let mut all = vec![("reference", &reference::KERNELS), ("portable", &portable::KERNELS)];
    #[cfg(target_arch = "x86_64")]
    all.extend([
        ("avx2", &avx2::KERNELS),
        ("avx512", &avx512::KERNELS),
        ("avx512 in halves", &avx512::KERNELS_OF_HALVES),
    ]);
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    all.push(("neon", &neon::KERNELS));
    all
}

/// Those that this CPU can run.
#[cfg(test)]
pub(crate) fn levels() -> Vec<(&'static str, Level)> {
    let mut all = vec![("reference", reference::level()), ("portable", portable::level())];
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(avx2::level().map(|level| ("avx2", level)));
        all.extend(avx512::level_if(false).map(|level| ("avx512", level)));
        all.extend(avx512::level_if(true).map(|level| ("avx512 in halves", level)));
    }
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    all.extend(neon::level().map(|level| ("neon", level)));
    all
}

/// Numbers of mixed size and sign.
#[cfg(test)]
pub(crate) fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let words = (0..len).map(|i| (i as u32 ^ seed).wrapping_mul(0x9E37_79B9) >> 8);
    words.map(|w| (w as f32 / 8_388_608.0 - 1.0) * if w % 5 == 0 { 1e-3 } else { 1.0 }).collect()
}
