//! Installation of the C library under a prefix.

use anyhow::{Context, bail, ensure};
use clap::Args;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::root;

#[derive(Args)]
pub(crate) struct Install {
    /// Where to install.
    #[arg(long, value_name = "DIR")]
    prefix: PathBuf,
    /// The folder of the libraries under the prefix.
    #[arg(long, value_name = "DIR", default_value = "lib")]
    libdir: PathBuf,
    /// What is put before the prefix while copying, and is not part of it (packaging).
    #[arg(long, value_name = "DIR")]
    destdir: Option<PathBuf>,
    /// Builds for another target; cargo finds its linker as usual.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Builds with this profile of cargo; "dev" checks overflow and assertions.
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
    /// Builds nothing, and installs the libspnm.so and libspnm.a of this folder: for packaging in two steps.
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    built: Option<PathBuf>,
}

/// What cargo built.
struct Built {
    shared: PathBuf,
    fixed: PathBuf,
}

impl Install {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let built = match &self.built {
            Some(folder) => {
                Built { shared: folder.join("libspnm.so"), fixed: folder.join("libspnm.a") }
            }
            None => self.build()?,
        };
        let header = fs::read_to_string(root().join("include/spnm.h"))?;
        let number = |name: &str| {
            let define = format!("#define SPNM_{name} ");
            let value = header.lines().find_map(|line| line.strip_prefix(&define));
            value.map(str::to_owned).with_context(|| format!("SPNM_{name} in the header"))
        };
        let version = ["VERSION_MAJOR", "VERSION_MINOR", "VERSION_PATCH"].map(number);
        let version = version.into_iter().collect::<anyhow::Result<Vec<_>>>()?.join(".");
        let abi = number("ABI_VERSION")?;

        let prefix = std::path::absolute(&self.prefix)?;
        let base = match &self.destdir {
            Some(destdir) => destdir.join(prefix.strip_prefix("/")?),
            None => prefix.clone(),
        };
        let (include, lib) = (base.join("include"), base.join(&self.libdir));
        for header in ["spnm.h", "spnm.hpp"] {
            copy(&root().join("include").join(header), &include.join(header))?;
        }
        let (real, soname) = (format!("libspnm.so.{version}"), format!("libspnm.so.{abi}"));
        copy(&built.shared, &lib.join(&real))?;
        link(&real, &lib.join(&soname))?;
        link(&soname, &lib.join("libspnm.so"))?;
        copy(&built.fixed, &lib.join("libspnm.a"))?;

        let private = self.native_libraries()?;
        let pc = fs::read_to_string(root().join("packaging/spnm.pc.in"))?
            .replace("@prefix@", &prefix.display().to_string())
            .replace("@libdir@", &self.libdir.display().to_string())
            .replace("@version@", &version)
            .replace("@libs_private@", &private);
        write(&lib.join("pkgconfig/spnm.pc"), &pc)?;
        let (from, to) = (root().join("packaging/cmake"), base.join("share/spnm/cmake"));
        let version_file = "spnm-config-version.cmake";
        copy(&from.join(version_file), &to.join(version_file))?;
        // Where to look for the libraries, first of all.
        let (file, usual) = ("spnm-config.cmake", "PATH_SUFFIXES lib lib64 ");
        let config = fs::read_to_string(from.join(file))?;
        ensure!(config.contains(usual), "{file} has no line with {usual}");
        let libdir = self.libdir.display().to_string();
        let first = match libdir.as_str() {
            "lib" => usual.to_owned(),
            other => usual.replace("lib ", &format!("\"{other}\" lib ")),
        };
        write(&to.join(file), &config.replace(usual, &first))?;
        println!("installed spnm {version} (soname {soname}) under {}", base.display());
        Ok(())
    }

    /// Builds the libraries; cargo says where they are.
    fn build(&self) -> anyhow::Result<Built> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root());
        cargo.args(["build", "--lib", "--package", "spnm", "--features", "capi"]);
        cargo.args(["--profile", &self.profile]);
        cargo.arg("--message-format=json-render-diagnostics");
        if let Some(target) = &self.target {
            cargo.args(["--target", target]);
        }
        let output = cargo.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "cargo build failed");
        let messages = String::from_utf8(output.stdout)?;
        let files: Vec<PathBuf> = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "spnm")
            .filter_map(|message| message["filenames"].as_array().cloned())
            .flatten()
            .filter_map(|file| file.as_str().map(PathBuf::from))
            .collect();
        let named = |name: &str| {
            let file = files.iter().find(|file| file.file_name().is_some_and(|f| f == name));
            file.cloned().with_context(|| format!("cargo built no {name}"))
        };
        Ok(Built { shared: named("libspnm.so")?, fixed: named("libspnm.a")? })
    }

    /// What a program that links libspnm.a must link besides, as rustc says for the target.
    fn native_libraries(&self) -> anyhow::Result<String> {
        let object = std::env::temp_dir().join(format!("spnm-xtask-{}.a", std::process::id()));
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--crate-type", "staticlib", "--print", "native-static-libs", "-o"]);
        rustc.arg(&object).arg("-");
        if let Some(target) = &self.target {
            rustc.args(["--target", target]);
        }
        let mut child = rustc.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("rustc's input")?.write_all(b"")?;
        let output = child.wait_with_output()?;
        // Only what rustc says is wanted.
        let _ = fs::remove_file(&object);
        let text = String::from_utf8(output.stderr)?;
        let libraries = text.lines().find_map(|line| line.split_once("native-static-libs: "));
        match libraries {
            Some((_, libraries)) => Ok(libraries.trim().to_owned()),
            None => bail!("rustc does not name the native libraries: {text}"),
        }
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    make_way(to)?;
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn write(to: &Path, text: &str) -> anyhow::Result<()> {
    make_way(to)?;
    fs::write(to, text).with_context(|| to.display().to_string())
}

fn link(target: &str, at: &Path) -> anyhow::Result<()> {
    make_way(at)?;
    symlink(target, at).with_context(|| at.display().to_string())
}

/// Makes the folder of a file, and removes the file: a library that is in use must not be overwritten.
fn make_way(file: &Path) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| file.display().to_string())
        }
        _ => Ok(()),
    }
}
