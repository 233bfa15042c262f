//! The thread that writes. Waiting changes share one commit, and each has a savepoint of its own, so that a
//! refused one leaves nothing.

use std::iter;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use preview_core::attachment::Attachment;
use preview_core::audit::{Link, Sealed};
use preview_core::clock::Wall;
use preview_core::command::{Command, Context};
use preview_core::event::Event;
use preview_core::id::TaskId;
use preview_core::registry::{self, Scope};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Committed, NotDone, StoreError, TaskRecord, Telling, tables, trail};
use crate::audit::{self, Note};
use crate::events;
use crate::keys::KeyRecord;
use crate::live::{Change, Live};

/// What the thread is asked.
pub(super) enum Job {
    /// To make a change, and to answer.
    Do(Work, Answer),
    /// To end.
    Stop,
}

/// Whom to answer.
pub(super) type Answer = oneshot::Sender<Result<Committed, NotDone>>;

/// A change to be made.
pub(super) enum Work {
    /// Decide a command, if it still should be.
    Decide {
        command: Command,
        context: Box<Context>,
        telling: Telling,
        still: Still,
    },
    /// Tell what changes nothing.
    Tell(Box<Event>, Wall),
    /// Keep a task as it is, and who brought that about, if it is somebody's doing.
    PutTask(Box<TaskRecord>, Option<Box<Note>>),
    DropTask(TaskId),
    PutKeys(Vec<KeyRecord>),
    /// Forget what was told before a moment.
    Forget(Wall),
    /// Keep in the audit trail what changes nothing.
    Note(Box<Note>, Wall),
    /// Prune what the audit trail has from before a moment.
    Prune(Wall),
    /// Find out whether a change would be taken.
    Try,
}

/// Whether a command should still be decided, over what it sees.
pub(super) type Still = Box<dyn FnOnce(&Scope) -> bool + Send>;

/// So many changes share a commit at most: the first of them waits for the last.
const BATCH: usize = 256;

/// So many revisions can be replayed (`docs/contract.md` §3).
const KEPT: u64 = 10_000;

struct Writer {
    db: Connection,
    live: Arc<Live>,
    revision: u64,
    /// The end of the audit trail, and how many entries it keeps.
    trail: Link,
    trail_keeps: u64,
    /// Whether the last commit failed: then finding out whether a change would be taken takes a change.
    failed: bool,
}

type Outcome = Result<Vec<Arc<Change>>, NotDone>;

/// Starts the thread; it ends when nobody can ask it any more.
pub(super) fn start(
    db: Connection,
    waiting: Receiver<Job>,
    live: Arc<Live>,
    trail_keeps: u64,
) -> Result<JoinHandle<()>, StoreError> {
    let trail = trail::head(&db)?;
    let mut writer = Writer { db, revision: live.revision(), live, trail, trail_keeps, failed: false };
    let thread = thread::Builder::new().name("store".into()).spawn(move || {
        let mut goes_on = true;
        while goes_on && let Ok(first) = waiting.recv() {
            let mut batch = Vec::new();
            for job in iter::once(first).chain(waiting.try_iter()).take(BATCH) {
                match job {
                    Job::Do(work, answer) => batch.push((work, answer)),
                    Job::Stop => goes_on = false,
                }
            }
            writer.take(batch);
        }
        writer.gather();
    })?;
    Ok(thread)
}

impl Writer {
    /// Commits these jobs together, publishes, answers.
    fn take(&mut self, batch: Vec<(Work, Answer)>) {
        let (works, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let (before, trail) = (self.revision, self.trail);
        let committed = self.commit(works);
        self.failed = committed.is_err();
        let outcomes = match committed {
            Ok(outcomes) => outcomes,
            Err(error) => {
                (self.revision, self.trail) = (before, trail);
                tracing::error!(%error, code = %error.code(), "nothing was stored");
                answers.iter().map(|_| Err(NotDone::Store(error.clone()))).collect()
            }
        };
        for changes in outcomes.iter().flatten() {
            self.live.apply(changes);
        }
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let revision =
                outcome.as_ref().ok().and_then(|it| it.last()).map_or(self.revision, |it| it.revision);
            // An error means that the caller has gone: what is done is done.
            let _ = answer.send(outcome.map(|changes| Committed { revision, changes }));
        }
    }

    /// Brings all that is in the log into the database file, so that this one file is all there is.
    fn gather(&self) {
        if let Err(error) = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log is kept");
        }
    }

    fn commit(&mut self, works: Vec<Work>) -> Result<Vec<Outcome>, StoreError> {
        let mut tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (before, trail) = (self.revision, self.trail);
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            let (revision, trail) = (self.revision, self.trail);
            let mut savepoint = tx.savepoint()?;
            let mut turn = Turn {
                db: &savepoint,
                revision: &mut self.revision,
                trail: &mut self.trail,
                failed: self.failed,
            };
            match turn.carry_out(work) {
                Ok(changes) => {
                    savepoint.commit()?;
                    outcomes.push(Ok(changes));
                }
                // A damaged row concerns only those who need it.
                Err(not_done @ (NotDone::Refused(_) | NotDone::Store(StoreError::Corrupt(_)))) => {
                    (self.revision, self.trail) = (revision, trail);
                    savepoint.rollback()?;
                    outcomes.push(Err(not_done));
                }
                Err(NotDone::Store(error)) => return Err(error),
            }
        }
        if self.revision != before {
            tables::set_revision(&tx, self.revision)?;
            tables::forget_through(&tx, self.revision.saturating_sub(KEPT))?;
        }
        if self.trail != trail {
            trail::set_head(&tx, self.trail)?;
            trail::keep_at_most(&tx, self.trail, self.trail_keeps)?;
        }
        tx.commit()?;
        Ok(outcomes)
    }
}

/// One job's turn within a commit.
struct Turn<'a> {
    db: &'a Connection,
    revision: &'a mut u64,
    trail: &'a mut Link,
    failed: bool,
}

impl Turn<'_> {
    fn carry_out(&mut self, work: Work) -> Outcome {
        match work {
            Work::Decide { command, context, telling, still } => {
                self.decide(&command, &context, telling, still)
            }
            Work::Tell(event, at) => {
                let about = event.attachment_id().map(|id| tables::attachment(self.db, id)).transpose()?;
                match about {
                    // It has ended meanwhile: there is nothing to tell any more.
                    Some(None) => Ok(Vec::new()),
                    about => {
                        let about = about.flatten();
                        Ok(vec![self.record(*event, about, at, audit::ITSELF, Telling::default())?])
                    }
                }
            }
            Work::PutTask(task, note) => {
                tables::put_task(self.db, &task)?;
                note.map_or(Ok(Vec::new()), |note| none(self.note(*note, task.started)))
            }
            Work::DropTask(id) => none(tables::drop_task(self.db, &id)),
            Work::PutKeys(keys) => none(tables::put_keys(self.db, &keys)),
            Work::Forget(before) => none(tables::forget_before(self.db, before)),
            Work::Note(note, at) => none(self.note(*note, at)),
            Work::Prune(before) => none(trail::prune_before(self.db, before)),
            Work::Try if self.failed => none(tables::set_revision(self.db, *self.revision)),
            Work::Try => Ok(Vec::new()),
        }
    }

    fn decide(&mut self, command: &Command, context: &Context, telling: Telling, still: Still) -> Outcome {
        let mut scope = tables::scope(self.db, &command.reads(context))?;
        if !still(&scope) {
            return Ok(Vec::new());
        }
        let events = registry::decide(context, &scope, command).map_err(NotDone::Refused)?;
        let mut changes = Vec::with_capacity(events.len());
        for event in events {
            registry::apply(&mut scope, &event);
            let attachment = self.keep(&scope, &event)?;
            changes.push(self.record(event, attachment, context.now.wall, &context.asked, telling)?);
        }
        Ok(changes)
    }

    /// Writes what an event has changed, and gives the attachment it is about.
    fn keep(&self, scope: &Scope, event: &Event) -> Result<Option<Attachment>, StoreError> {
        let after = event.attachment_id().and_then(|id| scope.attachments.get(&id));
        match event {
            Event::Bound(session, user) => tables::bind(self.db, session, user)?,
            Event::Unbound(session) => tables::unbind(self.db, session)?,
            Event::Detached { attachment, .. } => {
                tables::drop_attachment(self.db, attachment.id)?;
                return Ok(Some((**attachment).clone()));
            }
            Event::Attached { .. }
            | Event::Rotated(..)
            | Event::Revoked(..)
            | Event::Shared(..)
            | Event::Unshared(..)
            | Event::Shown(..)
            | Event::Withheld(..)
            | Event::Settled(..)
            | Event::WentDown(_) => {
                if let Some(attachment) = after {
                    tables::put_attachment(self.db, attachment)?;
                }
            }
            Event::Blocked(block) => tables::put_block(self.db, block)?,
            Event::Unblocked(target) => tables::drop_block(self.db, target)?,
            Event::Expiring(..) | Event::LimitHit(..) | Event::TaskExited { .. } => {}
        }
        Ok(after.cloned())
    }

    /// Appends to the audit trail.
    fn note(&mut self, note: Note, at: Wall) -> Result<(), StoreError> {
        let entry = note.entry(self.trail.number + 1, at);
        let digest = entry.digest(&self.trail.digest);
        *self.trail = Link { number: entry.number, digest };
        trail::append(self.db, &Sealed { entry, digest })
    }

    /// Gives an event its place in the order of all changes; logs what clients are told of it, and who did it.
    fn record(
        &mut self,
        event: Event,
        attachment: Option<Attachment>,
        at: Wall,
        asked: &str,
        telling: Telling,
    ) -> Result<Arc<Change>, StoreError> {
        *self.revision += 1;
        let revision = *self.revision;
        let view = events::view(revision, at, &event, attachment.as_ref(), telling);
        if let Some(view) = &view {
            tables::log(self.db, view)?;
        }
        if let Some(note) = audit::note(asked, &event, attachment.as_ref(), telling) {
            self.note(note, at)?;
        }
        Ok(Arc::new(Change { revision, event, attachment, view }))
    }
}

fn none(done: Result<(), StoreError>) -> Outcome {
    done.map(|()| Vec::new()).map_err(NotDone::Store)
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
