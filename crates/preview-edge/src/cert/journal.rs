//! What is remembered over a crash, as JSON in the vault. The forms on disk stand apart from what the rest works with:
//! fields that a later version adds are passed over, a content that makes no sense is an error with its file's name.

mod form;

use preview_core::clock::Wall;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::challenge::Record;
use super::plan::Standing;
use super::vault::{Item, Vault, VaultError, Version};

/// One attempt at one authority. It is saved before each step that somebody else could remember, so that a later
/// process takes it up where it ended.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The authority's name.
    pub(crate) authority: String,
    /// Its directory; an attempt at another one is not taken up.
    pub(crate) directory: String,
    /// The names that are ordered.
    pub(crate) names: Vec<String>,
    /// When it began.
    pub(crate) since: Wall,
    /// The order, once there is one (RFC 8555 §7.4).
    pub(crate) order_url: Option<String>,
    /// The certificate's key: PKCS #8 in PEM.
    pub(crate) key: String,
    /// How far it came.
    pub(crate) phase: Phase,
    /// The records that it wrote, or was about to write.
    pub(crate) txt: Vec<Txt>,
}

/// How far an attempt came, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The key is made.
    Keyed,
    /// The order is placed.
    Ordered,
    /// The records are written.
    Presented,
    /// Every authoritative server shows them.
    Seen,
    /// The authority was told to look.
    Validating,
    /// It has seen them.
    Ready,
    /// The request is signed and sent.
    Finalized,
}

/// A record of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Txt {
    /// The solver that wrote it.
    pub(crate) solver: String,
    pub(crate) record: Record,
    /// Whether it is removed.
    pub(crate) done: bool,
}

/// A record that could not be removed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buried {
    /// The solver that wrote it.
    pub(crate) solver: String,
    pub(crate) record: Record,
    /// Since when it should be gone.
    pub(crate) since: Wall,
}

/// What an authority said of our account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its URL (RFC 8555 §7.1.2).
    pub(crate) id: String,
    /// The directory it belongs to.
    pub(crate) directory: String,
    /// The contact that the authority was told.
    pub(crate) contact: Option<String>,
}

impl Standing {
    /// How the set stands; a set that nothing is known of stands at its beginning.
    pub(crate) fn load(vault: &dyn Vault, set: &str) -> Result<(Self, Version), VaultError> {
        let (standing, version) = load::<form::Standing, _>(vault, &Item::State(set.to_owned()))?;
        Ok((standing.unwrap_or_default(), version))
    }

    pub(crate) fn save(&self, vault: &dyn Vault, set: &str, since: &Version) -> Result<Version, VaultError> {
        save(vault, &Item::State(set.to_owned()), &form::Standing::from(self), since)
    }
}

impl Attempt {
    /// The attempt under way, if there is one.
    pub(crate) fn load(vault: &dyn Vault, set: &str) -> Result<(Option<Self>, Version), VaultError> {
        load::<form::Attempt, _>(vault, &Item::Attempt(set.to_owned()))
    }

    pub(crate) fn save(&self, vault: &dyn Vault, set: &str, since: &Version) -> Result<Version, VaultError> {
        save(vault, &Item::Attempt(set.to_owned()), &form::Attempt::from(self), since)
    }
}

impl Account {
    /// The account at an authority, if it answered before.
    pub(crate) fn load(vault: &dyn Vault, authority: &str) -> Result<(Option<Self>, Version), VaultError> {
        load::<form::Account, _>(vault, &Item::Account(authority.to_owned()))
    }

    pub(crate) fn save(
        &self,
        vault: &dyn Vault,
        authority: &str,
        since: &Version,
    ) -> Result<Version, VaultError> {
        save(vault, &Item::Account(authority.to_owned()), &form::Account::from(self), since)
    }
}

impl Buried {
    /// All of them.
    pub(crate) fn load_all(vault: &dyn Vault) -> Result<(Vec<Self>, Version), VaultError> {
        let (graveyard, version) = load::<form::Graveyard, _>(vault, &Item::Graveyard)?;
        Ok((graveyard.unwrap_or_default(), version))
    }

    pub(crate) fn save_all(all: &[Self], vault: &dyn Vault, since: &Version) -> Result<Version, VaultError> {
        save(vault, &Item::Graveyard, &form::Graveyard::from(all), since)
    }

    /// Remembers a record before it is written, where nobody may be there any more when it is to be removed.
    pub(crate) fn add(self, vault: &dyn Vault) -> Result<(), VaultError> {
        Self::change(vault, |all| all.push(self.clone()))
    }

    /// Forgets it.
    pub(crate) fn forget(&self, vault: &dyn Vault) -> Result<(), VaultError> {
        Self::change(vault, |all| all.retain(|it| it != self))
    }

    /// Needs no lease: what another process has changed meanwhile is read anew.
    fn change(vault: &dyn Vault, change: impl Fn(&mut Vec<Self>)) -> Result<(), VaultError> {
        loop {
            let (mut all, since) = Self::load_all(vault)?;
            change(&mut all);
            match Self::save_all(&all, vault, &since) {
                Err(VaultError::Changed(_)) => {}
                saved => return saved.map(|_| ()),
            }
        }
    }
}

impl Phase {
    /// Its name, as people and files see it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keyed => "keyed",
            Self::Ordered => "ordered",
            Self::Presented => "presented",
            Self::Seen => "seen",
            Self::Validating => "validating",
            Self::Ready => "ready",
            Self::Finalized => "finalized",
        }
    }
}

/// Without the key.
impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt")
            .field("authority", &self.authority)
            .field("order_url", &self.order_url)
            .field("phase", &self.phase)
            .field("txt", &self.txt)
            .finish_non_exhaustive()
    }
}

fn load<F, T>(vault: &dyn Vault, item: &Item) -> Result<(Option<T>, Version), VaultError>
where
    F: DeserializeOwned,
    T: TryFrom<F, Error = String>,
{
    let (content, version) = vault.load(item)?;
    let damaged = |reason| VaultError::Damaged { file: vault.place().join(item.path()), reason };
    let Some(content) = content else { return Ok((None, version)) };
    let form: F = serde_json::from_slice(&content).map_err(|error| damaged(error.to_string()))?;
    Ok((Some(T::try_from(form).map_err(damaged)?), version))
}

fn save<F: Serialize>(
    vault: &dyn Vault,
    item: &Item,
    form: &F,
    since: &Version,
) -> Result<Version, VaultError> {
    let damaged = |error: serde_json::Error| VaultError::Damaged {
        file: vault.place().join(item.path()),
        reason: error.to_string(),
    };
    let mut content = serde_json::to_vec_pretty(form).map_err(damaged)?;
    content.push(b'\n');
    vault.save(item, &content, since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::cert::plan::laws::standings;
    use crate::cert::vault::Dir;

    proptest! {
        #[test]
        fn a_standing_comes_back_as_it_was_saved(standing in standings()) {
            let form = serde_json::to_vec(&form::Standing::from(&standing)).expect("it has a form");
            let form: form::Standing = serde_json::from_slice(&form).expect("its own form");
            prop_assert_eq!(Standing::try_from(form), Ok(standing));
        }
    }

    #[test]
    fn an_attempt_an_account_and_leftovers_come_back_as_they_were_saved() {
        let (_place, vault) = vault();
        let attempt = attempt();
        let version = attempt.save(&vault, "set", &nothing(&vault)).expect("saved");
        let further = Attempt { phase: Phase::Ready, order_url: None, ..attempt.clone() };
        assert_eq!(Attempt::load(&vault, "set").expect("whole").0, Some(attempt));
        further.save(&vault, "set", &version).expect("saved");
        assert_eq!(Attempt::load(&vault, "set").expect("whole").0, Some(further.clone()));
        assert!(matches!(further.save(&vault, "set", &version), Err(VaultError::Changed(_))));

        let account = Account {
            id: "https://ca.test/a/1".into(),
            directory: "https://ca.test/dir".into(),
            contact: Some("mailto:a@preview.test".into()),
        };
        account.save(&vault, "ca", &nothing(&vault)).expect("saved");
        assert_eq!(Account::load(&vault, "ca").expect("whole").0, Some(account));

        let leftovers = [Buried { solver: "exec".into(), record: record(), since: Wall::from_millis(7) }];
        Buried::save_all(&leftovers, &vault, &nothing(&vault)).expect("saved");
        assert_eq!(Buried::load_all(&vault).expect("whole").0, leftovers);
    }

    #[test]
    fn leftovers_of_several_processes_do_not_replace_each_other() {
        let (place, _) = vault();
        let bury = |number: u64| {
            // Each process has a vault of its own.
            let vault = Dir::new(place.path().join("state"));
            let buried = |since| Buried { solver: "exec".into(), record: record(), since };
            for round in 0..10 {
                let [stays, goes] = [0, 1].map(|it| buried(Wall::from_millis(number * 100 + round * 2 + it)));
                stays.add(&vault).expect("remembered");
                goes.clone().add(&vault).expect("remembered");
                goes.forget(&vault).expect("forgotten");
            }
        };
        std::thread::scope(|all| (0..4).for_each(|number| drop(all.spawn(move || bury(number)))));
        let vault = Dir::new(place.path().join("state"));
        let kept = Buried::load_all(&vault).expect("whole").0;
        assert_eq!(kept.len(), 40);
        assert!(kept.iter().all(|it| it.since.as_millis() % 2 == 0), "{kept:?}");
    }

    #[test]
    fn what_was_never_saved_is_a_beginning() {
        let (_place, vault) = vault();
        assert_eq!(Standing::load(&vault, "set").expect("nothing").0, Standing::default());
        assert_eq!(Attempt::load(&vault, "set").expect("nothing").0, None);
        assert_eq!(Account::load(&vault, "ca").expect("nothing").0, None);
        assert!(Buried::load_all(&vault).expect("nothing").0.is_empty());
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let (_place, vault) = vault();
        attempt().save(&vault, "set", &nothing(&vault)).expect("saved");
        let file = vault.place().join("certs/set/attempt.json");
        let content = std::fs::read(&file).expect("there");
        let mut value: Value = serde_json::from_slice(&content).expect("JSON");
        value["colour"] = json!({"shade": 3});
        value["txt"][0]["zone"] = json!("test");
        std::fs::write(&file, value.to_string()).expect("ours");
        assert_eq!(Attempt::load(&vault, "set").expect("whole").0, Some(attempt()));
    }

    #[test]
    fn the_phase_of_an_earlier_version_is_read_as_the_one_before_it() {
        let (_place, vault) = vault();
        attempt().save(&vault, "set", &nothing(&vault)).expect("saved");
        let file = vault.place().join("certs/set/attempt.json");
        let text = std::fs::read_to_string(&file).expect("there");
        std::fs::write(&file, text.replace("presented", "installed")).expect("ours");
        let read = Attempt::load(&vault, "set").expect("whole").0;
        assert_eq!(read, Some(Attempt { phase: Phase::Finalized, ..attempt() }));
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let (_place, vault) = vault();
        let content = include_bytes!("journal/state-1.json");
        vault.save(&Item::State("set".into()), content, &nothing(&vault)).expect("saved");
        let (standing, _) = Standing::load(&vault, "set").expect("whole");
        let pause = standing.pause.as_ref().expect("it waits");
        assert_eq!((pause.until.as_secs(), pause.parked), (1_800_003_600, false));
        assert_eq!((standing.failures, standing.issued.len()), (2, 1));
        assert_eq!(
            standing.ari.as_ref().and_then(|ari| ari.window).map(|(_, at)| at.as_secs()),
            Some(1_805_184_100)
        );
    }

    #[test]
    fn damage_is_told_with_the_file_and_nothing_is_guessed() {
        let (_place, vault) = vault();
        let damages = [
            &b"{\"phase\":"[..],
            b"",
            b"{\"phase\":\"backoff\"}",
            b"{\"phase\":\"valid\",\"origin\":{\"certificate\":\"00\",\"authority\":\"a\",\"same_account\":true}}",
            b"\xff\xfe",
        ];
        let mut version = nothing(&vault);
        for damage in damages {
            version = vault.save(&Item::State("set".into()), damage, &version).expect("saved");
            let error = Standing::load(&vault, "set").expect_err("damaged").to_string();
            assert!(error.contains("certs/set/state.json: is damaged"), "{error}");
        }
    }

    #[test]
    fn an_attempts_key_is_not_shown() {
        assert!(!format!("{:?}", attempt()).contains("SECRET"));
    }

    fn attempt() -> Attempt {
        Attempt {
            authority: "ca".into(),
            directory: "https://ca.test/dir".into(),
            names: vec!["*.preview.test".into()],
            since: Wall::from_millis(1_800_000_000_001),
            order_url: Some("https://ca.test/order/1".into()),
            key: "-----BEGIN PRIVATE KEY-----SECRET".into(),
            phase: Phase::Presented,
            txt: vec![Txt { solver: "rfc2136".into(), record: record(), done: true }],
        }
    }

    fn record() -> Record {
        Record {
            fqdn: "_acme-challenge.preview.test".into(),
            value: "value".into(),
            domain: "preview.test".into(),
            token: "token".into(),
            key_authorization: "token.thumb".into(),
        }
    }

    fn vault() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().expect("a folder");
        let vault = Dir::new(place.path().join("state"));
        (place, vault)
    }

    /// The version of what is not there.
    fn nothing(vault: &Dir) -> Version {
        vault.load(&Item::Bundle("none".into())).expect("nothing").1
    }
}
