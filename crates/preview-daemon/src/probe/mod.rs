//! What is known of a dev server before it is attached: where it listens, whose it is, and how it takes its public
//! name.

mod find;
mod choose;
mod owner;
mod ask;
mod presented;
mod exchange;
mod policy;
mod known;

pub(crate) use ask::{Asked, Question, Rest, ask, guess};
pub(crate) use find::{Found, HostAsked, InvalidHost, Probe, WaitFailure, Wanted};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod e2e;
