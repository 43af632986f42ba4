//! What a pruned matrix is in every form, and what it gives multiplied: compared to the bit, with slack everywhere.

use super::{Dense, ORDERS, Order, same_bits};
use spnm::{
    Compressed, CompressedMut, CompressedRef, Method, Options, Pattern, Scratch, compress,
    decompress, gemm, prune, prune_gemm, prune_in_place,
};

/// In memory that must not be written.
const UNTOUCHED: (f32, u8) = (777.0, 0xA5);

/// A matrix (row-major), a method, and what they give: values and indices without slack.
#[derive(Clone, Copy)]
pub struct Pruned<'a> {
    pub p: Pattern,
    pub method: Method,
    pub shape: (usize, usize),
    pub source: &'a [f32],
    pub values: &'a [f32],
    pub meta: &'a [u8],
    pub dense: &'a [f32],
}

/// Values and indices with leading dimensions that are so much larger than a row.
struct Padded {
    values: Vec<f32>,
    meta: Vec<u8>,
    ld: (usize, usize),
}

impl<'a> Pruned<'a> {
    /// What `packed` holds, and the same as a dense matrix, which products do without.
    pub fn new(
        packed: &'a Compressed,
        method: Method,
        source: &'a [f32],
        dense: &'a [f32],
    ) -> Self {
        let view = packed.as_ref();
        let (p, shape) = (view.pattern(), (view.rows(), view.cols()));
        Self { p, method, shape, source, values: packed.values(), meta: packed.meta(), dense }
    }
}

impl Pruned<'_> {
    /// Every way to each of its forms: `compress`, `prune` from one storage into another, `prune_in_place`, `decompress`.
    pub fn check(
        &self,
        options: &Options<'_>,
        (from, to): (Order, Order),
        slack: usize,
        what: &str,
    ) {
        let &Self { p, method, shape: (rows, cols), source, dense, .. } = self;
        let a = Dense::new(source, rows, cols, from, slack % 3);

        let mut padded = self.padded(slack, |_| UNTOUCHED.0, |_| UNTOUCHED.1);
        let (ldv, ldm) = padded.ld;
        let Padded { values, meta, .. } = &mut padded;
        let out = CompressedMut::new(values, meta, rows, cols, p, ldv, ldm).expect("buffers");
        compress(options, method, a.view(), out).expect("compress");
        let want = self.padded(slack, |i| self.values[i], |i| self.meta[i]);
        assert!(same_bits(&padded.values, &want.values), "values, or their slack: {what}");
        assert_eq!(padded.meta, want.meta, "indices, or their slack: {what}");

        let blank = vec![5.0; rows * cols];
        let check = |out: &Dense, how: &str| {
            assert!(same_bits(&out.data(), dense), "{how}: {what}");
            assert!(out.slack_is_untouched(), "slack of {how}: {what}");
        };
        let mut out = Dense::new(&blank, rows, cols, to, slack % 2);
        prune(options, method, p, a.view(), out.view_mut()).expect("prune");
        check(&out, "prune");
        let mut out = a.clone();
        prune_in_place(options, method, p, out.view_mut()).expect("prune in place");
        check(&out, "prune in place");
        for order in [from, to] {
            let mut out = Dense::new(&blank, rows, cols, order, 2);
            decompress(options, want.view(p, rows, cols), out.view_mut()).expect("decompress");
            check(&out, "decompress");
        }
    }

    /// `Keep` of the pruned matrix gives the same values and indices.
    pub fn check_keep(&self, options: &Options<'_>, order: Order, what: &str) {
        let (rows, cols) = self.shape;
        let pruned = Dense::new(self.dense, rows, cols, order, 1);
        let mut kept = Compressed::new(rows, cols, self.p).expect("memory");
        compress(options, Method::Keep, pruned.view(), kept.as_mut()).expect("keep");
        assert!(same_bits(kept.values(), self.values), "KEEP of {what}");
        assert_eq!(kept.meta(), self.meta, "KEEP of {what}");
    }

    /// Rows of values and of indices with slack behind each, filled from what is there without.
    fn padded(
        &self,
        slack: usize,
        value: impl Fn(usize) -> f32,
        index: impl Fn(usize) -> u8,
    ) -> Padded {
        let (rows, cols) = self.shape;
        let (v, m) = (self.p.row_values(cols), self.p.row_meta(cols));
        let ld @ (ldv, ldm) = (v + slack % 4, m + slack % 3);
        let mut values = vec![UNTOUCHED.0; rows * ldv];
        let mut meta = vec![UNTOUCHED.1; self.p.meta_rows(rows) * ldm];
        for (i, x) in values.iter_mut().enumerate().filter(|(i, _)| i % ldv < v) {
            *x = value(i / ldv * v + i % ldv);
        }
        for (i, x) in meta.iter_mut().enumerate().filter(|(i, _)| i % ldm < m) {
            *x = index(i / ldm * m + i % ldm);
        }
        Padded { values, meta, ld }
    }
}

impl Padded {
    fn view(&self, p: Pattern, rows: usize, cols: usize) -> CompressedRef<'_> {
        let (ldv, ldm) = self.ld;
        CompressedRef::new(&self.values, &self.meta, rows, cols, p, ldv, ldm).expect("buffers")
    }
}

/// A product: `result = alpha * pruned.B + beta * C`, matrices row-major.
pub struct Multiplied<'a> {
    pub pruned: Pruned<'a>,
    pub cols: usize,
    pub alpha: f32,
    pub b: &'a [f32],
    pub beta: f32,
    pub c: &'a [f32],
    pub result: &'a [f32],
}

impl Multiplied<'_> {
    /// `gemm` and `prune_gemm`, A, B and C of these storages. With `beta` = 0 nothing of C may be read.
    pub fn check(
        &self,
        options: &Options<'_>,
        scratch: &mut Scratch,
        [of_a, of_b, of_c]: [Order; 3],
        slack: usize,
        what: &str,
    ) {
        let &Self { ref pruned, cols, alpha, b, beta, c, result } = self;
        let &Pruned { p, method, shape: (rows, inner), source, .. } = pruned;
        let padded = pruned.padded(slack, |i| pruned.values[i], |i| pruned.meta[i]);
        let a = Dense::new(source, rows, inner, of_a, slack % 3);
        let b = Dense::new(b, inner, cols, of_b, slack % 4);
        let start = if beta == 0.0 { vec![f32::NAN; rows * cols] } else { c.to_vec() };
        let check = |c: &Dense, how: &str| {
            assert!(same_bits(&c.data(), result), "{how}: {what}");
            assert!(c.slack_is_untouched(), "slack of {how}: {what}");
        };
        let mut c = Dense::new(&start, rows, cols, of_c, slack % 5);
        let (packed, to) = (padded.view(p, rows, inner), c.view_mut());
        gemm(options, scratch, alpha, packed, b.view(), beta, to).expect("gemm");
        check(&c, "gemm");
        let mut c = Dense::new(&start, rows, cols, of_c, slack % 5);
        let to = c.view_mut();
        prune_gemm(options, scratch, method, p, alpha, a.view(), b.view(), beta, to)
            .expect("prune_gemm");
        check(&c, "prune_gemm");
    }
}

/// Three storages, which change with `turn` one after the other.
pub fn three_orders(turn: usize) -> [Order; 3] {
    [turn, turn / 3, turn / 9].map(|turn| ORDERS[turn % 3])
}
