//! What people do by hand, where no edge runs.

use std::sync::Arc;

use super::Issuer;
use super::shift::{Shift, Turn};
use crate::cert::challenge::{self, Solver};
use crate::cert::desk::{Desk, blocking};
use crate::cert::journal::{Buried, Txt};
use crate::cert::plan::Standing;
use crate::cert::{Board, Cause, Failure, Report, Resolver};
use crate::clock::wall;
use crate::config::{self, Acme, Config, TlsSource};
use crate::dns::Records;

/// What was removed from DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Records of ours that are gone now.
    pub(crate) removed: usize,
    /// Records of ours that could not be removed.
    pub(crate) left: usize,
    /// Why not, for the last of them.
    pub(crate) failure: Option<Failure>,
}

/// How things stand, by what is kept; nothing is changed.
pub(crate) async fn peek(config: &Config, acme: &Acme) -> Result<Report, Failure> {
    let mut issuer = Issuer::new(config, acme, Arc::new(Resolver::default()), Arc::new(Board::default()));
    let (current, trouble) = issuer.kept();
    issuer.current = current;
    let (vault, set) = (Arc::clone(&issuer.vault), issuer.set.clone());
    let kept = blocking(move || {
        let (standing, _) = Standing::load(&*vault, &set)?;
        let (buried, _) = Buried::load_all(&*vault)?;
        Ok::<_, Failure>((standing, buried.len()))
    });
    let (standing, leftover) = kept.await??;
    let mut report = issuer.reported(&standing, wall());
    report.cause = trouble.as_ref().map(Cause::from).or(report.cause);
    report.txt_leftover = leftover;
    Ok(report)
}

/// Orders what is due, or, with `force`, a new certificate in any case, tells `board` of each step, and returns how
/// things stand then, and whether another certificate than before is in force.
///
/// # Errors
/// Why there is no new certificate; [`Failure::StateUnwritable`] if another process looks after it.
pub(crate) async fn once(config: &Config, force: bool, board: Arc<Board>) -> Result<(Report, bool), Failure> {
    let TlsSource::Acme(acme) = &config.tls else { return Err(Failure::Pending) };
    let mut issuer = Issuer::new(config, acme, Arc::new(Resolver::default()), Arc::clone(&board));
    (issuer.current, _) = issuer.kept();
    let before = issuer.facts().map(|facts| facts.id);
    issuer.serve_dns(wall())?;
    let desk = issuer.alone().await?;
    let mut shift = Shift::open(&mut issuer, desk).await?;
    shift.ask(force).await?;
    loop {
        match shift.turn().await? {
            Turn::Done => {}
            // A rehearsal that is passed over is no end.
            Turn::Failed(_) if shift.standing.pause.is_none() => {}
            Turn::Failed(failure) => return Err(failure),
            Turn::Wait(_) => break,
        }
    }
    shift.tell();
    let is_new = issuer.facts().map(|facts| facts.id) != before;
    Ok(((*board.report()).clone(), is_new))
}

/// Removes every record that the edge wrote and knows to stand there still: those that could not be removed before,
/// and those of an attempt that was broken off. With `is_alone` no edge runs, and what is gone is forgotten too.
pub(crate) async fn clean(config: &Config, acme: &Acme, is_alone: bool) -> Result<Cleaned, Failure> {
    let issuer = Issuer::new(config, acme, Arc::new(Resolver::default()), Arc::new(Board::default()));
    let desk = if is_alone { Some(issuer.alone().await?) } else { None };
    let vault = Arc::clone(&issuer.vault);
    let (buried, _) = blocking(move || Buried::load_all(&*vault)).await??;
    let attempt = match &desk {
        Some(desk) => desk.attempt().await?,
        None => None,
    };
    let is_nothing_left =
        buried.is_empty() && attempt.as_ref().is_none_or(|attempt| attempt.txt.iter().all(|txt| txt.done));
    if is_nothing_left {
        return Ok(Cleaned::default());
    }
    let solver = solver(acme).await?;
    let mut cleaned = Cleaned::default();
    let mut left = Vec::new();
    for grave in buried {
        if !cleaned.remove(&*solver, &grave.solver, &grave.record).await {
            left.push(grave);
        }
    }
    let Some(desk) = desk else { return Ok(cleaned) };
    desk.keep_graveyard(left).await?;
    if let Some(mut attempt) = attempt {
        for txt in attempt.txt.iter_mut().filter(|txt| !txt.done) {
            let Txt { solver: by, record, done } = txt;
            *done = cleaned.remove(&*solver, by, record).await;
        }
        desk.keep_attempt(&attempt).await?;
    }
    Ok(cleaned)
}

impl Cleaned {
    /// Whether the record is gone.
    async fn remove(&mut self, solver: &dyn Solver, by: &str, record: &challenge::Record) -> bool {
        let removed = if by == solver.name() {
            solver.remove(record).await
        } else {
            let reason = format!("it wrote {}, and is not edge.acme.solver any more", record.fqdn);
            Err(Failure::ProviderRefused { provider: by.to_owned(), reason })
        };
        match removed {
            Ok(()) => {
                self.removed += 1;
                true
            }
            Err(failure) => {
                self.left += 1;
                self.failure = Some(failure);
                false
            }
        }
    }
}

impl Issuer {
    /// The right to change things, as long as nobody else has it.
    async fn alone(&self) -> Result<Desk, Failure> {
        let lease = self.try_lease().await?.ok_or_else(|| {
            Failure::StateUnwritable("another process looks after the certificates in this folder".to_owned())
        })?;
        Ok(Desk::new(Arc::clone(&self.vault), lease, &self.set))
    }
}

/// What the built-in server wrote was gone with it: there its records are empty ones.
async fn solver(acme: &Acme) -> Result<Box<dyn Solver>, Failure> {
    let acme = acme.clone();
    let records = match &acme.solver {
        config::Solver::Builtin(_) => Some(Arc::new(Records::new([], ""))),
        _ => None,
    };
    // Solvers read files.
    blocking(move || challenge::solver(&acme, records)).await?
}
