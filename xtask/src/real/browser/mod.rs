//! Debian's Chromium, driven by the scripts in `xtask/real/browser`.

pub mod script;
pub mod report;
pub mod tab;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use self::report::{Opened, Record, Socket, Visit};
pub use self::script::Script;
pub use self::tab::Tab;
use super::authority::Certificate;
use super::devservers::{Checkout, TEXT};
use super::fixture::{Fixture, Registry};

pub(super) const FIXTURE: Fixture = Fixture { name: "browser", registry: Registry::Npm };

/// What an edit changes [`TEXT`] to.
pub const EDITED: &str = "edited";

/// How a browser is started; each run has a fresh profile, which blocks cookies of third parties, as
/// Debian's Chromium does by default.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    options: Map<String, Value>,
    hosts: Vec<String>,
}

impl Browser {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a script waits for a thing in a page: a minute, unless told otherwise here.
    #[must_use]
    pub fn patience(self, most: Duration) -> Self {
        self.with("patience_ms", json!(most.as_millis()))
    }

    /// Has a host name, which may begin with `*.`, lead to `address`, with a port or without.
    #[must_use]
    pub fn resolve(mut self, name: &str, address: &str) -> Self {
        self.hosts.push(format!("MAP {name} {address}"));
        self
    }

    /// Lets frames keep cookies of another site than the page's.
    #[must_use]
    pub fn allow_third_party_cookies(self) -> Self {
        self.with("cookies", json!("allow"))
    }

    /// Trusts an authority, whose certificates are checked like any others.
    #[must_use]
    pub fn trust(self, authority: &Path) -> Self {
        self.with("authority", json!(authority))
    }

    /// Looks at no certificate.
    #[must_use]
    pub fn ignore_certificates(self) -> Self {
        self.with("ignore_certificates", json!(true))
    }

    /// Speaks HTTP/1.1 only, so WebSockets open by Upgrade.
    #[must_use]
    pub fn http1_only(self) -> Self {
        self.with("http1", json!(true))
    }

    /// Shows the address in a frame of a page on another site, `https://HOST`.
    #[must_use]
    pub fn embed_in(self, host: &str, certificate: &Certificate) -> Self {
        let parent = format!("https://{host}");
        self.with("frame", json!({ "parent": parent, "cert": certificate.chain, "key": certificate.key }))
    }

    /// Shows the address in a frame of a page on another site without encryption, `http://HOST`.
    #[must_use]
    pub fn embed_in_plain(self, host: &str) -> Self {
        self.with("frame", json!({ "parent": format!("http://{host}") }))
    }

    /// Saves a picture (PNG) of the page at the end, also when something failed.
    #[must_use]
    pub fn screenshot(self, file: impl Into<PathBuf>) -> Self {
        self.with("screenshot", json!(file.into()))
    }

    /// Opens an address, waits for the CSS selector `wait_for` if there is one, and tells what is there.
    pub fn open(&self, url: &str, wait_for: Option<&str>) -> Result<Opened> {
        self.run("open.mjs", json!({ "url": url, "wait_for": wait_for }))
    }

    /// As [`Self::open`], and evaluates a JavaScript expression, which may be a promise, in the page.
    pub fn evaluate(&self, url: &str, expression: &str) -> Result<Opened> {
        self.run("open.mjs", json!({ "url": url, "evaluate": expression }))
    }

    /// Opens a tab that stays open and does what it is told.
    pub fn tab(&self) -> Result<Tab> {
        Ok(Tab::new(self.start("tab.mjs", json!({}))?))
    }

    /// Visits a dev server's preview as its developer would: waits until the page lives and its live-update
    /// socket is connected, edits [`TEXT`] to [`EDITED`] in the checkout, waits until the page shows it, and
    /// submits the form if there is one.
    pub fn visit(&self, checkout: &Checkout, url: &str) -> Result<Visit> {
        let task = json!({ "url": url, "server": checkout.server.name(), "text": TEXT, "edited": EDITED });
        let mut script = self.start("dev-server.mjs", task)?;
        let event = script.hear()?;
        ensure!(event["event"] == "edit", "unexpected words of the browser: {event}");
        checkout.edit(TEXT, EDITED)?;
        script.say(&json!("edited"))?;
        script.finish()
    }

    /// Runs a script of `xtask/real/browser` to its end.
    pub fn run<T: DeserializeOwned>(&self, script: &str, task: Value) -> Result<T> {
        self.start(script, task)?.finish()
    }

    /// Starts a script with this browser's options and the fields of `task`.
    pub fn start(&self, script: &str, task: Value) -> Result<Script> {
        let mut all = self.options.clone();
        all.insert("hosts".into(), json!(self.hosts));
        if let Value::Object(task) = task {
            all.extend(task);
        }
        Script::start(script, &Value::Object(all))
    }

    fn with(mut self, option: &str, value: Value) -> Self {
        self.options.insert(option.into(), value);
        self
    }
}
