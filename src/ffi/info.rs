//! What library this is, and what it finds.

use super::arguments;
use super::guard::guard;
use super::status::message;
use super::types::*;
use crate::isa::{Isa, MAX_ISA_VARIABLE};
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

/// SPNM_VERSION of the library that is loaded, which may differ from that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_version() -> u32 {
    SPNM_VERSION
}

/// SPNM_ABI_VERSION of the library that is loaded. A program works if it is that of its header.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_abi_version() -> u32 {
    SPNM_ABI_VERSION
}

/// The version of the library that is loaded as "major.minor.patch". Static; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_version_string() -> *const c_char {
    const TEXT: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a version without NUL"),
        };
    TEXT.as_ptr()
}

/// One line for bug reports: version, target, the levels that were compiled, those that the CPU has,
/// the one that SPNM_ISA_AUTO means, and the value of SPNM_MAX_ISA. Static; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_build_info() -> *const c_char {
    static TEXT: OnceLock<CString> = OnceLock::new();
    let mut text = c"spnm";
    // If this panics, the name alone must do. (It allocates a few hundred bytes; without them std ends the process.)
    guard(|| {
        text = TEXT.get_or_init(build_info).as_c_str();
        Ok(())
    });
    text.as_ptr()
}

fn build_info() -> CString {
    let names = |levels: &mut dyn Iterator<Item = Isa>| {
        let names: Vec<_> = levels.filter(|&isa| isa != Isa::Reference).map(Isa::name).collect();
        names.join(" ")
    };
    let limit = std::env::var_os(MAX_ISA_VARIABLE);
    let limit =
        limit.map_or("(unset)".into(), |set| set.to_string_lossy().escape_debug().to_string());
    let text = format!(
        "spnm {}; {}-{}; compiled: {}; detected: {}; effective: {}; {MAX_ISA_VARIABLE}={}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        names(&mut Isa::ALL.into_iter().filter(|isa| isa.is_compiled())),
        names(&mut Isa::available()),
        Isa::effective().name(),
        limit,
    );
    // A variable's value holds no NUL.
    CString::new(text).unwrap_or_default()
}

/// What a status means, in English. Static; never NULL, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_status_message(status: spnm_status) -> *const c_char {
    message(status).as_ptr()
}

/// The level that SPNM_ISA_AUTO means: the highest that the CPU has, lowered by
/// SPNM_MAX_ISA=portable|avx2|avx512|neon where that is set in the environment before the first call
/// that needs it (names in any case, blanks around them ignored). The variable never raises the level;
/// any other value changes nothing, except "reference": the scalar definition of the bits, which has no
/// number and counts as SPNM_ISA_PORTABLE here.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_isa_effective() -> u32 {
    let mut number = SPNM_ISA_PORTABLE;
    guard(|| {
        number = arguments::isa_number(Isa::effective()).unwrap_or(number);
        Ok(())
    });
    number
}

/// 1 where a call may ask for this level: SPNM_ISA_AUTO, and those that both the library and the CPU
/// have, SPNM_MAX_ISA notwithstanding. 0 otherwise, and for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_isa_available(isa: u32) -> i32 {
    let mut available = isa == SPNM_ISA_AUTO;
    guard(|| {
        available |= arguments::isa(isa).is_some_and(Isa::is_available);
        Ok(())
    });
    i32::from(available)
}

/// "auto", "portable", "avx2", "avx512", "neon", or "unknown". Static; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_isa_name(isa: u32) -> *const c_char {
    let name = match isa {
        SPNM_ISA_AUTO => c"auto",
        SPNM_ISA_PORTABLE => c"portable",
        SPNM_ISA_AVX2 => c"avx2",
        SPNM_ISA_AVX512 => c"avx512",
        SPNM_ISA_NEON => c"neon",
        _ => c"unknown",
    };
    name.as_ptr()
}
