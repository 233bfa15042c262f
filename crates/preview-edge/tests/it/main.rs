//! The edge against a daemon's feed, real dev servers and real clients.

mod daemon;
mod edge;
mod client;
mod recorder;
mod viewer;

mod certificates;
mod connections;
mod feed;
mod owners;
mod restarts;
mod answers;
