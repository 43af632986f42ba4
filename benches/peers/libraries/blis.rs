//! BLIS: Debian's `libblis4-pthread`.

use super::{Cblas, Dense, Kind, Opened, Place, SetThreads, set_variable, text};
use spnm::Isa;
use std::ffi::{c_char, c_int};
use std::process::Command;

const ARCHITECTURE: &str = "BLIS_ARCH_TYPE";
/// Its architectures with AVX-512 kernels; the first has the widest use.
const AVX512: [&str; 4] = ["skx", "knl", "zen4", "zen5"];

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    let library = Opened::new(Kind::Blis, places)?;
    let mut note = String::new();
    // A CPU newer than the library is taken for an older one, or for none.
    if Isa::Avx512.is_available() {
        let own = ask(places, None);
        if let Some(own) = own.filter(|own| !AVX512.contains(&own.as_str()))
            && let Some(number) = number(&library, AVX512[0])?
            && ask(places, Some((ARCHITECTURE, &number))).is_some_and(|name| name == AVX512[0])
        {
            set_variable(ARCHITECTURE, &number);
            note = format!(
                "; {ARCHITECTURE}={number} set here: by itself it takes this CPU for {own}"
            );
        }
    }
    let name = architecture(&library)?;
    // SAFETY: as blis.h and cblas.h declare them.
    unsafe {
        let bits: unsafe extern "C" fn() -> isize =
            library.function("bli_info_get_blas_int_type_size")?;
        if bits() != 32 {
            return Err(format!("found, but its integers have {} bits", bits()));
        }
        let set_threads = SetThreads::Size(library.function("bli_thread_set_num_threads")?);
        set_threads.call(1);
        let about = format!("BLIS {} {name}{note}", library.string("bli_info_get_version_str")?);
        Ok(Box::new(Cblas {
            name: Kind::Blis.name(),
            about,
            sgemm: library.function("cblas_sgemm")?,
            set_threads,
        }))
    }
}

/// What BLIS takes this CPU for, printed by a process of its own: see [`ask`].
pub(crate) fn probe(places: &[Place]) -> Result<String, String> {
    architecture(&Opened::new(Kind::Blis, places)?)
}

/// What BLIS takes this CPU for, with `variable` in its environment.
///
/// A process of its own asks, because BLIS reads the variable once, and ends the process that asks
/// for an architecture it was built without.
fn ask(places: &[Place], variable: Option<(&str, &str)>) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.args(["--bench", "--probe-blis"]);
    for place in places.iter().filter(|place| place.kind == Kind::Blis) {
        command.arg("--library").arg(format!("blis={}", place.file.display()));
    }
    let output = command.envs(variable).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| name.trim().to_owned())
}

/// What it takes this CPU for. The variable is read now.
fn architecture(library: &Opened) -> Result<String, String> {
    // SAFETY: as blis.h declares them; the number is one that it returned.
    unsafe {
        let init: unsafe extern "C" fn() = library.function("bli_init")?;
        init();
        let query: unsafe extern "C" fn() -> c_int = library.function("bli_arch_query_id")?;
        let name: ArchString = library.function("bli_arch_string")?;
        text(name(query())).ok_or_else(|| "bli_arch_string returned nothing".into())
    }
}

type ArchString = unsafe extern "C" fn(c_int) -> *const c_char;

/// The number that this version has for an architecture, as [`ARCHITECTURE`] takes it.
fn number(library: &Opened, wanted: &str) -> Result<Option<String>, String> {
    // SAFETY: as blis.h declares it; "generic" is the last of its names, and reading stops there.
    unsafe {
        let name: ArchString = library.function("bli_arch_string")?;
        for id in 0..64 {
            match text(name(id)).as_deref() {
                Some(name) if name == wanted => return Ok(Some(id.to_string())),
                Some("generic") | None => break,
                Some(_) => {}
            }
        }
    }
    Ok(None)
}
