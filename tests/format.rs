//! The worked bytes of docs/FORMAT.md.

use spnm::{Compressed, MatRef, Method, Options, Pattern, compress, validate};

/// Compresses one row by magnitude.
fn one_row(pattern: Pattern, row: &[f32]) -> Compressed {
    let a = MatRef::row_major(row, 1, row.len()).expect("its own buffer");
    let mut out = Compressed::new(1, row.len(), pattern).expect("memory");
    compress(&Options::new(), Method::Magnitude, a, out.as_mut()).expect("valid operands");
    validate(out.as_ref()).expect("well-formed metadata");
    out
}

#[test]
fn two_of_four() {
    let out = one_row(Pattern::N2M4, &[0.5, -4.0, 3.0, 0.25, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    assert_eq!(out.values(), [-4.0, 3.0, 1.0, 0.0, 2.0, 0.0]);
    assert_eq!(out.meta(), [0xC9, 0x0D]);
}

#[test]
fn one_of_two() {
    let row = [1, -3, 2, 0, 0, 0, -5, 6, 7, 8, 9, 1, 1, 2, 3, 1, 4].map(|x: i8| f32::from(x));
    let out = one_row(Pattern::N1M2, &row);
    assert_eq!(out.values(), [-3.0, 2.0, 0.0, 6.0, 8.0, 9.0, 2.0, 3.0, 4.0]);
    assert_eq!(out.meta(), [0x5D, 0x00]);
}

#[test]
fn four_of_eight() {
    let row = [1, 8, 2, 7, 3, 6, 4, 5, 0, 1, 0, 0, 0, 0, 2].map(|x: i8| f32::from(x));
    let out = one_row(Pattern::N4M8, &row);
    assert_eq!(out.values(), [8.0, 7.0, 6.0, 5.0, 1.0, 0.0, 2.0, 0.0]);
    assert_eq!(out.meta(), [0x31, 0x75, 0x51, 0x76]);
}

/// The fill table, by which entries are not zero.
#[test]
fn canonical_fill() {
    let nibble = |at: Option<usize>| {
        let mut row = [0.0, -0.0, 0.0, 0.0];
        if let Some(at) = at {
            row[at] = 1.0;
        }
        let out = one_row(Pattern::N2M4, &row);
        let zeros = out.values().iter().filter(|value| **value != 1.0);
        assert!(zeros.into_iter().all(|zero| zero.to_bits() == 0), "fill that is not +0");
        out.meta()[0]
    };
    assert_eq!(nibble(None), 0xE);
    assert_eq!([0, 1, 2, 3].map(|at| nibble(Some(at))), [0xC, 0xD, 0xE, 0xE]);
}

#[test]
fn poison() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let out = one_row(Pattern::N2M4, &[1.0, 2.0, 3.0, bad]);
        assert!(out.values().iter().all(|value| value.is_nan()));
        assert_eq!(out.meta(), [0x4]);
    }
}
