//! Debian's nginx with one site.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::fixture::run;
use super::{Process, Scratch};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running nginx; dropped, it ends with its workers.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    _scratch: Scratch,
}

impl Nginx {
    /// Starts it with this file in its `http` context, and waits until it listens on the port.
    pub fn start(site: &Path, port: u16) -> Result<Self> {
        let scratch = Scratch::new()?;
        let config = scratch.write("nginx.conf", configuration(site, scratch.path()))?;
        let mut process = Process::spawn(command(scratch.path(), &config).args(["-g", "daemon off;"]))?;
        process.wait_for_port(port, START)?;
        Ok(Self { process, _scratch: scratch })
    }

    /// What it wrote.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Whether nginx takes a site; its words if not.
pub fn check(site: &Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch.write("nginx.conf", configuration(site, scratch.path()))?;
    run(command(scratch.path(), &config).arg("-t"))
}

fn command(folder: &Path, config: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(config).current_dir(folder);
    command
}

/// Root's workers are root's too, since the sockets of a test are its user's alone.
fn configuration(site: &Path, folder: &Path) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary =
        temporary.map(|kind| format!("    {kind}_temp_path {}/{kind};\n", folder.display())).concat();
    format!(
        "{user}worker_processes 2;\npid {}/nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 512; }}\n\
         http {{\n    access_log off;\n{temporary}    include \"{}\";\n}}\n",
        folder.display(),
        site.display()
    )
}
