//! From the packet to the answer. Questions have one shape (a header, one question, maybe EDNS), all others are
//! told so; an answer has the records that were asked for and nothing else.

use hickory_proto::ProtoError;
use hickory_proto::op::{
    Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, Query, ResponseCode, emit_message_parts,
};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncoder, DecodeError};

use super::zone::{Found, Zones};

/// Bytes of our longest answer by UDP: what no path breaks into fragments (RFC 9715).
pub(super) const PAYLOAD: u16 = 1_232;
/// Bytes that every client takes by UDP (RFC 1035 §4.2.1).
const PLAIN: u16 = 512;
/// Records that may follow a question: EDNS, a signature (which is not looked at), what IXFR has.
const FOLLOWING: u16 = 4;
/// The first and the last type that only questions, or messages as such, have (RFC 6895 §3.1).
const META: [u16; 2] = [128, 255];

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    /// In one packet, from whoever the sender says it is.
    Udp,
    /// By a connection.
    Tcp,
}

/// A question that is due an answer.
#[derive(Debug)]
pub(super) struct Asked {
    metadata: Metadata,
    query: Option<Query>,
    edns: Option<Edns>,
    fault: Option<ResponseCode>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// As it is sent; empty if none could be made.
    pub(super) bytes: Vec<u8>,
    /// What it says.
    pub(super) code: ResponseCode,
}

impl Asked {
    /// Reads a packet. `None` if it gets no answer: it is too short to have a number, or it is an answer itself.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(packet);
        let header = Header::read(&mut decoder).ok()?;
        if header.metadata.message_type == MessageType::Response {
            return None;
        }
        let metadata = Metadata::response_from_request(&header.metadata);
        let mut asked = Self { metadata, query: None, edns: None, fault: None };
        asked.fault = match (header.metadata.op_code, asked.body(&mut decoder, header.counts)) {
            (OpCode::Query, Ok(())) => asked.judge(),
            (OpCode::Query, Err(_)) => Some(ResponseCode::FormErr),
            _ => Some(ResponseCode::NotImp),
        };
        Some(asked)
    }

    /// The type that is asked for, if one can be made out.
    pub(super) fn kind(&self) -> Option<RecordType> {
        self.query.as_ref().map(Query::query_type)
    }

    /// What `zones` say, no longer than `proto` and the client allow.
    pub(super) fn answer(&self, zones: &Zones, proto: Proto) -> Answer {
        let found = match (&self.fault, &self.query) {
            (Some(code), _) => Err(*code),
            (None, Some(query)) => Ok(zones.find(query.name(), query.query_type())),
            (None, None) => Err(ResponseCode::FormErr),
        };
        let (code, answers, authorities) = match found {
            Ok(Found::Records(records)) => (ResponseCode::NoError, records, Vec::new()),
            Ok(Found::NoData(soa)) => (ResponseCode::NoError, Vec::new(), vec![soa]),
            Ok(Found::NoName(soa)) => (ResponseCode::NXDomain, Vec::new(), vec![soa]),
            Ok(Found::Elsewhere) => (ResponseCode::Refused, Vec::new(), Vec::new()),
            Err(code) => (code, Vec::new(), Vec::new()),
        };
        let mut metadata = self.metadata;
        metadata.response_code = code;
        metadata.authoritative = !(answers.is_empty() && authorities.is_empty());
        match self.emit(&metadata, &answers, &authorities) {
            Ok(bytes) if bytes.len() <= self.most(proto) => Answer { bytes, code },
            Ok(_) => Answer { bytes: self.cut(metadata), code },
            Err(error) => {
                tracing::error!(%error, "an answer by DNS cannot be written");
                metadata.response_code = ResponseCode::ServFail;
                metadata.authoritative = false;
                let bytes = self.emit(&metadata, &[], &[]).unwrap_or_default();
                Answer { bytes, code: ResponseCode::ServFail }
            }
        }
    }

    /// An answer that says nothing but to come again by TCP.
    pub(super) fn shortened(&self) -> Vec<u8> {
        self.cut(self.metadata)
    }

    fn cut(&self, mut metadata: Metadata) -> Vec<u8> {
        metadata.truncation = true;
        self.emit(&metadata, &[], &[]).unwrap_or_default()
    }

    fn body(&mut self, decoder: &mut BinDecoder<'_>, counts: HeaderCounts) -> Result<(), DecodeError> {
        let HeaderCounts { queries: 1, answers: 0, authorities, additionals } = counts else {
            return Err(DecodeError::InvalidEmptyRecord);
        };
        if authorities.saturating_add(additionals) > FOLLOWING {
            return Err(DecodeError::InvalidEmptyRecord);
        }
        let query = Query::read(decoder)?;
        let mut edns = None;
        for at in 0..authorities + additionals {
            let record = Record::read(decoder)?;
            if record.record_type() == RecordType::OPT {
                let first = edns.replace(Edns::from(&record)).is_none();
                if at < authorities || !first {
                    return Err(DecodeError::DuplicateEdns);
                }
            }
        }
        if !decoder.is_empty() {
            return Err(DecodeError::InvalidEmptyRecord);
        }
        (self.query, self.edns) = (Some(query), edns);
        Ok(())
    }

    /// What is wrong with a question that can be read.
    fn judge(&self) -> Option<ResponseCode> {
        if self.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            return Some(ResponseCode::BADVERS);
        }
        let query = self.query.as_ref()?;
        let [first, last] = META;
        match query.query_type() {
            RecordType::OPT => Some(ResponseCode::FormErr),
            kind if (first..=last).contains(&u16::from(kind)) => Some(ResponseCode::Refused),
            _ if query.query_class() != DNSClass::IN => Some(ResponseCode::Refused),
            _ => None,
        }
    }

    fn most(&self, proto: Proto) -> usize {
        usize::from(match (proto, &self.edns) {
            (Proto::Tcp, _) => u16::MAX,
            (Proto::Udp, None) => PLAIN,
            (Proto::Udp, Some(edns)) => edns.max_payload().clamp(PLAIN, PAYLOAD),
        })
    }

    fn emit(
        &self,
        metadata: &Metadata,
        answers: &[Record],
        authorities: &[Record],
    ) -> Result<Vec<u8>, ProtoError> {
        let edns = self.edns.as_ref().map(|theirs| {
            let mut ours = Edns::new();
            // RFC 3225 §3: this bit is copied.
            ours.set_max_payload(PAYLOAD).set_version(0).set_dnssec_ok(theirs.flags().dnssec_ok);
            ours
        });
        let mut bytes = Vec::with_capacity(usize::from(PLAIN));
        let mut encoder = BinEncoder::new(&mut bytes);
        let none: [Record; 0] = [];
        emit_message_parts(
            metadata,
            &mut self.query.iter(),
            &mut answers.iter(),
            &mut authorities.iter(),
            &mut none.iter(),
            edns.as_ref(),
            None,
            &mut encoder,
        )?;
        Ok(bytes)
    }
}
