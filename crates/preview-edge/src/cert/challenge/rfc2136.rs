//! Records by dynamic update (RFC 2136), signed with a shared key (RFC 8945).

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use hickory_proto::op::{Message, ResponseCode, update_message};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm, TsigError};
use hickory_proto::rr::{Name, RData, Record as DnsRecord, RecordSet, TSigVerifier, TSigner};
use preview_core::clock::Wall;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Record, Solver};
use crate::cert::Failure;
use crate::cert::secret::{self, Secret};
use crate::clock;
use crate::config;

/// How long resolvers may keep the record, seconds.
const TTL: u32 = 1;
/// How far our clock and the server's may differ, seconds (RFC 8945 §10).
const FUDGE: u16 = 300;

/// Writes to the primary server of a zone.
#[derive(Debug)]
pub(super) struct Updates {
    server: SocketAddr,
    zone: String,
    key_name: String,
    algorithm: TsigAlgorithm,
    secret_file: PathBuf,
    timeout: Duration,
}

/// What is to happen to a record.
#[derive(Clone, Copy, Debug)]
enum Change {
    Add,
    Remove,
}

impl Updates {
    /// Writes to `zone` as `settings` say; one update may take `timeout`.
    ///
    /// # Errors
    /// [`Failure::CredentialsInvalid`] if the secret cannot be used.
    pub(super) fn new(settings: &config::Rfc2136, zone: &str, timeout: Duration) -> Result<Self, Failure> {
        let updates = Self {
            server: settings.server,
            zone: zone.to_owned(),
            key_name: settings.key_name.clone(),
            algorithm: match settings.algorithm {
                config::TsigAlgorithm::Sha256 => TsigAlgorithm::HmacSha256,
                config::TsigAlgorithm::Sha384 => TsigAlgorithm::HmacSha384,
                config::TsigAlgorithm::Sha512 => TsigAlgorithm::HmacSha512,
            },
            secret_file: settings.secret_file.clone(),
            timeout,
        };
        updates.signer()?;
        Ok(updates)
    }

    async fn change(&self, change: Change, record: &Record, now: Wall) -> Result<(), Failure> {
        let mut update = self.message(change, record)?;
        let verifier = update.finalize(&self.signer()?, now.as_secs()).ok().flatten();
        let (Some(mut verifier), Ok(bytes)) = (verifier, update.to_vec()) else {
            return Err(self.rejected("the update cannot be signed with it"));
        };
        let exchange = tokio::time::timeout(self.timeout, exchange(self.server, &bytes));
        let answer = match exchange.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(format!("by TCP: {error}"))),
            Err(_) => {
                let seconds = self.timeout.as_secs_f32();
                return Err(self.unreachable(format!("no answer by TCP within {seconds} s")));
            }
        };
        self.judge(&answer, update.metadata.id, &mut verifier, record, now)
    }

    /// An update of one record by its value: others at its name stay as they are (RFC 2136 §2.5.1, §2.5.4).
    fn message(&self, change: Change, record: &Record) -> Result<Message, Failure> {
        let foreign = || Failure::ZoneOrClock { server: self.server.to_string(), zone: self.zone.clone() };
        let zone = absolute(&self.zone).ok_or_else(foreign)?;
        let name = absolute(&record.fqdn).filter(|name| zone.zone_of(name)).ok_or_else(foreign)?;
        let data = RData::TXT(TXT::new(vec![record.value.clone()]));
        let set = RecordSet::from(DnsRecord::from_rdata(name, TTL, data));
        Ok(match change {
            Change::Add => update_message::append(set, zone, false, false),
            Change::Remove => update_message::delete_by_rdata(set, zone, false),
        })
    }

    /// Read anew for each update: a secret may be replaced while we run.
    fn signer(&self) -> Result<TSigner, Failure> {
        let unfit = |reason: &str| secret::refuse(&self.secret_file, reason);
        let text = Secret::read(&self.secret_file)?;
        let key = BASE64.decode(text.expose().as_bytes()).map_err(|_| unfit("is not base64"))?;
        let name = absolute(&self.key_name).ok_or_else(|| self.rejected("its name is no name of DNS"))?;
        TSigner::new(key, self.algorithm.clone(), name, FUDGE)
            .map_err(|_| self.rejected("its algorithm is not supported"))
    }

    fn judge(
        &self,
        bytes: &[u8],
        id: u16,
        verifier: &mut TSigVerifier,
        record: &Record,
        now: Wall,
    ) -> Result<(), Failure> {
        let answer = Message::from_vec(bytes).ok().filter(|answer| answer.metadata.id == id);
        let Some(answer) = answer else {
            return Err(self.unreachable("its answer is no answer to the update".to_owned()));
        };
        let code = answer.metadata.response_code;
        let tsig = answer.signature().map(|signature| &signature.data);
        match tsig.and_then(|tsig| tsig.error.as_ref()) {
            None => {}
            Some(TsigError::BadKey) => return Err(self.rejected("BADKEY, it knows no such key")),
            Some(TsigError::BadSig) => return Err(self.rejected("BADSIG, its secret is another one")),
            Some(TsigError::BadTrunc) => return Err(self.rejected("BADTRUNC, it wants other signatures")),
            Some(TsigError::BadTime) => return Err(self.not_in_charge(tsig.and_then(|it| skew(it, now)))),
            Some(TsigError::Unknown(other)) => return Err(self.rejected(&format!("TSIG error {other}"))),
        }
        match code {
            // Anybody can say yes.
            ResponseCode::NoError if verifier.verify(bytes).is_err() => {
                Err(self.rejected("its answer is not signed with it"))
            }
            ResponseCode::NoError => Ok(()),
            ResponseCode::NotAuth | ResponseCode::NotZone => Err(self.not_in_charge(None)),
            ResponseCode::Refused => Err(Failure::UpdateRefused {
                server: self.server.to_string(),
                fqdn: record.fqdn.clone(),
                key: self.key_name.clone(),
            }),
            other => Err(Failure::ProviderRefused {
                provider: self.server.to_string(),
                reason: format!("code {} to the update of {}", u16::from(other), record.fqdn),
            }),
        }
    }

    fn rejected(&self, reason: &str) -> Failure {
        Failure::TsigRejected {
            server: self.server.to_string(),
            key: self.key_name.clone(),
            reason: reason.to_owned(),
        }
    }

    fn unreachable(&self, reason: String) -> Failure {
        Failure::DnsUnreachable { server: self.server.to_string(), reason }
    }

    fn not_in_charge(&self, skew: Option<i64>) -> Failure {
        let server = match skew {
            Some(ahead) if ahead >= 0 => format!("{}, whose clock is {ahead} s ahead,", self.server),
            Some(behind) => format!("{}, whose clock is {} s behind,", self.server, -behind),
            None => self.server.to_string(),
        };
        Failure::ZoneOrClock { server, zone: self.zone.clone() }
    }
}

impl Solver for Updates {
    fn name(&self) -> &'static str {
        "rfc2136"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.change(Change::Add, record, clock::wall()))
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.change(Change::Remove, record, clock::wall()))
    }
}

/// One message there and one back, each after its length (RFC 1035 §4.2.2).
async fn exchange(server: SocketAddr, update: &[u8]) -> io::Result<Vec<u8>> {
    let len = u16::try_from(update.len()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&len.to_be_bytes(), update].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// How many seconds the server's clock is ahead, if it says what time it has (RFC 8945 §5.2.3).
fn skew(tsig: &TSIG, now: Wall) -> Option<i64> {
    let time = tsig.other.iter().fold(0_u64, |time, byte| time << 8 | u64::from(*byte));
    (tsig.other.len() == 6).then(|| time.cast_signed() - now.as_secs().cast_signed())
}
