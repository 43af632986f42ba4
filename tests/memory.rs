//! Nothing outside the operands is read or written: every buffer lies directly before, then directly
//! after, a page that may not be touched, with canaries on its other side and between its rows.
#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::{Data, by_effort, compressed, dense_of, levels, naive_gemm, some_pattern};
use spnm::{
    Compressed, CompressedMut, CompressedRef, Isa, MatMut, MatRef, Method, Options, Pattern, Rng,
    Scratch, analyse, compress, compress_transposable, decompress, gemm, lognormal_fit, prune,
    prune_gemm, prune_in_place, prune_threshold, prune_threshold_in_place, prune_transposable,
    prune_transposable_in_place, recommend, soft_threshold_scale, validate,
};
use std::cell::RefCell;

const CANARY: u8 = 0xA5;
/// Bytes of canary that are checked on a buffer's open side.
const MARGIN: usize = 64;

/// Memory between two pages that fault.
struct Arena {
    base: *mut u8,
    len: usize,
    page: usize,
}

/// Where in its arena a buffer lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Its last byte is the last before a page that faults.
    End,
    /// Its first byte is the first after a page that faults.
    Start,
    /// So many bytes past a multiple of 64.
    Offset(usize),
}

impl Arena {
    fn new(bytes: usize) -> Self {
        install_handler();
        // SAFETY: plain system calls; the results are checked.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).expect("a page size");
            let len = bytes.next_multiple_of(page);
            let base = libc::mmap(
                std::ptr::null_mut(),
                len + 2 * page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(base, libc::MAP_FAILED, "mmap");
            for guard in [base, base.byte_add(page + len)] {
                assert_eq!(libc::mprotect(guard, page, libc::PROT_NONE), 0, "mprotect");
            }
            Self { base: base.cast::<u8>().add(page), len, page }
        }
    }

    /// A place for `bytes` bytes, filled with canaries, as is what surrounds it.
    fn place(&self, bytes: usize, place: Place) -> Block {
        let offset = match place {
            Place::End => self.len.checked_sub(bytes).expect("an arena large enough"),
            Place::Start => 0,
            Place::Offset(offset) => MARGIN + offset,
        };
        let from = offset.saturating_sub(MARGIN);
        let to = self.len.min(offset + bytes + MARGIN);
        assert!(offset + bytes <= self.len, "{bytes} bytes in an arena of {}", self.len);
        // SAFETY: within the arena.
        unsafe { self.base.add(from).write_bytes(CANARY, to - from) };
        Block { base: self.base, from, offset, end: offset + bytes, to }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped.
        unsafe { libc::munmap(self.base.sub(self.page).cast(), self.len + 2 * self.page) };
    }
}

/// A buffer in an arena, and the canaries around it.
#[derive(Clone, Copy)]
struct Block {
    base: *mut u8,
    from: usize,
    offset: usize,
    end: usize,
    to: usize,
}

impl Block {
    fn ptr<T>(&self) -> *mut T {
        self.base.wrapping_add(self.offset).cast()
    }

    fn canaries_live(&self) -> bool {
        // SAFETY: within the arena, filled by `place`.
        let bytes = |from: usize, to: usize| unsafe {
            std::slice::from_raw_parts(self.base.add(from), to - from)
        };
        [bytes(self.from, self.offset), bytes(self.end, self.to)]
            .concat()
            .iter()
            .all(|&b| b == CANARY)
    }
}

thread_local! {
    /// The case under way, for the message of a fault.
    static CASE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn case(what: impl FnOnce(&mut String)) {
    CASE.with_borrow_mut(|text| {
        text.clear();
        what(text);
    });
}

fn case_text() -> String {
    CASE.with_borrow(Clone::clone)
}

/// A fault ends the test binary, but says first which case it was.
fn install_handler() {
    extern "C" fn handler(_: libc::c_int) {
        CASE.with(|text| {
            // SAFETY: the thread that faulted was in the library, which does not touch the text.
            let text = unsafe { &*text.as_ptr() };
            for part in ["\nmemory fault outside the operands: ", text, "\n"] {
                // SAFETY: a write of valid bytes.
                unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
            }
        });
        // SAFETY: ends the process.
        unsafe { libc::_exit(101) };
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: a handler that only writes and exits.
        unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    }
}

/// How a dense matrix lies in its block: element strides, exact to its last element.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows(usize),
    Cols(usize),
    Spread,
    /// Both strides negative: element (0, 0) comes last.
    Reversed,
}

fn layout(data: &mut Data) -> Layout {
    let slack = [0, 0, 1, 5][data.below(4)];
    [
        Layout::Rows(slack),
        Layout::Cols(slack),
        Layout::Rows(slack),
        Layout::Cols(slack),
        Layout::Spread,
        Layout::Reversed,
    ][data.below(6)]
}

/// A dense matrix in a block.
struct Grid {
    block: Block,
    first: *mut f32,
    rows: usize,
    cols: usize,
    strides: (isize, isize),
    extent: usize,
}

impl Grid {
    fn new(arena: &Arena, place: Place, rows: usize, cols: usize, layout: Layout) -> Self {
        let (rs, cs) = match layout {
            Layout::Rows(slack) => (cols + slack, 1),
            Layout::Cols(slack) => (1, rows + slack),
            Layout::Spread => (2 * cols + 1, 2),
            Layout::Reversed => (cols, 1),
        };
        let (rs, cs) = (rs as isize, cs as isize);
        let extent = match rows * cols {
            0 => 0,
            _ => (rows - 1) * rs as usize + (cols - 1) * cs as usize + 1,
        };
        let block = arena.place(4 * extent, place);
        let start: *mut f32 = block.ptr();
        let (first, strides) = match layout {
            Layout::Reversed => (start.wrapping_add(extent.saturating_sub(1)), (-rs, -cs)),
            _ => (start, (rs, cs)),
        };
        Self { block, first, rows, cols, strides, extent }
    }

    fn with(self, data: &[f32]) -> Self {
        for (e, &x) in data.iter().enumerate() {
            // SAFETY: an element of the block.
            unsafe { self.at(e / self.cols, e % self.cols).write_unaligned(x) };
        }
        self
    }

    fn at(&self, i: usize, j: usize) -> *mut f32 {
        self.first.wrapping_offset(i as isize * self.strides.0 + j as isize * self.strides.1)
    }

    fn view(&self) -> MatRef<'_> {
        // SAFETY: the block holds the matrix.
        unsafe {
            MatRef::from_raw_parts(self.first, self.rows, self.cols, self.strides.0, self.strides.1)
        }
    }

    fn view_mut(&mut self) -> MatMut<'_> {
        // SAFETY: as `view`.
        unsafe {
            MatMut::from_raw_parts(self.first, self.rows, self.cols, self.strides.0, self.strides.1)
        }
    }

    /// Holds these elements (any NaN for a NaN), and canaries everywhere else.
    #[track_caller]
    fn assert_holds(&self, want: &[f32], what: &str) {
        let start: *const f32 = self.block.ptr();
        let mut gaps = self.extent;
        for (e, want) in want.iter().enumerate() {
            // SAFETY: an element of the block.
            let got = unsafe { self.at(e / self.cols, e % self.cols).read_unaligned() };
            let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
            assert!(same, "{what}: element {e} is {got:e}, not {want:e}: {}", case_text());
            gaps -= 1;
        }
        let canary = u32::from_ne_bytes([CANARY; 4]);
        // SAFETY: the extent lies in the block.
        let bits = |e: usize| unsafe { start.add(e).read_unaligned() }.to_bits();
        let found = (0..self.extent).filter(|&e| bits(e) == canary);
        assert!(found.count() >= gaps, "{what}: a gap was written: {}", case_text());
        assert!(self.block.canaries_live(), "{what}: a canary died: {}", case_text());
    }
}

/// A compressed matrix in two blocks.
struct Packed {
    values: Block,
    meta: Block,
    rows: usize,
    cols: usize,
    p: Pattern,
    ld: (usize, usize),
}

impl Packed {
    fn new(
        arenas: [&Arena; 2],
        places: [Place; 2],
        (rows, cols): (usize, usize),
        p: Pattern,
        slack: usize,
    ) -> Self {
        let ld = (p.row_values(cols) + slack, p.row_meta(cols) + slack);
        let span = |rows: usize, ld: usize, row: usize| {
            if rows == 0 || cols == 0 { 0 } else { (rows - 1) * ld + row }
        };
        let values = arenas[0].place(4 * span(rows, ld.0, p.row_values(cols)), places[0]);
        let meta = arenas[1].place(span(p.meta_rows(rows), ld.1, p.row_meta(cols)), places[1]);
        Self { values, meta, rows, cols, p, ld }
    }

    fn with(self, source: &Compressed) -> Self {
        let (kept, bytes) = (self.p.row_values(self.cols), self.p.row_meta(self.cols));
        for i in 0..if self.cols == 0 { 0 } else { self.rows } {
            // SAFETY: rows of the blocks.
            unsafe {
                let values = &source.values()[i * kept..][..kept];
                let to = self.row_values(i).cast::<u8>();
                to.copy_from_nonoverlapping(values.as_ptr().cast(), 4 * kept);
                let meta = &source.meta()[i / self.p.group() * bytes..][..bytes];
                self.row_meta(i).copy_from_nonoverlapping(meta.as_ptr(), bytes);
            }
        }
        self
    }

    fn row_values(&self, i: usize) -> *mut f32 {
        self.values.ptr::<f32>().wrapping_add(i * self.ld.0)
    }

    fn row_meta(&self, i: usize) -> *mut u8 {
        self.meta.ptr::<u8>().wrapping_add(i / self.p.group() * self.ld.1)
    }

    fn view(&self) -> CompressedRef<'_> {
        let (v, m) = (self.values.ptr(), self.meta.ptr());
        // SAFETY: the blocks hold the matrix.
        unsafe {
            CompressedRef::from_raw_parts(v, m, self.rows, self.cols, self.p, self.ld.0, self.ld.1)
        }
    }

    fn view_mut(&mut self) -> CompressedMut<'_> {
        let (v, m) = (self.values.ptr(), self.meta.ptr());
        // SAFETY: as `view`.
        unsafe {
            CompressedMut::from_raw_parts(v, m, self.rows, self.cols, self.p, self.ld.0, self.ld.1)
        }
    }

    #[track_caller]
    fn assert_holds(&self, want: &Compressed) {
        let (kept, bytes) = (self.p.row_values(self.cols), self.p.row_meta(self.cols));
        for i in 0..if self.cols == 0 { 0 } else { self.rows } {
            let last = i + 1 == self.rows;
            let (v, mut m) = if last { (kept, bytes) } else { self.ld };
            if i / self.p.group() + 1 == self.p.meta_rows(self.rows) {
                m = bytes;
            }
            // SAFETY: rows of the blocks, up to the next one.
            let (values, meta): (Vec<f32>, &[u8]) = unsafe {
                (
                    (0..v).map(|j| self.row_values(i).add(j).read_unaligned()).collect(),
                    std::slice::from_raw_parts(self.row_meta(i), m),
                )
            };
            let same = common::same_bits(&values[..kept], &want.values()[i * kept..][..kept]);
            assert!(same, "values of row {i}: {}", case_text());
            assert_eq!(
                meta[..bytes],
                want.meta()[i / self.p.group() * bytes..][..bytes],
                "row {i}: {}",
                case_text()
            );
            let canary = u32::from_ne_bytes([CANARY; 4]);
            let slack = values[kept..].iter().all(|x| x.to_bits() == canary)
                && meta[bytes..].iter().all(|&b| b == CANARY);
            assert!(slack, "slack of row {i}: {}", case_text());
        }
        assert!(self.values.canaries_live() && self.meta.canaries_live(), "{}", case_text());
    }
}

/// One of the pattern's methods, most often MVUE. (Of rows that share indices, three are all that there are.)
fn method(data: &mut Data, p: Pattern, rng: Rng) -> Method {
    let mut all = vec![Method::Mvue(rng), Method::Mvue(rng), Method::Magnitude, Method::Keep];
    if p.group() == 1 {
        all.push(Method::SoftThreshold);
        if p.n() == 2 {
            all.push(Method::MvueApprox(rng));
        }
    }
    all[data.below(all.len())]
}

/// The data, made N:M where the method takes nothing else.
fn fit_for(method: Method, data: Vec<f32>, (rows, cols): (usize, usize), p: Pattern) -> Vec<f32> {
    if method != Method::Keep {
        return data;
    }
    let nm = compressed(Isa::Reference, Method::Magnitude, &data, (rows, cols), p);
    dense_of(nm.values(), nm.meta(), rows, cols, p)
}

/// Sizes around the edges of vectors, strips, tiles and panels.
const EDGES: [usize; 23] =
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 64, 65];

#[test]
fn compress_prune_and_decompress() {
    let arenas: Vec<Arena> = (0..4).map(|_| Arena::new(1 << 17)).collect();
    let mut data = Data::new(0x6A);
    let mut count = 0u64;
    let cols = (0..=70).chain([126, 127, 128, 129, 255, 256, 257, 258]);
    for cols in cols.step_by(by_effort(1, 5)) {
        for rows in EDGES.into_iter().filter(|&r| r <= 33).step_by(by_effort(1, 3)) {
            let kind = data.below(4);
            let source = data.matrix(kind, rows * cols);
            // Two of the patterns a shape; every shape's neighbours have the others.
            for turn in 0..2 {
                let p = Pattern::ALL[(count as usize + 5 * turn) % Pattern::ALL.len()];
                // Now and then rows share indices.
                let group = [1, 1, 1, 2, 3, 8, 33][count as usize % 7];
                let p = p.grouped(group).expect("a group of rows");
                let col0 = (data.below(200) * p.m()) as u64;
                let row0 = (data.below(99) * p.group()) as u64;
                let method = method(&mut data, p, Rng::new(count, 1).at(row0, col0));
                let source = fit_for(method, source.clone(), (rows, cols), p);
                let want = compressed(Isa::Reference, method, &source, (rows, cols), p);
                let dense = dense_of(want.values(), want.meta(), rows, cols, p);
                for isa in levels() {
                    for place in [Place::End, Place::Start] {
                        let options = Options::new().isa(isa);
                        let (from, to, slack) =
                            (layout(&mut data), layout(&mut data), data.below(3));
                        case(|text| {
                            use std::fmt::Write;
                            let _ = write!(
                                text,
                                "{p} {rows}x{cols} {method:?} {isa:?} {place:?} {from:?} {to:?} {slack}"
                            );
                        });
                        let a = Grid::new(&arenas[0], place, rows, cols, from).with(&source);
                        let mut out = Packed::new(
                            [&arenas[1], &arenas[2]],
                            [place; 2],
                            (rows, cols),
                            p,
                            slack,
                        );
                        compress(&options, method, a.view(), out.view_mut()).expect("compress");
                        out.assert_holds(&want);
                        validate(out.view()).expect("validate");
                        let mut full = Grid::new(&arenas[3], place, rows, cols, to);
                        decompress(&options, out.view(), full.view_mut()).expect("decompress");
                        full.assert_holds(&dense, "decompress");
                        let mut full = Grid::new(&arenas[3], place, rows, cols, to);
                        prune(&options, method, p, a.view(), full.view_mut()).expect("prune");
                        full.assert_holds(&dense, "prune");
                        a.assert_holds(&source, "the input of compress and prune");
                        let mut a = a;
                        prune_in_place(&options, method, p, a.view_mut()).expect("in place");
                        a.assert_holds(&dense, "prune_in_place");
                    }
                }
                count += 1;
            }
        }
    }
    println!("{count} shapes");
}

#[test]
fn whole_tensors() {
    let arenas: Vec<Arena> = (0..2).map(|_| Arena::new(1 << 17)).collect();
    let mut data = Data::new(0x6B);
    let mut count = 0usize;
    for cols in (0..=70).chain([100, 127, 128, 129, 130]).step_by(by_effort(1, 9)) {
        for rows in [0, 1, 3, 15, 16, 17, 63, 64, 65].into_iter().step_by(by_effort(1, 2)) {
            let odd = count % 64;
            count += 1;
            let source = data.bells(rows * cols);
            let rng = Rng::new(4, 5).at(9, data.below(200) as u64);
            let mut want = source.clone();
            let to = MatMut::row_major(&mut want, rows, cols).expect("a view");
            let reference = Options::new().isa(Isa::Reference);
            prune_threshold_in_place(&reference, rng, 1.2, to).expect("reference");
            let p = Pattern::ALL[count % Pattern::ALL.len()];
            for isa in levels() {
                for place in [Place::End, Place::Start, Place::Offset(odd)] {
                    let options = Options::new().isa(isa);
                    let (from, to) = (layout(&mut data), layout(&mut data));
                    case(|text| {
                        use std::fmt::Write;
                        let _ = write!(text, "{rows}x{cols} {isa:?} {place:?} {from:?} {to:?}");
                    });
                    let mut a = Grid::new(&arenas[0], place, rows, cols, from).with(&source);
                    let mut out = Grid::new(&arenas[1], place, rows, cols, to);
                    prune_threshold(&options, rng, 1.2, a.view(), out.view_mut()).expect("prune");
                    out.assert_holds(&want, "prune_threshold");
                    lognormal_fit(&options, a.view()).expect("fit");
                    for group in [1, 3] {
                        let p = p.grouped(group).expect("a group of rows");
                        analyse(&options, p, a.view()).expect("analyse");
                    }
                    if count.is_multiple_of(8) {
                        recommend(&options, 1, a.view(), 0.7).expect("recommend");
                    }
                    soft_threshold_scale(&options, p, a.view()).expect("soft_threshold_scale");
                    a.assert_holds(&source, "the input of whole tensors");
                    prune_threshold_in_place(&options, rng, 1.2, a.view_mut()).expect("in place");
                    a.assert_holds(&want, "prune_threshold_in_place");
                }
            }
        }
    }
    println!("{count} shapes");
}

/// The buffers of a product, and scratch memory that is kept.
struct Bench {
    arenas: Vec<Arena>,
    scratch: Scratch,
    count: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            arenas: (0..5).map(|_| Arena::new(1 << 17)).collect(),
            scratch: Scratch::new(),
            count: 0,
        }
    }

    /// `gemm` and `prune_gemm` of one shape, on every level, with each buffer at its place:
    /// a, values, meta, b, c.
    fn products(
        &mut self,
        data: &mut Data,
        (rows, inner, cols): (usize, usize, usize),
        places: &[[Place; 5]],
    ) {
        let p = some_pattern(data);
        let method = method(data, p, Rng::new(self.count as u64, 2));
        let (alpha, beta) = [(1.0, 0.0), (1.0, 1.0), (-1.5, 0.0), (1.0, 0.3)][data.below(4)];
        let source = fit_for(method, data.matrix(0, rows * inner), (rows, inner), p);
        let (b, start) = (data.matrix(0, inner * cols), data.matrix(0, rows * cols));
        let packed = compressed(Isa::Reference, method, &source, (rows, inner), p);
        let mut want = start.clone();
        naive_gemm(alpha, &packed, &b, beta, &mut want);
        for isa in levels() {
            for places in places {
                let [la, lb, lc] = [(); 3].map(|()| layout(data));
                let slack = data.below(3);
                case(|text| {
                    use std::fmt::Write;
                    let _ = write!(
                        text,
                        "{p} {rows}x{inner}x{cols} {alpha} {beta} {isa:?} {places:?} {la:?} {lb:?} {lc:?} {slack}"
                    );
                });
                let options = Options::new().isa(isa);
                let [fa, fv, fm, fb, fc] = &self.arenas[..] else { unreachable!("five arenas") };
                let [pa, pv, pm, pb, pc] = *places;
                let a = Packed::new([fv, fm], [pv, pm], (rows, inner), p, slack).with(&packed);
                let b = Grid::new(fb, pb, inner, cols, lb).with(&b);
                let mut c = Grid::new(fc, pc, rows, cols, lc).with(&start);
                let scratch = &mut self.scratch;
                gemm(&options, scratch, alpha, a.view(), b.view(), beta, c.view_mut())
                    .expect("gemm");
                c.assert_holds(&want, "gemm");
                let a = Grid::new(fa, pa, rows, inner, la).with(&source);
                let mut c = Grid::new(fc, pc, rows, cols, lc).with(&start);
                let to = c.view_mut();
                prune_gemm(&options, scratch, method, p, alpha, a.view(), b.view(), beta, to)
                    .expect("prune_gemm");
                c.assert_holds(&want, "prune_gemm");
            }
        }
        self.count += 1;
    }
}

const ENDS: [[Place; 5]; 2] = [[Place::End; 5], [Place::Start; 5]];

/// Two of the three sizes run over all of 0 ..= 70, the third over the edges.
#[test]
fn products() {
    let mut bench = Bench::new();
    let mut data = Data::new(0x6E);
    for i in (0..=70).step_by(by_effort(1, 9)) {
        for j in (0..=70).step_by(by_effort(1, 9)) {
            let [k, l, m] = [(); 3].map(|()| EDGES[data.below(EDGES.len())]);
            for shape in [(i, j, k), (i, l, j), (m, i, j)] {
                bench.products(&mut data, shape, &ENDS);
            }
        }
    }
    // Few columns, alone and behind a panel: rows in lanes.
    for rows in [1, 3, 4, 5, 7, 8, 11, 12, 15, 16, 17, 31, 33].into_iter().step_by(by_effort(1, 3))
    {
        for cols in [1, 2, 3, 4, 5, 7, 8, 9, 17, 20].into_iter().step_by(by_effort(1, 3)) {
            for inner in [1 + data.below(40), 60 + data.below(80), 300 + data.below(90)] {
                bench.products(&mut data, (rows, inner, cols), &ENDS);
            }
        }
    }
    // Each buffer in turn at a guard page of its own, the others inside.
    for shape in [(17, 33, 49), (3, 7, 5), (9, 65, 130), (33, 130, 31), (140, 70, 100)] {
        for buffer in 0..5 {
            for place in [Place::End, Place::Start] {
                let mut places = [Place::Offset(4); 5];
                places[buffer] = place;
                bench.products(&mut data, shape, &[places]);
            }
        }
    }
    println!("{} shapes", bench.count);
}

/// Every misalignment, by every byte: f32s need no alignment either.
#[test]
fn misalignment() {
    let mut bench = Bench::new();
    let mut data = Data::new(0x6F);
    let mut out_count = 0;
    for offset in (0..64).step_by(by_effort(1, 7)) {
        let float = |step: usize| Place::Offset((offset + step * 13) % 64);
        let shape = (1 + data.below(40), 1 + data.below(70), 1 + data.below(70));
        let places = [float(0), float(1), Place::Offset(offset), float(2), float(3)];
        for _ in 0..4 {
            bench.products(&mut data, shape, &[places]);
        }
        for &p in Pattern::ALL {
            let (rows, cols) = (1 + data.below(20), 1 + data.below(300));
            let source = data.matrix(1, rows * cols);
            let method = Method::Mvue(Rng::new(1, offset as u64));
            let want = compressed(Isa::Reference, method, &source, (rows, cols), p);
            let dense = dense_of(want.values(), want.meta(), rows, cols, p);
            for isa in levels() {
                let options = Options::new().isa(isa);
                case(|text| {
                    use std::fmt::Write;
                    let _ = write!(text, "{p} {rows}x{cols} {isa:?} offset {offset}");
                });
                for layout in [Layout::Rows(0), Layout::Cols(0), Layout::Spread] {
                    let a = Grid::new(&bench.arenas[0], float(0), rows, cols, layout).with(&source);
                    let arenas = [&bench.arenas[1], &bench.arenas[2]];
                    let places = [float(1), Place::Offset(offset)];
                    let mut out = Packed::new(arenas, places, (rows, cols), p, offset % 2);
                    compress(&options, method, a.view(), out.view_mut()).expect("compress");
                    out.assert_holds(&want);
                    let mut full = Grid::new(&bench.arenas[3], float(2), rows, cols, layout);
                    decompress(&options, out.view(), full.view_mut()).expect("decompress");
                    full.assert_holds(&dense, "decompress");
                    let mut full = Grid::new(&bench.arenas[3], float(2), rows, cols, layout);
                    prune(&options, method, p, a.view(), full.view_mut()).expect("prune");
                    full.assert_holds(&dense, "prune");
                    out_count += 1;
                }
            }
        }
    }
    println!("{} products, {out_count} compressions", bench.count);
}

/// Transposable masks: every size at the edges of tiles, vectors and bands, both outputs or one, at either end
/// of their pages and at every misalignment.
#[test]
fn transposable_masks() {
    let arenas: Vec<Arena> = (0..6).map(|_| Arena::new(1 << 17)).collect();
    let [from, values, meta, values_t, meta_t, dense] = &arenas[..] else { unreachable!() };
    let mut data = Data::new(0x6B);
    let p = Pattern::N2M4;
    let mut count = 0usize;
    let cols = (0..=9).chain([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 130, 255, 256, 257]);
    for cols in cols.step_by(by_effort(1, 4)) {
        for rows in EDGES.into_iter().filter(|&r| r <= 49).step_by(by_effort(1, 3)) {
            let source = data.matrix(count % 4, rows * cols);
            let mut want = Compressed::new(rows, cols, p).expect("memory");
            let mut want_t = Compressed::new(cols, rows, p).expect("memory");
            let plain = MatRef::row_major(&source, rows, cols).expect("its own buffer");
            let reference = Options::new().isa(Isa::Reference);
            let both = (Some(want.as_mut()), Some(want_t.as_mut()));
            compress_transposable(&reference, plain, both.0, both.1).expect("valid");
            let pruned = dense_of(want.values(), want.meta(), rows, cols, p);
            for isa in levels() {
                let options = Options::new().isa(isa);
                let odd = count % 64;
                for places in [
                    [Place::End; 2],
                    [Place::Start; 2],
                    [Place::Offset((odd + 13) % 64), Place::Offset(odd)],
                ] {
                    let (lay, to) = (layout(&mut data), layout(&mut data));
                    let (slack, turn) = (data.below(3), data.below(3));
                    case(|text| {
                        use std::fmt::Write;
                        let _ = write!(
                            text,
                            "transposable {rows}x{cols} {isa:?} {places:?} {lay:?} {to:?} {slack} {turn}"
                        );
                    });
                    let mut w = Grid::new(from, places[0], rows, cols, lay).with(&source);
                    let mut out = Packed::new([values, meta], places, (rows, cols), p, slack);
                    let mut out_t = Packed::new([values_t, meta_t], places, (cols, rows), p, slack);
                    let first = (turn != 1).then(|| out.view_mut());
                    let second = (turn != 2).then(|| out_t.view_mut());
                    compress_transposable(&options, w.view(), first, second).expect("valid");
                    if turn != 1 {
                        out.assert_holds(&want);
                    }
                    if turn != 2 {
                        out_t.assert_holds(&want_t);
                    }
                    let mut full = Grid::new(dense, places[0], rows, cols, to);
                    prune_transposable(&options, w.view(), full.view_mut()).expect("valid");
                    full.assert_holds(&pruned, "prune_transposable");
                    w.assert_holds(&source, "the input");
                    prune_transposable_in_place(&options, w.view_mut()).expect("valid");
                    w.assert_holds(&pruned, "prune_transposable_in_place");
                }
            }
            count += 1;
        }
    }
    println!("{count} shapes");
}

/// The guards guard: reading past them ends a child process with the message.
#[test]
fn guards_fault() {
    let arena = Arena::new(100);
    for place in [Place::End, Place::Start] {
        let block = arena.place(8, place);
        // SAFETY: the child only reads, faults and exits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
                libc::dup2(null, 2);
                let outside = match place {
                    Place::End => block.ptr::<u8>().wrapping_add(8),
                    _ => block.ptr::<u8>().wrapping_sub(1),
                };
                std::hint::black_box(outside.read_volatile());
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 101, "{place:?}");
        }
    }
}
