//! The C entry points with arbitrary structs, whose pointers lead into one arena: on an error nothing is
//! written, on success nothing but the outputs, and no call panics.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use spnm::Pattern;
use spnm_fuzz::c::*;
use std::ops::Range;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// The arena: a heap block, so that AddressSanitizer watches both its ends.
const ARENA: usize = 6 * PART;
/// Each operand has a part of it by default.
const PART: usize = 24 * 1024;

/// Bytes from the arena's first that an operand spans; none where it has no elements.
type Span = Range<i128>;

/// Far outside every address space, and far from overflow.
fn bounded(bytes: i128) -> i128 {
    bytes.clamp(-(1 << 100), 1 << 100)
}

struct Draw<'a, 'b> {
    u: &'a mut Unstructured<'b>,
    base: usize,
}

impl Draw<'_, '_> {
    /// Mostly `usual`, now and then anything.
    fn rarely<T: Copy>(
        &mut self,
        usual: T,
        other: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if self.u.ratio(1, 24)? { other(self) } else { Ok(usual) }
    }

    fn size(&mut self) -> Result<usize> {
        let usual = self.u.int_in_range(0..=40)?;
        self.rarely(usual, |d| {
            let large = [1 << 31, 1 << 32, usize::MAX / 4, isize::MAX as usize, usize::MAX];
            Ok(*d.u.choose(&large)? - usize::from(d.u.arbitrary::<bool>()?))
        })
    }

    /// A pointer to `span` (relative to the element that it points to), in the operand's part, at an end of
    /// the arena, anywhere, or NULL.
    fn pointer(&mut self, part: usize, span: &Span) -> Result<usize> {
        let room = (ARENA as i128 - (span.end - span.start)).max(0);
        let from = match self.u.int_in_range(0..=11)? {
            0 => 0,
            1 => room,
            2 => self.u.int_in_range(0..=room)?,
            3 => return self.rarely(self.base, |_| Ok(0)),
            _ => (part * PART) as i128 + i128::from(self.u.arbitrary::<u8>()? % 64),
        };
        Ok(self.base.wrapping_add((from - span.start) as usize))
    }

    fn matrix(&mut self, part: usize, rows: usize, cols: usize) -> Result<(spnm_matrix, Span)> {
        let (rows, cols) = (self.rarely(rows, Self::size)?, self.rarely(cols, Self::size)?);
        let slack = self.u.int_in_range(0..=3)?;
        let (mut rs, mut cs) = match self.u.int_in_range(0..=3)? {
            0 | 1 => (cols.wrapping_add(slack) as isize, 1),
            2 => (1, rows.wrapping_add(slack) as isize),
            _ => ((2 * cols.min(64) + slack) as isize, 2),
        };
        if self.u.ratio(1, 12)? {
            rs = rs.wrapping_neg();
        }
        if self.u.ratio(1, 12)? {
            cs = cs.wrapping_neg();
        }
        rs = self.rarely(rs, |d| d.u.arbitrary())?;
        cs = self.rarely(cs, |d| d.u.arbitrary())?;
        let reach = |count: usize, stride: isize| {
            bounded((count as i128 - 1).max(0).saturating_mul(stride as i128))
        };
        let (r, c) = (reach(rows, rs), reach(cols, cs));
        let empty = rows == 0 || cols == 0;
        let relative =
            if empty { 0..0 } else { 4 * (r.min(0) + c.min(0))..4 * (r.max(0) + c.max(0) + 1) };
        let data = self.pointer(part, &relative)?;
        let matrix = spnm_matrix {
            data: data as *mut _,
            rows,
            cols,
            row_stride: rs,
            col_stride: cs,
            dtype: self.rarely(0, |d| d.u.int_in_range(0..=3))?,
            reserved: self.rarely(0, |d| d.u.arbitrary())?,
        };
        Ok((matrix, self.absolute(data, relative)))
    }

    fn absolute(&self, pointer: usize, relative: Span) -> Span {
        if pointer == 0 || relative.is_empty() {
            return 0..0;
        }
        let at = pointer as i128 - self.base as i128;
        at + relative.start..at + relative.end
    }

    fn compressed(
        &mut self,
        parts: [usize; 2],
        rows: usize,
        cols: usize,
        (n, m): (u32, u32),
    ) -> Result<(spnm_compressed, [Span; 2])> {
        let (rows, cols) = (self.rarely(rows, Self::size)?, self.rarely(cols, Self::size)?);
        let (n, m) = (self.rarely(n, |d| d.u.arbitrary())?, self.rarely(m, |d| d.u.arbitrary())?);
        let groups = (cols as i128 + i128::from(m) - 1) / i128::from(m.max(1));
        let bits = i128::from(m.clamp(2, 16).ilog2()) + i128::from(m == 8);
        let (v, b) = (groups * i128::from(n), (groups * i128::from(n) * bits + 7) / 8);
        let slack = self.u.int_in_range(0..=3)?;
        let ld = |row: i128| usize::try_from(row).unwrap_or(usize::MAX).saturating_add(slack);
        let ld_values = self.rarely(ld(v), |d| d.u.arbitrary())?;
        let ld_meta = self.rarely(ld(b), |d| d.u.arbitrary())?;
        let group = if self.u.ratio(1, 4)? { self.u.int_in_range(2..=64)? } else { 1 };
        let group = self.rarely(group, |d| d.u.arbitrary())?;
        let span = |rows: usize, ld: usize, row: i128| {
            if rows == 0 || cols == 0 {
                0
            } else {
                bounded((rows as i128 - 1).saturating_mul(ld as i128)) + row
            }
        };
        let shared = rows.div_ceil(group.max(1) as usize);
        let (values, meta) = (0..4 * span(rows, ld_values, v), 0..span(shared, ld_meta, b));
        let (vp, mp) = (self.pointer(parts[0], &values)?, self.pointer(parts[1], &meta)?);
        let compressed = spnm_compressed {
            values: vp as *mut _,
            meta: mp as *mut _,
            rows,
            cols,
            ld_values,
            ld_meta,
            n,
            m,
            dtype: self.rarely(0, |d| d.u.int_in_range(0..=3))?,
            group,
        };
        Ok((compressed, [self.absolute(vp, values), self.absolute(mp, meta)]))
    }
}

/// A pool that all calls may use.
fn pool() -> *mut spnm_pool {
    static POOL: OnceLock<usize> = OnceLock::new();
    let address = POOL.get_or_init(|| {
        let mut pool = null_mut();
        // SAFETY: a valid out-pointer.
        assert_eq!(unsafe { spnm_pool_create(3, &raw mut pool) }, OK);
        pool as usize
    });
    *address as *mut spnm_pool
}

fn run(mut u: Unstructured<'_>) -> Result<()> {
    let mut arena = vec![0u8; ARENA].into_boxed_slice();
    let fill = u.arbitrary_len::<u8>()?.min(4096);
    let seed = u.bytes(fill)?.to_vec();
    for (i, byte) in arena.iter_mut().enumerate() {
        *byte = if seed.is_empty() { 0 } else { seed[i % seed.len()] };
    }
    let base = arena.as_mut_ptr() as usize;
    let mut d = Draw { u: &mut u, base };
    let which = d.u.int_in_range(0..=13)?;
    let pattern = if which == 6 { Pattern::N2M4 } else { *d.u.choose(Pattern::ALL)? };
    let (n, m) = (pattern.n() as u32, pattern.m() as u32);
    let (rows, inner, cols) = (d.size()?, d.size()?, d.size()?);
    let (alpha, beta) = (d.u.arbitrary::<f32>()?, *d.u.choose(&[0.0, 1.0, 0.5])?);
    let usual = d.u.int_in_range(0..=4)?;
    let method = d.rarely(usual, |d| d.u.arbitrary())?;
    let options = spnm_options {
        struct_size: d.rarely(size_of::<spnm_options>(), |d| {
            d.u.int_in_range(0..=size_of::<spnm_options>())
        })?,
        isa: d.u.int_in_range(0..=3)?,
        flags: d.rarely(0, |d| d.u.arbitrary())?,
        pool: if d.u.arbitrary()? { pool() } else { null_mut() },
    };
    let (a, a_span) = d.matrix(0, rows, inner)?;
    let (b, b_span) = d.matrix(1, inner, cols)?;
    let (c, c_span) = d.matrix(3, rows, cols)?;
    let (out, out_span) = d.matrix(3, rows, inner)?;
    let (packed, [v_span, m_span]) = d.compressed([1, 2], rows, inner, (n, m))?;
    let (turned, [vt_span, mt_span]) = d.compressed([4, 5], inner, rows, (n, m))?;
    let (gn, gm, group) = (packed.n, packed.m, packed.group);
    let (col0, row0) = (u64::from(d.u.arbitrary::<u16>()?) * u64::from(m), 5 * u64::from(group));
    let rng = spnm_rng {
        seed: d.u.arbitrary()?,
        stream: d.u.arbitrary()?,
        row0: d.rarely(row0, |d| d.u.arbitrary())?,
        col0: d.rarely(col0, |d| d.u.arbitrary())?,
    };
    let give_rng = !d.u.ratio(1, 16)?;
    // One of the outputs of transposable masks may be left out.
    let (give_out, give_turned) = (!d.u.ratio(1, 6)?, !d.u.ratio(1, 6)?);
    // No more than there is room for.
    let fit_size = d.rarely(size_of::<spnm_lognormal>(), |d| {
        d.u.int_in_range(0..=size_of::<spnm_lognormal>())
    })?;
    let analysis_size =
        d.rarely(size_of::<spnm_analysis>(), |d| d.u.int_in_range(0..=size_of::<spnm_analysis>()))?;
    let numbers: [f64; 4] = d.u.arbitrary()?;

    // What the call reads and writes; it may be made if that lies in the arena or in no address space.
    let (reads, writes): (Vec<&Span>, Vec<&Span>) = match which {
        0 => (vec![&a_span], vec![&v_span, &m_span]),
        1 => (vec![&a_span], vec![&out_span]),
        2 => (vec![&v_span, &m_span], vec![&out_span]),
        3 => (vec![&v_span, &m_span], vec![]),
        4 => (vec![&v_span, &m_span, &b_span], vec![&c_span]),
        5 => (vec![&a_span, &b_span], vec![&c_span]),
        6 => (
            vec![&a_span],
            [(give_out, [&v_span, &m_span]), (give_turned, [&vt_span, &mt_span])]
                .into_iter()
                .filter_map(|(given, spans)| given.then_some(spans))
                .flatten()
                .collect(),
        ),
        7 | 8 => (vec![&a_span], vec![&out_span]),
        9..=12 => (vec![&a_span], vec![]),
        _ => (vec![], vec![]),
    };
    let mut impossible = false;
    for span in reads.iter().chain(&writes) {
        let inside = span.is_empty() || (span.start >= 0 && span.end <= ARENA as i128);
        let absolute = (base as i128 + span.start, base as i128 + span.end);
        let nowhere = absolute.0 < 0
            || absolute.1 > usize::MAX as i128
            || span.end - span.start > isize::MAX as i128;
        if !inside && !nowhere {
            return Ok(());
        }
        impossible |= nowhere;
    }

    // Strides of 0 make a matrix of 2^31 rows of one number: legal, and summed for minutes.
    if matches!(which, 9..=12) && a.rows.saturating_mul(a.cols) > 1 << 16 {
        return Ok(());
    }

    let before = arena.clone();
    let o = if d.u.ratio(1, 8)? { null() } else { &raw const options };
    let r = if give_rng { &raw const rng } else { null() };
    let (pa, pb, pc, pout, pp) =
        (&raw const a, &raw const b, &raw const c, &raw const out, &raw const packed);
    let pt = if give_turned { &raw const turned } else { null() };
    let (mut bad_row, mut bad_group) = (0usize, 0usize);
    let [mu, sigma, zeros, number] = numbers;
    // Mostly in range; NaN and infinity stay.
    let (sigma, zeros, share) = (sigma.abs(), zeros.fract().abs(), number.fract().abs());
    let mut fit = spnm_lognormal { struct_size: fit_size, mu, sigma, zeros };
    let mut analysis = spnm_analysis { struct_size: analysis_size, numbers: [7.0; 8] };
    let (mut scale, mut threshold, mut best) = (7.0f64, 7.0f32, (7u32, 7u32));
    // SAFETY: every pointer leads into the arena, as far as the sizes beside it say, or the sizes are
    // such that the call must refuse them.
    let status = unsafe {
        match which {
            0 => spnm_compress(o, method, r, pa, pp),
            1 => spnm_prune(o, method, r, gn, gm, group, pa, pout),
            2 => spnm_decompress(o, pp, pout),
            3 => spnm_validate(pp, &raw mut bad_row, &raw mut bad_group),
            4 => spnm_gemm(o, alpha, pp, pb, beta, pc),
            5 => spnm_prune_gemm(o, method, r, gn, gm, group, alpha, pa, pb, beta, pc),
            6 => spnm_compress_transposable(o, pa, if give_out { pp } else { null() }, pt),
            7 => spnm_prune_transposable(o, pa, pout),
            8 => spnm_prune_threshold(o, r, alpha.abs(), pa, pout),
            9 => spnm_soft_threshold_scale(o, gn, gm, pa, &raw mut scale),
            10 => spnm_lognormal_fit(o, pa, &raw mut fit),
            11 => spnm_analyse(o, gn, gm, group, pa, &raw mut analysis),
            12 => spnm_recommend(o, group, pa, number, &raw mut best.0, &raw mut best.1),
            _ => spnm_threshold_for_sparsity(&raw const fit, share, &raw mut threshold),
        }
    };
    assert!((-14..=0).contains(&status), "status {status}");
    assert_ne!(status, E_PANIC, "call {which} panicked");
    assert!(!impossible || status != OK, "call {which} took what has no room in the address space");
    if status != OK {
        let untouched = (scale, threshold, best) == (7.0, 7.0, (7, 7))
            && analysis.numbers == [7.0; 8]
            && fit.mu.to_bits() == mu.to_bits();
        assert!(untouched, "call {which} wrote a result before it failed");
    }
    if arena == before {
        return Ok(());
    }
    let written = |at: usize| writes.iter().any(|span| span.contains(&(at as i128)));
    for (at, (now, then)) in arena.iter().zip(&before).enumerate() {
        if now != then {
            assert_eq!(status, OK, "call {which} wrote byte {at} before it failed");
            assert!(written(at), "call {which} wrote byte {at}, outside {writes:?}");
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = run(Unstructured::new(bytes));
});
