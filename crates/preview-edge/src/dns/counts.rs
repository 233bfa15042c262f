//! What was asked and how it was answered, for metrics.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::message::Proto;

/// Types that are counted by name; all others are `other`, so that nobody fills memory by asking.
const KINDS: [RecordType; 16] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::ANY,
    RecordType::AXFR,
    RecordType::CAA,
    RecordType::CNAME,
    RecordType::DNSKEY,
    RecordType::DS,
    RecordType::HTTPS,
    RecordType::IXFR,
    RecordType::MX,
    RecordType::NS,
    RecordType::PTR,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::TXT,
];
/// Codes that we answer with; there are no others.
const CODES: [(ResponseCode, &str); 7] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
];
const PROTOS: [(Proto, &str); 2] = [(Proto::Udp, "udp"), (Proto::Tcp, "tcp")];

/// Counters that only grow.
#[derive(Default)]
pub(crate) struct Counts {
    /// By type (the last is `other`), code and protocol.
    answers: [[[AtomicU64; PROTOS.len()]; CODES.len()]; KINDS.len() + 1],
    limited: AtomicU64,
}

/// How often one kind of question was answered in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The type's mnemonic, or `other`.
    pub(crate) kind: &'static str,
    /// The code's mnemonic.
    pub(crate) rcode: &'static str,
    /// `udp` or `tcp`.
    pub(crate) proto: &'static str,
    /// How often.
    pub(crate) count: u64,
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts").finish_non_exhaustive()
    }
}

impl Counts {
    /// What was answered so far, without what was never asked: `dns_queries_total`.
    pub(crate) fn answered(&self) -> Vec<Answered> {
        let mut all = Vec::new();
        for (at, codes) in self.answers.iter().enumerate() {
            let kind = KINDS.get(at).map_or("other", |kind| (*kind).into());
            for (protos, (_, rcode)) in codes.iter().zip(CODES) {
                for (counter, (_, proto)) in protos.iter().zip(PROTOS) {
                    let count = counter.load(Ordering::Relaxed);
                    if count > 0 {
                        all.push(Answered { kind, rcode, proto, count });
                    }
                }
            }
        }
        all
    }

    /// Questions over the rate, which got the advice to come by TCP, or nothing: `dns_limited_total`. They are
    /// not among [`Counts::answered`].
    pub(crate) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// Counts an answer.
    pub(crate) fn answer(&self, kind: Option<RecordType>, code: ResponseCode, proto: Proto) {
        let kind = KINDS.iter().position(|it| Some(*it) == kind).unwrap_or(KINDS.len());
        let code = CODES.iter().position(|(it, _)| *it == code);
        let proto = PROTOS.iter().position(|(it, _)| *it == proto);
        if let (Some(code), Some(proto)) = (code, proto) {
            self.answers[kind][code][proto].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a question over the rate.
    pub(crate) fn limit(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }
}
