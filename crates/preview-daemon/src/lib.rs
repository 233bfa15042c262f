//! The control plane of Preview: keeps attachments, runs and supervises dev servers as tasks, reaps what nobody
//! visits, feeds the edges, and tells what has happened. It never sees a preview's traffic.
//!
//! Reading order is the order of the modules: what it is told ([`config`]), what can go wrong ([`failure`]), what
//! it does ([`daemon`], and `attach`, the spine), then what it stands on: probe, store, events, route feed,
//! activity, reaper, tasks; and last the doors (`api`) through which others call it.

pub mod config;
pub mod failure;
mod clock;
mod sockets;
mod processes;
pub mod daemon;
mod attach;
mod probe;
mod listeners;
mod store;
mod live;
mod keys;
mod events;
mod audit;
mod refusals;
mod watch;
mod activity;
mod reap;
mod tasks;
mod api;
mod service;

pub use config::Config;
pub use daemon::Daemon;
pub use failure::{Failure, StartError};
pub use service::{Running, start};
