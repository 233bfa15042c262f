//! The edge against a daemon's feed, real dev servers and real clients.

mod daemon;
mod edge;
mod client;

mod certificates;
mod connections;
mod feed;
mod owners;
mod restarts;
