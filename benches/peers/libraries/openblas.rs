//! `OpenBLAS`: `libopenblas0-pthread` of Debian, the build that `SciPy` publishes, or another.

use super::{Cblas, Dense, Kind, Opened, Place, SetThreads};

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    let library = Opened::new(Kind::Openblas, places)?;
    // SAFETY: as openblas_config.h and cblas.h declare them.
    unsafe {
        let set_threads = SetThreads::Int(library.function("openblas_set_num_threads")?);
        set_threads.call(1);
        // Its version, how it was built, and what it takes this CPU for.
        let about = library.string("openblas_get_config")?.trim().to_owned();
        if about.contains("USE64BITINT") {
            return Err(format!("found, but its integers have 64 bits: {about}"));
        }
        let sgemm = library.function("cblas_sgemm")?;
        Ok(Box::new(Cblas { name: Kind::Openblas.name(), about, sgemm, set_threads }))
    }
}
