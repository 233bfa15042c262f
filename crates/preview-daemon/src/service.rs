//! The daemon as a service: started, and stopped.

use std::net::SocketAddr;
use std::path::Path;

use preview_core::ports::Port;

use crate::api::{self, Open};
use crate::config::Config;
use crate::daemon::{Daemon, Opened};
use crate::failure::StartError;
use crate::store::Keeper;
use crate::{listeners, reap, refusals};

/// A daemon that serves.
pub struct Running {
    daemon: Daemon,
    doors: Open,
    keeper: Keeper,
}

/// Starts a daemon on the caller's runtime.
pub async fn start(config: Config) -> Result<Running, StartError> {
    if let Some(range) = ephemeral_ports() {
        config.check_ports(range)?;
    }
    let Opened { daemon, keeper, exits } = Daemon::open(config).await?;
    let doors = match api::open(daemon.clone(), &daemon.config().run_dir).await {
        Ok(doors) => doors,
        Err(error) => {
            end(daemon, keeper).await;
            return Err(error);
        }
    };
    daemon.spawn(reap::reap(daemon.clone()));
    daemon.spawn(reap::withdraw_ended(daemon.clone()));
    daemon.spawn(reap::keep_house(daemon.clone()));
    daemon.spawn(reap::tell_exits(daemon.clone(), exits));
    daemon.spawn(refusals::keep(daemon.clone()));
    daemon.spawn(listeners::watch(daemon.clone()));
    tracing::info!(folder = %doors.folder().display(), attachments = daemon.live().all().len(), "serving");
    Ok(Running { daemon, doors, keeper })
}

impl Running {
    /// The folder of `api.sock`, `edge.sock`, `public.sock` and `verify.sock`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.doors.folder()
    }

    /// The address of the TCP door, if there is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.doors.tcp()
    }

    /// The daemon itself, for a program that has it in its own process.
    #[must_use]
    pub const fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Closes the doors, ends what goes on in the background, and writes what is to be written. Tasks go on: the
    /// next daemon finds them again.
    pub async fn stop(self) {
        self.doors.close().await;
        end(self.daemon, self.keeper).await;
    }
}

async fn end(daemon: Daemon, keeper: Keeper) {
    daemon.stop().await;
    if let Err(error) = tokio::task::spawn_blocking(|| keeper.finish()).await {
        tracing::error!(%error, "the store was not closed");
    }
}

/// The first and last port that the kernel gives to clients (`ip(7)`), where it says so.
fn ephemeral_ports() -> Option<[Port; 2]> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?])
}
