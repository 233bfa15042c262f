//! A folder of pairs that somebody else renews: certbot's live folder, a secret's mount, plain files.
//!
//! Which pairs are shown is decided by the names that are needed: for each the good pair that ends last. A pair that
//! was good and now is not, as half way through a renewal, stays in force as it was.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use preview_core::clock::Wall;

use super::files::{self, Look};
use super::pair::Shown;
use super::{Cause, CertError, CertProblem};

/// What a chain's file ends with beside `NAME.key`, the likelier first.
const CHAINS: [&str; 3] = ["crt", "pem", "cer"];
/// How certbot calls chain and key.
const CERTBOT: [&str; 2] = ["fullchain.pem", "privkey.pem"];

/// The folder, and what was last found in it.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    /// The names that are needed, the previews' first.
    needed: Vec<String>,
    pairs: BTreeMap<Pair, Known>,
    /// For each needed name what is shown, and the pair it came from.
    force: Vec<Option<(Pair, Shown)>>,
}

/// What one look found.
#[derive(Debug)]
pub(super) struct Found {
    /// What is to be shown, if that has changed.
    pub(super) shown: Option<Vec<Shown>>,
    /// Why a name that is needed has no good pair.
    pub(super) problem: Option<Cause>,
}

/// Paths of a chain and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Known {
    looked: [Option<Look>; 2],
    read: Result<Shown, Cause>,
}

impl Folder {
    /// The folder, which must be there; it may be empty yet.
    pub(super) fn open(dir: PathBuf, needed: Vec<String>, now: Wall) -> Result<(Self, Found), CertError> {
        let force = vec![None; needed.len()];
        let mut folder = Self { dir, needed, pairs: BTreeMap::new(), force };
        find(&folder.dir).map_err(|error| folder.problem(CertProblem::Unreadable(error)))?;
        let found = folder.look(now);
        Ok((folder, found))
    }

    /// Reads what has changed, and chooses anew.
    pub(super) fn look(&mut self, now: Wall) -> Found {
        let there = match find(&self.dir) {
            Ok(there) => there,
            // Half way through a swap of the whole folder: all stays as it is.
            Err(error) => {
                let problem = self.problem(CertProblem::Unreadable(error));
                return Found { shown: None, problem: Some(Cause::from(&problem)) };
            }
        };
        self.pairs.retain(|pair, _| there.contains(pair));
        for pair in there {
            // Looked at before it is read: a change meanwhile is seen at the next look.
            let looked = [files::look(&pair.cert), files::look(&pair.key)];
            if self.pairs.get(&pair).is_none_or(|known| known.looked != looked) {
                let read = files::read(&pair.cert, &pair.key, now).map_err(|error| Cause::from(&error));
                self.pairs.insert(pair, Known { looked, read });
            }
        }
        self.choose(now)
    }

    fn choose(&mut self, now: Wall) -> Found {
        let (mut changed, mut problem) = (false, None);
        for (name, force) in self.needed.iter().zip(&mut self.force) {
            let good = self.pairs.iter().filter_map(|(pair, known)| {
                let shown = known.read.as_ref().ok()?;
                let is_good = shown.names.serve(name) && shown.begins <= now && now < shown.expires;
                is_good.then_some((pair, shown))
            });
            let best = good.max_by_key(|(_, shown)| shown.expires);
            // What is in force and was spoilt under way counts as it was.
            let spoilt = force.as_ref().and_then(|(pair, shown)| {
                let error = self.pairs.get(pair)?.read.as_ref().err()?;
                Some((shown.expires, error))
            });
            match (best, spoilt) {
                (Some((pair, shown)), spoilt) if spoilt.is_none_or(|(end, _)| end <= shown.expires) => {
                    let is_new = force.as_ref().is_none_or(|(_, old)| old.key.cert != shown.key.cert);
                    changed |= is_new;
                    *force = Some((pair.clone(), shown.clone()));
                }
                (_, Some((_, cause))) => problem = problem.or_else(|| Some(cause.clone())),
                (_, None) => {
                    let bad = self.pairs.values().find_map(|known| known.read.as_ref().err());
                    let uncovered = CertProblem::Uncovered(name.clone());
                    let none = || Cause::from(&CertError { file: self.dir.clone(), problem: uncovered });
                    problem = problem.or_else(|| Some(bad.cloned().unwrap_or_else(none)));
                }
            }
        }
        Found { shown: changed.then(|| self.shown()), problem }
    }

    /// What is in force, no certificate twice.
    fn shown(&self) -> Vec<Shown> {
        let mut all: Vec<Shown> = Vec::new();
        for (_, shown) in self.force.iter().flatten() {
            if all.iter().all(|other| other.key.cert != shown.key.cert) {
                all.push(shown.clone());
            }
        }
        all
    }

    fn problem(&self, problem: CertProblem) -> CertError {
        CertError { file: self.dir.clone(), problem }
    }
}

/// The pairs in the folder and in those right below it. Hidden ones are passed over: a mounted secret keeps its
/// generations in folders that begin with `..`, and what stands beside them leads into the present one.
fn find(dir: &Path) -> io::Result<Vec<Pair>> {
    let (mut pairs, folders) = within(dir)?;
    for folder in folders {
        // One that is gone again, or closed to us, holds nothing for us.
        pairs.extend(within(&folder).map_or_else(|_| Vec::new(), |(pairs, _)| pairs));
    }
    Ok(pairs)
}

fn within(dir: &Path) -> io::Result<(Vec<Pair>, Vec<PathBuf>)> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    let has = |name: &str| names.iter().any(|it| it == name);
    let pair = |cert: &str, key: &str| Pair { cert: dir.join(cert), key: dir.join(key) };
    let mut pairs = Vec::new();
    if CERTBOT.into_iter().all(has) {
        pairs.push(pair(CERTBOT[0], CERTBOT[1]));
    }
    for key in &names {
        let Some(stem) = key.strip_suffix(".key") else { continue };
        let chain = CHAINS.iter().map(|end| format!("{stem}.{end}")).find(|name| has(name));
        pairs.extend(chain.map(|chain| pair(&chain, key)));
    }
    let folders = names.iter().map(|name| dir.join(name)).filter(|path| path.is_dir()).collect();
    Ok((pairs, folders))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const WILD: &str = "*.preview.test";
    const DAEMON: &str = "daemon.preview.example";

    #[test]
    fn certbots_live_folder_is_followed_through_its_links_at_each_renewal() {
        let dir = tempfile::tempdir().expect("a folder");
        let (live, archive) = (dir.path().join("live/preview.test"), dir.path().join("archive/preview.test"));
        fs::create_dir_all(&live).expect("made");
        fs::create_dir_all(&archive).expect("made");
        fs::write(dir.path().join("live/README"), "about").expect("written");
        let install = |number: u64, last: u64| {
            let (cert, key) = make(&[WILD], 0, last);
            for (name, text) in [("fullchain", &cert), ("privkey", &key), ("cert", &cert), ("chain", &cert)] {
                let file = archive.join(format!("{name}{number}.pem"));
                write(&file, text);
                let link = live.join(format!("{name}.pem"));
                let _ = fs::remove_file(&link);
                symlink(&file, link).expect("linked");
            }
        };
        install(1, 90);
        let (mut folder, found) = open(&dir.path().join("live"), &[WILD], 1);
        assert_eq!(ends(&found), [90]);
        assert!(folder.look(day(2)).shown.is_none());
        install(2, 150);
        assert_eq!(ends(&folder.look(day(60))), [150]);
    }

    #[test]
    fn a_mounted_secret_is_swapped_by_its_data_link() {
        let dir = tempfile::tempdir().expect("a folder");
        let generation = |name: &str, last: u64| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).expect("made");
            let (cert, key) = make(&[WILD], 0, last);
            write(&folder.join("tls.crt"), &cert);
            write(&folder.join("tls.key"), &key);
            symlink(name, dir.path().join("..data_tmp")).expect("linked");
            fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).expect("swapped");
        };
        generation("..2026_01", 90);
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), dir.path().join(name)).expect("linked");
        }
        let (mut folder, found) = open(dir.path(), &[WILD], 1);
        assert_eq!((ends(&found), folder.pairs.len()), (vec![90], 1));
        generation("..2026_03", 150);
        assert_eq!(ends(&folder.look(day(60))), [150]);
    }

    #[test]
    fn a_torn_renewal_leaves_the_last_good_pair_in_force_and_says_which_file_does_not_fit() {
        let dir = tempfile::tempdir().expect("a folder");
        write_pair(dir.path(), "a", &make(&[WILD], 0, 90));
        write_pair(dir.path(), "old", &make(&[WILD], 0, 30));
        let (mut folder, found) = open(dir.path(), &[WILD], 1);
        assert_eq!(ends(&found), [90]);
        let renewed = make(&[WILD], 0, 150);
        write(&dir.path().join("a.crt"), &renewed.0);
        let torn = folder.look(day(2));
        assert!(torn.shown.is_none(), "neither the half new one nor the older one");
        let cause = torn.problem.expect("a cause");
        assert!(cause.message.contains("a.key: is not the key"), "{cause:?}");
        assert!(folder.look(day(3)).problem.is_some(), "it stays told while it lasts");
        write(&dir.path().join("a.key"), &renewed.1);
        let whole = folder.look(day(3));
        assert_eq!((ends(&whole), whole.problem), (vec![150], None));
    }

    #[test]
    fn a_pair_that_is_gone_stays_in_force_unless_another_has_its_names() {
        let dir = tempfile::tempdir().expect("a folder");
        write_pair(dir.path(), "a", &make(&[WILD], 0, 90));
        let (mut folder, _) = open(dir.path(), &[WILD], 1);
        fs::remove_file(dir.path().join("a.key")).expect("removed");
        let gone = folder.look(day(2));
        assert!(gone.shown.is_none() && gone.problem.is_some());
        write_pair(dir.path(), "b", &make(&[WILD], 0, 30));
        assert_eq!(ends(&folder.look(day(3))), [30]);
    }

    #[test]
    fn each_needed_name_gets_the_pair_that_ends_last_and_is_good_now() {
        let dir = tempfile::tempdir().expect("a folder");
        write_pair(dir.path(), "wild", &make(&[WILD], 0, 90));
        write_pair(dir.path(), "wild-next", &make(&[WILD], 80, 170));
        write_pair(dir.path(), "daemon", &make(&[DAEMON], 0, 60));
        write_pair(dir.path(), "strange", &make(&["strange.example"], 0, 400));
        let (mut folder, found) = open(dir.path(), &[WILD, DAEMON], 1);
        assert_eq!(ends(&found), [90, 60]);
        assert_eq!(ends(&folder.look(day(81))), [170, 60], "the next one begins on day 80");
        let both = tempfile::tempdir().expect("a folder");
        write_pair(both.path(), "all", &make(&[WILD, DAEMON], 0, 90));
        assert_eq!(ends(&open(both.path(), &[WILD, DAEMON], 1).1), [90], "one pair, shown once");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_and_a_folder_that_is_not_there_too() {
        let dir = tempfile::tempdir().expect("a folder");
        write_pair(dir.path(), "a", &make(&[WILD], 0, 90));
        fs::set_permissions(dir.path().join("a.key"), PermissionsExt::from_mode(0o644)).expect("mine");
        let (_, found) = open(dir.path(), &[WILD], 1);
        assert!(found.shown.is_none());
        assert!(found.problem.expect("a cause").message.contains("mode is 0644"));
        let gone = Folder::open(dir.path().join("gone"), vec![WILD.to_owned()], day(1));
        assert!(gone.expect_err("refused").to_string().contains("gone: cannot be read"));
    }

    fn open(dir: &Path, needed: &[&str], at: u64) -> (Folder, Found) {
        let needed = needed.iter().map(ToString::to_string).collect();
        Folder::open(dir.to_owned(), needed, day(at)).expect("a folder")
    }

    fn ends(found: &Found) -> Vec<u64> {
        let shown = found.shown.as_ref().expect("something new");
        shown.iter().map(|it| it.expires.as_secs() / 86_400 - DAY_0).collect()
    }

    const DAY_0: u64 = 20_000;

    pub(in crate::cert) fn day(number: u64) -> Wall {
        Wall::from_secs((DAY_0 + number) * 86_400)
    }

    /// Chain and key in PEM, good from one day to another.
    pub(in crate::cert) fn make(names: &[&str], first: u64, last: u64) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + std::time::Duration::from_secs(day(first).as_secs());
        params.not_after = epoch + std::time::Duration::from_secs(day(last).as_secs());
        let key = rcgen::KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
    }

    pub(in crate::cert) fn write_pair(dir: &Path, name: &str, (cert, key): &(String, String)) {
        write(&dir.join(format!("{name}.crt")), cert);
        write(&dir.join(format!("{name}.key")), key);
    }

    fn write(path: &Path, text: &str) {
        let _ = fs::remove_file(path);
        fs::write(path, text).expect("written");
        fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("mine");
    }
}
