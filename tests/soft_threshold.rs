//! The factor of the soft threshold: the bits of `tests/oracle/soft_threshold.py`, and what it is for.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod common;

use common::vectors::Reader;
use common::{Data, Dense, ORDERS, Order, by_effort, levels};
use spnm::{Error, Isa, MatRef, Method, Options, Pattern, Pool, prune, soft_threshold_scale};

static VECTORS: &[u8] = include_bytes!("oracle/soft_threshold.bin");

/// The matrix of a record: see `matrix` in `soft_threshold.py`.
fn matrix(rows: usize, cols: usize, kind: u32, key: u32) -> Vec<f32> {
    let mut data: Vec<f32> = (0..(rows * cols) as u32)
        .map(|e| {
            let mut word = e.wrapping_mul(2_654_435_761).wrapping_add(key);
            for factor in [0x7FEB_352D, 0x846C_A68B] {
                word = (word ^ word >> 16).wrapping_mul(factor);
            }
            let x = ((word >> 8) as i32 - (1 << 23)) as f32 / (1 << 20) as f32;
            match kind {
                1 => (word >> 24) as f32 % 5.0 - 2.0,
                2 => x * 2f32.powi((word & 63) as i32 - 32),
                3 if word & 1 == 1 => 0.75,
                3 => -0.75,
                _ => x,
            }
        })
        .collect();
    if kind == 4 {
        let middle = data.len() / 2;
        data[middle] = f32::INFINITY;
    }
    data
}

#[test]
fn scales_equal_the_oracle() {
    let mut file = Reader::new(VECTORS, b"SPNMSTS1");
    let records: Vec<([u32; 6], f64)> =
        (0..file.u32()).map(|_| ([(); 6].map(|()| file.u32()), file.f64())).collect();
    file.end();
    assert!(records.len() >= 5 * Pattern::ALL.len());
    let pool = Pool::new(3).expect("a small pool");
    let mut nans = 0;
    // A step that meets every pattern and every kind.
    for (number, &(record, want)) in records.iter().enumerate().step_by(by_effort(1, 7)) {
        let [n, m, rows, cols, kind, key] = record;
        let p = Pattern::new(n, m).expect("a pattern");
        let (rows, cols) = (rows as usize, cols as usize);
        nans += u32::from(want.is_nan());
        let data = matrix(rows, cols, kind, key);
        for isa in levels() {
            for order in ORDERS {
                let w = Dense::new(&data, rows, cols, order, number % 3);
                let options = Options::new().isa(isa);
                for options in [options, options.pool(&pool)] {
                    let got = soft_threshold_scale(&options, p, w.view()).expect("scale");
                    let what = format!("{p} {rows}x{cols} kind {kind} {isa:?} {order:?}");
                    assert_eq!(got.to_bits(), want.to_bits(), "{got} for {want}: {what}");
                }
            }
        }
    }
    assert!(nans >= by_effort(10, 1) as u32, "{nans} poisoned matrices");
}

/// No multiple of S(w) is nearer to w: the residual is orthogonal to S(w).
#[test]
fn the_residual_is_orthogonal() {
    let (rows, cols) = (33, 500);
    for &p in Pattern::ALL {
        for kind in 0..4 {
            let data = Data::new(9).matrix(kind, rows * cols);
            let w = Dense::new(&data, rows, cols, Order::Rows, 0);
            let mut pruned = w.clone();
            let options = Options::new();
            prune(&options, Method::SoftThreshold, p, w.view(), pruned.view_mut()).expect("prune");
            let beta = soft_threshold_scale(&options, p, w.view()).expect("scale");
            assert!(beta >= 1.0, "{p}: {beta}");
            let (mut inner, mut size) = (0.0, 0.0);
            for (&x, s) in data.iter().zip(pruned.data()) {
                let (x, s) = (f64::from(x), f64::from(s));
                inner += (beta * s - x) * s;
                size += (x * s).abs();
            }
            assert!(inner.abs() <= 1e-12 * size, "{p}, kind {kind}: {inner} of {size}");
            // The factor of a multiple is the same: exactly, for a power of two.
            let scaled = common::scaled(&data, -0.125);
            let w = MatRef::row_major(&scaled, rows, cols).expect("its own buffer");
            let same = soft_threshold_scale(&options, p, w).expect("scale");
            assert_eq!(same.to_bits(), beta.to_bits(), "{p}, kind {kind}");
        }
    }
}

#[test]
fn what_cannot_be_had_is_refused() {
    let p = Pattern::N2M4;
    let none =
        soft_threshold_scale(&Options::new(), p, MatRef::row_major(&[], 3, 0).expect("empty"));
    assert_eq!(none, Ok(1.0));
    // SAFETY: never read: it is refused.
    let null = unsafe { MatRef::from_raw_parts(std::ptr::null(), 2, 4, 4, 1) };
    let refused = soft_threshold_scale(&Options::new(), p, null);
    assert_eq!(refused, Err(Error::Null { argument: "w" }));
    // SAFETY: as above.
    let vast = unsafe { MatRef::from_raw_parts([0.0].as_ptr(), 2, 4, isize::MAX, 1) };
    let refused = soft_threshold_scale(&Options::new(), p, vast);
    assert_eq!(refused, Err(Error::Overflow { what: "w", value: usize::MAX }));
    let one = MatRef::row_major(&[1.0], 1, 1).expect("one entry");
    let missing = Isa::ALL.into_iter().find(|isa| !isa.is_available()).expect("no CPU has all");
    let refused = soft_threshold_scale(&Options::new().isa(missing), p, one);
    assert_eq!(refused, Err(Error::Isa { isa: missing }));
}
