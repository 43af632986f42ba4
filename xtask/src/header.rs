//! The C header, by cbindgen from the sources of the C interface.

use anyhow::{Context, ensure};
use std::fs;

use crate::root;

/// The sources in the order of the header.
const SOURCES: [&str; 7] = [
    "types.rs",
    "info.rs",
    "refused.rs",
    "pool.rs",
    "functions.rs",
    "transposable.rs",
    "tensor.rs",
];
const HEADER: &str = "include/spnm.h";

/// The text that the header should have.
fn generate() -> anyhow::Result<String> {
    let root = root();
    let config =
        cbindgen::Config::from_file(root.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    let builder = cbindgen::Builder::new().with_config(config);
    let bindings = SOURCES
        .iter()
        .fold(builder, |builder, source| builder.with_src(root.join("src/ffi").join(source)))
        .generate()?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(parenthesised(&String::from_utf8(text)?))
}

/// `#define SPNM_E_NULL -1` with its value in parentheses, as macros should have it.
fn parenthesised(text: &str) -> String {
    let define = |line: &str| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        value.starts_with('-').then(|| format!("#define {name} ({value})"))
    };
    text.lines().map(|line| define(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

pub(crate) fn write() -> anyhow::Result<()> {
    let text = generate()?;
    fs::create_dir_all(root().join("include"))?;
    fs::write(root().join(HEADER), text).context(HEADER)
}

pub(crate) fn check() -> anyhow::Result<()> {
    let committed = fs::read_to_string(root().join(HEADER)).context(HEADER)?;
    ensure!(committed == generate()?, "{HEADER} is stale: run `cargo xtask header`");
    println!("{HEADER} is what its sources give");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_header_is_current() {
        super::check().unwrap();
    }
}
