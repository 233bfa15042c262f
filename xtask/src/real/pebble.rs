//! Pebble, the ACME authority of rehearsals: in memory, quick, and as awkward as the standard allows.
//!
//! Debian's 2.4.0 has neither renewal information, profiles, CAA nor rate limits; [`super::Front`] plays those.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::{Authority, Certificate, Process, Scratch, curl, free_port_outside, wait};

/// How long it may take to answer for the first time; under load it needs more than a second.
const START: Duration = Duration::from_secs(30);

/// How it behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom it asks for TXT records; `None`: the system's resolver.
    pub dns: Option<SocketAddr>,
    /// How many good nonces of a hundred it refuses.
    pub nonce_reject: u8,
    /// How many valid authorizations of a hundred serve for further orders.
    pub authz_reuse: u8,
    /// How long a certificate is good; `None`: five years.
    pub validity: Option<Duration>,
    /// Intermediate certificates below its root.
    pub chain_length: u8,
    /// Key id and HMAC key (base64url) of the account bindings it takes; none: it wants no binding.
    pub eab: Vec<(String, String)>,
    /// Domains for which it issues nothing, nor for what is below them.
    pub blocklist: Vec<String>,
    /// Whether it waits up to five seconds before it looks for a record, as the public ones may.
    pub sleeps: bool,
    /// Whether it takes every challenge for met, without a look.
    pub always_valid: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dns: None,
            nonce_reject: 5,
            authz_reuse: 0,
            validity: None,
            chain_length: 1,
            eab: Vec::new(),
            blocklist: Vec::new(),
            sleeps: false,
            always_valid: false,
        }
    }
}

/// A running Pebble; dropped, it ends, and forgets all.
#[derive(Debug)]
pub struct Pebble {
    process: Process,
    command: Command,
    address: SocketAddr,
    management: SocketAddr,
    authority: Authority,
    server: Certificate,
    folder: Scratch,
}

impl Pebble {
    /// Starts one on free ports of loopback, and waits until it answers.
    pub fn start(settings: &Settings) -> Result<Self> {
        let folder = Scratch::new()?;
        let authority = Authority::new(folder.path())?;
        let server = authority.issue(&["127.0.0.1"])?;
        let place = || Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], free_port_outside()?)));
        let (address, management) = (place()?, place()?);
        let mut config = json!({
            "listenAddress": address.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": server.chain,
            "privateKey": server.key,
            // Where it would look for other challenges; nobody listens there.
            "httpPort": 5002,
            "tlsPort": 5001,
            "externalAccountBindingRequired": !settings.eab.is_empty(),
            "externalAccountMACKeys": settings.eab.iter().cloned().collect::<BTreeMap<_, _>>(),
            "domainBlocklist": settings.blocklist,
        });
        if let Some(validity) = settings.validity {
            config["certificateValidityPeriod"] = json!(validity.as_secs());
        }
        let config = folder.write("pebble.json", json!({ "pebble": config }).to_string())?;
        let mut command = Command::new("pebble");
        command.arg("-config").arg(config).current_dir(folder.path());
        if let Some(dns) = settings.dns {
            command.arg("-dnsserver").arg(dns.to_string());
        }
        let yes_or_no = |yes: bool| u8::from(yes).to_string();
        command
            .env("PEBBLE_WFE_NONCEREJECT", settings.nonce_reject.to_string())
            .env("PEBBLE_AUTHZREUSE", settings.authz_reuse.to_string())
            .env("PEBBLE_CHAIN_LENGTH", settings.chain_length.to_string())
            .env("PEBBLE_VA_NOSLEEP", yes_or_no(!settings.sleeps))
            .env("PEBBLE_VA_ALWAYS_VALID", yes_or_no(settings.always_valid));
        let process = Process::spawn(&command)?;
        let mut pebble = Self { process, command, address, management, authority, server, folder };
        pebble.wait()?;
        Ok(pebble)
    }

    /// Ends it and starts it again at the same place: it has forgotten all accounts and orders, and issues by a
    /// new root.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = Process::spawn(&self.command)?;
        self.wait()
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// The address of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to trust when talking to it (PEM); not what its certificates lead to.
    #[must_use]
    pub fn roots_file(&self) -> PathBuf {
        self.authority.root.clone()
    }

    /// Certificate and key of its own server, which fit any server at 127.0.0.1.
    #[must_use]
    pub fn server_certificate(&self) -> &Certificate {
        &self.server
    }

    /// The root that its certificates lead to: a PEM file, written anew with each call.
    pub fn issuing_root(&self) -> Result<PathBuf> {
        let answer = self.ask(&format!("https://{}/roots/0", self.management))?;
        self.folder.write("issuing-root.pem", answer)
    }

    /// How many certificates it has issued since it started.
    #[must_use]
    pub fn issued(&self) -> usize {
        self.count("Issued certificate serial ")
    }

    /// How many orders were made since it started.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.count("Added order ")
    }

    /// What it wrote since it started.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }

    fn count(&self, needle: &str) -> usize {
        self.process.output().matches(needle).count()
    }

    fn wait(&mut self) -> Result<()> {
        let directory = self.directory();
        let answers = wait::poll("Pebble's directory", START, || {
            if let Some(status) = self.process.try_wait()? {
                anyhow::bail!("Pebble ended ({status})");
            }
            Ok(self.ask(&directory).ok())
        });
        answers.with_context(|| self.process.output())?;
        Ok(())
    }

    fn ask(&self, url: &str) -> Result<String> {
        let answer = curl::curl(&["--cacert", &self.authority.root.display().to_string(), url])?;
        anyhow::ensure!(answer.status == 200, "{url} answers {}", answer.status);
        Ok(answer.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_and_shows_the_root_it_issues_by_which_a_restart_changes() {
        let mut pebble = Pebble::start(&Settings::default()).expect("it starts");
        let root = || std::fs::read_to_string(pebble.issuing_root().expect("it tells")).expect("a file");
        let first = root();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"), "{first}");
        assert_eq!(first, root());
        assert_eq!((pebble.issued(), pebble.orders()), (0, 0));
        pebble.restart().expect("it starts again");
        let second = std::fs::read_to_string(pebble.issuing_root().expect("it tells")).expect("a file");
        assert_ne!(first, second);
    }
}
