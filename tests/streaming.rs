//! Outputs of more than caches hold, which are written past them: a call gives what calls on parts give.

mod common;

use common::{Data, Order, levels, same_bits, transposed};
use spnm::{
    Compressed, CompressedMut, CompressedRef, MatMut, MatRef, Method, Options, Pattern, Pool, Rng,
    compress, decompress, prune, prune_in_place, prune_transposable,
};

/// From 2^23 values, or dense entries, on: half of these entries are kept. Columns are whole lines apart.
const ROWS: usize = 2064;
const COLS: usize = 8200;
/// Rows of parts, which are too small.
const PART: usize = 688;
/// Rows that share indices.
const GROUP: u32 = 8;

const PATTERNS: [Pattern; 2] = [Pattern::N2M4, Pattern::N8M16];

/// And one in groups of rows.
fn patterns() -> [Pattern; 3] {
    let grouped = Pattern::N2M4.grouped(GROUP).expect("a group of rows");
    [PATTERNS[0], PATTERNS[1], grouped]
}

fn method() -> Method {
    Method::Mvue(Rng::new(3, 4))
}

/// The same for rows from `row` on.
fn method_at(row: usize) -> Method {
    Method::Mvue(Rng::new(3, 4).at(row as u64, 0))
}

fn strides(order: Order) -> (isize, isize) {
    match order {
        Order::Cols => (1, ROWS.cast_signed()),
        _ => (COLS.cast_signed(), 1),
    }
}

fn view(data: &[f32], order: Order) -> MatRef<'_> {
    let (down, across) = strides(order);
    MatRef::new(data, ROWS, COLS, down, across).expect("a matrix")
}

fn view_mut(data: &mut [f32], order: Order) -> MatMut<'_> {
    let (down, across) = strides(order);
    MatMut::new(data, ROWS, COLS, down, across).expect("a matrix")
}

/// Values, indices and entries of a matrix, part by part.
struct Want {
    values: Vec<f32>,
    meta: Vec<u8>,
    dense: Vec<f32>,
}

impl Want {
    /// The dense form is stored as `a` is.
    fn new(p: Pattern, a: &[f32], order: Order) -> Self {
        let (mut values, mut meta, mut dense) = (vec![], vec![], a.to_vec());
        let (down, across) = strides(order);
        let options = Options::new();
        for row in (0..ROWS).step_by(PART) {
            let part = view(a, order).part(row..row + PART, 0..COLS);
            let mut packed = Compressed::new(PART, COLS, p).expect("memory");
            compress(&options, method_at(row), part, packed.as_mut()).expect("compress");
            values.extend_from_slice(packed.values());
            meta.extend_from_slice(packed.meta());
            let from = row * down.cast_unsigned();
            let part = MatMut::new(&mut dense[from..], PART, COLS, down, across).expect("rows");
            prune_in_place(&options, method_at(row), p, part).expect("prune");
        }
        Self { values, meta, dense }
    }

    fn packed(&self, p: Pattern) -> CompressedRef<'_> {
        let (ldv, ldm) = (p.row_values(COLS), p.row_meta(COLS));
        CompressedRef::new(&self.values, &self.meta, ROWS, COLS, p, ldv, ldm).expect("rows")
    }
}

/// Alone, and by three threads.
fn check(work: impl Fn(&Options<'_>, &str)) {
    let pool = Pool::new(3).expect("a pool");
    for isa in levels() {
        work(&Options::new().isa(isa), &format!("{isa:?}"));
        work(&Options::new().isa(isa).pool(&pool), &format!("{isa:?}, three threads"));
    }
}

/// `data` behind so many elements of a cache line.
fn past_line(data: &[f32], elements: usize) -> (Vec<f32>, usize) {
    let mut buffer = vec![0.0; data.len() + 32];
    let from = buffer.as_ptr().align_offset(64) + elements;
    buffer[from..from + data.len()].copy_from_slice(data);
    (buffer, from)
}

#[test]
fn large_matrices_are_pruned_as_their_parts_are() {
    const { assert!(PART * COLS < 1 << 23 && ROWS * COLS / 2 >= 1 << 23) };
    const { assert!(ROWS.is_multiple_of(PART) && PART.is_multiple_of(GROUP as usize)) };
    let data = Data::new(11).bells(ROWS * COLS);
    for order in [Order::Rows, Order::Cols] {
        let (a, begin) = past_line(&data, 1);
        let a = &a[begin..begin + data.len()];
        for p in patterns() {
            let want = Want::new(p, a, order);
            check(|options, how| {
                // Where rows of values are whole lines, and where they begin within one.
                let mut packed = Compressed::new(ROWS, COLS, p).expect("memory");
                compress(options, method(), view(a, order), packed.as_mut()).expect("compress");
                assert!(same_bits(packed.values(), &want.values), "{p} {order:?} {how}");
                assert!(packed.meta() == want.meta, "{p} {order:?} {how}");
                drop(packed);
                let (ldv, ldm) = (p.row_values(COLS).next_multiple_of(16), p.row_meta(COLS));
                let (mut values, begin) = past_line(&vec![0.0; ROWS * ldv], p.n());
                let mut meta = vec![0; p.meta_rows(ROWS) * ldm];
                let values = &mut values[begin..];
                let to = CompressedMut::new(values, &mut meta, ROWS, COLS, p, ldv, ldm);
                let to = to.expect("rows");
                compress(options, method(), view(a, order), to).expect("compress");
                let rows = want.values.chunks(p.row_values(COLS)).zip(values.chunks(ldv));
                for (row, (want, got)) in rows.enumerate() {
                    assert!(same_bits(&got[..want.len()], want), "row {row}: {p} {order:?} {how}");
                }
                assert!(meta == want.meta, "{p} {order:?} {how}");
                drop(meta);

                // Where lines of columns begin in another row than those of A do; of groups, with the first.
                let (mut out, begin) = past_line(&data, if p.group() > 1 { 0 } else { 7 });
                let out = &mut out[begin..begin + data.len()];
                prune(options, method(), p, view(a, order), view_mut(out, order)).expect("prune");
                assert!(same_bits(out, &want.dense), "{p} {order:?} {how}");
                out.copy_from_slice(a);
                prune_in_place(options, method(), p, view_mut(out, order)).expect("prune");
                assert!(same_bits(out, &want.dense), "in place, {p} {order:?} {how}");
                out.fill(f32::NAN);
                decompress(options, want.packed(p), view_mut(out, order)).expect("decompress");
                assert!(same_bits(out, &want.dense), "{p} {order:?} {how}");
            });
        }
    }
}

/// From one storage to the other they are written as parts, which are too small, and as matrices of the same storage.
#[test]
fn large_matrices_change_their_storage() {
    let data = Data::new(12).bells(ROWS * COLS);
    let pool = Pool::new(3).expect("a pool");
    for (order, other) in [(Order::Rows, Order::Cols), (Order::Cols, Order::Rows)] {
        // What lies together of the one storage, and of the other.
        let (tall, wide) = if order == Order::Rows { (ROWS, COLS) } else { (COLS, ROWS) };
        let wants = PATTERNS.map(|p| transposed(&Want::new(p, &data, order).dense, tall, wide));
        let mut masked = vec![0.0; data.len()];
        let to = view_mut(&mut masked, order);
        prune_transposable(&Options::new(), view(&data, order), to).expect("prune_transposable");
        let masked = transposed(&masked, tall, wide);
        for isa in levels() {
            let options = Options::new().isa(isa).pool(&pool);
            // Where columns begin within a line, so that whole tiles of 4 x 4 lie between lines.
            let (mut out, begin) = past_line(&vec![f32::NAN; data.len()], 4);
            let out = &mut out[begin..begin + data.len()];
            for (p, want) in PATTERNS.into_iter().zip(&wants) {
                prune(&options, method(), p, view(&data, order), view_mut(out, other))
                    .expect("prune");
                assert!(same_bits(out, want), "{p} {order:?} {isa:?}");
                out.fill(f32::NAN);
            }
            let to = view_mut(out, other);
            prune_transposable(&options, view(&data, order), to).expect("prune_transposable");
            assert!(same_bits(out, &masked), "transposable masks, {order:?} {isa:?}");
        }
    }
}
