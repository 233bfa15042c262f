//! What would keep a certificate from being had, found before the authority is asked.

mod host;
mod names;
mod authority;
mod trial;

use preview_core::refusal::Code;

use super::running::Running;
use super::{Cause, CertsError, Failure, list, plan};
use crate::cert::lookup::Lookup;
use crate::config::{Acme, Config, Solver};
use crate::dns;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check.
    pub check: &'static str,
    /// The code of what is amiss.
    pub code: Option<Code>,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is well.
    Ok,
    /// It works, and should be otherwise.
    Warn,
    /// A certificate cannot be had like this.
    Fail,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, code: None, detail: detail.into(), fix: None }
    }

    fn fail(check: &'static str, failure: &Failure) -> Self {
        let (code, detail) = (Some(failure.code()), failure.to_string());
        Self { level: Level::Fail, check, code, detail, fix: Some(failure.hint()) }
    }

    fn told(level: Level, check: &'static str, cause: &Cause) -> Self {
        let (detail, fix) = (cause.message.clone(), Some(cause.hint.clone()));
        Self { level, check, code: cause.code.parse().ok(), detail, fix }
    }

    fn warn(check: &'static str, failure: &Failure) -> Self {
        Self { level: Level::Warn, ..Self::fail(check, failure) }
    }
}

/// What is looked at, and with what.
struct Checks<'c, T> {
    config: &'c Config,
    acme: &'c Acme,
    /// What the edge that runs says, if one does.
    running: Option<super::Report>,
    lookup: Lookup,
    /// The built-in DNS server, started for as long as it is looked at where no edge runs.
    server: Option<dns::Server>,
    tell: T,
}

/// Checks everything, and tells each finding as it comes. With `writes`, a record is written to DNS, looked for, and
/// removed, as an order would.
///
/// # Errors
/// [`CertsError`] if there is nothing to check, or the edge that runs is another user's.
pub async fn check(config: &Config, writes: bool, mut tell: impl FnMut(Finding)) -> Result<(), CertsError> {
    let acme = match super::acme(config) {
        Ok(acme) => acme,
        Err(CertsError::NotOrdered("files")) => {
            let listed = list(config).await?;
            tell(of_files(&listed.report));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let running = match Running::find(&config.state_dir).await? {
        Some(running) => running.report().await?,
        None => None,
    };
    let lookup = Lookup::new(&acme.resolvers, acme.timers.dns)?;
    let mut checks = Checks { config, acme, running, lookup, server: None, tell };
    checks.plan();
    checks.state().await;
    checks.credentials().await;
    checks.port();
    let targets = checks.names().await;
    let issuers = checks.authorities().await;
    checks.caa(&issuers).await;
    if writes {
        checks.trial(&targets).await;
    }
    Ok(())
}

impl<T: FnMut(Finding)> Checks<'_, T> {
    fn tell(&mut self, finding: Finding) {
        (self.tell)(finding);
    }

    fn plan(&mut self) {
        let names = self.acme.names.join(", ");
        let (solver, authority) = (plan::name(&self.acme.solver), &self.acme.authority.name);
        self.tell(Finding::ok("config", format!("{names} from {authority}, proved by {solver}")));
        if self.config.https.is_none() {
            let detail =
                "edge.https is null: the edge orders nothing as long as it serves no HTTPS".to_owned();
            let fix = Some("set edge.https, e.g. to \":443\"".to_owned());
            let (level, code) = (Level::Warn, Some(Code::ConfigInvalid));
            self.tell(Finding { level, check: "config", code, detail, fix });
        }
    }

    fn builtin(&self) -> Option<&crate::config::Dns> {
        match &self.acme.solver {
            Solver::Builtin(dns) => Some(dns),
            _ => None,
        }
    }

    /// Whether somebody answers by the built-in server.
    fn is_served(&self) -> bool {
        self.server.is_some() || self.running.is_some()
    }
}

/// Certificates that somebody else renews.
fn of_files(report: &super::Report) -> Finding {
    const CHECK: &str = "pair";
    let names = report.names.join(", ");
    match &report.cause {
        None => Finding::ok(CHECK, format!("{names}, by {}", report.issuer.as_deref().unwrap_or("nobody"))),
        Some(cause) if report.state == "valid" => Finding::told(Level::Warn, CHECK, cause),
        Some(cause) => Finding::told(Level::Fail, CHECK, cause),
    }
}
