//! gemm and prune_gemm against sums in f64, and to the bit against the definition.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use spnm::{Isa, Method, Scratch, gemm, prune_gemm, validate};
use spnm_fuzz::common::{Dense, ORDERS, compressed, dense_of, naive_gemm, same_bits};
use spnm_fuzz::{Case, numbers};

fn run(mut u: Unstructured<'_>) -> Result<()> {
    let case = Case::new(&mut u)?;
    let Case { p, rows, cols: inner, method, .. } = case;
    let cols = u.int_in_range(0..=70)?;
    let scalars = [0.0, 1.0, -1.0, 0.75, -2.5];
    let (alpha, beta) = (*u.choose(&scalars)?, *u.choose(&scalars)?);
    let (ob, oc) = (*u.choose(&ORDERS)?, *u.choose(&ORDERS)?);
    let (a, b) = (numbers(&mut u, rows * inner)?, numbers(&mut u, inner * cols)?);
    let start = numbers(&mut u, rows * cols)?;

    let packed = compressed(Isa::Reference, method, &a, (rows, inner), p);
    let bv = Dense::new(&b, inner, cols, ob, 1);
    let mut c = Dense::new(&start, rows, cols, oc, 2);
    let mut scratch = Scratch::new();
    let to = c.view_mut();
    gemm(&case.options(), &mut scratch, alpha, packed.as_ref(), bv.view(), beta, to).expect("gemm");
    let mut fused = Dense::new(&start, rows, cols, oc, 0);
    let (av, to) = (case.dense(&a), fused.view_mut());
    prune_gemm(&case.options(), &mut scratch, method, p, alpha, av.view(), bv.view(), beta, to)
        .expect("prune_gemm");
    let got = c.data();
    assert!(same_bits(&got, &fused.data()), "prune_gemm is not gemm: {case:?}");
    assert!(c.slack_is_untouched(), "slack: {case:?}");
    let mut want = start.clone();
    naive_gemm(alpha, &packed, &b, beta, &mut want);
    assert!(same_bits(&got, &want), "not the definition: {case:?}");

    // A group of two draws that holds an index twice (see round_trip) is added twice; its dense form has it once.
    if validate(packed.as_ref()).is_err() {
        assert!(matches!(method, Method::MvueApprox(_)), "not valid: {case:?}");
        return Ok(());
    }
    let kept = dense_of(packed.values(), packed.meta(), rows, inner, p);
    for i in 0..rows {
        for j in 0..cols {
            let initial = f64::from(beta) * f64::from(start[i * cols + j]);
            let (mut sum, mut size) = (initial, initial.abs());
            for k in 0..inner {
                let term = f64::from(alpha) * f64::from(kept[i * inner + k]);
                let term = term * f64::from(b[k * cols + j]);
                sum += term;
                size += term.abs();
            }
            let bound = (p.row_values(inner) + 3) as f64 * f64::from(f32::EPSILON) * size;
            let got = f64::from(got[i * cols + j]);
            assert!((got - sum).abs() <= bound, "{got} for {sum} at ({i}, {j}): {case:?}");
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = run(Unstructured::new(bytes));
});
