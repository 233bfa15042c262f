//! The rule book of Preview: who may attach what, under which URL, who gets in, and when it ends.
//!
//! Values in, values out. Nothing here opens a socket or a file, reads a clock, draws randomness, waits or
//! spawns: time and entropy are arguments. Daemon and edge obey this crate; other services embed it.
//!
//! Reading order is the order of the modules: words first ([`id`], [`clock`], [`template`], [`ports`]), then
//! rules ([`limits`], [`idle`], [`token`], [`share`], [`grant`], [`cookie`], [`listener`]), then the registry that applies them
//! ([`attachment`], [`block`], [`command`], [`registry`], [`event`], [`refusal`]), then what an edge needs ([`route`],
//! [`access`]).
#![deny(missing_docs)]

pub mod id;
pub mod clock;
pub mod template;
pub mod ports;
pub mod limits;
pub mod idle;
pub mod token;
pub mod share;
pub mod grant;
pub mod cookie;
pub mod listener;
pub mod verdict;
pub mod attachment;
pub mod block;
pub mod command;
pub mod registry;
pub mod event;
pub mod refusal;
pub mod route;
pub mod access;
#[cfg(feature = "wire")]
pub mod audit;
#[cfg(feature = "wire")]
pub mod wire;
#[cfg(feature = "settings")]
pub mod settings;
