//! What an instruction set must offer: a small vocabulary of lane-wise operations.

/// What every lane does by itself, as the mathematics of pruning does all of its work.
///
/// `F`, `U` and `M` hold f32s, u32s and truth values. All arithmetic is IEEE-754 binary32, round to nearest even, subnormals
/// kept, and nothing is fused but [`fma`](Lanewise::fma); the operations are therefore the same bits everywhere.
pub(crate) trait Lanewise: Copy {
    /// f32 lanes.
    type F: Copy;
    /// u32 lanes.
    type U: Copy;
    /// Truth values of lanes.
    type M: Copy;
    /// Whether masks are counted as ones and the sum is shifted into place: not where an addition under a mask is one
    /// instruction.
    const COUNTS_ONES: bool = true;

    fn splat(self, x: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The lesser of two non-negative numbers; anything where one is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The greater of two non-negative numbers; anything where one is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// `magnitude`, which is not negative, with the sign bit of `sign`.
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F;

    /// Whether `a <= b`, of numbers whose sign bits are clear: not where `a` is NaN, anything where `b` is.
    fn le(self, a: Self::F, b: Self::F) -> Self::M;
    /// Whether `a < b`, as [`le`](Self::le).
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// Whether `a == b`, of any numbers: not where one is NaN.
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    fn and(self, a: Self::M, b: Self::M) -> Self::M;
    fn or(self, a: Self::M, b: Self::M) -> Self::M;
    /// Whether the mask holds in every lane.
    fn all(self, a: Self::M) -> bool;
    /// `a` where the mask holds, else `b`.
    fn select(self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// `a + b` where the mask holds, else `a`, which is not -0.
    #[inline(always)]
    fn plus_where(self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F {
        self.add(a, self.select(mask, b, self.splat(0.0)))
    }
    /// 0 where `a`, whose sign bit is clear, is zero, else 1.
    fn one_unless_zero(self, a: Self::F) -> Self::U;
    /// `from`, less the number of masks that hold; K is a power of two.
    ///
    /// Short chains of two masks each, then their sum: a selection waits for the longest chain. (In f32, as AVX-512 adds
    /// under a mask in one instruction, where LLVM makes two of an integer count.)
    #[inline(always)]
    fn count_down<const K: usize>(self, from: i8, masks: [Self::M; K]) -> Self::F {
        let mut chains = K / 2;
        let mut sums = [self.splat(0.0); K];
        sums[0] = self.splat(from.into());
        for i in 0..K {
            sums[i % chains] = self.plus_where(masks[i], sums[i % chains], self.splat(-1.0));
        }
        while chains > 1 {
            chains /= 2;
            for c in 0..chains {
                sums[c] = self.add(sums[c], sums[c + chains]);
            }
        }
        sums[0]
    }
    /// 1 where the mask holds and `a`, whose sign bit is clear, is not zero; else `b`, which is zero where the mask
    /// holds.
    #[inline(always)]
    fn one_where(self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.and(mask, self.lt(self.splat(0.0), a)), self.splat(1.0), b)
    }
    /// `x` with a magnitude of at least `least`, which is not negative; +0 where x is zero.
    #[inline(always)]
    fn raise(self, x: Self::F, least: Self::F) -> Self::F {
        let a = self.abs(x);
        let raised = self.copysign(self.max(a, least), x);
        self.select(self.lt(self.splat(0.0), a), raised, self.splat(0.0))
    }

    fn splat_u(self, x: u32) -> Self::U;
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn or_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor(self, a: Self::U, b: Self::U) -> Self::U;
    /// `a << by`, `by` < 32.
    fn shl(self, a: Self::U, by: u32) -> Self::U;
    /// `a >> by`, `by` < 32.
    fn shr(self, a: Self::U, by: u32) -> Self::U;
    fn eq_u(self, a: Self::U, b: Self::U) -> Self::M;
    /// `a <= b` for numbers below 2^31.
    fn le_u(self, a: Self::U, b: Self::U) -> Self::M;
    fn select_u(self, mask: Self::M, a: Self::U, b: Self::U) -> Self::U;
    /// `a + b` where the mask holds, else `a`.
    fn add_where(self, mask: Self::M, a: Self::U, b: Self::U) -> Self::U;
    /// Numbers below 2^23 as f32, exactly.
    fn to_f32(self, a: Self::U) -> Self::F;
    /// The f32s that have these bits.
    fn with_bits(self, a: Self::U) -> Self::F;
}

/// One instruction set, as a token that proves that the CPU has it: vectors of [`Lanes::COUNT`] lanes, in memory and across.
///
/// Methods are safe where no memory is touched: the token is the proof that the instructions
/// exist. Pointers need no alignment, not even the element's: indices are read as words where they lie.
///
/// # Safety
/// `COUNT` must be a power of two, at most [`MAX_LANES`], and `F`, `U` exactly that many words.
pub(crate) unsafe trait Lanes: Lanewise {
    /// Lanes of a vector.
    const COUNT: usize;
    /// Whether long loops are unrolled, as the micro-kernel's steps: not for emulated lanes, of which compilers make poor code,
    /// and slowly.
    const WRITTEN_OUT: bool = true;
    /// Vector registers: what is worked on side by side should stay in them.
    const REGISTERS: usize = 32;
    /// Whether one instruction loads or stores a part of a vector.
    const MASKED: bool = false;
    /// Whether there are stores past the caches.
    const STREAMS: bool = false;

    /// 0, 1, 2, ... by lane.
    fn iota(self) -> Self::U;

    /// The 64-bit products of the even lanes of `a` and `b`: low words in even lanes, high words in
    /// odd lanes.
    fn mul_even(self, a: Self::U, b: Self::U) -> Self::U;
    /// Odd lanes moved to the even lanes below them; the odd lanes of the result are unspecified.
    fn odd_to_even(self, a: Self::U) -> Self::U;
    /// The even lanes of `even` in even lanes, the even lanes of `odd` in the odd lanes above.
    fn merge_even(self, even: Self::U, odd: Self::U) -> Self::U;

    /// # Safety
    /// `COUNT` elements from `p` on must be readable.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `COUNT` elements from `p` on must be writable.
    unsafe fn store(self, p: *mut f32, a: Self::F);
    /// A store past the caches, where there are such: it may be seen late, and out of order, until
    /// [`end_of_streams`](Lanes::end_of_streams).
    ///
    /// # Safety
    /// As [`store`](Lanes::store); `p` is a multiple of the vector's size, and nothing accesses the elements before
    /// [`end_of_streams`](Lanes::end_of_streams).
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, a: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, a) };
    }
    /// A fence: this thread's non-temporal stores are visible from here on.
    #[inline(always)]
    fn end_of_streams(self) {}
    /// Four elements, for [`nth_of_four`](Lanes::nth_of_four).
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_four(self, p: *const f32) -> Self::F;
    /// What [`nth_of_four`](Lanes::nth_of_four) permutes by: made once, outside of the loop.
    fn places(self) -> [Self::U; 4];
    /// Element `i`, below 4, of [`load_four`](Lanes::load_four) in every lane.
    fn nth_of_four(self, four: Self::F, places: &[Self::U; 4], i: usize) -> Self::F;
    /// The same pointer, as the one base of addresses: LLVM would rather have a base and an index in each, which Intel's
    /// CPUs split off a multiply-add.
    #[inline(always)]
    fn counted_from(self, p: *const f32) -> *const f32 {
        p
    }
    /// A hint that the line of `p`, which may be any address, is read soon.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    /// The same, into a second-level cache.
    #[inline(always)]
    fn prefetch_far(self, _: *const f32) {}
    /// The lines of `count` elements from `p` on, into a second-level cache or a first.
    #[inline(always)]
    fn prefetch_lines(self, into_l2: bool, p: *const f32, count: usize) {
        for line in 0..count.div_ceil(LINE) {
            let p = p.wrapping_add(line * LINE);
            if into_l2 { self.prefetch_far(p) } else { self.prefetch(p) }
        }
    }

    /// # Safety
    /// As [`load`](Lanes::load).
    unsafe fn load_u(self, p: *const u32) -> Self::U;
    /// # Safety
    /// As [`store`](Lanes::store).
    unsafe fn store_u(self, p: *mut u32, a: Self::U);

    /// In every lane the entry that the lane's index, modulo M, selects of M.
    ///
    /// # Safety
    /// M must be 2, 4, 8 or 16, and M entries from `entries` on readable.
    #[inline(always)]
    unsafe fn lookup<const M: usize>(self, entries: *const f32, index: Self::U) -> Self::F {
        let mut at = [0; MAX_LANES];
        let mut found = [0.0; MAX_LANES];
        // SAFETY: the buffers hold a vector each; an index modulo M is that of an entry.
        unsafe {
            self.store_u(at.as_mut_ptr(), index);
            for i in 0..Self::COUNT {
                found[i] = entries.add(at[i] as usize % M).read_unaligned();
            }
            self.load(found.as_ptr())
        }
    }

    /// The elements of `COUNT` consecutive runs of M, element i of each run in vector i.
    ///
    /// # Safety
    /// M must be 1, 2, 4, 8 or 16, and `M * COUNT` elements from `p` on readable.
    unsafe fn load_runs<const M: usize>(self, p: *const f32) -> [Self::F; M];
    /// The inverse of [`load_runs`](Lanes::load_runs).
    ///
    /// # Safety
    /// M must be 1, 2, 4, 8 or 16, and `M * COUNT` elements from `p` on writable.
    unsafe fn store_runs<const M: usize>(self, p: *mut f32, runs: [Self::F; M]);

    /// The first `count` elements, zeros behind them; nothing else is read.
    ///
    /// # Safety
    /// `count <= COUNT`, and `count` elements from `p` on must be readable.
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, count: usize) -> Self::F {
        let mut buffer = [0.0; MAX_LANES];
        // SAFETY: `count` elements are readable, and fit the buffer; the buffer holds a vector.
        unsafe {
            copy_elements(p, buffer.as_mut_ptr(), count);
            self.load(buffer.as_ptr())
        }
    }

    /// Stores the first `count` elements; nothing else is written.
    ///
    /// # Safety
    /// `count <= COUNT`, and `count` elements from `p` on must be writable.
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, a: Self::F, count: usize) {
        let mut buffer = [0.0; MAX_LANES];
        // SAFETY: the buffer holds a vector, and `count` elements are writable.
        unsafe {
            self.store(buffer.as_mut_ptr(), a);
            copy_elements(buffer.as_ptr(), p, count);
        }
    }

    /// Transposes a `COUNT` x `COUNT` square: element j of source row i becomes element i of
    /// destination row j. Strides in elements.
    ///
    /// # Safety
    /// `COUNT` rows of `COUNT` elements at either stride must be readable at `source` and writable at
    /// `target`, and not overlap.
    unsafe fn transpose(self, source: *const f32, from: isize, target: *mut f32, to: isize);

    /// Packs the low `BITS` bits of each of 64 codes, low bits first, into `8 * BITS` bytes.
    ///
    /// # Safety
    /// 64 codes must be readable, the higher bits of each zero, and `8 * BITS` bytes writable.
    #[inline(always)]
    unsafe fn pack_codes<const BITS: usize>(self, codes: *const u32, target: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { pack_codes_scalar::<BITS>(codes, target) };
    }
}

/// Copies `count` elements of any alignment.
///
/// # Safety
/// They must be readable at `from`, writable at `to`, and not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_elements(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise; bytes need no alignment.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), count * size_of::<f32>());
    }
}

/// Copies those of `count` elements that make whole vectors, and returns how many they are.
///
/// # Safety
/// `count` elements must be readable and writable respectively, and must not overlap.
#[inline(always)]
unsafe fn copy_vectors<L: Lanes>(l: L, from: *const f32, to: *mut f32, count: usize) -> usize {
    let whole = count - count % L::COUNT;
    for k in (0..whole).step_by(L::COUNT) {
        // SAFETY: a vector below `count`.
        unsafe { l.store(to.add(k), l.load(from.add(k))) };
    }
    whole
}

/// Copies `count` elements to a buffer of whole vectors, zeros behind them in the last.
///
/// By vectors, as what is loaded from the buffer next: a load waits for stores narrower than itself.
///
/// # Safety
/// `count` elements must be readable at `from`, `count` rounded up to whole vectors writable at `to`, and they must not
/// overlap.
#[inline(always)]
pub(crate) unsafe fn copy_in<L: Lanes>(l: L, from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise; `count - whole` elements follow the whole vectors.
    unsafe {
        let whole = copy_vectors(l, from, to, count);
        if whole < count {
            l.store(to.add(whole), l.load_first(from.add(whole), count - whole));
        }
    }
}

/// The inverse of [`copy_in`]: only `count` elements are written.
///
/// # Safety
/// `count` rounded up to whole vectors must be readable at `from`, `count` elements writable at `to`, and they must not
/// overlap.
#[inline(always)]
pub(crate) unsafe fn copy_out<L: Lanes>(l: L, from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise; `count - whole` elements follow the whole vectors.
    unsafe {
        let whole = copy_vectors(l, from, to, count);
        if whole < count {
            l.store_first(to.add(whole), l.load(from.add(whole)), count - whole);
        }
    }
}

/// Copies `rows` x `cols` elements, rows `stride` elements apart, to a square of COUNT rows of COUNT, zeros behind and below
/// them.
///
/// # Safety
/// At most COUNT rows and columns, which must be readable; the square must be writable, and they must not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_square<L: Lanes>(
    l: L,
    (from, stride): (*const f32, isize),
    (rows, cols): (usize, usize),
    square: *mut f32,
) {
    for i in 0..L::COUNT {
        // SAFETY: elements of a row that exists; a row of the square.
        unsafe {
            let row = if i < rows {
                l.load_first(from.wrapping_offset(i.cast_signed() * stride), cols)
            } else {
                l.splat(0.0)
            };
            l.store(square.add(i * L::COUNT), row);
        }
    }
}

/// The widest vector of any level, in 32-bit lanes.
pub(crate) const MAX_LANES: usize = 16;

/// f32s of a cache line.
pub(crate) const LINE: usize = crate::compressed::Line::LEN;

/// [`Lanes::pack_codes`] in words of 32 bits.
///
/// # Safety
/// As [`Lanes::pack_codes`].
#[inline(always)]
pub(crate) unsafe fn pack_codes_scalar<const BITS: usize>(codes: *const u32, target: *mut u8) {
    let per_word = 32 / BITS;
    for w in 0..2 * BITS {
        let mut word = 0u32;
        for i in 0..per_word {
            // SAFETY: w * per_word + i < 64.
            word |= unsafe { *codes.add(w * per_word + i) } << (i * BITS);
        }
        // SAFETY: four bytes of the 8 * BITS.
        unsafe { target.add(4 * w).cast::<[u8; 4]>().write(word.to_le_bytes()) };
    }
}

/// Unpacks `count` codes of `bits` bits each; reads only the bytes that hold them.
///
/// # Safety
/// `bits` must divide 32, `count` codes be writable, and their `ceil(count * bits / 8)` bytes
/// readable.
#[inline(always)]
pub(crate) unsafe fn unpack_codes(meta: *const u8, bits: usize, count: usize, codes: *mut u32) {
    let mask = u32::MAX >> (32 - bits);
    // Loops that LLVM makes vectors of, over numbers that hold one code or several.
    macro_rules! numbers {
        ($number:ty) => {{
            let each = 8 * size_of::<$number>() / bits;
            for at in 0..count / each {
                // SAFETY: the codes of this number are below `count`; byte arrays need no alignment.
                unsafe {
                    let bytes = *meta.cast::<[u8; size_of::<$number>()]>().add(at);
                    let number = u32::from(<$number>::from_le_bytes(bytes));
                    for j in 0..each {
                        *codes.add(at * each + j) = (number >> (j * bits)) & mask;
                    }
                }
            }
            for i in count / each * each..count {
                let bit = i * bits;
                // SAFETY: bit i * bits lies in the bytes that hold the codes; i < count.
                unsafe { *codes.add(i) = (u32::from(*meta.add(bit / 8)) >> (bit % 8)) & mask };
            }
        }};
    }
    match bits {
        1 | 32 => numbers!(u32),
        16 => numbers!(u16),
        _ => numbers!(u8),
    }
}

/// Lanes that take runs apart, and put them together, by halves of what two vectors hold.
pub(crate) trait Zip: Lanes {
    /// Of the `2 * COUNT` elements of a then b: those at even places, those at odd places.
    fn unzip(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// a0 b0 a1 b1 ...: the inverse of [`unzip`](Zip::unzip).
    fn zip(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
}

/// [`Lanes::load_runs`] by [`Zip::unzip`].
///
/// # Safety
/// As [`Lanes::load_runs`].
#[inline(always)]
pub(crate) unsafe fn unzip_runs<L: Zip, const M: usize>(l: L, p: *const f32) -> [L::F; M] {
    let mut v = [l.splat(0.0); M];
    for i in 0..M {
        // SAFETY: i < M.
        v[i] = unsafe { l.load(p.add(i * L::COUNT)) };
    }
    deinterleave(l, v)
}

/// [`Lanes::store_runs`] by [`Zip::zip`].
///
/// # Safety
/// As [`Lanes::store_runs`].
#[inline(always)]
pub(crate) unsafe fn zip_runs<L: Zip, const M: usize>(l: L, p: *mut f32, runs: [L::F; M]) {
    let v = interleave(l, runs);
    for i in 0..M {
        // SAFETY: i < M.
        unsafe { l.store(p.add(i * L::COUNT), v[i]) };
    }
}

/// `M` vectors of consecutive elements, taken apart: element i of each run of M into vector i.
#[inline(always)]
fn deinterleave<L: Zip, const M: usize>(l: L, mut v: [L::F; M]) -> [L::F; M] {
    let mut size = M;
    while size > 1 {
        let mut next = v;
        let mut block = 0;
        while block < M {
            for j in 0..size / 2 {
                let (even, odd) = l.unzip(v[block + 2 * j], v[block + 2 * j + 1]);
                next[block + j] = even;
                next[block + size / 2 + j] = odd;
            }
            block += size;
        }
        v = next;
        size /= 2;
    }
    bit_reversed(v)
}

/// The inverse of [`deinterleave`].
#[inline(always)]
fn interleave<L: Zip, const M: usize>(l: L, v: [L::F; M]) -> [L::F; M] {
    let mut v = bit_reversed(v);
    let mut size = 2;
    while size <= M {
        let mut next = v;
        let mut block = 0;
        while block < M {
            for j in 0..size / 2 {
                let (low, high) = l.zip(v[block + j], v[block + size / 2 + j]);
                next[block + 2 * j] = low;
                next[block + 2 * j + 1] = high;
            }
            block += size;
        }
        v = next;
        size *= 2;
    }
    v
}

/// Repeated halving by parity leaves element i where the bits of i read backwards say.
#[inline(always)]
fn bit_reversed<T: Copy, const M: usize>(v: [T; M]) -> [T; M] {
    let mut out = v;
    if M > 1 {
        let bits = M.trailing_zeros();
        for i in 0..M {
            out[i] = v[i.reverse_bits() >> (usize::BITS - bits)];
        }
    }
    out
}
