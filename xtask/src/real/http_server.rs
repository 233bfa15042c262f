//! Python's `http.server`, the plainest dev server there is.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Process;

/// What one types after `preview run --` to serve a folder; `{port}` stands for the port.
#[must_use]
pub fn command(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let words =
        ["python3", "-u", "-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", &folder];
    words.map(str::to_owned).to_vec()
}

/// Serves `folder` on `port` of 127.0.0.1.
pub fn start(folder: &Path, port: u16) -> Result<Process> {
    let words: Vec<String> =
        command(folder).iter().map(|word| word.replace("{port}", &port.to_string())).collect();
    let mut process = Process::spawn_line(&words, folder)?;
    process.wait_for_port(port, Duration::from_secs(30))?;
    Ok(process)
}
