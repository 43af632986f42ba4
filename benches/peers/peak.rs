//! The rate of fused multiply-adds from registers: what no product on one core can exceed.
//!
//! The sums start from numbers that the compiler cannot know to be equal: it would rotate equal ones through
//! registers and memory, at half the rate.

use spnm::Isa;
use std::hint::black_box;
use std::time::Instant;

/// GFLOP/s of the level's vectors, the best of a few milliseconds; nothing for levels without
/// vectors of their own.
pub(crate) fn sample(isa: Isa) -> Option<f64> {
    let (run, flops) = loop_of(isa)?;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(run(black_box(ROUNDS)));
        best = best.min(start.elapsed().as_secs_f64());
    }
    Some((ROUNDS * flops) as f64 / best / 1e9)
}

const ROUNDS: usize = 1 << 16;

/// A loop of so many rounds, and its floating-point operations a round.
type Loop = (fn(usize) -> f32, usize);

#[cfg(target_arch = "x86_64")]
fn loop_of(isa: Isa) -> Option<Loop> {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    fn avx512(rounds: usize) -> f32 {
        let (x, y) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut sums = [y; 16];
        for sum in &mut sums {
            *sum = _mm512_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, x, y);
            }
        }
        sums.iter().map(|&sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2(rounds: usize) -> f32 {
        let (x, y) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
        let mut sums = [y; 12];
        for sum in &mut sums {
            *sum = _mm256_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, x, y);
            }
        }
        sums.iter().map(|&sum| _mm256_cvtss_f32(sum)).sum()
    }

    match isa {
        // SAFETY: the level is available, so the CPU has its features.
        Isa::Avx512 if isa.is_available() => Some((|n| unsafe { avx512(n) }, 16 * 16 * 2)),
        // SAFETY: as above.
        Isa::Avx2 if isa.is_available() => Some((|n| unsafe { avx2(n) }, 12 * 8 * 2)),
        _ => None,
    }
}

#[cfg(target_arch = "aarch64")]
fn loop_of(isa: Isa) -> Option<Loop> {
    use std::arch::aarch64::*;

    #[target_feature(enable = "neon")]
    fn neon(rounds: usize) -> f32 {
        let (x, y) = (vdupq_n_f32(black_box(0.5)), vdupq_n_f32(black_box(1.0)));
        let mut sums = [y; 24];
        for sum in &mut sums {
            *sum = vdupq_n_f32(black_box(1.0));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = vfmaq_f32(y, *sum, x);
            }
        }
        sums.iter().map(|&sum| vaddvq_f32(sum)).sum()
    }

    match isa {
        // SAFETY: the level is available, so the CPU has its features.
        Isa::Neon if isa.is_available() => Some((|n| unsafe { neon(n) }, 24 * 4 * 2)),
        _ => None,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn loop_of(_isa: Isa) -> Option<Loop> {
    None
}
