//! What is kept, and kept safe: a change is answered only when it is on disk.
//!
//! One thread writes. It takes all changes that wait, decides each against what those before it left, commits them
//! together, publishes, and then answers. Reading what is attached needs no disk: [`Live`] holds it in memory.

pub(crate) mod error;
mod folder;
mod schema;
mod words;
mod rows;
mod tables;
mod trail;
mod copy;
mod writer;
#[cfg(test)]
mod laws;

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use preview_core::clock::Wall;
use preview_core::command::{Command, Context};
use preview_core::event::Event;
use preview_core::id::{SessionId, TaskId, UserId};
use preview_core::refusal::Refusal;
use preview_core::registry::Scope;
use preview_core::wire::events::EventView;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use error::StoreError;
pub(crate) use trail::{TrailFilter, TrailPart};

use crate::audit::Note;
use crate::failure::Failure;
use crate::keys::KeyRecord;
use crate::live::{Change, Live};
use folder::Folder;
use writer::{Job, Work};

/// The store; cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
    reader: Arc<Mutex<Connection>>,
    live: Arc<Live>,
    folder: Arc<Path>,
}

/// The writer's thread and the lock on the state folder.
pub(crate) struct Keeper {
    jobs: mpsc::Sender<Job>,
    writer: JoinHandle<()>,
    _folder: Folder,
}

/// What the events of a command tell besides what the registry knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Telling {
    /// How long the attach took.
    pub took: Duration,
    /// Whether tied tasks end with what is detached.
    pub ends_task: bool,
}

/// A change that is on disk.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The last revision when it was done; its own last one if it changed anything.
    pub revision: u64,
    /// What happened, in order.
    pub changes: Vec<Arc<Change>>,
}

/// A task, as it is kept so that it is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Its session.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
    /// What it is called.
    pub name: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder it was started in.
    pub cwd: String,
    /// When it was started.
    pub started: Wall,
    /// The process id of its leader.
    pub pid: u32,
    /// When its leader started, in clock ticks since boot: with `pid` and `boot` it names one process only.
    pub start_time: u64,
    /// The boot it was started in.
    pub boot: String,
    /// How it ended, if it has.
    pub ended: Option<TaskEnd>,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskEnd {
    /// Its leader's exit code, where it is known.
    pub exit_code: Option<i32>,
    /// When that was seen.
    pub at: Wall,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// The rules refuse it.
    Refused(Refusal),
    /// The store does not take it.
    Store(StoreError),
}

impl Store {
    /// Opens the store in `folder`, which is made if it is not there.
    /// The audit trail keeps so many entries.
    pub(crate) fn open(folder: &Path, trail_keeps: u64) -> Result<(Self, Keeper), StoreError> {
        let held = Folder::hold(folder)?;
        let opened = schema::open(&held)?;
        let live = Live::new(opened.revision, opened.attachments, opened.sessions, opened.blocks);
        let live = Arc::new(live);
        let (jobs, waiting) = mpsc::channel();
        let writer = writer::start(opened.writer, waiting, Arc::clone(&live), trail_keeps)?;
        let reader = Arc::new(Mutex::new(opened.reader));
        let folder = held.path().into();
        let keeper = Keeper { jobs: jobs.clone(), writer, _folder: held };
        Ok((Self { jobs, reader, live, folder }, keeper))
    }

    /// What is attached, as the last commit left it.
    pub(crate) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Decides a command and carries it out.
    pub(crate) async fn transact(
        &self,
        command: Command,
        context: Context,
        telling: Telling,
    ) -> Result<Committed, Failure> {
        self.transact_if(command, context, telling, |_| true).await
    }

    /// As [`Self::transact`], if `still` says so of what the command sees when it is decided; else nothing happens.
    pub(crate) async fn transact_if(
        &self,
        command: Command,
        context: Context,
        telling: Telling,
        still: impl FnOnce(&Scope) -> bool + Send + 'static,
    ) -> Result<Committed, Failure> {
        self.ask(Work::Decide { command, context: Box::new(context), telling, still: Box::new(still) }).await
    }

    /// Tells what changes nothing: it gets its place in the order of all changes.
    pub(crate) async fn tell(&self, event: Event, at: Wall) -> Result<Committed, Failure> {
        self.ask(Work::Tell(Box::new(event), at)).await
    }

    /// Keeps a task as it is now, and who brought that about, if it is somebody's doing.
    pub(crate) async fn put_task(&self, task: TaskRecord, note: Option<Note>) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::PutTask(Box::new(task), note.map(Box::new))).await)
    }

    /// Forgets a task.
    pub(crate) async fn drop_task(&self, id: TaskId) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::DropTask(id)).await)
    }

    /// All tasks that are kept.
    pub(crate) async fn tasks(&self) -> Result<Vec<TaskRecord>, StoreError> {
        self.read(tables::tasks).await
    }

    /// Keeps these grant keys and no others.
    pub(crate) async fn put_keys(&self, keys: Vec<KeyRecord>) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::PutKeys(keys)).await)
    }

    /// The grant keys that are kept.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(tables::keys).await
    }

    /// What was told after this revision, oldest first, at most so many of it.
    pub(crate) async fn told(&self, after: u64, most: u32) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection| tables::told(connection, after, most)).await
    }

    /// Forgets what was told before this moment.
    pub(crate) async fn forget_told(&self, before: Wall) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::Forget(before)).await)
    }

    /// Keeps in the audit trail what changes nothing.
    pub(crate) async fn note(&self, note: Note, at: Wall) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::Note(Box::new(note), at)).await)
    }

    /// Prunes what the audit trail has from before this moment.
    pub(crate) async fn prune_trail(&self, before: Wall) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::Prune(before)).await)
    }

    /// A part of the audit trail, as it lies there.
    pub(crate) async fn trail(&self, filter: TrailFilter) -> Result<TrailPart, StoreError> {
        self.read(move |connection| trail::part(connection, &filter)).await
    }

    /// Copies all there is beside it: what is used if it is found damaged.
    pub(crate) async fn keep_copy(&self) -> Result<(), StoreError> {
        let folder = Arc::clone(&self.folder);
        self.read(move |connection| copy::keep(connection, &folder)).await
    }

    /// Whether a change would be taken now.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        stored(self.ask_raw(Work::Try).await)
    }

    async fn ask(&self, work: Work) -> Result<Committed, Failure> {
        self.ask_raw(work).await.map_err(|not_done| match not_done {
            NotDone::Refused(refusal) => Failure::Refused(refusal),
            NotDone::Store(error) => Failure::Store(error),
        })
    }

    async fn ask_raw(&self, work: Work) -> Result<Committed, NotDone> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Do(work, answer)).map_err(|_| NotDone::Store(StoreError::Stopped))?;
        answered.await.map_err(|_| NotDone::Store(StoreError::Stopped))?
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        let read = move || {
            let connection = reader.lock().map_err(|_| StoreError::Stopped)?;
            look(&connection)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Stopped)?
    }
}

impl Keeper {
    /// Waits until all that was asked so far is written, and lets the folder go. What is asked later is refused.
    pub(crate) fn finish(self) {
        // An error means that the writer has gone already.
        let _ = self.jobs.send(Job::Stop);
        if self.writer.join().is_err() {
            tracing::error!("the store's thread has panicked");
        }
    }
}

fn stored(done: Result<Committed, NotDone>) -> Result<(), StoreError> {
    match done {
        Ok(_) => Ok(()),
        Err(NotDone::Store(error)) => Err(error),
        Err(NotDone::Refused(refusal)) => Err(StoreError::Corrupt(refusal.to_string())),
    }
}
