//! Hosted DNS providers, by their own interfaces: whatever `dns-update` speaks and [`table`] names.

mod table;
mod credentials;
mod redact;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use dns_update::{DnsRecord, DnsRecordType, DnsUpdater, Error};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Record, Solver};
use crate::cert::Failure;
use crate::cert::desk::blocking;
use crate::exchange::from_system;
use credentials::Credentials;
use table::Provider;

/// How many exchanges one change may take: finding the zone, reading what is there, writing.
const EXCHANGES: u32 = 4;
/// How often a removal is tried while the value is still there, and the wait in between: some work it off later.
const ROUNDS: u32 = 5;
const SETTLES: Duration = Duration::from_secs(1);

/// Writes the records of one zone.
#[derive(Debug)]
pub(crate) struct Hosted {
    access: Access,
    /// One change at a time: many interfaces can only read all values of a name and write them back.
    turn: Mutex<()>,
}

/// What it takes to speak with the provider.
#[derive(Clone, Debug)]
struct Access {
    provider: &'static Provider,
    credentials: PathBuf,
    zone: String,
    timeout: Duration,
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl Hosted {
    /// `timeout` is for one exchange.
    pub(crate) fn new(
        provider: &str,
        credentials: &Path,
        zone: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let refuse = |key: &str, reason: String| Failure::CredentialsInvalid { file: key.to_owned(), reason };
        let provider = table::find(provider).ok_or_else(|| {
            let reason = format!("there is no provider {provider:?}; there are {}", table::names());
            refuse("edge.acme.hosted.provider", reason)
        })?;
        let zone = zone.ok_or_else(|| {
            let reason = format!("must be set: the zone as {} has it", provider.title);
            refuse("edge.acme.zone", reason)
        })?;
        let (credentials, zone) = (credentials.to_owned(), zone.to_owned());
        let access = Access { provider, credentials, zone, timeout };
        access.updater()?;
        Ok(Self { access, turn: Mutex::default() })
    }

    async fn change(&self, change: Change, record: &Record) -> Result<(), Failure> {
        let zone = self.access.zone.as_str();
        if !record.fqdn.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
            let file = "edge.acme.zone".to_owned();
            let reason = format!("{} does not lie in {zone}, the zone that is written to", record.fqdn);
            return Err(Failure::CredentialsInvalid { file, reason });
        }
        let _turn = self.turn.lock().await;
        let access = self.access.clone();
        let (updater, credentials) = blocking(move || access.updater()).await??;
        let set = Set { updater, name: &record.fqdn, zone };
        let asked = async {
            match change {
                Change::Add => set.add(&record.value, self.access.provider.ttl).await,
                Change::Remove => set.remove(&record.value).await,
            }
        };
        let within = self.access.timeout * EXCHANGES;
        let Ok(done) = timeout(within, asked).await else {
            return Err(self.unreachable(format!("not done within {} s", within.as_secs_f32())));
        };
        done.map_err(|error| self.judge(&error, &credentials))
    }

    fn judge(&self, error: &Error, credentials: &Credentials) -> Failure {
        let reason = credentials.redact(&in_words(error, &self.access.zone));
        // How the crate, and the client in it, tell that there was no answer.
        if ["Failed to send request", "error sending request"].iter().any(|said| reason.contains(said)) {
            return self.unreachable(reason);
        }
        Failure::ProviderRefused { provider: self.access.provider.title.to_owned(), reason }
    }

    fn unreachable(&self, reason: String) -> Failure {
        Failure::DnsUnreachable { server: format!("the interface of {}", self.access.provider.title), reason }
    }
}

impl Access {
    /// With the credentials as they are now, so that new ones need no restart. Reads them, and the system's roots.
    fn updater(&self) -> Result<(DnsUpdater, Credentials), Failure> {
        // Without authorities to trust the crate's client would panic.
        from_system()?;
        let credentials = Credentials::read(&self.credentials, self.provider)?;
        let made = (self.provider.make)(&credentials, Some(self.timeout));
        let updater = made.map_err(|error| {
            let reason = credentials.redact(&in_words(&error, &self.zone));
            Failure::CredentialsInvalid { file: self.credentials.display().to_string(), reason }
        })?;
        Ok((updater, credentials))
    }
}

impl Solver for Hosted {
    fn name(&self) -> &'static str {
        "hosted"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.change(Change::Add, record).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.change(Change::Remove, record).boxed()
    }
}

/// The TXT records at a name. What is there is asked for first: the crate compares texts, while some providers give
/// a value back in quotes, and some refuse to add what is there already.
struct Set<'a> {
    updater: DnsUpdater,
    name: &'a str,
    zone: &'a str,
}

impl Set<'_> {
    async fn add(&self, value: &str, ttl: u32) -> Result<(), Error> {
        if self.forms(value).await.is_ok_and(|forms| !forms.is_empty()) {
            return Ok(());
        }
        let records = vec![DnsRecord::TXT(value.to_owned())];
        self.updater.add_to_rrset(self.name, DnsRecordType::TXT, ttl, records, self.zone).await
    }

    async fn remove(&self, value: &str) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let forms = match self.forms(value).await {
                Ok(forms) if forms.is_empty() => return Ok(()),
                Ok(forms) => forms,
                Err(_) => vec![DnsRecord::TXT(value.to_owned())],
            };
            let removed = self.updater.remove_from_rrset(self.name, DnsRecordType::TXT, forms, self.zone);
            match removed.await {
                // Told of a record and of a zone alike: who can list the zone's records was told of a record.
                Err(Error::NotFound) if self.forms(value).await?.is_empty() => return Ok(()),
                Err(Error::NotFound) => {}
                removed => removed?,
            }
            match self.forms(value).await {
                Ok(forms) if !forms.is_empty() => tokio::time::sleep(SETTLES).await,
                _ => return Ok(()),
            }
        }
        Err(Error::Response(format!("{value} is still there, although its removal was not refused")))
    }

    /// The value as it stands there: none, once or several times, with or without quotes.
    async fn forms(&self, value: &str) -> Result<Vec<DnsRecord>, Error> {
        let listed = self.updater.list_rrset(self.name, DnsRecordType::TXT, self.zone).await?;
        let is_it = |record: &DnsRecord| matches!(record, DnsRecord::TXT(text) if unquoted(text) == value);
        Ok(listed.into_iter().filter(is_it).collect())
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// The crate's errors are texts; what they most often mean is said first.
fn in_words(error: &Error, zone: &str) -> String {
    let rights = format!("the credentials are not accepted, or without rights for the zone {zone}");
    match error {
        Error::Unauthorized => rights,
        Error::NotFound => format!("the account has no zone {zone}, or the credentials do not show it"),
        Error::BadRequest => "it does not understand what it was asked".to_owned(),
        Error::InvalidRegion => "it has no such region".to_owned(),
        Error::Protocol(text)
        | Error::Parse(text)
        | Error::Client(text)
        | Error::Response(text)
        | Error::Api(text)
        | Error::Serialize(text)
        | Error::Unsupported(text)
            if ["401", "403", "AccessDenied"].iter().any(|code| text.contains(code)) =>
        {
            format!("{rights} ({text})")
        }
        Error::Protocol(text)
        | Error::Parse(text)
        | Error::Client(text)
        | Error::Response(text)
        | Error::Api(text)
        | Error::Serialize(text)
        | Error::Unsupported(text) => text.clone(),
        other => other.to_string(),
    }
}
