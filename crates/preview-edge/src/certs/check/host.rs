//! What can be found on this host: state, credentials, the port of the built-in DNS server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use preview_core::refusal::Code;

use super::{Checks, Finding, Level};
use crate::cert::challenge;
use crate::cert::desk::blocking;
use crate::cert::vault::outlives_a_restart;
use crate::certs::Failure;
use crate::clock;
use crate::config::Solver;
use crate::{dns, state};

impl<T: FnMut(Finding)> Checks<'_, T> {
    /// Whether the state folder can be written, and is there after a restart.
    pub(super) async fn state(&mut self) {
        const CHECK: &str = "state";
        let dir = self.config.state_dir.clone();
        let shown = dir.display().to_string();
        let looked = blocking(move || {
            write(&dir)?;
            outlives_a_restart(&dir)
        });
        let finding = match looked.await.flatten() {
            Ok(()) => Finding::ok(CHECK, format!("{shown} can be written, and outlives a restart")),
            Err(failure @ Failure::EphemeralState { .. }) if self.acme.allow_ephemeral_state => {
                Finding::warn(CHECK, &failure)
            }
            Err(failure) => Finding::fail(CHECK, &failure),
        };
        self.tell(finding);
    }

    /// Whether files of secrets, and the hook, are there and fit.
    pub(super) async fn credentials(&mut self) {
        const CHECK: &str = "credentials";
        let (acme, is_builtin) = (self.acme.clone(), self.builtin().is_some());
        if is_builtin {
            return self.tell(Finding::ok(CHECK, "none are needed"));
        }
        let looked = blocking(move || {
            challenge::solver(&acme, None)?;
            match &acme.solver {
                Solver::Exec(exec) => executable(&exec.program),
                _ => Ok(()),
            }
        });
        let finding = match looked.await.flatten() {
            Ok(()) => Finding::ok(CHECK, "there, and closed to others"),
            Err(failure) => Finding::fail(CHECK, &failure),
        };
        self.tell(finding);
    }

    /// Whether the built-in DNS server can listen. Where no edge runs it is started here, to be looked at.
    pub(super) fn port(&mut self) {
        const CHECK: &str = "port";
        let Some(dns) = self.builtin().cloned() else { return };
        let at: Vec<String> = dns.listen.iter().map(ToString::to_string).collect();
        let at = at.join(", ");
        if let Some(report) = &self.running {
            let finding = match report.cause.as_ref().filter(|it| it.code == Code::CertDnsBind.as_str()) {
                Some(cause) => Finding::told(Level::Fail, CHECK, cause),
                None => Finding::ok(CHECK, format!("the running edge answers by DNS at {at}")),
            };
            return self.tell(finding);
        }
        let started = dns::start(&dns, &self.acme.names, self.acme.alias.as_deref(), clock::wall());
        let finding = match started {
            Ok(server) => {
                self.server = Some(server);
                Finding::ok(CHECK, format!("{at} can be had, by UDP and TCP"))
            }
            Err(failure) => Finding::fail(CHECK, &failure),
        };
        self.tell(finding);
    }
}

fn write(dir: &Path) -> Result<(), Failure> {
    let file = dir.join("check");
    state::make_folder(dir)?;
    state::write(&file, b"")?;
    Ok(state::remove(&file)?)
}

fn executable(program: &Path) -> Result<(), Failure> {
    let failed = |reason: String| Failure::HookFailed { hook: program.display().to_string(), reason };
    let metadata = program.metadata().map_err(|error| failed(format!("it cannot be found ({error})")))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(failed("it cannot be executed (chmod +x)".to_owned()));
    }
    Ok(())
}
