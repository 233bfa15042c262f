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
            // Knot says so too where its ACL does not let the key change the name.
            Some(TsigError::BadKey) => {
                let reason = format!("BADKEY, it knows no such key, or none that may change {}", record.fqdn);
                return Err(self.rejected(&reason));
            }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::unix::fs::PermissionsExt;

    use xtask::real::named::{Named, Setup};
    use xtask::real::{Knot, TsigKey, Zone, free_address};

    use super::*;

    #[tokio::test]
    async fn bind_adds_records_beside_others_and_removes_them_by_value_and_twice() {
        let rig = Rig::new();
        let server = rig.bind();
        let updates = rig.updates(server.place(), "preview.test", &rig.key);
        adds_and_removes(&updates, || server.txt(CHALLENGE).expect("answers")).await;
    }

    #[tokio::test]
    async fn knot_adds_records_beside_others_and_removes_them_by_value_and_twice() {
        let rig = Rig::new();
        let server = rig.knot();
        let updates = rig.updates(server.place(), "preview.test", &rig.key);
        adds_and_removes(&updates, || server.txt(CHALLENGE).expect("answers")).await;
    }

    #[tokio::test]
    async fn every_algorithm_is_one_that_bind_takes() {
        for (name, algorithm) in [
            ("hmac-sha256", config::TsigAlgorithm::Sha256),
            ("hmac-sha384", config::TsigAlgorithm::Sha384),
            ("hmac-sha512", config::TsigAlgorithm::Sha512),
        ] {
            let mut rig = Rig::new();
            name.clone_into(&mut rig.key.algorithm);
            let server = rig.bind();
            let settings = config::Rfc2136 { algorithm, ..rig.settings(server.place(), &rig.key) };
            let updates = Updates::new(&settings, "preview.test", PATIENCE).expect("a secret");
            assert_eq!(updates.present(&record(CHALLENGE, "one")).await, Ok(()), "{name}");
        }
    }

    #[tokio::test]
    async fn a_key_that_the_server_does_not_know_is_told_from_one_with_another_secret() {
        let rig = Rig::new();
        let (bind, knot) = (rig.bind(), rig.knot());
        let unknown = TsigKey::new("other-key");
        let other = TsigKey { secret: BASE64.encode(b"another secret of 32 bytes......"), ..rig.key.clone() };
        for server in [bind.place(), knot.place()] {
            for (key, word) in [(&unknown, "BADKEY"), (&other, "BADSIG")] {
                let failure =
                    rig.updates(server, "preview.test", key).present(&record(CHALLENGE, "one")).await;
                let failure = failure.expect_err("is refused");
                assert!(
                    matches!(&failure, Failure::TsigRejected { key: named, reason, .. }
                        if *named == key.name && reason.contains(word)),
                    "{failure:?}"
                );
            }
        }
        assert!(bind.txt(CHALLENGE).expect("answers").is_empty());
    }

    #[tokio::test]
    async fn a_zone_that_is_not_the_servers_is_named() {
        let rig = Rig::new();
        let (bind, knot) = (rig.bind(), rig.knot());
        for server in [bind.place(), knot.place()] {
            let updates = rig.updates(server, "test", &rig.key);
            let failure = updates.present(&record(CHALLENGE, "one")).await.expect_err("not in charge");
            assert_eq!(failure, Failure::ZoneOrClock { server: server.to_string(), zone: "test".to_owned() });
        }
        let updates = rig.updates(bind.place(), "preview.test", &rig.key);
        let outside = updates.present(&record("other.test", "one")).await;
        assert!(matches!(outside, Err(Failure::ZoneOrClock { .. })), "found without asking");
    }

    #[tokio::test]
    async fn a_clock_that_is_ten_minutes_off_is_told_with_its_distance() {
        let rig = Rig::new();
        let (at, zone) = rig.zone();
        let knot = Knot::with_clock("+10m", at, &[zone], std::slice::from_ref(&rig.key)).expect("starts");
        let updates = rig.updates(knot.place(), "preview.test", &rig.key);
        let ahead = updates.present(&record(CHALLENGE, "one")).await.expect_err("too early");
        let bind = rig.bind();
        let updates = rig.updates(bind.place(), "preview.test", &rig.key);
        let later = clock::wall() + Duration::from_mins(10);
        let behind =
            updates.change(Change::Add, &record(CHALLENGE, "one"), later).await.expect_err("too late");
        for (failure, off) in [(ahead, "s ahead"), (behind, "s behind")] {
            assert!(matches!(failure, Failure::ZoneOrClock { .. }), "{failure:?}");
            let text = failure.to_string();
            assert!(text.contains("whose clock is ") && text.contains(off), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_outside_the_policy_is_refused_with_the_line_to_add() {
        let rig = Rig::new();
        let server = rig.bind();
        let updates = rig.updates(server.place(), "preview.test", &rig.key);
        let failure = updates.present(&record("www.preview.test", "one")).await.expect_err("refused");
        let (server, fqdn) = (server.place().to_string(), "www.preview.test".to_owned());
        assert_eq!(failure, Failure::UpdateRefused { server, fqdn, key: "preview-key".to_owned() });
        assert!(
            failure.hint().contains("grant preview-key name www.preview.test. TXT;"),
            "{}",
            failure.hint()
        );
    }

    #[tokio::test]
    async fn a_name_outside_the_acl_of_knot_is_named_although_knot_blames_the_key() {
        let rig = Rig::new();
        let server = rig.knot();
        let updates = rig.updates(server.place(), "preview.test", &rig.key);
        let failure = updates.present(&record("www.preview.test", "one")).await.expect_err("refused");
        assert!(failure.to_string().contains("none that may change www.preview.test"), "{failure}");
    }

    #[tokio::test]
    async fn a_server_that_is_gone_or_silent_is_named_in_time() {
        let rig = Rig::new();
        let mut server = rig.bind();
        let updates = rig.updates(server.place(), "preview.test", &rig.key);
        server.stop();
        let failure = updates.present(&record(CHALLENGE, "one")).await.expect_err("gone");
        assert!(
            matches!(&failure, Failure::DnsUnreachable { reason, .. } if reason.contains("refused")),
            "{failure:?}"
        );

        // Connections are made by the kernel; nobody takes them.
        let silent = TcpListener::bind("127.0.0.1:0").expect("free");
        let at = silent.local_addr().expect("bound");
        let settings = rig.settings(at, &rig.key);
        let updates = Updates::new(&settings, "preview.test", Duration::from_millis(200)).expect("a secret");
        let failure = updates.remove(&record(CHALLENGE, "one")).await.expect_err("silent");
        assert!(
            matches!(&failure, Failure::DnsUnreachable { reason, .. } if reason.contains("within 0.2 s")),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn a_yes_that_is_not_signed_counts_as_no() {
        let rig = Rig::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("free");
        let updates = rig.updates(listener.local_addr().expect("bound"), "preview.test", &rig.key);
        let liar = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut update = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
            stream.read_exact(&mut update).await.expect("an update");
            let update = Message::from_vec(&update).expect("readable");
            let yes =
                Message::response(update.metadata.id, update.metadata.op_code).to_vec().expect("written");
            let len = u16::try_from(yes.len()).expect("short");
            stream.write_all(&[&len.to_be_bytes(), yes.as_slice()].concat()).await.expect("taken");
        };
        let record = record(CHALLENGE, "one");
        let (answer, ()) = tokio::join!(updates.present(&record), liar);
        let failure = answer.expect_err("anybody can say so");
        assert!(
            matches!(&failure, Failure::TsigRejected { reason, .. } if reason.contains("not signed")),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn a_secret_that_is_open_to_others_or_no_base64_is_refused_and_never_shown() {
        let rig = Rig::new();
        let settings = rig.settings(([127, 0, 0, 1], 53).into(), &rig.key);
        let new = || Updates::new(&settings, "preview.test", PATIENCE);
        let shown = format!("{:?}", new().expect("fit"));
        assert!(!shown.contains(&rig.key.secret), "{shown}");
        fs::set_permissions(&settings.secret_file, PermissionsExt::from_mode(0o644)).expect("mine");
        let failure = new().expect_err("open");
        assert!(
            matches!(&failure, Failure::CredentialsInvalid { reason, .. } if reason.contains("0644")),
            "{failure:?}"
        );
        rig.write("?", 0o600);
        let failure = new().expect_err("no base64");
        assert!(
            matches!(&failure, Failure::CredentialsInvalid { reason, .. } if reason.contains("base64")),
            "{failure:?}"
        );
    }

    const CHALLENGE: &str = "_acme-challenge.preview.test";
    /// Longer than any server of ours takes on a loaded machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn adds_and_removes(updates: &Updates, shown: impl Fn() -> Vec<String>) {
        let (one, other) = (record(CHALLENGE, "one"), record(CHALLENGE, "other"));
        assert_eq!(updates.remove(&one).await, Ok(()), "what is not there counts as removed");
        assert_eq!(updates.present(&one).await, Ok(()));
        assert_eq!(updates.present(&other).await, Ok(()));
        assert_eq!(updates.present(&other).await, Ok(()), "a later process may not know that it is there");
        assert_eq!(shown(), ["one", "other"]);
        assert_eq!(updates.remove(&one).await, Ok(()));
        assert_eq!(shown(), ["other"], "the sibling stays");
        assert_eq!(updates.remove(&one).await, Ok(()));
        assert_eq!(updates.remove(&other).await, Ok(()));
        assert!(shown().is_empty());
    }

    /// A key, and a folder for its secret.
    struct Rig {
        key: TsigKey,
        dir: tempfile::TempDir,
    }

    impl Rig {
        fn new() -> Self {
            Self { key: TsigKey::new("preview-key"), dir: tempfile::tempdir().expect("a folder") }
        }

        fn zone(&self) -> (Ipv4Addr, Zone) {
            let at = free_address().expect("free");
            (at, Zone::primary("preview.test", &[at]).grant(&self.key, CHALLENGE))
        }

        fn bind(&self) -> Named {
            let (at, zone) = self.zone();
            let setup = Setup { zones: vec![zone], keys: vec![self.key.clone()], ..Setup::default() };
            Named::start(at, setup).expect("starts")
        }

        fn knot(&self) -> Knot {
            let (at, zone) = self.zone();
            Knot::start(at, &[zone], std::slice::from_ref(&self.key)).expect("starts")
        }

        fn updates(&self, server: SocketAddr, zone: &str, key: &TsigKey) -> Updates {
            Updates::new(&self.settings(server, key), zone, PATIENCE).expect("a secret")
        }

        fn settings(&self, server: SocketAddr, key: &TsigKey) -> config::Rfc2136 {
            config::Rfc2136 {
                server,
                key_name: key.name.clone(),
                algorithm: config::TsigAlgorithm::Sha256,
                secret_file: self.write(&key.secret, 0o600),
            }
        }

        fn write(&self, secret: &str, mode: u32) -> PathBuf {
            let file = self.dir.path().join("secret");
            fs::write(&file, format!("{secret}\n")).expect("written");
            fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("mine");
            file
        }
    }

    fn record(fqdn: &str, value: &str) -> Record {
        Record {
            fqdn: fqdn.to_owned(),
            value: value.to_owned(),
            domain: "preview.test".to_owned(),
            token: "token".to_owned(),
            key_authorization: "token.thumbprint".to_owned(),
        }
    }
}
