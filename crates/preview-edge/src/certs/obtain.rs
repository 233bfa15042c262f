//! A certificate now: by the edge that runs, or without one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::list::kept;
use super::running::Running;
use super::{CertsError, Report};
use crate::cert::{Board, issuer};
use crate::config::Config;

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long an edge may take to take up what it is asked for.
const TAKES_UP: Duration = Duration::from_secs(20);

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A certificate if one is due.
    Due,
    /// A new one in any case.
    New,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obtained {
    /// Nothing was due.
    NotDue(Report),
    /// There is a new one.
    Made(Report),
}

/// Orders a certificate for `config`; `tell` hears of every step.
///
/// # Errors
/// [`CertsError`] says why there is no new one.
pub async fn obtain(
    config: &Config,
    want: Want,
    mut tell: impl FnMut(&Report),
) -> Result<Obtained, CertsError> {
    super::acme(config)?;
    let running = Running::find(&config.state_dir).await?;
    let before = match &running {
        Some(running) => running.report().await?.unwrap_or_default(),
        None => kept(config).await?,
    };
    if want == Want::Due && before.state == "valid" {
        return Ok(Obtained::NotDue(before));
    }
    if let Some(running) = running {
        running.tell("renew").await?;
        return follow(&running, &before, &mut tell).await.map(Obtained::Made);
    }
    let board = Arc::new(Board::default());
    let mut making = std::pin::pin!(issuer::once(config, want == Want::New, Arc::clone(&board)));
    let mut steps = Steps::default();
    loop {
        tokio::select! {
            made = &mut making => return Ok(Obtained::Made(made?)),
            () = sleep(LOOK) => steps.see(&board.report(), &mut tell),
        }
    }
}

/// Follows an edge that was told to renew until it has a new certificate, or has given up.
async fn follow(
    running: &Running,
    before: &Report,
    tell: &mut impl FnMut(&Report),
) -> Result<Report, CertsError> {
    let mut steps = Steps::default();
    let patience = Instant::now() + TAKES_UP;
    loop {
        sleep(LOOK).await;
        let report = running.report().await?.unwrap_or_default();
        steps.see(&report, tell);
        let is_new = report.not_before != before.not_before || report.not_after != before.not_after;
        let has_failed = report.failures > before.failures || report.next_attempt != before.next_attempt;
        match report.state.as_str() {
            "valid" if is_new || steps.any => return Ok(report),
            "backoff" | "parked" if steps.any || has_failed => return Err(amiss(&report)),
            // It was told why nothing can be ordered now, and has not begun.
            _ if !steps.any && report.cause.is_some() && report.cause != before.cause => {
                return Err(amiss(&report));
            }
            _ if !steps.any && Instant::now() > patience => return Err(amiss(&report)),
            _ => {}
        }
    }
}

fn amiss(report: &Report) -> CertsError {
    report.cause.clone().map_or_else(
        || {
            CertsError::Failed(crate::Failure::StateUnwritable(
                "the edge does not take it up: another process looks after the certificates in its folder"
                    .to_owned(),
            ))
        },
        CertsError::Told,
    )
}

/// The steps that were seen.
#[derive(Debug, Default)]
struct Steps {
    /// Whether an attempt was seen under way.
    any: bool,
    last: Option<(String, Option<String>)>,
}

impl Steps {
    fn see(&mut self, report: &Report, tell: &mut impl FnMut(&Report)) {
        let is_step = !matches!(report.state.as_str(), "" | "empty" | "valid" | "due" | "backoff" | "parked");
        let now = (report.state.clone(), report.authority.clone());
        if is_step && self.last.as_ref() != Some(&now) {
            self.any = true;
            self.last = Some(now);
            tell(report);
        }
    }
}
