//! Metadata of garbage bytes: validate finds what is wrong, everything else has its documented meaning.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use spnm::{CompressedRef, Error, Isa, MatMut, MatRef, Options, Pattern, Scratch};
use spnm::{decompress, gemm, validate};
use spnm_fuzz::common::{dense_of, same_bits};
use spnm_fuzz::{Case, floats, numbers};

/// What the format asks for, read bit by bit.
fn verdict(
    meta: &[u8],
    rows: usize,
    cols: usize,
    p: Pattern,
    ld: usize,
) -> std::result::Result<(), Error> {
    let bit = |shared: usize, at: usize| usize::from(meta[shared * ld + at / 8] >> (at % 8) & 1);
    let width = p.index_bits();
    for shared in 0..if cols == 0 { 0 } else { p.meta_rows(rows) } {
        let row = shared * p.group();
        for group in 0..p.groups(cols) {
            let mut last = None;
            for k in 0..p.n() {
                let at = (group * p.n() + k) * width;
                let index: usize = (0..width).map(|i| bit(shared, at + i) << i).sum();
                if index >= p.m() || last.is_some_and(|last| last >= index) {
                    return Err(Error::Meta { row, group });
                }
                last = Some(index);
            }
        }
        let used = p.groups(cols) * p.n() * width;
        if (used..8 * p.row_meta(cols)).any(|at| bit(shared, at) == 1) {
            return Err(Error::Meta { row, group: p.groups(cols) });
        }
    }
    Ok(())
}

fn run(mut u: Unstructured<'_>) -> Result<()> {
    let case = Case::new(&mut u)?;
    let Case { p, rows, cols, .. } = case;
    let (kept, bytes) = (p.row_values(cols), p.row_meta(cols));
    let b = numbers(&mut u, cols * 17)?;
    let given = u.arbitrary_len::<u8>()?.min(p.meta_rows(rows) * bytes);
    let mut meta = u.bytes(given)?.to_vec();
    meta.resize(p.meta_rows(rows) * bytes, 0xE4);
    let values = floats(&mut u, rows * kept)?;
    let a = CompressedRef::new(&values, &meta, rows, cols, p, kept, bytes).expect("buffers");
    assert_eq!(validate(a), verdict(&meta, rows, cols, p, bytes), "{case:?}");

    let mut dense = case.dense(&vec![3.0; rows * cols]);
    decompress(&case.options(), a, dense.view_mut()).expect("decompress");
    let want = dense_of(&values, &meta, rows, cols, p);
    assert!(same_bits(&dense.data(), &want), "decompress: {case:?}");

    let product = |isa: Isa| {
        let mut c = vec![0.5; rows * 17];
        let b = MatRef::row_major(&b, cols, 17).expect("b");
        let to = MatMut::row_major(&mut c, rows, 17).expect("c");
        gemm(&Options::new().isa(isa), &mut Scratch::new(), 1.0, a, b, 1.0, to).expect("gemm");
        c
    };
    assert!(same_bits(&product(case.isa), &product(Isa::Reference)), "gemm: {case:?}");
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = run(Unstructured::new(bytes));
});
