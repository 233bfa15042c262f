//! What the world's name servers say: where a record belongs, whether it is seen, and what would forbid a certificate.

mod ask;
mod system;
mod target;
mod zone;
mod seen;
mod issuers;
mod caa;
mod delegation;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::Failure;
use ask::{Answer, Question};

pub(crate) use caa::Request;
pub(crate) use issuers::issuers;
pub(crate) use zone::Server;

/// Asks resolvers, and the servers that they lead to.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    resolvers: Vec<SocketAddr>, // Invariant: at least one.
    timeout: Duration,
}

impl Lookup {
    /// Asks these resolvers in turn, or the system's if there are none; one question may take `timeout`.
    pub(crate) fn new(resolvers: &[SocketAddr], timeout: Duration) -> Result<Self, Failure> {
        let resolvers = match resolvers {
            [] => system::resolvers(Path::new(system::RESOLV_CONF))?,
            given => given.to_vec(),
        };
        Ok(Self { resolvers, timeout })
    }

    /// What the first resolver that has an answer says.
    ///
    /// # Errors
    /// [`Failure::DnssecBroken`] if one has an answer only as long as it does not validate it.
    async fn resolve(&self, name: &str, kind: RecordType) -> Result<Answer, Failure> {
        let question = Question::recursive(name, kind);
        let share = self.timeout / u32::try_from(self.resolvers.len()).unwrap_or(1);
        let mut last = None;
        for server in &self.resolvers {
            let reason = match ask::ask(*server, question, share).await {
                Ok(answer) if answer.is_usable() => return Ok(answer),
                Ok(answer) => {
                    if answer.code() == ResponseCode::ServFail && self.is_bogus(*server, question).await {
                        return Err(Failure::DnssecBroken(name.to_owned()));
                    }
                    format!("it answers {} to the question for {name}", answer.code_text())
                }
                Err(reason) => reason,
            };
            last = Some(Failure::DnsUnreachable { server: server.to_string(), reason });
        }
        Err(last.unwrap_or_else(|| Failure::DnsUnreachable {
            server: "the resolver".to_owned(),
            reason: "none is set".to_owned(),
        }))
    }

    /// Whether a resolver that has no answer has one as soon as it need not validate it (RFC 4035 §3.2.2).
    async fn is_bogus(&self, server: SocketAddr, question: Question<'_>) -> bool {
        let unchecked = Question { checking_disabled: true, ..question };
        ask::ask(server, unchecked, self.timeout).await.is_ok_and(|answer| answer.is_usable())
    }
}

#[cfg(test)]
mod tests;
