//! What the oracle computed (`tests/oracle/oracle.py`, the definition of the bits) is what every level
//! returns. The vectors and their format are those of `tests/oracle/make_vectors.py`, and of
//! `tests/oracle/make_estimators.py` for the methods that it adds.

mod common;

use common::forms::{Multiplied, Pruned};
use common::vectors::{Matrix, Reader};
use common::{Dense, ORDERS, Order, assert_bits, dense_of, index_of, levels};
use spnm::{Compressed, Error, Isa, Method, Options, Pattern, Pool, Scratch, compress, validate};

static VECTORS: &[u8] = include_bytes!("oracle/vectors.bin");
static ESTIMATORS: &[u8] = include_bytes!("oracle/estimators.bin");
const CANONICAL_NAN: u32 = 0x7FC0_0000;

struct Head {
    name: String,
    pattern: Pattern,
    method: Method,
}

struct Compression {
    head: Head,
    a: usize,
    values: Vec<f32>,
    meta: Vec<u8>,
}

struct Product {
    head: Head,
    alpha: f32,
    beta: f32,
    a: usize,
    b: usize,
    c: usize,
    result: Vec<f32>,
}

struct Vectors {
    matrices: Vec<Matrix>,
    compressions: Vec<Compression>,
    products: Vec<Product>,
}

fn head(file: &mut Reader) -> Head {
    let name = file.text();
    let pattern = Pattern::new(file.u32(), file.u32()).expect("a pattern");
    let method = file.u32();
    let rng = file.rng();
    let method = match method {
        1 => Method::Magnitude,
        2 => Method::Mvue(rng),
        3 => Method::MvueApprox(rng),
        4 => Method::SoftThreshold,
        other => panic!("method {other}"),
    };
    Head { name, pattern, method }
}

fn read(file: &'static [u8]) -> Vectors {
    let mut file = Reader::new(file, b"SPNMVEC1");
    let matrices = file.matrices();
    let compressions = (0..file.u32())
        .map(|_| {
            let head = head(&mut file);
            let a = file.u32() as usize;
            let Matrix { rows, cols, .. } = matrices[a];
            let values = file.floats(rows * head.pattern.row_values(cols));
            let meta = file.take(rows * head.pattern.row_meta(cols)).to_vec();
            Compression { head, a, values, meta }
        })
        .collect();
    let products = (0..file.u32())
        .map(|_| {
            let head = head(&mut file);
            let (alpha, beta) = (file.f32(), file.f32());
            let [a, b, c] = [(); 3].map(|()| file.u32() as usize);
            let result = file.floats(matrices[a].rows * matrices[b].cols);
            Product { head, alpha, beta, a, b, c, result }
        })
        .collect();
    file.end();
    Vectors { matrices, compressions, products }
}

fn vectors() -> Vectors {
    let mut all = read(VECTORS);
    let base = all.matrices.len();
    let more = read(ESTIMATORS);
    all.matrices.extend(more.matrices);
    let moved = |c: Compression| Compression { a: c.a + base, ..c };
    all.compressions.extend(more.compressions.into_iter().map(moved));
    let moved = |p: Product| Product { a: p.a + base, b: p.b + base, c: p.c + base, ..p };
    all.products.extend(more.products.into_iter().map(moved));
    all
}

/// The number of a method in the vectors.
fn number(method: Method) -> u32 {
    match method {
        Method::Magnitude => 1,
        Method::Mvue(_) => 2,
        Method::MvueApprox(_) => 3,
        Method::SoftThreshold => 4,
        other => panic!("{other:?} is in no file"),
    }
}

impl Compression {
    /// The first group whose indices do not ascend: `MVUE_APPROX` may draw the last entry twice.
    fn repeated(&self, cols: usize) -> Option<(usize, usize)> {
        let p = self.head.pattern;
        let (groups, bytes) = (p.groups(cols), p.row_meta(cols));
        let repeats = |&(row, group): &(usize, usize)| {
            let meta = &self.meta[row * bytes..][..bytes];
            let index = |k: usize| index_of(meta, group * p.n() + k, p);
            (1..p.n()).any(|k| index(k - 1) >= index(k))
        };
        let rows = self.meta.len().checked_div(bytes).unwrap_or(0);
        (0..rows).flat_map(|row| (0..groups).map(move |group| (row, group))).find(repeats)
    }

    /// Whether KEEP gives a pruned matrix's bytes back. It does not where a kept value is zero though its entry is not
    /// (`SOFT_THRESHOLD`: ties with what is dropped), or where an index is there twice.
    fn comes_back(&self, a: &Matrix) -> bool {
        let p = self.head.pattern;
        let kept = p.row_values(a.cols);
        let vanishes = |(e, value): (usize, &f32)| {
            let (row, e) = (e / kept, e % kept);
            let meta = &self.meta[row * p.row_meta(a.cols)..];
            let col = e / p.n() * p.m() + index_of(meta, e, p);
            *value == 0.0 && col < a.cols && a.data[row * a.cols + col] != 0.0
        };
        self.repeated(a.cols).is_none() && !self.values.iter().enumerate().any(vanishes)
    }
}

#[test]
fn the_file_covers_what_it_should() {
    let vectors = vectors();
    for &p in Pattern::ALL {
        for method in (1..=4).filter(|&method| method != 3 || p.n() == 2) {
            let mine = |h: &Head| h.pattern == p && number(h.method) == method;
            let count = vectors.compressions.iter().filter(|c| mine(&c.head)).count();
            assert!(count >= 4, "{p}, method {method}: {count} compressions");
        }
        let products = vectors.products.iter().filter(|c| c.head.pattern == p).count();
        assert!(products >= 9, "{p}: {products} products");
        let far = vectors.compressions.iter().any(|c| match c.head.method {
            Method::Mvue(r) => c.head.pattern == p && r.col0 / p.m() as u64 >= (1 << 32) - 200,
            _ => false,
        });
        assert!(far, "{p}: no shard near the last group");
    }
    let cols = |c: &Compression| vectors.matrices[c.a].cols;
    let repeated = vectors.compressions.iter().filter(|c| c.repeated(cols(c)).is_some());
    let methods: Vec<u32> = repeated.map(|c| number(c.head.method)).collect();
    assert!(!methods.is_empty() && methods.iter().all(|&m| m == 3), "entries drawn twice");
    let poisoned: Vec<f32> = vectors
        .compressions
        .iter()
        .flat_map(|c| &c.values)
        .copied()
        .filter(|x| x.is_nan())
        .collect();
    assert!(poisoned.len() > 100 && poisoned.iter().all(|x| x.to_bits() == CANONICAL_NAN));
}

#[test]
fn compress_equals_the_oracle() {
    let vectors = vectors();
    let pool = Pool::new(2).expect("a small pool");
    for isa in levels() {
        for (number, case) in vectors.compressions.iter().enumerate() {
            let Matrix { rows, cols, ref data } = vectors.matrices[case.a];
            let Head { ref name, pattern, method } = case.head;
            for order in ORDERS {
                let what =
                    format!("{name}, {pattern}, {rows} x {cols}, {method:?}, {isa:?}, {order:?}");
                let options = Options::new().isa(isa);
                let options = if number % 4 == 0 { options.pool(&pool) } else { options };
                let a = Dense::new(data, rows, cols, order, number % 3);
                let mut out = Compressed::new(rows, cols, pattern).expect("memory");
                compress(&options, method, a.view(), out.as_mut()).expect("compress");
                assert_bits(out.values(), &case.values, &what);
                assert_eq!(out.meta(), case.meta, "{what}");
                let repeated = case.repeated(cols).map(|(row, group)| Error::Meta { row, group });
                assert_eq!(validate(out.as_ref()).err(), repeated, "{what}");
            }
        }
    }
}

#[test]
fn prune_decompress_and_keep_equal_the_oracle() {
    let vectors = vectors();
    for isa in levels() {
        let options = Options::new().isa(isa);
        for (number, case) in vectors.compressions.iter().enumerate() {
            let Matrix { rows, cols, ref data } = vectors.matrices[case.a];
            let Head { ref name, pattern, method } = case.head;
            let want = dense_of(&case.values, &case.meta, rows, cols, pattern);
            for order in ORDERS {
                let what =
                    format!("{name}, {pattern}, {rows} x {cols}, {method:?}, {isa:?}, {order:?}");
                let pruned = Pruned {
                    p: pattern,
                    method,
                    shape: (rows, cols),
                    source: data,
                    values: &case.values,
                    meta: &case.meta,
                    dense: &want,
                };
                let other = ORDERS[(number + order as usize) % 3];
                pruned.check(&options, (order, other), number, &what);
                // A pruned matrix is N:M: KEEP gives the same bytes back. But for groups that are
                // poisoned and short: what lies past `cols` cannot come back.
                if (cols % pattern.m() == 0 || !want.iter().any(|x| x.is_nan()))
                    && case.comes_back(&vectors.matrices[case.a])
                {
                    pruned.check_keep(&options, other, &what);
                }
            }
        }
    }
}

#[test]
fn products_equal_the_oracle() {
    let vectors = vectors();
    let mut scratch = Scratch::new();
    let reference = Options::new().isa(Isa::Reference);
    let pool = Pool::new(3).expect("a small pool");
    for isa in levels() {
        for (number, case) in vectors.products.iter().enumerate() {
            let Product { ref head, alpha, beta, .. } = *case;
            let [a, b, c] = [case.a, case.b, case.c].map(|i| &vectors.matrices[i]);
            let cols = b.cols;
            let mut packed = Compressed::new(a.rows, a.cols, head.pattern).expect("memory");
            let source = Dense::new(&a.data, a.rows, a.cols, Order::Rows, 0);
            compress(&reference, head.method, source.view(), packed.as_mut()).expect("compress");
            for turn in 0..3 {
                let (oa, ob, oc) =
                    (ORDERS[turn], ORDERS[(turn + number) % 3], ORDERS[(turn + number / 3) % 3]);
                let what = format!(
                    "{}, {}, {:?}, alpha {alpha}, beta {beta}, {isa:?}, {oa:?} {ob:?} {oc:?}",
                    head.name, head.pattern, head.method
                );
                let options = Options::new().isa(isa);
                let options = if turn == 1 { options.pool(&pool) } else { options };
                let pruned = Pruned::new(&packed, head.method, &a.data, &[]);
                let (b, c, result) = (&b.data, &c.data, &case.result);
                let product = Multiplied { pruned, cols, alpha, b, beta, c, result };
                product.check(&options, &mut scratch, [oa, ob, oc], turn, &what);
            }
        }
    }
}
