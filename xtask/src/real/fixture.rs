//! Fixture sources, and the packages they need: installed once, from their lock files, for all tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Who installs a fixture's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registry {
    /// npm, from `package-lock.json` into `node_modules`.
    Npm,
    /// pip, from `requirements.txt` into a virtual environment `.venv`.
    Pip,
}

/// A folder below `xtask/real`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixture {
    pub(super) name: &'static str,
    pub(super) registry: Registry,
}

/// All fixtures with packages of their own.
const ALL: &[Fixture] = &[
    super::browser::FIXTURE,
    super::echo::FIXTURE,
    super::devservers::VITE_REACT,
    super::devservers::WEBPACK,
    super::devservers::NEXT,
    super::devservers::DJANGO,
    super::devservers::FASTAPI,
    super::traefik::FIXTURE,
];

/// Installs the packages of every fixture; those that are there already cost nothing.
///
/// Tests install what they need themselves; done beforehand, it is not on any test's time.
pub fn prepare() -> Result<()> {
    ALL.iter().try_for_each(|fixture| fixture.install().map(drop))
}

impl Fixture {
    /// The committed sources.
    pub(super) fn sources(self) -> PathBuf {
        workspace().join("xtask/real").join(self.name)
    }

    /// The folder with the installed packages, under `target/real`, named after what its lock file says.
    pub(super) fn install(self) -> Result<PathBuf> {
        let wanted = fs::read(self.sources().join(self.registry.lock_file()))
            .with_context(|| format!("the fixture {} has no lock file", self.name))?;
        let digest = Sha256::digest(&wanted);
        let digest = digest.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let folder = workspace().join("target/real").join(self.name).join(format!("{digest:016x}"));
        fs::create_dir_all(&folder)?;
        let whole = folder.join(".whole");
        // One process installs, the others wait here for it; the kernel unlocks, however the installer ends.
        let lock = File::create(folder.join(".lock"))?;
        lock.lock().context("cannot lock the folder of packages")?;
        if !whole.exists() {
            self.registry.install(&self.sources(), &folder)?;
            File::create(whole)?;
        }
        Ok(folder)
    }

    /// Copies the sources to `to` and brings the packages there.
    pub(super) fn checkout(self, to: &Path) -> Result<()> {
        let packages = self.install()?;
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(self.sources())? {
            let entry = entry?;
            // Whoever ran the fixture in place left packages there; beside ours they would be there twice.
            if entry.file_name() != self.registry.packages() {
                run(Command::new("cp").arg("-r").arg(entry.path()).arg(to))?;
            }
        }
        let (from, to) = (packages.join(self.registry.packages()), to.join(self.registry.packages()));
        match self.registry {
            // Bundlers resolve a linked folder to where it really lies, out of the project; so the files are
            // linked one by one, and copied where another file system is in between.
            Registry::Npm => {
                let linked = run(Command::new("cp").arg("-al").arg(&from).arg(&to));
                linked.or_else(|_| run(Command::new("cp").args(["-a", "-T"]).arg(&from).arg(&to)))
            }
            Registry::Pip => Ok(std::os::unix::fs::symlink(from, to)?),
        }
    }
}

impl Registry {
    fn lock_file(self) -> &'static str {
        match self {
            Self::Npm => "package-lock.json",
            Self::Pip => "requirements.txt",
        }
    }

    /// The folder in a project that it installs into.
    fn packages(self) -> &'static str {
        match self {
            Self::Npm => "node_modules",
            Self::Pip => ".venv",
        }
    }

    fn install(self, sources: &Path, folder: &Path) -> Result<()> {
        match self {
            Self::Npm => {
                for file in ["package.json", "package-lock.json"] {
                    fs::copy(sources.join(file), folder.join(file))?;
                }
                let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
                run(Command::new("npm").args(options).current_dir(folder))
            }
            Self::Pip => {
                run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join(".venv")))?;
                let options = ["install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r"];
                let list = sources.join("requirements.txt");
                run(Command::new(folder.join(".venv/bin/pip")).args(options).arg(list).current_dir(folder))
            }
        }
    }
}

/// The root of this repository.
pub(super) fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Runs a command to its end; its output is the error when it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| missing(&program))?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{command:?}: {}\n{out}{err}", output.status);
    }
    Ok(())
}

/// What to do about a program that is not there.
pub(super) fn missing(program: &str) -> String {
    let package = match program {
        "npm" | "node" | "npx" => return "Node.js 20 or later and npm are needed: install them".into(),
        "python3" => "python3 python3-venv",
        "certutil" => "libnss3-tools",
        other => other,
    };
    format!("cannot run {program}: run `cargo xtask test`, which installs it, or `apt-get install {package}`")
}
