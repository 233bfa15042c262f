//! Contributor tooling.

pub mod real;
