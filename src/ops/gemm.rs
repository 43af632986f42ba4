//! C = alpha * A.B + beta * C with A in N:M form, or pruned on the way.

mod group;
mod layout;
mod pack;
mod stage;
#[cfg(test)]
mod tests;

use super::blocking::{self, Blocking, Extent, InPlace, Panel};
use super::compress::far;
use super::keep::keepable;
use super::scratch::Slots;
use super::{Method, Options, Scratch, check, copies};
use crate::compressed::{CompressedRef, Line};
use crate::dispatch::kernels_for;
use crate::error::Error;
use crate::kernels::cpu::cpu;
use crate::kernels::{Ahead, Init, Level, NarrowJob, TileJob};
use crate::matrix::{MatMut, MatRef, Output};
use crate::pattern::Pattern;
use crate::pool::{self, Pool};
use layout::{Buffers, Form, Layout};
use std::ops::Range;

/// Fewer rows than that are few beside a B that comes from far, without and with shared indices: see [`Product::depth`].
const FEW_ROWS: [usize; 2] = [64, 160];
/// Fewer rows than that leave so little to do for a slice of B that to pack it takes long: see [`Product::packed_next`].
const FETCH_ROWS: usize = 192;
/// Rows of B that are then fetched with a row of C at most.
const FETCHED: usize = 4;
/// Inner entries that all panels then go through.
const ALONG: usize = 256;
const _: () = assert!(ALONG.is_multiple_of(8 * 16), "whole bytes of indices");

/// `C = alpha * A.B + beta * C`, A in N:M form.
///
/// # Shapes
/// `a` rows x inner, `b` inner x cols, `c` rows x cols; `b` and `c` of any strides.
///
/// # What is computed
/// Element (i, j) is one chain of fused multiply-adds over the kept entries of row i, k ascending,
/// that starts from `beta * C` (`beta` 0: from +0, and C is not read; 1: from C; else rounded
/// once). `alpha` other than 1 first multiplies each kept value (rounded once). Kept zeros multiply;
/// pruned entries do not, so a NaN or infinity in B reaches C only through kept entries. An index
/// that points past `inner` has nothing to multiply: whatever its value and `alpha`, it counts as a zero
/// of `alpha`'s sign times +0.
///
/// # Determinism
/// Hence the same bits on every level, for every number of threads, and however the caller cuts
/// rows and columns into calls.
///
/// # Malformed metadata
/// Is memory-safe: an index counts modulo m. See [`validate`](crate::validate).
///
/// # Threads and memory
/// Uses the pool of `options`; grows `scratch` at most once, to less than 1 MiB a thread.
///
/// # Errors
/// [`Error::Shape`], [`Error::LeadingDimension`], [`Error::Aliased`], [`Error::Overlap`],
/// [`Error::Overflow`], [`Error::Isa`], [`Error::Memory`], [`Error::Null`]. C is untouched then.
///
/// # Examples
/// ```
/// use spnm::{CompressedRef, MatMut, MatRef, Options, Pattern, Scratch, gemm};
///
/// let (values, meta) = ([3.0, 2.0], [0b11_00]); // 3 0 0 2
/// let a = CompressedRef::new(&values, &meta, 1, 4, Pattern::N2M4, 2, 1)?;
/// let b = MatRef::row_major(&[1.0, 10.0, f32::NAN, 1000.0], 4, 1)?;
/// let mut c = [5.0];
/// let out = MatMut::row_major(&mut c, 1, 1)?;
/// gemm(&Options::new(), &mut Scratch::new(), 1.0, a, b, -1.0, out)?;
/// assert_eq!(c, [2003.0 - 5.0]); // the NaN meets no kept entry
/// # Ok::<(), spnm::Error>(())
/// ```
pub fn gemm(
    options: &Options<'_>,
    scratch: &mut Scratch,
    alpha: f32,
    a: CompressedRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) -> Result<(), Error> {
    let spans = check::compressed(&check::A, a)?;
    let c_span = operands(a.rows, a.cols, b, &c)?;
    check::apart("c", &c_span, "a.values", &spans.values)?;
    check::apart("c", &c_span, "a.meta", &spans.meta)?;
    let kernels = kernels_for(options.isa)?;
    let extent = Extent { rows: a.rows, inner: a.cols, cols: b.cols };
    // Values past `inner` must not multiply, NaNs in particular: the staged copy has them zeroed.
    let staged = alpha != 1.0
        || !a.cols.is_multiple_of(a.pattern.m())
        || blocking::worth_staging(&kernels, a.pattern, extent);
    let source = if staged { Source::Scaled(a, alpha) } else { Source::Direct(a) };
    // SAFETY: all operands were checked.
    unsafe { product((kernels, options.pool), scratch, a.pattern, source, b, beta, c.output()) }
}

/// The training step in one call: `C = alpha * P(A).B + beta * C`, where P prunes with `method`.
///
/// The bits of [`compress`](crate::compress) followed by [`gemm`], but the compressed matrix never
/// leaves the cache: a block of rows is pruned into `scratch` and multiplied at once.
///
/// # Shapes
/// `a` rows x inner, `b` inner x cols, `c` rows x cols, of any strides each. The weight gradient
/// of Y = X W^T with D = dL/dY \[tokens x out\] is dW = D^T X: pass `d.t()` as `a` and X as `b`.
///
/// # Determinism, NaN and infinity
/// As [`compress`](crate::compress), [`Method`] and [`gemm`].
///
/// # Threads and memory
/// As [`gemm`].
///
/// # Errors
/// As [`compress`](crate::compress) and [`gemm`]. C is untouched then.
///
/// # Examples
/// ```
/// use spnm::{MatMut, MatRef, Method, Options, Pattern, Rng, Scratch, prune_gemm};
///
/// // The gradient of a layer's weights: 64 tokens, 8 inputs, 5 outputs.
/// let (tokens, inputs, outputs) = (64, 8, 5);
/// let (dy, x) = (vec![0.5; tokens * outputs], vec![1.0; tokens * inputs]);
/// let dy = MatRef::row_major(&dy, tokens, outputs)?;
/// let x = MatRef::row_major(&x, tokens, inputs)?;
/// let mut dw = vec![0.0; outputs * inputs];
/// let mut scratch = Scratch::new(); // kept from step to step
/// for step in 0..3 {
///     let (method, to) = (Method::Mvue(Rng::new(1, step)), MatMut::row_major(&mut dw, outputs, inputs)?);
///     prune_gemm(&Options::new(), &mut scratch, method, Pattern::N2M4, 1.0, dy.t(), x, 0.0, to)?;
///     // Half of the tokens count twice.
///     assert!(dw.iter().all(|&d| d == 32.0));
/// }
/// # Ok::<(), spnm::Error>(())
/// ```
#[expect(clippy::too_many_arguments, reason = "the BLAS convention, with the pruning before it")]
pub fn prune_gemm(
    options: &Options<'_>,
    scratch: &mut Scratch,
    method: Method,
    pattern: Pattern,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) -> Result<(), Error> {
    check::method(method, pattern)?;
    let a_span = check::prunable(a, pattern)?;
    let c_span = operands(a.rows, a.cols, b, &c)?;
    check::rng(method.rng(), a.rows, a.cols, pattern)?;
    check::views_apart("c", (c.view, &c_span), "a", (a, &a_span))?;
    let kernels = kernels_for(options.isa)?;
    let source = Source::Pruned(a, method, alpha);
    // SAFETY: all operands were checked.
    unsafe {
        keepable(options, kernels, method, a, pattern)?;
        product((kernels, options.pool), scratch, pattern, source, b, beta, c.output())
    }
}

/// The checks of B and C.
fn operands(
    rows: usize,
    inner: usize,
    b: MatRef<'_>,
    c: &MatMut<'_>,
) -> Result<check::Span, Error> {
    check::same("rows of `b`", b.rows, inner)?;
    check::same("rows of `c`", c.view.rows, rows)?;
    check::same("columns of `c`", c.view.cols, b.cols)?;
    let b_span = check::input("b", b)?;
    let c_span = check::output("c", c.view)?;
    check::views_apart("c", (c.view, &c_span), "b", (b, &b_span))?;
    Ok(c_span)
}

/// Where compressed rows of A come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// From the caller's buffers, as they are.
    Direct(CompressedRef<'a>),
    /// Values multiplied by alpha, and zeroed where their index points past `inner`.
    Scaled(CompressedRef<'a>, f32),
    /// From a dense matrix, pruned, values multiplied by alpha.
    Pruned(MatRef<'a>, Method, f32),
}

/// Compressed values of some rows and inner entries.
#[derive(Clone, Copy)]
struct Staged {
    values: *const f32,
    ld_values: usize,
    meta: *const u8,
    ld_meta: usize,
}

impl Staged {
    /// Behind so many inner entries, whose indices fill whole bytes.
    fn behind(self, p: Pattern, entries: usize) -> Self {
        let group = entries / p.m();
        let values = self.values.wrapping_add(group * p.n());
        Self { values, meta: self.meta.wrapping_add(group * p.group_bits() / 8), ..self }
    }
}

/// Everything that a task needs.
struct Product<'a> {
    kernels: Level,
    pattern: Pattern,
    source: Source<'a>,
    b: MatRef<'a>,
    /// Whether rows of B are contiguous, and come from beyond a second-level cache that distant lines are fetched into.
    b_far: bool,
    beta: f32,
    c: Output<'a>,
    extent: Extent,
    blocking: Blocking,
    layout: Layout,
    /// Where panels of C are.
    tile: TileOfC,
}

/// # Safety
/// A, in whatever form, and B are readable and C is writable; their shapes fit, and C overlaps nothing.
unsafe fn product(
    (kernels, pool): (Level, Option<&Pool>),
    scratch: &mut Scratch,
    pattern: Pattern,
    source: Source<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: Output<'_>,
) -> Result<(), Error> {
    let extent = Extent { rows: c.rows, inner: b.rows, cols: c.cols };
    if c.is_empty() {
        return Ok(());
    }
    let wanted = pool::threads(pool, usize::MAX);
    let by_rows = matches!(source, Source::Pruned(..));
    let in_place = if !cpu().near_l2 {
        InPlace::Slow
    } else if b.col_stride == 1 && Line::begin_rows(b.data, b.row_stride) {
        InPlace::Lines
    } else {
        InPlace::WithinLines
    };
    let blocking = Blocking::new(&kernels, pattern, extent, wanted, by_rows, in_place);
    let column_tasks = extent.cols.div_ceil(blocking.cols);
    let tasks = extent.rows.div_ceil(blocking.rows) * column_tasks;
    let threads = pool::threads(pool, tasks);

    let form = match source {
        Source::Direct(_) => Form::InPlace,
        Source::Scaled(..) => Form::Values,
        Source::Pruned(..) => Form::Whole,
    };
    let tile = TileOfC::new(*c, pattern);
    let layout = Layout::new(&blocking, pattern, extent, form, tile != TileOfC::Never);
    let slots: Slots = scratch.slots(threads, layout.bytes())?;
    let b_far = b.col_stride == 1 && far(b) && cpu().far_into_l2;
    let product =
        Product { kernels, pattern, source, b, b_far, beta, c, extent, blocking, layout, tile };
    pool::run(pool, tasks, |task, thread| {
        let first = (task / column_tasks) * blocking.rows;
        let rows = first..extent.rows.min(first + blocking.rows);
        let first = (task % column_tasks) * blocking.cols;
        let cols = first..extent.cols.min(first + blocking.cols);
        // SAFETY: operands were checked, tasks are disjoint parts of C, and the slot is this
        // thread's own, laid out as `layout` says.
        unsafe { product.task(rows, cols, slots.of(thread)) };
    });
    Ok(())
}

/// When a panel of C is in a tile of its own, for which the layout has room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TileOfC {
    /// Never.
    Never,
    /// Between the first slice of B, which reads C, and the last, which writes it: rows of C are so far apart that in place
    /// their panel lies on more pages than a first-level TLB holds and, where the distance is a power of two, on lines that
    /// drive each other out.
    BetweenSlices,
    /// Always: rows of C are not contiguous.
    Always,
}

impl TileOfC {
    fn new(c: MatRef<'_>, pattern: Pattern) -> Self {
        let far_apart = c.rows >= 64 && c.row_stride.unsigned_abs() >= 1024 / size_of::<f32>();
        if c.col_stride != 1 {
            Self::Always
        } else if far_apart && pattern.group() == 1 {
            // (The group method has few rows of C under way at a time.)
            Self::BetweenSlices
        } else {
            Self::Never
        }
    }
}

/// `rows` x `cols` of C over the inner entries `k`: what is done at a time.
struct Block {
    rows: Range<usize>,
    k: Range<usize>,
    cols: Range<usize>,
}

/// Rows of a panel: the first element, and elements from row to row.
#[derive(Clone, Copy)]
struct Rows {
    data: *mut f32,
    stride: isize,
}

impl Product<'_> {
    /// `rows` x `cols` of C.
    ///
    /// # Safety
    /// They lie in C; no other task writes them; `slot` holds what `layout` says.
    unsafe fn task(&self, rows: Range<usize>, cols: Range<usize>, slot: *mut u8) {
        let buffers = self.layout.at(slot);
        let stage = match self.source {
            Source::Direct(_) => self.extent.inner.max(1),
            _ => self.blocking.staged,
        };
        let depth = self.depth();
        let mut k = 0;
        loop {
            let end = self.extent.inner.min(k + stage);
            // SAFETY: rows and k .. end lie in A.
            let staged = unsafe { self.stage(rows.clone(), k..end, buffers) };
            let mut from = k;
            loop {
                let to = end.min(from.saturating_add(depth));
                let staged = staged.behind(self.pattern, from - k);
                let block = Block { rows: rows.clone(), k: from..to, cols: cols.clone() };
                // SAFETY: the block lies in A and C, and is staged.
                unsafe { self.block(staged, block, buffers) };
                from = to;
                if from >= end {
                    break;
                }
            }
            k = end;
            if k >= self.extent.inner {
                break;
            }
        }
    }

    /// Inner entries that all panels go through before the next: few where rows are few and B comes from far, so that rows of B are
    /// read along, as CPUs fetch ahead by themselves; else all that are staged, as C is read and written again with each.
    fn depth(&self) -> usize {
        let few = self.blocking.rows < FEW_ROWS[usize::from(self.pattern.group() > 1)];
        let long = self.b.cols >= 4 * self.blocking.panels.packed;
        let here = self.tile == TileOfC::Never;
        if few && self.b_far && long && here { ALONG } else { usize::MAX }
    }

    /// What of B is packed after inner entries up to `to` of a panel of `rows` x `cols` of C over inner entries `k`, to be
    /// fetched meanwhile, where the rows are few.
    fn packed_next(
        &self,
        Block { rows, k, cols }: &Block,
        to: usize,
        width: usize,
    ) -> Option<Ahead> {
        let (first, col) = if to < k.end { (to, cols.start) } else { (k.start, cols.end) };
        if rows.len() >= FETCH_ROWS || !self.b_far || col >= self.b.cols {
            return None;
        }
        let last = k.end.min(first + self.blocking.slice(width));
        let each = (last - first).div_ceil(rows.len()).min(FETCHED);
        Some(self.ahead(first..last, col..self.b.cols.min(col + width), each))
    }

    /// Rows `k`, columns `cols` of B, whose rows are contiguous; so many of the rows are fetched with each row of C.
    fn ahead(&self, k: Range<usize>, cols: Range<usize>, each: usize) -> Ahead {
        let (data, stride) = (self.b.address(k.start, cols.start), self.b.row_stride);
        Ahead { data, stride, rows: k.len(), cols: cols.len(), each }
    }

    /// A block of C over staged inner entries.
    ///
    /// # Safety
    /// It lies in C, and no other task writes it; the buffers hold what `layout` says.
    unsafe fn block(&self, staged: Staged, Block { rows, k, cols }: Block, buffers: Buffers) {
        let block = |cols: Range<usize>| Block { rows: rows.clone(), k: k.clone(), cols };
        let mut col = cols.start;
        if self.pattern.group() > 1 {
            col = self.blocking.shared(cols.clone(), rows.len());
            // SAFETY: the block lies in A and C; the layout is that of this blocking.
            unsafe { self.grouped(staged, block(cols.start..col), buffers) };
        }
        while col < cols.end {
            if self.blocking.narrow(cols.end - col, rows.len()) {
                // SAFETY: the columns lie in C; a slice of the blocking holds its share of their B.
                unsafe { self.narrow(staged, block(col..cols.end), buffers.slice) };
                break;
            }
            let panel = self.blocking.panel(cols.end - col);
            let part = col..cols.end.min(col + panel.width);
            col = part.end;
            // SAFETY: the panel lies in C; the layout is that of this blocking.
            unsafe { self.panel(staged, block(part), panel, buffers) };
        }
    }

    /// One panel of C over staged inner entries.
    ///
    /// # Safety
    /// The block lies in C, and no other task writes it; the buffers hold what `layout` says.
    unsafe fn panel(
        &self,
        staged: Staged,
        block: Block,
        panel: Panel,
        Buffers { slice, c: c_tile, .. }: Buffers,
    ) {
        let part = self.c.part(block.rows.clone(), block.cols.clone());
        let c = Rows { data: part.data(), stride: part.row_stride };
        let tile = Rows { data: c_tile, stride: panel.width.cast_signed() };
        // SAFETY: the panel of C, or a tile of its full width.
        unsafe {
            match self.tile {
                TileOfC::Never => self.slices(staged, block, panel, slice, (c, c)),
                TileOfC::BetweenSlices => self.slices(staged, block, panel, slice, (c, tile)),
                TileOfC::Always => {
                    if block.k.start > 0 || self.beta != 0.0 {
                        copies::gather(self.kernels, *part, c_tile, panel.width);
                    }
                    self.slices(staged, block, panel, slice, (tile, tile));
                    copies::scatter(self.kernels, c_tile, panel.width, part, false);
                }
            }
        }
    }

    /// The work of [`panel`](Self::panel), slice by slice of B: the first reads C at `c`, the last
    /// writes it there, and `between` they leave it.
    ///
    /// # Safety
    /// As [`panel`](Self::panel).
    unsafe fn slices(
        &self,
        staged: Staged,
        block: Block,
        panel: Panel,
        slice: *mut f32,
        (c, between): (Rows, Rows),
    ) {
        let Block { rows, k, cols } = &block;
        let p = self.pattern;
        let tiles = self.blocking.panels.tiles.of(p);
        let Panel { place, width } = panel;
        // What is read in place ends where a slice may begin: on a whole byte of indices.
        let whole = k.start + k.len() / self.blocking.unit * self.blocking.unit;
        let in_place =
            !self.blocking.pack && self.b.col_stride == 1 && cols.len() == width && whole > k.start;
        let mut from = k.start;
        loop {
            let (tile, to, b, ldb, ahead);
            if in_place && from < whole {
                (tile, to) = (tiles.in_place[place], whole);
                (b, ldb) = (self.b.address(from, cols.start), self.b.row_stride);
                ahead = None;
            } else {
                tile = tiles.packed[place];
                to = k.end.min(from + self.blocking.slice(width));
                debug_assert!(self.layout.slice_holds(p, to - from, width));
                // SAFETY: `slice_floats`, of which the layout has made the slice, is the most of these panels.
                unsafe { self.pack(from..to, cols.clone(), width, slice) };
                (b, ldb) = (slice.cast_const(), width.cast_signed());
                ahead = self.packed_next(&block, to, width);
            }
            let init = self.init(from);
            let here = staged.behind(p, from - k.start);
            let source = if from == k.start { c } else { between };
            let target = if to == k.end { c } else { between };
            let reads = from == k.start && !matches!(init, Init::Zero);
            let far = (reads || to == k.end) && c.data != between.data;
            let job = TileJob {
                values: here.values,
                ld_values: here.ld_values,
                meta: here.meta,
                ld_meta: here.ld_meta,
                rows: rows.len(),
                groups: p.groups(to - from),
                b,
                ldb,
                c: target.data,
                ldc: target.stride,
                from: source.data,
                ld_from: source.stride,
                cols: cols.len(),
                init,
                far: if far { c.data } else { std::ptr::null_mut() },
                ld_far: c.stride,
                ahead: ahead.as_ref(),
            };
            // SAFETY: the blocking's tiles are the level's; A's rows, B's slice and C's panel were checked or made.
            unsafe { tile(&job) };
            from = to;
            if from >= k.end {
                break;
            }
        }
    }

    /// The last columns of C over staged inner entries, rows in lanes.
    ///
    /// # Safety
    /// They lie in C, and no other task writes them; `slice` holds what `layout` says.
    unsafe fn narrow(&self, staged: Staged, Block { rows, k, cols }: Block, slice: *mut f32) {
        let p = self.pattern;
        let c = self.c.part(rows.clone(), cols.clone());
        let mut from = k.start;
        loop {
            let to = k.end.min(from + self.blocking.slice(cols.len()));
            let here = staged.behind(p, from - k.start);
            let ldb = (to - from).next_multiple_of(p.m());
            let b = self.b.part(from..to, cols.clone()).t();
            debug_assert!(self.layout.slice_holds(p, to - from, cols.len()));
            // SAFETY: the slice holds `ldb` elements of every column, as `slice_floats` counts these columns, too; A's rows
            // and C's columns were checked.
            unsafe {
                for j in 0..cols.len() {
                    slice.add(j * ldb + (to - from)).write_bytes(0, ldb - (to - from));
                }
                copies::gather(self.kernels, b, slice, ldb);
                (self.kernels.of(p).narrow)(&NarrowJob {
                    values: here.values,
                    ld_values: here.ld_values,
                    meta: here.meta,
                    ld_meta: here.ld_meta,
                    rows: rows.len(),
                    sharing: p.group(),
                    groups: p.groups(to - from),
                    b: slice,
                    ldb,
                    c: c.data(),
                    row_stride: c.row_stride,
                    col_stride: c.col_stride,
                    cols: cols.len(),
                    init: self.init(from),
                });
            }
            from = to;
            if from >= k.end {
                break;
            }
        }
    }

    /// What the chains start from where a slice begins at inner entry `from`.
    fn init(&self, from: usize) -> Init {
        match self.beta {
            _ if from > 0 => Init::Load,
            0.0 => Init::Zero,
            1.0 => Init::Load,
            beta => Init::Scale(beta),
        }
    }
}
