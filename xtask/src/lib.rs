//! Contributor tooling.
