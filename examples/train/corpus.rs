//! The text: files and folders, or the sources of the crates that this one is built with.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Texts to train on and texts to validate on.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    /// The first nine tenths of every file.
    pub(crate) train: Vec<String>,
    /// The last tenth of every file.
    pub(crate) validation: Vec<String>,
    /// Of both.
    bytes: usize,
}

impl Corpus {
    /// The text of files, and of all files in folders that hold UTF-8, in a fixed order.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut corpus = Self::default();
        for path in paths {
            if path.is_dir() {
                for file in files_below(path)? {
                    // Pictures and the like are no reason to refuse a folder.
                    if let Ok(text) = String::from_utf8(read(&file)?) {
                        corpus.push(text);
                    }
                }
            } else {
                corpus.push(String::from_utf8_lossy(&read(path)?).into_owned());
            }
        }
        Ok(corpus)
    }

    /// The Rust sources of this crate's dependencies, which every machine that built it holds.
    pub(crate) fn of_dependencies() -> Result<Self, Box<dyn Error>> {
        let mut corpus = Self::default();
        for folder in dependencies()? {
            for file in files_below(&folder)? {
                if file.extension().is_some_and(|extension| extension == "rs") {
                    corpus.push(String::from_utf8_lossy(&read(&file)?).into_owned());
                }
            }
        }
        Ok(corpus)
    }

    pub(crate) fn files(&self) -> usize {
        self.train.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    pub(crate) fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }

    fn push(&mut self, mut text: String) {
        self.bytes += text.len();
        let mut end = text.len() / 10 * 9;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let validation = text.split_off(end);
        self.train.push(text);
        self.validation.push(validation);
    }
}

/// The source folders of the crates that the library depends on, directly or not, sorted by name.
fn dependencies() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let version = cargo(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // Other platforms' crates need not be there. What only other members of the workspace depend on may not be, either:
    // cargo fetches it, as the lock file has it.
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        host,
        "--manifest-path",
        manifest,
    ])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let root = &metadata["resolve"]["root"];
    let nodes = list(&metadata["resolve"]["nodes"]);
    // What the library itself is built with, whatever its tests and examples use.
    let mut wanted = vec![root.clone()];
    let mut next = 0;
    while next < wanted.len() {
        let node = nodes.iter().find(|node| node["id"] == wanted[next]);
        for dep in list(&node.ok_or("cargo metadata: a package without a node")?["deps"]) {
            let normal = list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            if normal && !wanted.contains(&dep["pkg"]) {
                wanted.push(dep["pkg"].clone());
            }
        }
        next += 1;
    }
    wanted.remove(0);
    let mut folders: Vec<_> = list(&metadata["packages"])
        .into_iter()
        .filter(|package| wanted.contains(&package["id"]))
        .filter_map(|package| {
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?.to_owned();
            Some((package["name"].as_str()?.to_owned(), folder))
        })
        .collect();
    folders.sort();
    Ok(folders.into_iter().map(|(_, folder)| folder).collect())
}

/// What cargo prints.
fn cargo(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let hint = "give the text yourself with --text PATH";
    let output = Command::new(cargo)
        .args(arguments)
        .output()
        .map_err(|e| format!("cargo cannot be run ({e}); {hint}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let reason = message.trim().lines().next().unwrap_or_default().to_owned();
        return Err(format!("cargo {} failed ({reason}); {hint}", arguments[0]).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The files below a folder, sorted; without hidden ones and without links.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |e: std::io::Error| format!("{}: {e}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}
