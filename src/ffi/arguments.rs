//! From the caller's structs to the crate's types.

use super::memory::with_kept;
use super::pool::spnm_pool;
use super::refused::Refused;
use super::types::*;
use crate::compressed::{CompressedMut, CompressedRef};
use crate::isa::Isa;
use crate::matrix::{MatMut, MatRef};
use crate::ops::{Method, Options, Scratch};
use crate::pattern::Pattern;
use crate::rng::Rng;
use std::mem::offset_of;

/// A copy of the caller's struct, which is the argument of this name.
///
/// # Safety
/// A pointer that is not NULL must point to a `T`, of any alignment.
pub(super) unsafe fn read<T: Copy>(name: &'static str, pointer: *const T) -> Result<T, Refused> {
    not_null(name, pointer)?;
    // SAFETY: not NULL; the caller's promise.
    Ok(unsafe { pointer.read_unaligned() })
}

/// NULL in an argument that must point to something.
pub(super) fn not_null<T>(name: &'static str, pointer: *const T) -> Result<(), Refused> {
    if pointer.is_null() { Err(Refused::null(name)) } else { Ok(()) }
}

/// What [`spnm_options`] asks for, NULL included.
pub(super) struct Where<'a> {
    isa: Option<Isa>,
    pool: Option<&'a spnm_pool>,
}

/// The size of [`spnm_options`] in the first release.
const OPTIONS_SIZE_0: usize = offset_of!(spnm_options, pool) + size_of::<*mut spnm_pool>();
/// More than any release will need: what is larger was never set.
const STRUCT_SIZE_MAX: usize = 1024;

impl<'a> Where<'a> {
    /// # Safety
    /// A pointer that is not NULL must point to `struct_size` readable bytes, the fields that exist
    /// among them, and the pool be NULL or alive.
    pub(super) unsafe fn read(options: *const spnm_options) -> Result<Self, Refused> {
        if options.is_null() {
            return Ok(Self { isa: None, pool: None });
        }
        // SAFETY: every version of the struct begins with its size.
        let size = unsafe { options.cast::<usize>().read_unaligned() };
        if !(OPTIONS_SIZE_0..=STRUCT_SIZE_MAX).contains(&size) {
            return Err(Refused::value(SPNM_E_STRUCT_SIZE, "options->struct_size", size as u64));
        }
        // SAFETY: the struct has at least the fields of the first release, which are all so far.
        let given = unsafe { options.read_unaligned() };
        if given.flags != 0 {
            return Err(Refused::value(SPNM_E_OPTION, "options->flags", given.flags));
        }
        // SAFETY: the caller's struct has `size` bytes.
        unsafe { zeros_behind(options, size) }?;
        let isa = match given.isa {
            SPNM_ISA_AUTO => None,
            number => {
                let unknown = Refused::value(SPNM_E_ISA, "options->isa", number);
                Some(isa(number).ok_or(unknown)?)
            }
        };
        // SAFETY: NULL, or a pool that the caller has not freed.
        Ok(Self { isa, pool: unsafe { given.pool.as_ref() } })
    }

    pub(super) fn options(&self) -> Options<'a> {
        let mut options = Options::new();
        if let Some(isa) = self.isa {
            options = options.isa(isa);
        }
        if let Some(pool) = self.pool {
            options = options.pool(&pool.pool);
        }
        options
    }

    /// Calls `work` with working memory: the pool's, or what is kept for calls without one.
    pub(super) fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        match self.pool {
            Some(pool) => pool.with_scratch(work),
            None => with_kept(work),
        }
    }
}

/// The `struct_size`, of this name, with which a struct that is written, or read, begins: at least what is known, as no
/// older release had less.
///
/// # Safety
/// A struct of `struct_size` bytes that begins with that number.
pub(super) unsafe fn room<T>(name: &'static str, pointer: *const T) -> Result<usize, Refused> {
    // SAFETY: the caller's promise.
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    if !(size_of::<T>()..=STRUCT_SIZE_MAX).contains(&size) {
        return Err(Refused::value(SPNM_E_STRUCT_SIZE, name, size as u64));
    }
    Ok(size)
}

/// Writes a struct to where there is [`room`] for it; fields of a newer release become 0.
///
/// # Safety
/// `struct_size` bytes are writable.
pub(super) unsafe fn fill<T: Copy>(pointer: *mut T, value: T) {
    // SAFETY: the caller's promise; every such struct begins with its size.
    unsafe {
        let size = pointer.cast::<usize>().read_unaligned();
        pointer.write_unaligned(value);
        pointer.cast::<u8>().add(size_of::<T>()).write_bytes(0, size - size_of::<T>());
    }
}

/// A copy of a struct that begins with its size; fields of a newer release must be 0.
///
/// # Safety
/// As [`room`].
pub(super) unsafe fn read_sized<T: Copy>(
    name: &'static str,
    pointer: *const T,
) -> Result<T, Refused> {
    // SAFETY: the caller's promise.
    unsafe {
        let size = room(name, pointer)?;
        zeros_behind(pointer, size)?;
        Ok(pointer.read_unaligned())
    }
}

/// Fields behind those that are known, in a struct of `size` bytes, which are 0.
///
/// # Safety
/// So many bytes are readable.
unsafe fn zeros_behind<T>(pointer: *const T, size: usize) -> Result<(), Refused> {
    for at in size_of::<T>()..size {
        // SAFETY: the caller's promise.
        let byte = unsafe { *pointer.cast::<u8>().add(at) };
        if byte != 0 {
            return Err(Refused::value(SPNM_E_OPTION, "a field of a newer struct", byte));
        }
    }
    Ok(())
}

/// The number of a level, where it has one.
pub(super) const fn isa_number(isa: Isa) -> Option<u32> {
    match isa {
        Isa::Reference => None,
        Isa::Portable => Some(SPNM_ISA_PORTABLE),
        Isa::Avx2 => Some(SPNM_ISA_AVX2),
        Isa::Avx512 => Some(SPNM_ISA_AVX512),
        Isa::Neon => Some(SPNM_ISA_NEON),
    }
}

/// The level with this number, where there is one.
pub(super) fn isa(number: u32) -> Option<Isa> {
    Isa::ALL.into_iter().find(|&isa| isa_number(isa) == Some(number))
}

/// The method with this number. `rng` is looked at where the method draws random numbers.
///
/// # Safety
/// As [`read`].
pub(super) unsafe fn method(number: u32, rng: *const spnm_rng) -> Result<Method, Refused> {
    let drawn = || {
        // SAFETY: the caller's promise.
        Ok(Rng::from(unsafe { read("rng", rng) }?))
    };
    match number {
        SPNM_KEEP => Ok(Method::Keep),
        SPNM_MAGNITUDE => Ok(Method::Magnitude),
        SPNM_MVUE => drawn().map(Method::Mvue),
        SPNM_MVUE_APPROX => drawn().map(Method::MvueApprox),
        SPNM_SOFT_THRESHOLD => Ok(Method::SoftThreshold),
        _ => Err(Refused::value(SPNM_E_OPTION, "method", number)),
    }
}

/// A pattern that is supported, with one set of indices for every `group` rows.
pub(super) fn pattern(n: u32, m: u32, group: u32) -> Result<Pattern, Refused> {
    Ok(Pattern::new(n, m)?.grouped(group)?)
}

/// Element types that are computed with; each with its name.
pub(super) fn dtypes<const K: usize>(given: [(&'static str, u32); K]) -> Result<(), Refused> {
    given.into_iter().try_for_each(|(name, number)| match number {
        SPNM_F32 => Ok(()),
        // SPNM_BF16 and SPNM_F16 among them.
        _ => Err(Refused::value(SPNM_E_DTYPE, name, number)),
    })
}

/// Reserved fields that are 0; each with its name.
pub(super) fn zeros<const K: usize>(given: [(&'static str, u32); K]) -> Result<(), Refused> {
    given.into_iter().try_for_each(|(name, number)| match number {
        0 => Ok(()),
        _ => Err(Refused::value(SPNM_E_OPTION, name, number)),
    })
}

impl From<spnm_rng> for Rng {
    fn from(rng: spnm_rng) -> Self {
        Self { seed: rng.seed, stream: rng.stream, row0: rng.row0, col0: rng.col0 }
    }
}

impl spnm_matrix {
    /// # Safety
    /// The elements must be readable for `'a`; their extent is checked later.
    pub(super) unsafe fn view<'a>(&self) -> MatRef<'a> {
        let (rows, cols) = (self.rows, self.cols);
        // SAFETY: the caller's promise.
        unsafe {
            MatRef::from_raw_parts(
                self.data.cast_const().cast(),
                rows,
                cols,
                self.row_stride,
                self.col_stride,
            )
        }
    }

    /// # Safety
    /// The elements must be readable and writable for `'a`; their extent is checked later.
    pub(super) unsafe fn view_mut<'a>(&self) -> MatMut<'a> {
        let (rows, cols) = (self.rows, self.cols);
        // SAFETY: the caller's promise.
        unsafe {
            MatMut::from_raw_parts(self.data.cast(), rows, cols, self.row_stride, self.col_stride)
        }
    }
}

impl spnm_compressed {
    pub(super) fn pattern(&self) -> Result<Pattern, Refused> {
        pattern(self.n, self.m, self.group)
    }

    /// # Safety
    /// The buffers must be readable for `'a`; their extent is checked later.
    pub(super) unsafe fn view<'a>(&self, pattern: Pattern) -> CompressedRef<'a> {
        // SAFETY: the caller's promise.
        unsafe {
            CompressedRef::from_raw_parts(
                self.values.cast_const().cast(),
                self.meta.cast_const(),
                self.rows,
                self.cols,
                pattern,
                self.ld_values,
                self.ld_meta,
            )
        }
    }

    /// # Safety
    /// The buffers must be writable for `'a`; their extent is checked later.
    pub(super) unsafe fn view_mut<'a>(&self, pattern: Pattern) -> CompressedMut<'a> {
        // SAFETY: the caller's promise.
        unsafe {
            CompressedMut::from_raw_parts(
                self.values.cast(),
                self.meta,
                self.rows,
                self.cols,
                pattern,
                self.ld_values,
                self.ld_meta,
            )
        }
    }
}
