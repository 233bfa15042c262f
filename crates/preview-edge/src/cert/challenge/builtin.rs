//! The edge's own DNS server as solver: records are there as soon as they are put.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{Record, Solver};
use crate::cert::Failure;
use crate::dns::Records;

/// Puts values where the built-in server takes them from. Whether the world sees them, the parent's delegation and
/// the servers themselves say.
#[derive(Debug)]
pub(crate) struct Builtin {
    records: Arc<Records>,
}

impl Builtin {
    /// Into the records of a server.
    pub(crate) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }
}

impl Solver for Builtin {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        ready(self.records.put(&record.fqdn, &record.value)).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.records.remove(&record.fqdn, &record.value);
        ready(Ok(())).boxed()
    }
}
