//! Real dev servers, started by `preview run`, seen by a real browser under a name that is not `.localhost`.

mod servers;
mod stage;
mod recovery;
mod login;
mod shared_host;
mod tenants;
mod viewers;
mod manifest;
mod kinds;
