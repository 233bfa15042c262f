//! Our own binaries.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The built binary `name` (`preview`, `preview-daemon`, `preview-edge`): from the folder
/// `PREVIEW_BIN_DIR`, else from the target folder that the running executable was built into.
pub fn bin(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("PREVIEW_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => target_folder()?,
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built: run `cargo xtask test`, or `cargo build --workspace` first", path.display());
    }
    Ok(path)
}

/// `target/PROFILE`: test executables lie in its `deps`, others in it.
fn target_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot tell where this executable lies")?;
    let folder = exe.parent().context("an executable lies in a folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_path_buf())
}
