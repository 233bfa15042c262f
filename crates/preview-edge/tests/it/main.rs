//! The edge against a daemon's feed, real dev servers and real clients.

mod daemon;
mod edge;
mod client;
mod recorder;
mod viewer;
mod stage;
mod http2;

mod certificates;
mod folders;
mod ops;
mod acme;
mod connections;
mod feed;
mod owners;
mod restarts;
mod stops;
mod answers;
mod handover;
mod sharing;
mod notice;
mod exempt;
mod login;
mod headers;
mod bodies;
mod kept;
mod faults;
mod sockets;
mod smuggling;
mod frames;
mod daemon_host;
mod by_port;
mod secrets;
mod timing;
mod attacks;
