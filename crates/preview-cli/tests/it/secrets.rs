//! Where the programs read secrets: nothing that others could read or plant is taken, and systemd may hand them over.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::real::curl::curl;
use xtask::real::{Process, Scratch, Signal, bin, free_port_outside, poll};

use crate::pair::SOON;

/// Somebody who is neither root nor us.
const NOBODY: u32 = 65_534;

/// What somebody else may have done to a file of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    /// Others may read it.
    Wide,
    /// It is a link to where it was.
    Link,
    /// It is a link that somebody else made.
    ForeignLink,
}

#[test]
fn a_secret_that_others_could_read_or_plant_is_refused_at_start_and_the_file_named() -> Result<()> {
    use Planted::{ForeignLink, Link, Wide};
    // What is read, by which program, what is wrong with it, and what the program says of it.
    let cases: &[(&str, &str, Planted, &str)] = &[
        ("keys", "preview-daemon", Wide, "can be read by others: chmod 600"),
        ("keys", "preview-daemon", Link, "is a symbolic link"),
        ("state/preview.db", "preview-daemon", Wide, "has mode 0644, open to others: chmod 0600"),
        ("state/preview.db", "preview-daemon", Link, "is a symbolic link"),
        ("state/edge/table.json", "preview-edge", Wide, "mode 0644"),
        ("state/edge/table.json", "preview-edge", Link, "is no file"),
        ("key.pem", "preview-edge", Wide, "its mode is 0644"),
        ("key.pem", "preview-edge", ForeignLink, "is a symbolic link of uid 65534"),
    ];
    for (file, program, planted, said) in cases {
        let house = House::new()?;
        // The files are there and good, and both programs take them.
        let mut daemon = house.start("preview-daemon", &[])?;
        let mut edge = house.start("preview-edge", &[])?;
        poll("the table", SOON, || Ok(house.file("state/edge/table.json").exists().then_some(())))?;
        for process in [&mut edge, &mut daemon] {
            process.signal(Signal::TERM)?;
            process.wait(SOON)?;
        }
        house.plant(file, *planted)?;
        let mut refused = house.start(program, &[])?;
        let status = refused.wait(SOON).with_context(|| format!("{program} takes {file}, {planted:?}"))?;
        let told = refused.output();
        ensure!(!status.success(), "{file}, {planted:?}: {told}");
        let name = file.rsplit('/').next().context("a name")?;
        ensure!(told.contains(name) && told.contains(said), "{file}, {planted:?}: {told}");
    }
    Ok(())
}

#[test]
fn systemd_hands_secrets_over_by_name() -> Result<()> {
    let house = House::with("credential:keys", "credential:tls-key")?;
    let folder = house.file("credentials");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    // As systemd leaves them: root's, and the service let in by an ACL, which shows as the group's bits.
    for (from, name) in [("keys", "keys"), ("key.pem", "tls-key")] {
        let to = folder.join(name);
        fs::rename(house.file(from), &to)?;
        fs::set_permissions(&to, Permissions::from_mode(0o440))?;
    }
    let folder = folder.display().to_string();
    let handed = [("CREDENTIALS_DIRECTORY", folder.as_str())];
    let mut daemon = house.start("preview-daemon", &handed)?;
    let url = format!("http://127.0.0.1:{}/v1/attachments", house.api);
    let key = ["-H", "Authorization: Bearer a-key-of-the-operators", &url];
    poll("the API", SOON, || Ok(curl(&key).ok().filter(|answer| answer.status == 200)))?;
    let mut edge = house.start("preview-edge", &handed)?;
    let https = format!("https://preview-3000.localhost:{}/", house.https);
    poll("the page", SOON, || Ok(curl(&["-k", &https]).ok().filter(|answer| answer.status == 502)))?;
    for process in [&mut edge, &mut daemon] {
        process.signal(Signal::TERM)?;
        process.wait(SOON)?;
    }
    for (program, key) in [("preview-daemon", "api.keys_file"), ("preview-edge", "edge.tls.key")] {
        let mut refused = house.start(program, &[])?;
        ensure!(!refused.wait(SOON)?.success());
        let told = refused.output();
        ensure!(told.contains(key) && told.contains("$CREDENTIALS_DIRECTORY, which is not set"), "{told}");
    }
    Ok(())
}

/// A configuration with a file of each kind.
struct House {
    scratch: Scratch,
    api: u16,
    https: u16,
}

impl House {
    fn new() -> Result<Self> {
        Self::with("HERE/keys", "HERE/key.pem")
    }

    /// Keys file and TLS key as the configuration names them; `HERE` is the folder.
    fn with(keys: &str, key: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (http, https, api) = (free_port_outside()?, free_port_outside()?, free_port_outside()?);
        let here = scratch.path().display();
        let (keys, key) = (keys.replace("HERE", &here.to_string()), key.replace("HERE", &here.to_string()));
        let config = format!(
            "web_preview:\n  public_url_template: \"https://preview-{{port}}.localhost:{https}\"\n  \
             state_dir: {here}/state\n  api: {{ listen: \"127.0.0.1:{api}\", keys_file: \"{keys}\" }}\n  \
             edge: {{ http: \"localhost:{http}\", https: \"127.0.0.1:{https}\", metrics: {{ listen: null }}, \
             tls: {{ mode: files, cert: {here}/cert.pem, key: \"{key}\" }} }}\n"
        );
        scratch.write("config.yaml", config)?;
        scratch.write("keys", "admin a-key-of-the-operators\n")?;
        let authority = xtask::real::Authority::new(scratch.path())?;
        let pair = authority.issue(&["*.localhost"])?;
        fs::rename(pair.chain, scratch.join("cert.pem"))?;
        fs::rename(pair.key, scratch.join("key.pem"))?;
        for name in ["keys", "key.pem"] {
            fs::set_permissions(scratch.join(name), Permissions::from_mode(0o600))?;
        }
        Ok(Self { scratch, api, https })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    fn start(&self, program: &str, env: &[(&str, &str)]) -> Result<Process> {
        let mut command = Command::new(bin(program)?);
        command.arg("--config").arg(self.file("config.yaml")).current_dir(self.scratch.path());
        command.env_remove("CREDENTIALS_DIRECTORY").envs(env.iter().copied());
        Process::spawn(&command)
    }

    fn plant(&self, name: &str, planted: Planted) -> Result<()> {
        let (file, aside) = (self.file(name), self.file("aside"));
        if planted == Planted::Wide {
            return Ok(fs::set_permissions(&file, Permissions::from_mode(0o644))?);
        }
        fs::rename(&file, &aside)?;
        symlink(&aside, &file)?;
        if planted == Planted::ForeignLink {
            give_away(&file)?;
        }
        Ok(())
    }
}

/// Needs root, as the suite has it.
fn give_away(link: &Path) -> Result<()> {
    lchown(link, Some(NOBODY), None).context("the suite runs as root")
}
