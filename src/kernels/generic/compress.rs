//! Prune and compress in one pass, from either storage of A.

use super::Lanes;
use super::estimators::Estimator;
use super::lanes::{MAX_LANES, copy_elements, deinterleave, interleave};
use super::philox::{WORD_GROUPS, words_of_row, words_of_strip};
use crate::kernels::CompressJob;
use crate::pattern::index_bits;

/// Groups that are selected before their indices are packed: whole bytes for every pattern.
const CHUNK: usize = WORD_GROUPS;

/// Where the words of a chunk lie: the aligned group to draw from, and the chunk's offset from it.
#[inline(always)]
fn aligned(group: u32) -> (u32, usize) {
    let offset = group % CHUNK as u32;
    (group - offset, offset as usize)
}

/// Rows of A contiguous (`col_stride` 1): a block to a lane, neighbouring groups in neighbouring lanes.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn); `job.col_stride` must be 1.
#[inline(always)]
pub(crate) unsafe fn rows<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
) {
    let bits = N * index_bits(M);
    let groups = job.cols.div_ceil(M);
    let mut words = [0u32; 2 * CHUNK];
    let mut codes = [0u32; CHUNK];
    for i in 0..job.rows {
        // SAFETY: row i of A, of the values and of the metadata.
        let (a, values, meta) = unsafe {
            (
                job.a.offset(i.cast_signed() * job.row_stride),
                job.values.add(i * job.ld_values),
                job.meta.add(i * job.ld_meta),
            )
        };
        let row = job.row0 + i as u32;
        let mut first = 0;
        while first < groups {
            let count = CHUNK.min(groups - first);
            let mut offset = 0;
            if E::RANDOM {
                let from;
                (from, offset) = aligned(job.group0 + first as u32);
                // SAFETY: either half of `words` holds a chunk.
                unsafe {
                    words_of_row(l, &job.key, row, from, words.as_mut_ptr());
                    if offset + count > CHUNK {
                        let next = from + CHUNK as u32;
                        words_of_row(l, &job.key, row, next, words.as_mut_ptr().add(CHUNK));
                    }
                }
            }
            let mut v = 0;
            while v < count {
                let g = first + v;
                // SAFETY: offset < CHUNK, v + COUNT <= CHUNK; the entries and values of the groups
                // from g on that exist, COUNT of them where all are whole.
                unsafe {
                    let word = l.load_u(words.as_ptr().add(offset + v));
                    let whole = (g + L::COUNT) * M <= job.cols;
                    let x = if whole {
                        load_groups::<L, M>(l, a.add(g * M))
                    } else {
                        let mut padded = [0.0; 16 * MAX_LANES];
                        copy_elements(a.add(g * M), padded.as_mut_ptr(), job.cols - g * M);
                        load_groups::<L, M>(l, padded.as_ptr())
                    };
                    let picked = E::select::<L, N, M>(l, x, word);
                    l.store_u(codes.as_mut_ptr().add(v), picked.code);
                    if whole {
                        store_groups::<L, N>(l, values.add(g * N), picked.values);
                    } else {
                        let mut padded = [0.0; 8 * MAX_LANES];
                        store_groups::<L, N>(l, padded.as_mut_ptr(), picked.values);
                        copy_elements(padded.as_ptr(), values.add(g * N), (groups - g) * N);
                    }
                }
                v += L::COUNT;
            }
            // SAFETY: `first` is a multiple of 64, so this is where its byte begins; the bytes of
            // `count` groups are written.
            unsafe {
                let target = meta.add(first / 8 * bits);
                if count == CHUNK {
                    pack::<L, N, M>(l, codes.as_ptr(), target);
                } else {
                    codes[count..].fill(0);
                    let mut padded = [0u8; 4 * CHUNK];
                    pack::<L, N, M>(l, codes.as_ptr(), padded.as_mut_ptr());
                    let bytes = (count * bits).div_ceil(8);
                    std::ptr::copy_nonoverlapping(padded.as_ptr(), target, bytes);
                }
            }
            first += CHUNK;
        }
    }
}

/// The entries of COUNT consecutive groups, entry i of each in vector i.
///
/// # Safety
/// `M * COUNT` elements must be readable.
#[inline(always)]
unsafe fn load_groups<L: Lanes, const M: usize>(l: L, a: *const f32) -> [L::F; M] {
    let mut x = [l.splat(0.0); M];
    for (i, x) in x.iter_mut().enumerate() {
        // SAFETY: i < M.
        *x = unsafe { l.load(a.add(i * L::COUNT)) };
    }
    deinterleave(l, x)
}

/// The inverse of [`load_groups`].
///
/// # Safety
/// `N * COUNT` elements must be writable.
#[inline(always)]
unsafe fn store_groups<L: Lanes, const N: usize>(l: L, values: *mut f32, kept: [L::F; N]) {
    let kept = interleave(l, kept);
    for (k, &kept) in kept.iter().enumerate() {
        // SAFETY: k < N.
        unsafe { l.store(values.add(k * L::COUNT), kept) };
    }
}

/// [`Lanes::pack_codes`] with the bits of an N:M group.
///
/// # Safety
/// As [`Lanes::pack_codes`].
#[inline(always)]
unsafe fn pack<L: Lanes, const N: usize, const M: usize>(l: L, codes: *const u32, target: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match N * index_bits(M) {
            1 => l.pack_codes::<1>(codes, target),
            2 => l.pack_codes::<2>(codes, target),
            4 => l.pack_codes::<4>(codes, target),
            8 => l.pack_codes::<8>(codes, target),
            16 => l.pack_codes::<16>(codes, target),
            _ => l.pack_codes::<32>(codes, target),
        }
    }
}

/// Any strides, made for columns of A contiguous (`row_stride` 1): a row to a lane.
///
/// Strips of COUNT rows go through a chunk of groups together; a batch of groups whose values fill
/// whole vectors is transposed at a time, as compressed rows are contiguous. What is not a full
/// strip of unit stride goes through a small padded copy first.
///
/// # Safety
/// The contract of [`CompressFn`](crate::kernels::CompressFn).
#[inline(always)]
pub(crate) unsafe fn cols<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
) {
    let groups = job.cols.div_ceil(M);
    let mut words = [0u32; 2 * CHUNK * MAX_LANES];
    let mut first = 0;
    while first < groups {
        let count = CHUNK.min(groups - first);
        let mut r = 0;
        while r < job.rows {
            let valid = L::COUNT.min(job.rows - r);
            let mut offset = 0;
            if E::RANDOM {
                let from;
                (from, offset) = aligned(job.group0 + first as u32);
                let row = job.row0 + r as u32;
                // SAFETY: either half of `words` holds a chunk of COUNT rows.
                unsafe {
                    words_of_strip(l, &job.key, row, from, words.as_mut_ptr());
                    if offset + count > CHUNK {
                        let half = words.as_mut_ptr().add(CHUNK * L::COUNT);
                        words_of_strip(l, &job.key, row, from + CHUNK as u32, half);
                    }
                }
            }
            // SAFETY: rows r .. r + valid and groups first .. first + count exist; the words of
            // the chunk begin at `offset` and there are two chunks of them.
            unsafe {
                let words = words.as_ptr().add(offset * L::COUNT);
                strip::<L, E, N, M>(l, job, r, valid, first, count, words);
            }
            r += L::COUNT;
        }
        first += CHUNK;
    }
}

/// `valid` rows from `r` on, `count` groups from `first` on.
///
/// # Safety
/// They must exist, and `words` hold a vector for each of the groups.
#[inline(always)]
unsafe fn strip<L: Lanes, E: Estimator, const N: usize, const M: usize>(
    l: L,
    job: &CompressJob,
    r: usize,
    valid: usize,
    first: usize,
    count: usize,
    words: *const u32,
) {
    let bits = N * index_bits(M);
    let batch = (L::COUNT / N).max(1);
    let mut padded = [const { std::mem::MaybeUninit::<f32>::uninit() }; 16 * 16 * MAX_LANES];
    let padded = padded.as_mut_ptr().cast::<f32>();
    let mut tile = [0.0f32; MAX_LANES * MAX_LANES];
    let mut code = l.splat_u(0);
    let mut g = first;
    while g < first + count {
        let here = batch.min(first + count - g);
        let full = valid == L::COUNT && here == batch && (g + batch) * M <= job.cols;
        // SAFETY: full: the entries of `batch` groups of COUNT rows. Otherwise the entries that
        // exist are copied to `padded`, which holds batch * M <= 16 * 16 columns of COUNT rows.
        let (source, stride) = unsafe {
            let at = job.entry(r, g * M);
            if full && job.row_stride == 1 {
                (at, job.col_stride)
            } else {
                for c in 0..here * M {
                    let exist = if g * M + c < job.cols { valid } else { 0 };
                    for lane in 0..L::COUNT {
                        *padded.add(c * L::COUNT + lane) = if lane < exist {
                            job.entry(r + lane, g * M + c).read_unaligned()
                        } else {
                            0.0
                        };
                    }
                }
                (padded.cast_const(), L::COUNT.cast_signed())
            }
        };
        for t in 0..here {
            let mut x = [l.splat(0.0); M];
            for (i, x) in x.iter_mut().enumerate() {
                // SAFETY: column t * M + i of the source.
                *x = unsafe { l.load(source.offset((t * M + i).cast_signed() * stride)) };
            }
            // SAFETY: the word of group g + t; `tile` holds batch * N <= 16 vectors.
            let picked = unsafe {
                let word = l.load_u(words.add((g - first + t) * L::COUNT));
                let picked = E::select::<L, N, M>(l, x, word);
                for k in 0..N {
                    l.store(tile.as_mut_ptr().add((t * N + k) * L::COUNT), picked.values[k]);
                }
                picked
            };
            let bit = (g + t) * bits;
            code = l.or_u(code, l.shl(picked.code, (bit % 32) as u32));
            if (bit + bits) % 32 == 0 {
                // SAFETY: these four bytes of metadata hold group g + t and those before it.
                unsafe { scatter(l, job, r, valid, bit / 32 * 4, 4, code) };
                code = l.splat_u(0);
            }
        }
        // SAFETY: the values of groups g .. g + here of `valid` rows; full: batch * N of each.
        unsafe {
            let target = job.values.add(r * job.ld_values + g * N);
            if full {
                for square in 0..(batch * N) / L::COUNT {
                    l.transpose(
                        tile.as_ptr().add(square * L::COUNT * L::COUNT),
                        L::COUNT.cast_signed(),
                        target.add(square * L::COUNT),
                        job.ld_values.cast_signed(),
                    );
                }
            } else {
                for lane in 0..valid {
                    for j in 0..here * N {
                        let at = target.add(lane * job.ld_values + j);
                        at.write_unaligned(tile[j * L::COUNT + lane]);
                    }
                }
            }
        }
        g += batch;
    }
    let bit = (first + count) * bits;
    if bit % 32 != 0 {
        // SAFETY: the bytes that hold the last groups.
        unsafe { scatter(l, job, r, valid, bit / 32 * 4, (bit % 32).div_ceil(8), code) };
    }
}

/// The low `bytes` bytes of each lane's code to byte `at` of its row of metadata.
///
/// # Safety
/// Those bytes of `valid` rows from `r` on must be writable.
#[inline(always)]
unsafe fn scatter<L: Lanes>(
    l: L,
    job: &CompressJob,
    r: usize,
    valid: usize,
    at: usize,
    bytes: usize,
    code: L::U,
) {
    let mut lanes = [0u32; MAX_LANES];
    // SAFETY: the buffer holds a vector; the caller's promise.
    unsafe {
        l.store_u(lanes.as_mut_ptr(), code);
        let target = job.meta.add(r * job.ld_meta + at);
        for (lane, word) in lanes.iter().enumerate().take(valid) {
            let word = word.to_le_bytes();
            let target = target.add(lane * job.ld_meta);
            if bytes == 4 {
                target.cast::<[u8; 4]>().write(word);
            } else {
                std::ptr::copy_nonoverlapping(word.as_ptr(), target, bytes);
            }
        }
    }
}
