//! The C interface: `include/spnm.h`, which is generated from the sources of this folder.
//!
//! Every function reads the caller's structs, checks what only a C caller can get wrong (NULL,
//! `struct_size`, reserved fields, numbers that are no enumerator), and calls the safe operation of
//! the same name, which checks the rest. Nothing is computed here.
//!
//! No panic crosses the boundary, and the calling thread's floating-point environment comes back
//! as it was: see [`guard`].

#![expect(clippy::doc_markdown, reason = "the doc comments are those of the C header")]
#![expect(non_camel_case_types, reason = "the names that C sees")]
#![expect(
    unreachable_pub,
    reason = "what cbindgen and the linker export is pub, and Rust has `ops`"
)]

mod arguments;
mod environment;
mod functions;
mod guard;
mod info;
mod memory;
mod pool;
mod refused;
mod status;
mod tensor;
mod transposable;
mod types;

#[cfg(test)]
mod tests;
