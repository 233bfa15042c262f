//! Which ports a pair takes: the configured ones, or the next that are free.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use preview_core::ports::Port;
use preview_core::settings::Settings;
use preview_core::template::{Scheme, UrlTemplate};
use preview_edge::config::Listen;
use tokio::time::{Instant, sleep};

use super::{Plan, template, unusable};
use crate::context::Override;
use crate::failure::Failure;

/// How many ports above a held one are tried.
const TRIES: u16 = 200;

/// How long the pair before may take to let go of its port.
const LETTING_GO: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// What differs from the configuration, and how to say so.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) overrides: Vec<Override>,
    pub(super) notes: Vec<String>,
}

/// Finds ports for both doors, and renders a moved public port into the template.
pub(super) async fn plan(settings: &Settings, plan: &Plan) -> Result<Moved, Failure> {
    let (mut moved, mut template, mut taken) = (Moved::default(), template(settings)?, Vec::new());
    for (key, scheme) in [("edge.http", Scheme::Http), ("edge.https", Scheme::Https)] {
        let Some(text) = settings.text(key) else { continue };
        let wished: Listen = text.parse().map_err(|error| unusable(settings.impossible(key, error)))?;
        let is_public =
            template.scheme() == scheme && template.public_port().map(Port::get) == Some(wished.port);
        if let Some(port) = plan.port.filter(|_| is_public) {
            await_free(Listen { port, ..wished }).await;
        }
        let first = plan.port.filter(|_| is_public).into_iter();
        let port = first
            .chain([wished.port])
            .chain(next_ports(wished.port))
            .filter(|port| !taken.contains(port))
            .find(|port| is_free(Listen { port: *port, ..wished }))
            .ok_or_else(|| held(key, wished))?;
        taken.push(port);
        if port == wished.port {
            continue;
        }
        // Whoever comes by a proxy in front, or by a redirect, does not come to another port.
        if !is_public && template.scheme() == scheme {
            return Err(held(key, wished));
        }
        let why = format!("port {} is held", wished.port);
        moved.overrides.push((why.clone(), key, Listen { port, ..wished }.to_string()));
        if is_public {
            template = with_port(&template, port);
            moved.overrides.push((why, "public_url_template", template.to_string()));
        }
        moved.notes.push(format!("{key}: port {} cannot be had, took {port}", wished.port));
    }
    Ok(moved)
}

fn with_port(template: &UrlTemplate, port: u16) -> UrlTemplate {
    Port::new(port).map_or_else(|_| template.clone(), |port| template.with_public_port(port))
}

/// Ports that people know, then those that follow.
fn next_ports(held: u16) -> impl Iterator<Item = u16> {
    let known = match held {
        80 => Some(8080),
        443 => Some(8443),
        _ => None,
    };
    let first = known.unwrap_or_else(|| held.saturating_add(1));
    first..=first.saturating_add(TRIES)
}

async fn await_free(listen: Listen) {
    let end = Instant::now() + LETTING_GO;
    while !is_free(listen) && Instant::now() < end {
        sleep(LOOK).await;
    }
}

/// Whether all its addresses can be bound; those of a family that this host lacks do not count. Port 0 always can.
fn is_free(listen: Listen) -> bool {
    let can = |address: SocketAddr| match TcpListener::bind(address) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::AddrNotAvailable,
    };
    listen.addresses().into_iter().all(can)
}

fn held(key: &str, listen: Listen) -> Failure {
    let what = format!("cannot listen on {listen} ({key})");
    Failure::Io { what, source: io::Error::from(io::ErrorKind::AddrInUse) }
}
