//! The rate of fused multiply-adds: from registers, which no product on one core can exceed, and with one factor of each
//! from a first-level cache, as a compressed product reads the rows of B.
//!
//! The sums start from numbers that the compiler cannot know to be equal: it would rotate equal ones through
//! registers and memory, at half the rate.

use spnm::Isa;
use std::hint::black_box;
use std::time::Instant;

/// GFLOP/s of a level's vectors.
#[derive(Clone, Copy)]
pub(crate) struct Peak {
    pub(crate) registers: f64,
    pub(crate) loads: f64,
}

impl Peak {
    /// The best of a few milliseconds; nothing for levels without vectors of their own.
    pub(crate) fn sample(isa: Isa) -> Option<Self> {
        let Loops { registers, loads, flops } = loops_of(isa)?;
        let rate = |run: Loop| {
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let start = Instant::now();
                black_box(run(black_box(ROUNDS), &ONES));
                best = best.min(start.elapsed().as_secs_f64());
            }
            (ROUNDS * flops) as f64 / best / 1e9
        };
        Some(Self { registers: rate(registers), loads: rate(loads) })
    }

    /// The best of both: nothing can be faster.
    pub(crate) const fn max(self, other: Self) -> Self {
        Self { registers: self.registers.max(other.registers), loads: self.loads.max(other.loads) }
    }
}

const ROUNDS: usize = 1 << 16;

/// What is loaded: a cache line for each of the most sums.
static ONES: Ones = Ones([1.0; 16 * 16]);
#[repr(align(64))]
struct Ones([f32; 16 * 16]);

/// So many rounds.
type Loop = fn(usize, &Ones) -> f32;

struct Loops {
    registers: Loop,
    loads: Loop,
    /// Floating-point operations of a round.
    flops: usize,
}

#[cfg(target_arch = "x86_64")]
fn loops_of(isa: Isa) -> Option<Loops> {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    fn avx512<const LOADS: bool>(rounds: usize, ones: &Ones) -> f32 {
        let (x, y) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut sums = [y; 16];
        for sum in &mut sums {
            *sum = _mm512_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            // As if they had changed: they are read anew in every round.
            let ones = if LOADS { black_box(ones) } else { ones };
            for (sum, ones) in sums.iter_mut().zip(ones.0.as_chunks::<16>().0) {
                // SAFETY: sixteen numbers.
                let factor = if LOADS { unsafe { _mm512_loadu_ps(ones.as_ptr()) } } else { y };
                *sum = _mm512_fmadd_ps(x, factor, *sum);
            }
        }
        sums.iter().map(|&sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2<const LOADS: bool>(rounds: usize, ones: &Ones) -> f32 {
        let (x, y) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
        let mut sums = [y; 12];
        for sum in &mut sums {
            *sum = _mm256_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            let ones = if LOADS { black_box(ones) } else { ones };
            for (sum, ones) in sums.iter_mut().zip(ones.0.as_chunks::<8>().0) {
                // SAFETY: eight numbers.
                let factor = if LOADS { unsafe { _mm256_loadu_ps(ones.as_ptr()) } } else { y };
                *sum = _mm256_fmadd_ps(x, factor, *sum);
            }
        }
        sums.iter().map(|&sum| _mm256_cvtss_f32(sum)).sum()
    }

    match isa {
        Isa::Avx512 if isa.is_available() => Some(Loops {
            // SAFETY: the level is available, so the CPU has its features.
            registers: |n, ones| unsafe { avx512::<false>(n, ones) },
            // SAFETY: as above.
            loads: |n, ones| unsafe { avx512::<true>(n, ones) },
            flops: 16 * 16 * 2,
        }),
        Isa::Avx2 if isa.is_available() => Some(Loops {
            // SAFETY: as above.
            registers: |n, ones| unsafe { avx2::<false>(n, ones) },
            // SAFETY: as above.
            loads: |n, ones| unsafe { avx2::<true>(n, ones) },
            flops: 12 * 8 * 2,
        }),
        _ => None,
    }
}

#[cfg(target_arch = "aarch64")]
fn loops_of(isa: Isa) -> Option<Loops> {
    use std::arch::aarch64::*;

    #[target_feature(enable = "neon")]
    fn neon<const LOADS: bool>(rounds: usize, ones: &Ones) -> f32 {
        let (x, y) = (vdupq_n_f32(black_box(0.5)), vdupq_n_f32(black_box(1.0)));
        let mut sums = [y; 24];
        for sum in &mut sums {
            *sum = vdupq_n_f32(black_box(1.0));
        }
        for _ in 0..rounds {
            let ones = if LOADS { black_box(ones) } else { ones };
            for (sum, ones) in sums.iter_mut().zip(ones.0.as_chunks::<4>().0) {
                // SAFETY: four numbers.
                let factor = if LOADS { unsafe { vld1q_f32(ones.as_ptr()) } } else { y };
                *sum = vfmaq_f32(*sum, x, factor);
            }
        }
        sums.iter().map(|&sum| vaddvq_f32(sum)).sum()
    }

    match isa {
        Isa::Neon if isa.is_available() => Some(Loops {
            // SAFETY: the level is available, so the CPU has its features.
            registers: |n, ones| unsafe { neon::<false>(n, ones) },
            // SAFETY: as above.
            loads: |n, ones| unsafe { neon::<true>(n, ones) },
            flops: 24 * 4 * 2,
        }),
        _ => None,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn loops_of(_isa: Isa) -> Option<Loops> {
    None
}
