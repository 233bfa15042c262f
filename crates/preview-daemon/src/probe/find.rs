//! Where a dev server listens, and whose it is.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use preview_core::id::{SessionId, TaskId};
use preview_core::listener::{Listener, Loopback, Owner, OwnerMismatch};
use preview_core::ports::Port;
use preview_core::refusal::Refusal;
use preview_sockets::{DiagError, SocketSeen};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::choose::{Candidate, Choice, choose};
use super::owner::{self, Owned};
use crate::sockets::{Sockets, both};
use crate::tasks::{Task, Tasks};

/// How often it is looked whether the port is bound (seed).
const POLL: Duration = Duration::from_millis(100);
/// How long what was found out about a socket's owner is taken to be so.
const OWNER_HOLDS: Duration = Duration::from_secs(1);

/// Looks at listeners and their owners; cheap to clone.
#[derive(Clone)]
pub(crate) struct Probe {
    sockets: Sockets,
    tasks: Tasks,
}

/// Which loopback the caller named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostAsked {
    /// `127.0.0.1` or `::1`: the other is taken if it has the better claim, which is said.
    Address(Loopback),
    /// `localhost`: whichever listens.
    Localhost,
}

/// A host that is no loopback.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not 127.0.0.1, ::1 or localhost")]
pub(crate) struct InvalidHost(String);

/// A listener to wait for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// On which loopback.
    pub(crate) host: HostAsked,
    /// On which port.
    pub(crate) port: Port,
    /// In which session.
    pub(crate) session: SessionId,
    /// The task that should listen; when it ends, so does the wait.
    pub(crate) tied: Option<TaskId>,
    /// How long to wait at most.
    pub(crate) wait: Duration,
}

/// A listener that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it listens.
    pub(crate) listener: Listener,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// The command line of its process, as a hint at what it is.
    pub(crate) command: Vec<String>,
    /// What the caller should know, in sentences: another loopback than asked, open to other hosts.
    pub(crate) notes: Vec<String>,
}

/// Why no listener was found.
#[derive(Debug, Error)]
pub(crate) enum WaitFailure {
    /// Nothing listens, somebody else does, or the task that should has ended.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The kernel does not tell.
    #[error(transparent)]
    Sockets(#[from] DiagError),
}

/// What listens on the two loopbacks, with the owners as they were last looked up.
#[derive(Default)]
struct Looked {
    sockets: Vec<(Listener, SocketSeen)>,
    candidates: Vec<Candidate>,
    at: Option<Instant>,
}

impl Probe {
    /// A probe over these.
    pub(crate) const fn new(sockets: Sockets, tasks: Tasks) -> Self {
        Self { sockets, tasks }
    }

    /// Waits until something listens there that the caller may mean. A tied task's own listener is the only one
    /// that counts: any other would not be admitted when it comes again.
    pub(crate) async fn wait(&self, wanted: &Wanted) -> Result<Found, WaitFailure> {
        let deadline = Instant::now() + wanted.wait;
        let mut looked = Looked::default();
        loop {
            // Before looking: what it had bound by its end is then seen.
            let task = self.running(wanted)?;
            self.look(wanted.port, &mut looked).await?;
            let choice = choose(wanted, self.tasks.uid(), &looked.candidates);
            if let Choice::Take(found) = choice {
                return Ok(*found);
            }
            if task.is_some_and(|task| !task.running) {
                return Err(self.dead(wanted).await.into());
            }
            if Instant::now() >= deadline {
                return match choice {
                    Choice::Foreign(found) => Ok(*found),
                    Choice::NotTheTask => Err(Refusal::OwnerChanged(OwnerMismatch::NotTheTask).into()),
                    Choice::Take(_) | Choice::Wait => Err(self.not_listening(wanted).await.into()),
                };
            }
            self.pause(wanted, deadline).await;
        }
    }

    /// Whose the listener is that would get a connection now.
    pub(crate) async fn owner(&self, listener: Listener) -> Result<Option<Owner>, DiagError> {
        match self.sockets.at(listener)? {
            Some(socket) => Ok(Some(self.owned(&socket).await?.owner)),
            None => Ok(None),
        }
    }

    fn running(&self, wanted: &Wanted) -> Result<Option<Task>, Refusal> {
        let Some(id) = &wanted.tied else { return Ok(None) };
        self.tasks.get(id).map(Some).ok_or(Refusal::NotFound("task"))
    }

    async fn look(&self, port: Port, looked: &mut Looked) -> Result<(), DiagError> {
        let mut sockets = Vec::new();
        for listener in both(port) {
            sockets.extend(self.sockets.at(listener)?.map(|socket| (listener, socket)));
        }
        if looked.sockets == sockets && looked.at.is_some_and(|at| at.elapsed() < OWNER_HOLDS) {
            return Ok(());
        }
        looked.candidates.clear();
        for (listener, socket) in &sockets {
            let same = looked.candidates.iter().find(|it| it.owned.owner.inode == socket.inode);
            let owned = match same.map(|it| it.owned.clone()) {
                Some(owned) => owned,
                None => self.owned(socket).await?,
            };
            looked.candidates.push(Candidate { listener: *listener, bound: socket.bound.ip(), owned });
        }
        looked.sockets = sockets;
        looked.at = Some(Instant::now());
        Ok(())
    }

    async fn owned(&self, socket: &SocketSeen) -> Result<Owned, DiagError> {
        let (socket, leaders) = (*socket, self.tasks.leaders());
        match tokio::task::spawn_blocking(move || owner::find(&socket, &leaders)).await {
            Ok(found) => found.map_err(|error| DiagError::Io(io::Error::other(error))),
            Err(error) => Err(DiagError::Io(io::Error::other(error))),
        }
    }

    async fn pause(&self, wanted: &Wanted, deadline: Instant) {
        let poll = sleep(POLL.min(deadline.saturating_duration_since(Instant::now())));
        match &wanted.tied {
            // Its end is no reason to wait any longer.
            Some(task) => tokio::select! { () = poll => {}, () = self.tasks.ended(task) => {} },
            None => poll.await,
        }
    }

    async fn dead(&self, wanted: &Wanted) -> Refusal {
        let Some(task) = wanted.tied.as_ref().and_then(|id| self.tasks.get(id)) else {
            return Refusal::NotFound("task");
        };
        let last_lines = self.tasks.last_lines(&task.id).await;
        Refusal::TaskDead { task: task.id, exit_code: task.exit_code, last_lines }
    }

    async fn not_listening(&self, wanted: &Wanted) -> Refusal {
        let mut seen = Vec::new();
        for task in self.tasks.of_session(&wanted.session).into_iter().filter(|task| task.running) {
            seen.extend(self.tasks.listeners(&task.id).await.iter().map(ToString::to_string));
        }
        seen.sort();
        seen.dedup();
        Refusal::NotListening { port: wanted.port.get(), waited: wanted.wait, seen }
    }
}

impl FromStr for HostAsked {
    type Err = InvalidHost;
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        match text {
            "127.0.0.1" => Ok(Self::Address(Loopback::V4)),
            "::1" => Ok(Self::Address(Loopback::V6)),
            "localhost" => Ok(Self::Localhost),
            other => Err(InvalidHost(other.to_owned())),
        }
    }
}
