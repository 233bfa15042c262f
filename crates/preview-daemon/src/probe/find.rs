//! Where a dev server listens, and whose it is.

use std::str::FromStr;
use std::time::Duration;

use preview_core::id::{SessionId, TaskId};
use preview_core::listener::{Listener, Loopback, Owner};
use preview_core::ports::Port;
use preview_core::refusal::Refusal;
use preview_sockets::DiagError;
use thiserror::Error;

use crate::sockets::Sockets;
use crate::tasks::Tasks;

/// Looks at listeners and their owners; cheap to clone.
#[derive(Clone)]
pub(crate) struct Probe {
    sockets: Sockets,
    tasks: Tasks,
}

/// Which loopback the caller named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostAsked {
    /// `127.0.0.1` or `::1`: the other is taken only if nothing listens on this one.
    Address(Loopback),
    /// `localhost`: whichever listens.
    Localhost,
}

/// A host that is no loopback.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("host {0:?} is not 127.0.0.1, ::1 or localhost")]
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
    /// Nothing listens, or the task that should has ended.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The kernel does not tell.
    #[error(transparent)]
    Sockets(#[from] DiagError),
}

impl Probe {
    /// A probe over these.
    pub(crate) const fn new(sockets: Sockets, tasks: Tasks) -> Self {
        Self { sockets, tasks }
    }

    /// Waits until something listens there.
    pub(crate) async fn wait(&self, wanted: &Wanted) -> Result<Found, WaitFailure> {
        let _ = &self.tasks;
        let seen = Vec::new();
        Err(Refusal::NotListening { port: wanted.port.get(), waited: wanted.wait, seen }.into())
    }

    /// Whose the listener is that would get a connection now.
    pub(crate) async fn owner(&self, listener: Listener) -> Result<Option<Owner>, DiagError> {
        self.sockets.at(listener)?;
        Ok(None)
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
