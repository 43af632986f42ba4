//! MKL, as Intel publishes it on `PyPI`, by its library `mkl_rt`.

use super::{Cblas, Dense, Kind, Opened, Place, SetThreads, int};
use libloading::Library;
use std::ffi::{c_char, c_int};

pub(super) fn load(places: &[Place]) -> Result<Box<dyn Dense>, String> {
    // Layers, as mkl_service.h numbers them.
    const LP64: c_int = 0;
    const SEQUENTIAL: c_int = 1;
    const GNU: c_int = 3;
    let library = Opened::new(Kind::Mkl, places)?;
    // Without an OpenMP that it asks for, MKL ends the process.
    // SAFETY: a published library, whose initialisers may run in any process.
    let openmp = unsafe { Library::new("libgomp.so.1") }.map(std::mem::forget).is_ok();
    let threading = if openmp { GNU } else { SEQUENTIAL };
    // SAFETY: as mkl_service.h and mkl_cblas.h declare them; layers are chosen before any other call.
    unsafe {
        let layers = [("MKL_Set_Interface_Layer", LP64), ("MKL_Set_Threading_Layer", threading)];
        for (function, layer) in layers {
            let set: unsafe extern "C" fn(c_int) -> c_int = library.function(function)?;
            if set(layer) != layer {
                return Err(format!("found, but {function} does not take {layer}"));
            }
        }
        let version: unsafe extern "C" fn(*mut c_char, c_int) =
            library.function("MKL_Get_Version_String")?;
        let mut text = [0u8; 256];
        version(text.as_mut_ptr().cast(), int(text.len()));
        let about = String::from_utf8_lossy(&text);
        let about = about.trim_matches(['\0', ' ']).to_owned();
        let set_threads = match openmp {
            true => SetThreads::Int(library.function("MKL_Set_Num_Threads")?),
            false => SetThreads::Never,
        };
        set_threads.call(1);
        let sgemm = library.function("cblas_sgemm")?;
        Ok(Box::new(Cblas { name: Kind::Mkl.name(), about, sgemm, set_threads }))
    }
}
