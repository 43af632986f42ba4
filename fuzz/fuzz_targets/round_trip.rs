//! compress -> decompress = prune, on every level the bits of the reference; KEEP gives them back.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use spnm::{Compressed, Error, Isa, Method, compress, decompress, prune, prune_in_place, validate};
use spnm_fuzz::common::{compressed, dense_of, same_bits};
use spnm_fuzz::{Case, floats};

fn run(mut u: Unstructured<'_>) -> Result<()> {
    let case = Case::new(&mut u)?;
    let Case { p, rows, cols, method, .. } = case;
    let data = floats(&mut u, rows * cols)?;
    let options = case.options();
    let a = case.dense(&data);
    let mut out = Compressed::new(rows, cols, p).expect("memory");
    compress(&options, method, a.view(), out.as_mut()).expect("compress");
    let reference = compressed(Isa::Reference, method, &data, (rows, cols), p);
    assert!(same_bits(out.values(), reference.values()), "values: {case:?}");
    assert_eq!(out.meta(), reference.meta(), "{case:?}");
    // Two draws may take an index twice where rounding carries the second past what the first has left, as
    // the definition says; the dense form of such a group is of no use.
    match validate(out.as_ref()) {
        Err(Error::Meta { .. }) if matches!(method, Method::MvueApprox(_)) => return Ok(()),
        result => result.expect("what compress writes is valid"),
    }

    let want = dense_of(out.values(), out.meta(), rows, cols, p);
    let mut dense = case.dense(&vec![3.0; data.len()]);
    decompress(&options, out.as_ref(), dense.view_mut()).expect("decompress");
    assert!(same_bits(&dense.data(), &want), "decompress: {case:?}");
    let mut pruned = case.dense(&vec![3.0; data.len()]);
    prune(&options, method, p, a.view(), pruned.view_mut()).expect("prune");
    assert!(same_bits(&pruned.data(), &want), "prune: {case:?}");
    assert!(dense.slack_is_untouched() && pruned.slack_is_untouched(), "slack: {case:?}");
    let mut within = a.clone();
    prune_in_place(&options, method, p, within.view_mut()).expect("prune_in_place");
    assert!(same_bits(&within.data(), &want), "prune_in_place: {case:?}");

    // What poison put past the columns cannot come back, nor the place of an entry that shrank to nothing.
    let shrinks = match method {
        Method::SoftThreshold => true,
        // Of groups of subnormals whose reciprocal sum overflows, nothing is left (docs/MATHEMATICS.md).
        Method::MvueApprox(_) => data.iter().any(|x| x.is_subnormal()),
        _ => false,
    };
    if (cols % p.m() == 0 || !want.iter().any(|x| x.is_nan())) && !shrinks {
        let mut kept = Compressed::new(rows, cols, p).expect("memory");
        compress(&options, Method::Keep, pruned.view(), kept.as_mut()).expect("keep");
        assert!(same_bits(kept.values(), out.values()), "KEEP: {case:?}");
        assert_eq!(kept.meta(), out.meta(), "KEEP: {case:?}");
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = run(Unstructured::new(bytes));
});
