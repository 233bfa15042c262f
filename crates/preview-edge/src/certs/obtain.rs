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
    if !is_wanted(want, &before, crate::clock::wall().as_secs()) {
        return Ok(Obtained::NotDue(before));
    }
    if let Some(running) = running {
        running.tell(if want == Want::New { "renew" } else { "issue" }).await?;
        return follow(&running, &before, &mut tell).await.map(Obtained::Made);
    }
    let board = Arc::new(Board::default());
    let mut making = std::pin::pin!(issuer::once(config, want == Want::New, Arc::clone(&board)));
    let mut steps = Steps::default();
    loop {
        tokio::select! {
            made = &mut making => {
                let (report, is_new) = made?;
                return came_of(report, is_new);
            }
            () = sleep(LOOK) => steps.see(&board.report(), &mut tell),
        }
    }
}

/// What came of trying without an edge that runs.
fn came_of(report: Report, is_new: bool) -> Result<Obtained, CertsError> {
    match &report.cause {
        _ if is_new => Ok(Obtained::Made(report)),
        Some(cause) => Err(CertsError::Told(cause.clone())),
        None => Ok(Obtained::NotDue(report)),
    }
}

/// Whether there is anything to do. A pause after a wish that failed, or a refusal, makes nothing due.
fn is_wanted(want: Want, report: &Report, now: u64) -> bool {
    let is_far = report.renew_at.is_some_and(|at| now < at);
    want == Want::New || !(report.state == "valid" || is_far && report.failures == 0 && is_at_rest(report))
}

fn is_at_rest(report: &Report) -> bool {
    matches!(report.state.as_str(), "valid" | "backoff" | "parked")
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
        let patient = Instant::now() < patience;
        match judge(before, &report, steps.any, patient) {
            Verdict::Made => return Ok(report),
            Verdict::Failed => return Err(amiss(&report)),
            Verdict::Wait => {}
        }
    }
}

/// What a report of an edge that was told to renew means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Made,
    Failed,
    Wait,
}

/// Judges a report by the one before; `has_begun` if an attempt was seen since, `patient` while one may still begin.
fn judge(before: &Report, report: &Report, has_begun: bool, patient: bool) -> Verdict {
    let is_new = report.not_before != before.not_before || report.not_after != before.not_after;
    let has_failed = report.failures > before.failures || report.next_attempt != before.next_attempt;
    match report.state.as_str() {
        "valid" if is_new || has_begun => Verdict::Made,
        "backoff" | "parked" if has_begun || has_failed => Verdict::Failed,
        // It says why nothing can be ordered now, and has not begun.
        _ if !has_begun && report.cause.is_some() && report.cause != before.cause => Verdict::Failed,
        _ if !has_begun && !patient => Verdict::Failed,
        _ => Verdict::Wait,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{Cause, Failure};

    #[test]
    fn the_certificate_that_was_there_before_is_not_the_new_one() {
        let before = report("valid", 10);
        assert_eq!(judge(&before, &report("valid", 10), false, true), Verdict::Wait);
        assert_eq!(judge(&before, &report("ordered", 10), true, true), Verdict::Wait);
        assert_eq!(judge(&before, &report("valid", 10), true, true), Verdict::Made);
        assert_eq!(judge(&before, &report("valid", 20), false, true), Verdict::Made, "faster than we look");
        assert_eq!(judge(&before, &report("valid", 10), false, false), Verdict::Failed, "nobody takes it up");
    }

    #[test]
    fn a_certificate_that_is_not_due_is_not_ordered_after_a_wish_for_another_has_failed() {
        let due_at = |state: &str, renew_at| Report { renew_at: Some(renew_at), ..report(state, 99) };
        for state in ["valid", "backoff", "parked"] {
            assert!(!is_wanted(Want::Due, &due_at(state, 50), 49), "{state}");
            assert!(is_wanted(Want::New, &due_at(state, 50), 49), "{state}");
        }
        assert!(is_wanted(Want::Due, &due_at("backoff", 50), 51));
        assert!(is_wanted(Want::Due, &due_at("due", 50), 49), "its names are others, say");
        assert!(is_wanted(Want::Due, &report("empty", 0), 49));
    }

    #[test]
    fn what_was_there_before_is_never_told_as_made() {
        assert!(matches!(came_of(report("valid", 9), true), Ok(Obtained::Made(_))));
        assert!(matches!(came_of(report("valid", 9), false), Ok(Obtained::NotDue(_))));
        let cause = Cause::from(&Failure::BadNonce);
        let waits = Report { cause: Some(cause), ..report("due", 9) };
        assert!(matches!(came_of(waits, false), Err(CertsError::Told(_))));
    }

    #[test]
    fn the_pause_that_was_there_before_is_not_the_new_failure() {
        let paused = |failures| Report { failures, ..report("backoff", 10) };
        assert_eq!(judge(&paused(1), &paused(1), false, true), Verdict::Wait);
        assert_eq!(judge(&paused(1), &paused(2), false, true), Verdict::Failed);
        assert_eq!(judge(&paused(1), &paused(1), true, true), Verdict::Failed);
        let refused = Report { cause: Some(Cause::from(&Failure::BadNonce)), ..report("valid", 10) };
        assert_eq!(judge(&report("valid", 10), &refused, false, true), Verdict::Failed, "the budget, say");
    }

    fn report(state: &str, not_after: u64) -> Report {
        Report { state: state.to_owned(), not_after: Some(not_after), ..Report::default() }
    }
}
