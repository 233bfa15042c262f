//! Listeners that come, go and change hands after an attach.
//!
//! An edge that finds another socket than the route says asks here; a periodic look finds what no edge has run
//! into. Either way the rules say whether the new listener is still the attachment's, and the server is asked anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use preview_core::attachment::Attachment;
use preview_core::command::{Command, Settled};
use preview_core::id::AttachmentId;
use preview_core::listener::Owner;
use preview_core::refusal::Refusal;
use preview_core::registry::Scope;
use preview_core::verdict::{ServerState, Verdict};
use preview_core::wire::watch::ListenerAdmitted;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::daemon::{Asking, Daemon};
use crate::failure::Failure;
use crate::probe::{Asked, Question, Rest, ask};
use crate::sockets::Scan;
use crate::store::{Committed, Telling};

/// How often all listeners are looked at: one question to the kernel.
const LOOK: Duration = Duration::from_secs(2);

/// Looks who listens at an attachment's port now, and records it if it is still the attachment's server.
pub(crate) async fn readmit(daemon: &Daemon, id: AttachmentId) -> Result<ListenerAdmitted, Failure> {
    let it = daemon.live().get(id).ok_or(Failure::not_found("attachment"))?;
    let Some(owner) = daemon.probe().owner(it.listener).await? else {
        mark_down(daemon, &it).await?;
        return Err(nothing_listens(&it).into());
    };
    if owner.inode == it.owner.inode && owner.uid == it.owner.uid {
        return Ok(ListenerAdmitted { revision: daemon.live().revision() });
    }
    // Until it has answered, its policy is a guess: the one that the server before it was given.
    let verdict = Verdict { state: ServerState::Pending, status: None, ..it.verdict.clone() };
    let done = settle(daemon, &it, owner.clone(), verdict).await;
    match done {
        Ok(done) => {
            if let Some(now) = done.changes.first().and_then(|change| change.attachment.clone()) {
                tracing::info!(%id, listener = %now.listener, "the server was started anew");
                ask_later(daemon, &now);
            }
            Ok(ListenerAdmitted { revision: done.revision })
        }
        Err(failure) => {
            if let Failure::Refused(Refusal::OwnerChanged(mismatch)) = &failure {
                tracing::warn!(%id, listener = %it.listener, %mismatch, code = "port_owner_changed", "not served");
                mark_down(daemon, &it).await?;
            }
            Err(failure)
        }
    }
}

/// Waits in the background for the answers that an attach did not wait for.
pub(crate) fn settle_later(daemon: &Daemon, it: &Attachment, rest: Option<Rest>) {
    if let Some(rest) = rest
        && let Some(claim) = daemon.claim_asking(it)
    {
        let (daemon, it) = (daemon.clone(), it.clone());
        daemon.clone().spawn(async move {
            let verdict = rest.finish().await;
            see(&daemon, it, verdict, claim).await;
        });
    }
}

/// Asks an attachment's server in the background, unless somebody does already.
fn ask_later(daemon: &Daemon, it: &Attachment) {
    if let Some(claim) = daemon.claim_asking(it) {
        let (daemon, it) = (daemon.clone(), it.clone());
        daemon.clone().spawn(async move {
            let verdict = asked(&it).await;
            see(&daemon, it, verdict, claim).await;
        });
    }
}

/// Records a verdict; asks again as long as there is none and the server is the same.
async fn see(daemon: &Daemon, it: Attachment, mut verdict: Verdict, claim: Asking) {
    let is_same = || daemon.live().get(it.id).is_some_and(|now| is_same_server(&now, &it));
    while verdict.state == ServerState::Pending && is_same() {
        sleep(LOOK).await;
        verdict = asked(&it).await;
    }
    // Whoever finds the next server must be able to ask it.
    drop(claim);
    if let Err(failure) = settle(daemon, &it, it.owner.clone(), verdict).await {
        tracing::debug!(id = %it.id, %failure, "a verdict came too late");
    }
}

async fn asked(it: &Attachment) -> Verdict {
    let question = Question {
        listener: it.listener,
        public: it.url.clone(),
        path: it.path.clone(),
        command: Vec::new(),
        host_header: it.host_header,
    };
    match ask(question, Rest::MOST).await {
        Asked::Settled(verdict) | Asked::Pending(verdict, _) => verdict,
    }
}

/// Records owner and verdict, if the attachment is still the one that was looked at.
async fn settle(
    daemon: &Daemon,
    it: &Attachment,
    owner: Owner,
    verdict: Verdict,
) -> Result<Committed, Failure> {
    let (id, seen) = (it.id, it.clone());
    let still = move |scope: &Scope| scope.attachments.get(&id).is_none_or(|now| is_same_server(now, &seen));
    let command = Command::Settle(id, Box::new(Settled { owner, verdict }));
    daemon.carry_out(command, Telling::default(), still).await
}

async fn mark_down(daemon: &Daemon, it: &Attachment) -> Result<(), Failure> {
    let (id, seen) = (it.id, it.clone());
    let still = move |scope: &Scope| scope.attachments.get(&id).is_some_and(|now| is_same_server(now, &seen));
    daemon.carry_out(Command::MarkDown(id), Telling::default(), still).await.map(drop)
}

fn is_same_server(now: &Attachment, then: &Attachment) -> bool {
    now.listener == then.listener && now.owner == then.owner
}

fn nothing_listens(it: &Attachment) -> Refusal {
    Refusal::NotListening { port: it.listener.port.get(), waited: Duration::ZERO, seen: Vec::new() }
}

/// Looks at all listeners from time to time, until the daemon stops.
pub(crate) async fn watch(daemon: Daemon) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Sockets that were found not to be the attachment's: /proc is not read for them again.
    let mut foreign: HashMap<AttachmentId, u64> = HashMap::new();
    loop {
        ticks.tick().await;
        let all = daemon.live().all();
        if all.is_empty() {
            continue;
        }
        let scan = match daemon.sockets().scan().await {
            Ok(scan) => scan,
            Err(error) => {
                tracing::warn!(%error, "cannot see who listens");
                continue;
            }
        };
        foreign.retain(|id, _| all.iter().any(|it| it.id == *id));
        for it in &all {
            look(&daemon, it, &scan, &mut foreign).await;
        }
    }
}

async fn look(daemon: &Daemon, it: &Arc<Attachment>, scan: &Scan, foreign: &mut HashMap<AttachmentId, u64>) {
    let sockets = scan.at(it.listener);
    let is_recorded = sockets.iter().any(|socket| socket.inode == it.owner.inode);
    let done = match sockets.first() {
        None => mark_down(daemon, it).await,
        Some(_) if is_recorded && it.verdict.state == ServerState::Live => Ok(()),
        Some(_) if is_recorded => {
            ask_later(daemon, it);
            Ok(())
        }
        Some(socket) if foreign.get(&it.id) == Some(&socket.inode) => Ok(()),
        Some(socket) => {
            let done = readmit(daemon, it.id).await.map(drop);
            if matches!(done, Err(Failure::Refused(Refusal::OwnerChanged(_)))) {
                foreign.insert(it.id, socket.inode);
            }
            done
        }
    };
    if let Err(failure) = done {
        tracing::debug!(id = %it.id, %failure, "looked at its listener");
    }
}
