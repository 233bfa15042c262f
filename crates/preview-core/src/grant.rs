//! What a browser holds after its token was accepted: proof of entry to one attachment, under one host.
//!
//! A grant is text for a cookie: `1.KEY.ID.EPOCH.SHARE.ISSUED.EXPIRES.MAC`, the MAC being HMAC-SHA256 over all before
//! it and the host name. Nothing is stored of it; a bumped epoch or a withdrawn key ends it.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Wall;
use crate::id::AttachmentId;
use crate::share::Share;

/// A grant, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The attachment it lets into.
    pub id: AttachmentId,
    /// The attachment's epoch when it was made.
    pub epoch: u64,
    /// The link it was had by; 0 is the attachment's own.
    pub share: u32,
    /// When it was made (whole seconds).
    pub issued: Wall,
    /// From when it is refused (whole seconds).
    pub expires: Wall,
}

/// A key that signs grants: a number to find it by, and 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct GrantKey {
    /// Its number; a newer key has a higher one.
    pub number: u32,
    secret: [u8; 32],
}

/// The keys in force: the newest signs, all verify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantKeys(Vec<GrantKey>); // Invariant: newest first.

impl Grant {
    /// A grant into `id` at `epoch`, good for `life` from `now`.
    #[must_use]
    pub fn new(id: AttachmentId, epoch: u64, now: Wall, life: Duration) -> Self {
        let issued = Wall::from_secs(now.as_secs());
        Self { id, epoch, share: 0, issued, expires: issued + life }
    }

    /// The same, had by the link with this number, and no longer good than that.
    #[must_use]
    pub fn by(self, share: &Share) -> Self {
        Self {
            share: share.number,
            expires: self.expires.min(Wall::from_secs(share.expires.as_secs())),
            ..self
        }
    }

    /// Whether it lets into the attachment `id` at `epoch`, at `now`.
    #[must_use]
    pub fn admits(&self, id: AttachmentId, epoch: u64, now: Wall) -> bool {
        self.id == id && self.epoch == epoch && now < self.expires
    }

    /// Whether a fresh one should take its place: an eighth of its life is over, so that a browser in use never
    /// runs out and not every answer sets a cookie.
    #[must_use]
    pub fn is_due_for_renewal(&self, now: Wall) -> bool {
        now.since(self.issued) >= self.expires.since(self.issued) / 8
    }
}

impl GrantKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub const fn new(number: u32, secret: [u8; 32]) -> Self {
        Self { number, secret }
    }

    /// The secret, to be kept at rest or handed to an edge.
    #[must_use]
    pub const fn reveal(&self) -> &[u8; 32] {
        &self.secret
    }

    fn mac(&self, signed: &str, host: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        mac.update(b"\0");
        mac.update(host.as_bytes());
        mac
    }
}

impl fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantKey({}, …)", self.number)
    }
}

impl GrantKeys {
    /// These keys, in any order.
    #[must_use]
    pub fn new(mut keys: Vec<GrantKey>) -> Self {
        keys.sort_by_key(|key| std::cmp::Reverse(key.number));
        Self(keys)
    }

    /// The keys, newest first.
    #[must_use]
    pub fn as_slice(&self) -> &[GrantKey] {
        &self.0
    }

    /// The cookie value for `grant` under `host` (lower case, without port); `None` without any key.
    #[must_use]
    pub fn seal(&self, grant: &Grant, host: &str) -> Option<String> {
        let key = self.0.first()?;
        let signed = format!(
            "1.{}.{}.{}.{}.{}.{}",
            key.number,
            grant.id,
            grant.epoch,
            grant.share,
            grant.issued.as_secs(),
            grant.expires.as_secs()
        );
        let mac = BASE64URL_NOPAD.encode(&key.mac(&signed, host).finalize().into_bytes());
        Some(format!("{signed}.{mac}"))
    }

    /// The grant in a cookie value, if one of these keys signed it for `host`. Whether it still lets in is
    /// [`Grant::admits`]'s to say.
    #[must_use]
    pub fn open(&self, value: &str, host: &str) -> Option<Grant> {
        let (signed, mac) = value.rsplit_once('.')?;
        let mut parts = signed.split('.');
        let mut next = || parts.next();
        let ("1", number) = (next()?, next()?.parse::<u32>().ok()?) else { return None };
        let grant = Grant {
            id: next()?.parse().ok()?,
            epoch: next()?.parse().ok()?,
            share: next()?.parse().ok()?,
            issued: Wall::from_secs(next()?.parse().ok()?),
            expires: Wall::from_secs(next()?.parse().ok()?),
        };
        if next().is_some() {
            return None;
        }
        let key = self.0.iter().find(|key| key.number == number)?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        key.mac(signed, host).verify_slice(&mac).ok().map(|()| grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn opens_under_its_host_with_its_key_alone() {
        let (keys, grant) = (keys(&[1]), grant(3, 1_000));
        let value = keys.seal(&grant, "a.example.com").expect("there is a key");
        assert_eq!(keys.open(&value, "a.example.com"), Some(grant));
        assert_eq!(keys.open(&value, "b.example.com"), None);
        assert_eq!(GrantKeys::new(vec![GrantKey::new(1, [9; 32])]).open(&value, "a.example.com"), None);
        assert_eq!(GrantKeys::default().seal(&grant, "a.example.com"), None);
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_signs() {
        let grant = grant(0, 5);
        let old = keys(&[1]).seal(&grant, "h").expect("key");
        let both = keys(&[1, 2]);
        assert_eq!(both.open(&old, "h"), Some(grant));
        assert!(both.seal(&grant, "h").expect("key").starts_with("1.2."));
        assert_eq!(keys(&[2]).open(&old, "h"), None);
    }

    #[test]
    fn is_renewed_after_an_eighth_of_its_life() {
        let grant = grant(0, 800);
        assert!(!grant.is_due_for_renewal(Wall::from_secs(1_000 + 99)));
        assert!(grant.is_due_for_renewal(Wall::from_secs(1_000 + 100)));
    }

    proptest! {
        #[test]
        fn a_bumped_epoch_refuses_every_older_grant(epoch in 0..u64::MAX, bump in 1..1_000_u64, later in 0..10_000_u64) {
            let grant = grant(epoch, 5_000);
            let now = grant.issued + Duration::from_secs(later);
            prop_assert_eq!(grant.admits(grant.id, epoch, now), later < 5_000);
            prop_assert!(!grant.admits(grant.id, epoch.saturating_add(bump), now));
        }

        #[test]
        fn one_changed_character_is_refused(at in 0..80_usize, with in "[0-9a-zA-Z.]") {
            let keys = keys(&[1]);
            let value = keys.seal(&grant(1, 60), "h").expect("key");
            prop_assume!(at < value.len() && value[at..=at] != with);
            let forged = format!("{}{with}{}", &value[..at], &value[at + 1..]);
            prop_assert_eq!(keys.open(&forged, "h"), None);
        }

        #[test]
        fn text_never_panics(value in ".{0,200}") {
            prop_assert_eq!(keys(&[1]).open(&value, "h"), None);
        }
    }

    fn keys(numbers: &[u32]) -> GrantKeys {
        GrantKeys::new(
            numbers.iter().map(|n| GrantKey::new(*n, [u8::try_from(*n).expect("small"); 32])).collect(),
        )
    }

    fn grant(epoch: u64, life_secs: u64) -> Grant {
        let id = AttachmentId::from_entropy([1; 17]);
        Grant::new(id, epoch, Wall::from_secs(1_000), Duration::from_secs(life_secs))
    }
}
