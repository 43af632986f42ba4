//! How a level's functions, and the table of them, are made of the generic algorithms.

/// `pattern::<N, M>()` of every pattern.
macro_rules! pattern_kernels {
    ($(($name:ident, $n:literal, $m:literal)),*) => { [$(pattern::<$n, $m>()),*] };
}
pub(crate) use pattern_kernels;

/// `tiles::<N, M>()` of every pattern.
macro_rules! pattern_tiles {
    ($(($name:ident, $n:literal, $m:literal)),*) => { [$(tiles::<$n, $m>()),*] };
}
pub(crate) use pattern_tiles;

/// The functions and the table of one level: the generic algorithms, compiled with its features.
///
/// `lanes` must be sound to make wherever the features are there; `rows` are the rows of C that the micro-kernels of each of
/// [`TILE_VECTORS`](super::TILE_VECTORS) hold in registers, `group_rows` those of each of
/// [`GROUP_VECTORS`](super::group::GROUP_VECTORS) where rows share indices, `strips` the vectors of rows that go side by side
/// where C has one column or two.
macro_rules! kernel_table {
    (lanes: $lanes:expr, count: $count:expr, strips: $strips:literal,
        rows: [$r8:literal, $r4:literal, $r2:literal, $r1:literal], group_rows: [$($g:literal),*]
        $(, features: $features:literal)?) => {
        $crate::kernels::group::group_table! {
            lanes: $lanes, rows: [$($g),*] $(, features: $features)?
        }

        use $crate::kernels::generic::estimators::{Estimator, Fixed, Mvue, MvueApprox};
        use $crate::kernels::{
            CompressJob, CopyJob, ExpandJob, Kernels, NarrowJob, PatternKernels, PatternTiles, RngKey,
            TILE_VECTORS, TileJob, Tiles, TransposableJob, generic, no_such_kernel, pattern_kernels,
            pattern_tiles,
        };

        $(#[target_feature(enable = $features)])?
        unsafe fn compress_rows<E: Estimator, const N: usize, const M: usize>(job: &CompressJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::compress::rows::<_, E, N, M, false>($lanes, job, &SHARED) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn prune_rows<E: Estimator, const N: usize, const M: usize>(job: &CompressJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::compress::rows::<_, E, N, M, true>($lanes, job, &SHARED) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn compress_cols<E: Estimator, const N: usize, const M: usize>(job: &CompressJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::compress::cols::<_, E, N, M>($lanes, job, &SHARED) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn expand<const N: usize, const M: usize>(job: &ExpandJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::expand::rows::<_, N, M>($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn tile<const N: usize, const M: usize, const R: usize, const V: usize>(
            job: &TileJob,
        ) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::tile::tile::<_, N, M, R, V, true>($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn tile_in_place<
            const N: usize,
            const M: usize,
            const R: usize,
            const V: usize,
        >(
            job: &TileJob,
        ) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::tile::tile::<_, N, M, R, V, false>($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn narrow<const N: usize, const M: usize>(job: &NarrowJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::narrow::narrow::<_, N, M, $strips>($lanes, job, &SHARED) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn transpose(job: &CopyJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::copy::transpose($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn pack(job: &CopyJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::copy::pack($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn pack_streamed(job: &CopyJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::copy::pack_streamed($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn transpose_streamed(job: &CopyJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::copy::transpose_streamed($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn transposable(job: &TransposableJob) {
            // SAFETY: this function runs only where its features are there; the caller's promise.
            unsafe { generic::transposable::tiles($lanes, job) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn dot(x: &[f32], y: &[f32], sums: &mut [f64; $crate::kernels::LANES]) {
            generic::dot::dot(x, y, sums);
        }

        $crate::kernels::generic::shared::shared_steps!($lanes $(, $features)?);
        $crate::kernels::tensor::tensor_table!($lanes $(, $features)?);

        const fn pattern<const N: usize, const M: usize>() -> PatternKernels {
            PatternKernels {
                compress_rows: [
                    compress_rows::<Fixed, N, M>,
                    compress_rows::<Mvue, N, M>,
                    if N == 2 { compress_rows::<MvueApprox, 2, M> } else { no_such_kernel },
                ],
                prune_rows: if const { M <= $crate::kernels::DENSE_ROWS } {
                    [
                        prune_rows::<Fixed, N, M>,
                        prune_rows::<Mvue, N, M>,
                        if N == 2 { prune_rows::<MvueApprox, 2, M> } else { no_such_kernel },
                    ]
                } else {
                    [no_such_kernel; 3]
                },
                compress_cols: [
                    compress_cols::<Fixed, N, M>,
                    compress_cols::<Mvue, N, M>,
                    if N == 2 { compress_cols::<MvueApprox, 2, M> } else { no_such_kernel },
                ],
                expand: expand::<N, M>,
                narrow: narrow::<N, M>,
            }
        }

        const fn tiles<const N: usize, const M: usize>() -> PatternTiles {
            PatternTiles {
                packed: [
                    tile::<N, M, $r8, { TILE_VECTORS[0] }>,
                    tile::<N, M, $r4, { TILE_VECTORS[1] }>,
                    tile::<N, M, $r2, { TILE_VECTORS[2] }>,
                    tile::<N, M, $r1, { TILE_VECTORS[3] }>,
                ],
                in_place: [
                    tile_in_place::<N, M, 2, { TILE_VECTORS[0] }>,
                    tile_in_place::<N, M, $r4, { TILE_VECTORS[1] }>,
                    tile_in_place::<N, M, $r2, { TILE_VECTORS[2] }>,
                    tile_in_place::<N, M, $r1, { TILE_VECTORS[3] }>,
                ],
            }
        }

        /// The micro-kernels of this level.
        pub(crate) static TILES: Tiles =
            Tiles { lanes: $count, patterns: $crate::pattern::for_each_pattern!(pattern_tiles) };

        /// The kernels of this level.
        pub(super) static KERNELS: Kernels = TABLE;
        const TABLE: Kernels = Kernels {
            lanes: $count,
            patterns: $crate::pattern::for_each_pattern!(pattern_kernels),
            tiles: &TILES,
            tiles_in_place: &TILES,
            transpose,
            pack,
            pack_streamed,
            transpose_streamed,
            transposable,
            dot,
            tensor: TENSOR,
            group: group_kernels::<false>(),
        };
    };
}
pub(crate) use kernel_table;
