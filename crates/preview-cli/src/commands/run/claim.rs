//! The port and the name of a run: no other run gets them while it lives, and what a run that was killed left
//! behind is ended.
//!
//! Each port and each name has a file below the state folder. The run that holds its lock has it; a port's file says
//! which task the run started. The kernel drops the lock when the run ends, however it ends: a file without a holder
//! that still names a task is that of a run which could not clear away.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use preview_core::id::SessionId;
use preview_core::ports::Port;
use preview_core::refusal::Code;
use preview_core::wire::api::AttachmentView;
use preview_sockets::Diag;

use crate::client::Client;
use crate::context::Context;
use crate::embedded::daemon_config;
use crate::failure::Failure;

pub(super) struct Claim {
    port: u16,
    /// None where the state folder is another user's: then the kernel alone decides who gets the port.
    file: Option<File>,
    name: Option<File>,
}

impl Claim {
    /// Takes the port that was asked for, or a free one of `ports.allow`: the same for a folder each time if that can
    /// be had, so that links and what was noted of them elsewhere stay.
    pub(super) async fn make(
        context: &Context,
        client: &Client,
        wished: Option<u16>,
    ) -> Result<Self, Failure> {
        let policy = daemon_config(&context.settings)?.rules.ports;
        if let Some(port) = wished {
            let wrong = |error: &dyn fmt::Display| Failure::usage(error.to_string(), "give another --port");
            let port = Port::new(port).map_err(|error| wrong(&error))?;
            policy.check(port, true).map_err(|error| wrong(&error))?;
            return Ok(Self {
                port: port.get(),
                file: lock(context, &port.to_string()).ok().flatten(),
                name: None,
            });
        }
        let public = context.running_template()?.public_port();
        let attached = client.list(None).await?;
        let listening = Diag::open().and_then(|mut diag| diag.listening()).unwrap_or_default();
        let is_free = |port: &Port| {
            policy.check(*port, false).is_ok()
                && public != Some(*port)
                && !attached.iter().any(|it| it.port == port.get())
                && !listening.iter().any(|socket| socket.bound.port() == port.get())
        };
        let all: Vec<Port> = policy.allow.iter().collect();
        let folder = std::env::current_dir().unwrap_or_default();
        let (before, from) = all.split_at(own_place(folder.as_os_str().as_encoded_bytes(), all.len()));
        let claimed = from.iter().chain(before).filter(|port| is_free(port)).find_map(|port| {
            match lock(context, &port.to_string()) {
                Ok(Some(file)) => Some(Self { port: port.get(), file: Some(file), name: None }),
                Ok(None) => None,
                Err(_) => Some(Self { port: port.get(), file: None, name: None }),
            }
        });
        claimed.ok_or_else(|| {
            let detail = format!("no free port in ports.allow ({})", policy.allow);
            Failure::found(Code::PortRefused, detail, "end what listens there, or give --port")
        })
    }

    /// Its number.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The first of these names that no other run has.
    pub(super) fn name(
        &mut self,
        context: &Context,
        session: &SessionId,
        mut names: impl Iterator<Item = String>,
    ) -> String {
        // What was had from an earlier try is free again.
        self.name = None;
        let free = names.find_map(|name| match lock(context, &format!("{session} {name}")) {
            Ok(Some(file)) => Some((name, Some(file))),
            Ok(None) => None,
            Err(_) => Some((name, None)),
        });
        let (name, file) = free.unwrap_or_default();
        self.name = file;
        name
    }

    /// Notes the task that is to be ended if this run cannot do so itself.
    pub(super) fn holds(&self, task: &str) {
        self.note(task);
    }

    /// All is cleared away.
    pub(super) fn lets_go(&self) {
        self.note("");
    }

    fn note(&self, text: &str) {
        let Some(mut file) = self.file.as_ref() else { return };
        // Without the note a run that is killed leaves its task to `preview detach`.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
    }
}

/// A number below `count` that a path always has (FNV-1a).
fn own_place(path: &[u8], count: usize) -> usize {
    let hash = path.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % (count.max(1) as u64)).unwrap_or(0)
}

/// Ends the tasks of runs that were killed, and takes their attachments down.
pub(super) async fn sweep(context: &Context, client: &Client) {
    let Ok(entries) = fs::read_dir(folder(context)) else { return };
    for entry in entries.flatten() {
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(entry.path()) else { continue };
        let mut task = String::new();
        if file.try_lock().is_err() || file.read_to_string(&mut task).is_err() || task.is_empty() {
            continue;
        }
        let tied = |it: &AttachmentView| it.bash_task_id.as_ref() == Some(&task);
        for it in client.list(None).await.unwrap_or_default().iter().filter(|it| tied(it)) {
            let _ = client.detach(&it.id).await;
        }
        let ended = client.end_task(&task).await;
        if ended.is_ok() || ended.is_err_and(|failure| failure.is(Code::NotFound)) {
            let _ = file.set_len(0);
        }
    }
}

/// The file of a port or a name, locked; `None` if another run has it.
fn lock(context: &Context, what: &str) -> std::io::Result<Option<File>> {
    let folder = folder(context);
    if !folder.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
    }
    let path = folder.join(what);
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn folder(context: &Context) -> PathBuf {
    context.state_dir().join("runs")
}
