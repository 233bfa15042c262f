//! How many connections clients may have.

/// A connection's place among those that one client, and all clients, may have; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {}
