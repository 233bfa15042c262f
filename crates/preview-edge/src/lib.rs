//! The data plane of Preview, the only public ingress: terminates TLS, finds the route, decides access with core,
//! forwards to the dev server.
//!
//! One OS thread per core, each with a current-thread runtime and listeners of its own: on the request path
//! threads share the route snapshot and counters, nothing else. One more thread keeps the route feed, reports
//! activity and watches certificate files.
//!
//! The order of the modules is the way of a request: `listen` accepts, `tls` picks the certificate, `serve` runs
//! hyper, `request` is the spine that calls the rest. What follows `activity` is the control thread's.

pub mod config;
mod shared;
mod listen;
mod limits;
mod tls;
mod cert;
mod serve;
mod deadline;
mod request;
mod route;
mod access;
mod login;
mod headers;
mod upstream;
mod owner;
mod tunnel;
mod body;
mod page;
mod notice;
mod activity;
mod control;
mod exchange;
mod watch;
mod report;
mod dns;
mod ops;
pub mod certs;
mod state;
mod again;
mod clock;
mod start;

pub use cert::{Cause, CertError, CertProblem, Failure, Report};
pub use config::Config;
pub use listen::BindError;
pub use start::{Running, StartError, start};
pub use state::StateError;
