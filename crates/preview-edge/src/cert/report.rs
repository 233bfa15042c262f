//! How certificates stand, for people and programs: what `/health`, metrics and `preview certs list` are made of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use preview_core::refusal::Code;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{CertError, CertProblem, Failure};
use crate::dns::Counts;

/// How the certificate of one set of names stands. Moments are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where it comes from: `self_signed`, `files` or `acme`.
    pub source: String,
    /// The names that it has, or shall have.
    pub names: Vec<String>,
    /// `empty`, `valid`, `due`, `expired`, a step of an attempt (`docs/acme.md` §6), `backoff` or `parked`.
    pub state: String,
    /// Why it is not as it should be.
    pub cause: Option<Cause>,
    /// What is amiss beside it, and needs nobody: that the authority does not say when to renew.
    pub notice: Option<Cause>,
    /// Who signed the one in force.
    pub issuer: Option<String>,
    /// From when it is good.
    pub not_before: Option<u64>,
    /// Until when.
    pub not_after: Option<u64>,
    /// When it shall be renewed.
    pub renew_at: Option<u64>,
    /// When the next attempt is due, if one has failed.
    pub next_attempt: Option<u64>,
    /// The authority of the attempt under way, or of the last one.
    pub authority: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// How many more certificates the edge would order within the span of its own budget.
    pub budget_left: Option<u32>,
    /// Records that could not be removed yet.
    pub txt_leftover: usize,
}

/// Why a certificate is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The code, e.g. `cert_txt_not_seen`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl Cause {
    /// A cause that has no more to say than what happened.
    pub(crate) fn of(code: Code, message: impl Into<String>) -> Self {
        Self { code: code.to_string(), message: message.into(), hint: code.cure().to_owned() }
    }
}

impl From<&CertError> for Cause {
    fn from(error: &CertError) -> Self {
        let code = match error.problem {
            CertProblem::Expired(_) => Code::CertExpired,
            CertProblem::Unmade(_) | CertProblem::State(_) => Code::CertStateUnwritable,
            CertProblem::Unreadable(_)
            | CertProblem::Mode(_)
            | CertProblem::Link(_)
            | CertProblem::NoCertificate
            | CertProblem::NoKey
            | CertProblem::BadKey(_)
            | CertProblem::BadCertificate
            | CertProblem::Mismatch
            | CertProblem::Uncovered(_)
            | CertProblem::Nameless => Code::CertPairInvalid,
        };
        Self::of(code, error.to_string())
    }
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code().to_string(), message: failure.to_string(), hint: failure.hint() }
    }
}

/// Where whoever keeps the certificates tells how they stand, and is told to renew.
#[derive(Debug, Default)]
pub(crate) struct Board {
    report: ArcSwap<Report>,
    steps: Mutex<BTreeMap<Step, u64>>,
    issue: Notify,
    renew: Notify,
    clean: Notify,
    /// What the built-in DNS server was asked, once it runs.
    dns: OnceLock<Arc<Counts>>,
}

/// What somebody asks of whoever keeps the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The certificate that is due, without waiting for a pause; nothing if none is.
    Issue,
    /// A new certificate now, whatever the plan says.
    Renew,
    /// To remove what was left in DNS now.
    Clean,
}

/// What is counted: authority, step, and `ok` or a code.
pub(crate) type Step = (String, &'static str, String);

impl Board {
    /// The last report.
    pub(crate) fn report(&self) -> Arc<Report> {
        self.report.load_full()
    }

    /// Tells how things stand now.
    pub(crate) fn tell(&self, report: Report) {
        self.report.store(Arc::new(report));
    }

    /// Counts a step of an attempt at an authority.
    pub(crate) fn count(&self, authority: &str, step: &'static str, outcome: Result<(), &Failure>) {
        let result = outcome.map_or_else(|failure| failure.code().to_string(), |()| "ok".to_owned());
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        *steps.entry((authority.to_owned(), step, result)).or_default() += 1;
    }

    /// What was counted so far.
    pub(crate) fn steps(&self) -> BTreeMap<Step, u64> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what the built-in DNS server counts. There is one at most in a process.
    pub(crate) fn tell_dns(&self, counts: Arc<Counts>) {
        let _ = self.dns.set(counts);
    }

    /// What the built-in DNS server has counted, if it serves.
    pub(crate) fn dns(&self) -> Option<&Counts> {
        self.dns.get().map(Arc::as_ref)
    }

    /// Asks for something.
    pub(crate) fn ask(&self, ask: Ask) {
        match ask {
            Ask::Issue => self.issue.notify_one(),
            Ask::Renew => self.renew.notify_one(),
            Ask::Clean => self.clean.notify_one(),
        }
    }

    /// Forgets that somebody asked for it, if so.
    pub(crate) fn forget(&self, ask: Ask) {
        let asked = match ask {
            Ask::Issue => &self.issue,
            Ask::Renew => &self.renew,
            Ask::Clean => &self.clean,
        };
        let _ = asked.notified().now_or_never();
    }

    /// Waits until somebody asks for something.
    pub(crate) async fn asked(&self) -> Ask {
        tokio::select! {
            () = self.issue.notified() => Ask::Issue,
            () = self.renew.notified() => Ask::Renew,
            () = self.clean.notified() => Ask::Clean,
        }
    }
}
