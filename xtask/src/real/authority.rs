//! A certificate authority of a test's own.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::fixture::run;

/// An authority whose files lie in a folder of the test's.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
    /// Its own certificate, for clients to trust.
    pub root: PathBuf,
    key: PathBuf,
}

/// A certificate and its key, both PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, followed by the authority's.
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Founds an authority; its files go into `folder`.
    pub fn new(folder: &Path) -> Result<Self> {
        let authority = Self {
            folder: folder.to_owned(),
            root: folder.join("authority.pem"),
            key: folder.join("authority.key"),
        };
        run(openssl(&["req", "-x509", "-subj", "/CN=Preview test authority", "-days", "30"])
            .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
            .args(NEW_KEY)
            .arg("-keyout")
            .arg(&authority.key)
            .arg("-out")
            .arg(&authority.root))?;
        Ok(authority)
    }

    /// Signs a certificate for `names`, which may be addresses; the first one names its files too.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate> {
        let stem = names.first().map_or("none", |name| name.trim_start_matches("*."));
        let certificate = Certificate {
            chain: self.folder.join(format!("{stem}.pem")),
            key: self.folder.join(format!("{stem}.key")),
        };
        let kind = |name: &str| if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        let names: Vec<String> = names.iter().map(|name| format!("{}:{name}", kind(name))).collect();
        run(openssl(&["req", "-x509", "-subj", "/CN=Preview test", "-days", "20"])
            .args(["-addext", &format!("subjectAltName={}", names.join(","))])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "extendedKeyUsage=serverAuth"])
            .args(NEW_KEY)
            .arg("-CA")
            .arg(&self.root)
            .arg("-CAkey")
            .arg(&self.key)
            .arg("-keyout")
            .arg(&certificate.key)
            .arg("-out")
            .arg(&certificate.chain))?;
        let mut chain = std::fs::read(&certificate.chain)?;
        chain.extend(std::fs::read(&self.root)?);
        std::fs::write(&certificate.chain, chain)?;
        Ok(certificate)
    }
}

const NEW_KEY: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"];

fn openssl(words: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(words);
    command
}
