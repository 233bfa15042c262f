//! The forms on disk. Moments are milliseconds since 1970-01-01T00:00:00Z.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use preview_core::clock::Wall;
use serde::{Deserialize, Serialize};

use crate::cert::challenge::Record;
use crate::cert::plan::{self, Fingerprint};
use crate::cert::{Cause, journal};

#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    phase: Pausing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(default)]
    failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_last: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<String, u64>,
    #[serde(default)]
    failed_at: Vec<u64>,
    #[serde(default)]
    issued_at: Vec<Issued>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default)]
    rehearsed: Vec<String>,
    #[serde(default)]
    staging_down: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ari: Option<Ari>,
    #[serde(default)]
    asked: bool,
    #[serde(default)]
    settings: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pausing {
    Empty,
    Valid,
    Backoff,
    Parked,
}

#[derive(Serialize, Deserialize)]
struct Issued {
    at: u64,
    names: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Origin {
    certificate: String,
    authority: String,
    same_account: bool,
}

#[derive(Serialize, Deserialize)]
struct Ari {
    certificate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    poll: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
}

#[derive(Serialize, Deserialize)]
struct Window {
    start: u64,
    end: u64,
    renew_at: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    authority: String,
    directory: String,
    names: Vec<String>,
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_url: Option<String>,
    key: String,
    phase: Phase,
    #[serde(default)]
    txt: Vec<Txt>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Keyed,
    Ordered,
    Presented,
    Seen,
    Validating,
    Ready,
    /// What once was a phase of its own is downloaded again.
    #[serde(alias = "installed")]
    Finalized,
}

#[derive(Serialize, Deserialize)]
struct Txt {
    solver: String,
    record: Record,
    done: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Graveyard {
    records: Vec<Buried>,
}

#[derive(Serialize, Deserialize)]
struct Buried {
    solver: String,
    record: Record,
    since: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    id: String,
    directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
}

impl From<&plan::Standing> for Standing {
    fn from(standing: &plan::Standing) -> Self {
        let pause = standing.pause.as_ref();
        let phase = match pause {
            Some(pause) if pause.parked => Pausing::Parked,
            Some(_) => Pausing::Backoff,
            None if standing.origin.is_some() => Pausing::Valid,
            None => Pausing::Empty,
        };
        Self {
            phase,
            since: pause.map(|pause| pause.since.as_millis()),
            until: pause.map(|pause| pause.until.as_millis()),
            cause: pause.map(|pause| pause.cause.clone()),
            failures: standing.failures,
            failing_since: standing.failing_since.map(Wall::as_millis),
            failed_last: standing.failed_last.clone(),
            held: standing.held.iter().map(|(name, until)| (name.clone(), until.as_millis())).collect(),
            failed_at: standing.failed_at.iter().copied().map(Wall::as_millis).collect(),
            issued_at: standing
                .issued
                .iter()
                .map(|issued| Issued { at: issued.at.as_millis(), names: issued.names.clone() })
                .collect(),
            origin: standing.origin.as_ref().map(|origin| Origin {
                certificate: HEXLOWER.encode(&origin.certificate.0),
                authority: origin.authority.clone(),
                same_account: origin.same_account,
            }),
            rehearsed: standing.rehearsed.clone(),
            staging_down: standing.staging_down,
            ari: standing.ari.as_ref().map(|ari| Ari {
                certificate: HEXLOWER.encode(&ari.certificate.0),
                window: ari.window.map(|(window, moment)| Window {
                    start: window.start.as_millis(),
                    end: window.end.as_millis(),
                    renew_at: moment.as_millis(),
                }),
                poll: ari.poll.as_millis(),
                cause: ari.cause.clone(),
            }),
            asked: standing.asked,
            settings: standing.settings.clone(),
        }
    }
}

impl TryFrom<Standing> for plan::Standing {
    type Error = String;

    fn try_from(form: Standing) -> Result<Self, String> {
        let pause = match (form.phase, form.since, form.until, form.cause) {
            (Pausing::Empty | Pausing::Valid, ..) => None,
            (phase, Some(since), Some(until), Some(cause)) => Some(plan::Pause {
                since: Wall::from_millis(since),
                until: Wall::from_millis(until),
                cause,
                parked: phase == Pausing::Parked,
            }),
            _ => return Err("a pause lacks since, until or cause".to_owned()),
        };
        let issued = |issued: Issued| plan::Issued { at: Wall::from_millis(issued.at), names: issued.names };
        Ok(Self {
            pause,
            failures: form.failures,
            failing_since: form.failing_since.map(Wall::from_millis),
            failed_last: form.failed_last,
            held: form.held.into_iter().map(|(name, until)| (name, Wall::from_millis(until))).collect(),
            failed_at: form.failed_at.into_iter().map(Wall::from_millis).collect(),
            issued: form.issued_at.into_iter().map(issued).collect(),
            origin: form.origin.map(plan::Origin::try_from).transpose()?,
            rehearsed: form.rehearsed,
            staging_down: form.staging_down,
            ari: form.ari.map(plan::Ari::try_from).transpose()?,
            asked: form.asked,
            settings: form.settings,
        })
    }
}

impl TryFrom<Origin> for plan::Origin {
    type Error = String;

    fn try_from(form: Origin) -> Result<Self, String> {
        let certificate = fingerprint(&form.certificate)?;
        Ok(Self { certificate, authority: form.authority, same_account: form.same_account })
    }
}

impl TryFrom<Ari> for plan::Ari {
    type Error = String;

    fn try_from(form: Ari) -> Result<Self, String> {
        let window = |window: Window| {
            let (start, end) = (Wall::from_millis(window.start), Wall::from_millis(window.end));
            (plan::Window { start, end }, Wall::from_millis(window.renew_at))
        };
        Ok(Self {
            certificate: fingerprint(&form.certificate)?,
            window: form.window.map(window),
            poll: Wall::from_millis(form.poll),
            cause: form.cause,
        })
    }
}

impl From<&journal::Attempt> for Attempt {
    fn from(attempt: &journal::Attempt) -> Self {
        let txt = |txt: &journal::Txt| Txt {
            solver: txt.solver.clone(),
            record: txt.record.clone(),
            done: txt.done,
        };
        Self {
            authority: attempt.authority.clone(),
            directory: attempt.directory.clone(),
            names: attempt.names.clone(),
            since: attempt.since.as_millis(),
            order_url: attempt.order_url.clone(),
            key: attempt.key.clone(),
            phase: attempt.phase.into(),
            txt: attempt.txt.iter().map(txt).collect(),
        }
    }
}

impl TryFrom<Attempt> for journal::Attempt {
    type Error = String;

    fn try_from(form: Attempt) -> Result<Self, String> {
        let txt = |txt: Txt| journal::Txt { solver: txt.solver, record: txt.record, done: txt.done };
        Ok(Self {
            authority: form.authority,
            directory: form.directory,
            names: form.names,
            since: Wall::from_millis(form.since),
            order_url: form.order_url,
            key: form.key,
            phase: form.phase.into(),
            txt: form.txt.into_iter().map(txt).collect(),
        })
    }
}

impl From<journal::Phase> for Phase {
    fn from(phase: journal::Phase) -> Self {
        match phase {
            journal::Phase::Keyed => Self::Keyed,
            journal::Phase::Ordered => Self::Ordered,
            journal::Phase::Presented => Self::Presented,
            journal::Phase::Seen => Self::Seen,
            journal::Phase::Validating => Self::Validating,
            journal::Phase::Ready => Self::Ready,
            journal::Phase::Finalized => Self::Finalized,
        }
    }
}

impl From<Phase> for journal::Phase {
    fn from(form: Phase) -> Self {
        match form {
            Phase::Keyed => Self::Keyed,
            Phase::Ordered => Self::Ordered,
            Phase::Presented => Self::Presented,
            Phase::Seen => Self::Seen,
            Phase::Validating => Self::Validating,
            Phase::Ready => Self::Ready,
            Phase::Finalized => Self::Finalized,
        }
    }
}

impl From<&[journal::Buried]> for Graveyard {
    fn from(all: &[journal::Buried]) -> Self {
        let form = |buried: &journal::Buried| Buried {
            solver: buried.solver.clone(),
            record: buried.record.clone(),
            since: buried.since.as_millis(),
        };
        Self { records: all.iter().map(form).collect() }
    }
}

impl TryFrom<Graveyard> for Vec<journal::Buried> {
    type Error = String;

    fn try_from(form: Graveyard) -> Result<Self, String> {
        let buried = |form: Buried| journal::Buried {
            solver: form.solver,
            record: form.record,
            since: Wall::from_millis(form.since),
        };
        Ok(form.records.into_iter().map(buried).collect())
    }
}

impl From<&journal::Account> for Account {
    fn from(account: &journal::Account) -> Self {
        Self {
            id: account.id.clone(),
            directory: account.directory.clone(),
            contact: account.contact.clone(),
        }
    }
}

impl TryFrom<Account> for journal::Account {
    type Error = String;

    fn try_from(form: Account) -> Result<Self, String> {
        Ok(Self { id: form.id, directory: form.directory, contact: form.contact })
    }
}

fn fingerprint(hex: &str) -> Result<Fingerprint, String> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Fingerprint).ok_or_else(|| format!("{hex:?} is no fingerprint"))
}
