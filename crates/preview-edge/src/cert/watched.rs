//! Certificates that are only looked after: made here for rehearsal, or renewed by somebody else.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use preview_core::clock::Wall;
use preview_core::refusal::Code;

use super::files::Files;
use super::folder::Folder;
use super::self_signed::SelfSigned;
use super::{Board, Cause, CertError, Report, Resolver, Shown};
use crate::config::{Config, TlsSource};

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The end of a certificate that somebody else renews is near when less than this part of its life remains: certbot
/// and its like renew when a third does.
const NEAR: u32 = 4;
/// How often the log says that the end is near.
const REMIND: Duration = Duration::from_hours(24);

/// Where they are, and what was last seen.
#[derive(Debug)]
pub(super) struct Watched {
    source: Source,
    /// In force, the one for previews first.
    shown: Vec<Shown>,
    problem: Option<Cause>,
    reminded: Option<Wall>,
}

#[derive(Debug)]
enum Source {
    Files(Files),
    Folder(Folder),
    SelfSigned(SelfSigned),
}

/// How certificates stand that are not ordered, by their files; nothing is made.
pub(crate) fn peek(config: &Config, now: Wall) -> Result<Report, CertError> {
    if config.tls != TlsSource::SelfSigned || SelfSigned::is_there(&config.state_dir) {
        return Ok(Watched::start(config, now)?.reported(now));
    }
    let names = config.template.wildcard_names();
    Ok(Report { source: "self_signed".to_owned(), state: "empty".to_owned(), names, ..Report::default() })
}

impl Watched {
    /// What `config` says, unless it says that they are ordered; an error is one to refuse the start with.
    pub(super) fn start(config: &Config, now: Wall) -> Result<Self, CertError> {
        let (source, shown, problem) = match &config.tls {
            TlsSource::Files { cert, key } => {
                let (files, shown) = Files::load(cert.clone(), key.clone(), now)?;
                (Source::Files(files), vec![shown], None)
            }
            TlsSource::Folder(dir) => {
                let mut needed = config.template.wildcard_names();
                needed.extend(config.daemon_host.clone());
                let (folder, found) = Folder::open(dir.clone(), needed, now)?;
                (Source::Folder(folder), found.shown.unwrap_or_default(), found.problem)
            }
            TlsSource::SelfSigned | TlsSource::Acme(_) => {
                let mut names = config.template.wildcard_names();
                names.push(config.template.base().to_owned());
                names.extend(config.daemon_host.clone());
                let (own, shown) = SelfSigned::load(&config.state_dir, names, now)?;
                (Source::SelfSigned(own), vec![shown], None)
            }
        };
        if let Some(cause) = &problem {
            tracing::error!(cause = cause.message, "no certificate for all names that are needed");
        }
        Ok(Self { source, shown, problem, reminded: None })
    }

    /// Puts in force what is there, and says so.
    pub(super) fn tell(&mut self, resolver: &Resolver, board: &Board, now: Wall) {
        resolver.put_all(self.shown.clone());
        self.report(board, now);
    }

    /// Looks for changes for ever. The last good ones stay in force until better ones are there.
    pub(super) async fn keep(mut self, resolver: Arc<Resolver>, board: Arc<Board>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = crate::clock::wall();
            // A file system that hangs must not hold up the route feed.
            let look = tokio::task::spawn_blocking(move || {
                let is_new = self.look(now);
                (self, is_new)
            });
            let is_new;
            (self, is_new) = match look.await {
                Ok(looked) => looked,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => return,
            };
            if is_new {
                resolver.put_all(self.shown.clone());
            }
            self.report(&board, now);
        }
    }

    /// Whether other certificates are to be shown now.
    fn look(&mut self, now: Wall) -> bool {
        let looked = match &mut self.source {
            Source::Files(files) => files.look(now).map(|it| it.map(|it| vec![it])),
            Source::SelfSigned(own) => own.look(now).map(|it| it.map(|it| vec![it])),
            Source::Folder(folder) => {
                let found = folder.look(now);
                self.found(found.problem);
                return self.take(found.shown);
            }
        };
        match looked {
            // Files speak of a problem once, when they change.
            Ok(None) => false,
            Ok(shown) => {
                self.found(None);
                self.take(shown)
            }
            Err(error) => {
                self.found(Some(Cause::from(&error)));
                false
            }
        }
    }

    fn take(&mut self, shown: Option<Vec<Shown>>) -> bool {
        let Some(shown) = shown else { return false };
        for it in &shown {
            tracing::info!(names = ?it.names, issuer = it.issuer, "a new certificate is in force");
        }
        self.shown = shown;
        self.reminded = None;
        true
    }

    fn found(&mut self, problem: Option<Cause>) {
        if let Some(cause) = problem.as_ref().filter(|cause| self.problem.as_ref() != Some(cause)) {
            tracing::error!(error = cause.message, "the certificate is not taken, the last good one stays");
        }
        self.problem = problem;
    }

    fn report(&mut self, board: &Board, now: Wall) {
        let report = self.reported(now);
        let near = report.cause.as_ref().filter(|it| it.code != Code::CertPairInvalid.as_str());
        if let Some(cause) = near.filter(|_| self.reminded.is_none_or(|at| at + REMIND <= now)) {
            tracing::warn!(code = cause.code, hint = cause.hint, "{}", cause.message);
            self.reminded = Some(now);
        }
        if report != *board.report() {
            board.tell(report);
        }
    }

    fn reported(&self, now: Wall) -> Report {
        let first_to_end = self.shown.iter().min_by_key(|it| it.expires);
        let mut names: Vec<String> = self.shown.iter().flat_map(|it| it.names.list()).cloned().collect();
        names.sort();
        names.dedup();
        let (source, renew_at) = match &self.source {
            Source::SelfSigned(own) => ("self_signed", Some(own.renewal())),
            Source::Files(_) | Source::Folder(_) => ("files", None),
        };
        let is_due = |it: &Shown| renew_at.is_none_or(|_| it.expires <= now);
        let over = first_to_end.filter(|it| is_due(it)).and_then(|it| near_end(it, now));
        Report {
            source: source.to_owned(),
            names,
            state: match first_to_end {
                None => "empty",
                Some(it) if it.expires <= now => "expired",
                Some(_) => "valid",
            }
            .to_owned(),
            cause: self.problem.clone().or(over),
            issuer: first_to_end.map(|it| it.issuer.clone()),
            not_before: first_to_end.map(|it| it.begins.as_secs()),
            not_after: first_to_end.map(|it| it.expires.as_secs()),
            renew_at: renew_at.map(Wall::as_secs),
            ..Report::default()
        }
    }
}

/// Whether a certificate is over, or nearly so.
fn near_end(shown: &Shown, now: Wall) -> Option<Cause> {
    let names = shown.names.list().join(", ");
    let left = shown.expires.since(now);
    if left.is_zero() {
        return Some(Cause::of(Code::CertExpired, format!("the certificate for {names} has expired")));
    }
    let is_near = left < shown.expires.since(shown.begins) / NEAR;
    let hours = left.as_secs() / 3_600;
    let left = if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
    is_near.then(|| Cause::of(Code::CertExpiring, format!("the certificate for {names} ends in {left}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::folder::tests::{day, make, write_pair};

    #[test]
    fn a_report_tells_whose_it_is_until_when_and_warns_in_the_last_quarter_of_its_life() {
        let dir = tempfile::tempdir().expect("a folder");
        write_pair(dir.path(), "a", &make(&["*.preview.test"], 0, 80));
        let mut watched = watched(dir.path(), 1);
        let report = watched.reported(day(1));
        assert_eq!((report.source.as_str(), report.state.as_str(), report.cause), ("files", "valid", None));
        assert_eq!(report.not_after, Some(day(80).as_secs()));
        assert_eq!(report.names, ["*.preview.test"]);
        let near = watched.reported(day(61)).cause.expect("a warning");
        assert_eq!(
            (near.code.as_str(), near.message.contains("19 days")),
            ("cert_expiring", true),
            "{near:?}"
        );
        watched.look(day(81));
        let over = watched.reported(day(81));
        assert_eq!((over.state.as_str(), watched.shown.len()), ("expired", 1), "it is still shown");
    }

    #[test]
    fn a_folder_without_a_pair_is_no_reason_not_to_start_and_the_report_says_what_is_missing() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut watched = watched(dir.path(), 1);
        let report = watched.reported(day(1));
        assert_eq!(report.state, "empty");
        let cause = report.cause.expect("a cause");
        assert!(cause.message.contains("holds no pair that is good for *.preview.test"), "{cause:?}");
        write_pair(dir.path(), "a", &make(&["*.preview.test"], 0, 80));
        assert!(watched.look(day(1)));
        assert_eq!(watched.reported(day(1)).cause, None);
    }

    #[test]
    fn a_certificate_of_our_own_is_made_anew_in_time_and_needs_no_warning() {
        let dir = tempfile::tempdir().expect("a folder");
        let (own, shown) =
            SelfSigned::load(dir.path(), vec!["*.preview.test".to_owned()], day(1)).expect("made");
        let source = Source::SelfSigned(own);
        let watched = Watched { source, shown: vec![shown], problem: None, reminded: None };
        let report = watched.reported(day(380));
        assert_eq!((report.cause, report.renew_at), (None, Some(day(1 + 397 - 30).as_secs())));
    }

    fn watched(dir: &std::path::Path, at: u64) -> Watched {
        let needed = vec!["*.preview.test".to_owned()];
        let (folder, found) = Folder::open(dir.to_owned(), needed, day(at)).expect("a folder");
        let shown = found.shown.unwrap_or_default();
        Watched { source: Source::Folder(folder), shown, problem: found.problem, reminded: None }
    }
}
