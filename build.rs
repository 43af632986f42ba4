//! The link arguments of the C library.

use std::env::var;

/// `SPNM_ABI_VERSION`; a test of the C interface compares the two.
const ABI_VERSION: u32 = 0;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let elf = ["linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly", "illumos"];
    if elf.contains(&var("CARGO_CFG_TARGET_OS").unwrap_or_default().as_str()) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libspnm.so.{ABI_VERSION}");
        // The panic hook stays, and the threads of pools that nobody freed: dlclose must leave their code.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    println!("cargo::rustc-env=SPNM_BUILD_ABI_VERSION={ABI_VERSION}");
}
