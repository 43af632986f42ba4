//! Tasks of this repository: `cargo xtask --help`.

mod header;
mod install;

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Tasks of this repository")]
enum Task {
    /// Writes include/spnm.h from the sources of the C interface.
    Header {
        /// Writes nothing, and fails where the committed header is stale.
        #[arg(long)]
        check: bool,
    },
    /// Builds the C library and installs it: headers, shared and static library, spnm.pc, CMake package.
    Install(install::Install),
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Header { check: true } => header::check(),
        Task::Header { check: false } => header::write(),
        Task::Install(install) => install.run(),
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}
