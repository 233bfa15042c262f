//! The five dev servers that every change is tried on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::fixture::{Fixture, Registry};
use super::{Process, Scratch};

/// The text within `#text` of every page, as committed; [`Checkout::edit`] changes it.
pub const TEXT: &str = "untouched";

/// What makes webpack's client dial the page's own address instead of the dev server's.
pub const WEBPACK_CLIENT: [&str; 2] = ["--client-web-socket-url", "auto://0.0.0.0:0/ws"];

pub(super) const VITE_REACT: Fixture = Fixture { name: "vite-react", registry: Registry::Npm };
pub(super) const NEXT: Fixture = Fixture { name: "next", registry: Registry::Npm };
pub(super) const DJANGO: Fixture = Fixture { name: "django", registry: Registry::Pip };
pub(super) const WEBPACK: Fixture = Fixture { name: "webpack", registry: Registry::Npm };
pub(super) const FASTAPI: Fixture = Fixture { name: "fastapi", registry: Registry::Pip };

/// How long a first page may take on a machine with much else to do; Next was seen to take 44 s.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A dev server of another maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevServer {
    /// Vite with React: refuses foreign hosts, updates without a reload.
    ViteReact,
    /// Next: serves foreign hosts a page that never comes to life.
    Next,
    /// Django: refuses foreign hosts and forged posts, forbids framing.
    Django,
    /// webpack-dev-server: dials its own port unless told otherwise ([`WEBPACK_CLIENT`]).
    Webpack,
    /// FastAPI on uvicorn: HEAD is 405, prints its address before it listens.
    FastApi,
}

/// A dev server's project in a folder of its own, ready to start.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Which server it is.
    pub server: DevServer,
    /// Where the project lies.
    pub dir: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl DevServer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ViteReact, Self::Next, Self::Django, Self::Webpack, Self::FastApi];

    /// Its name, which is that of its folder in `xtask/real`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.fixture().name
    }

    /// Puts the project into `scratch`, with packages; installs these if nobody has.
    pub fn checkout(self, scratch: &Scratch) -> Result<Checkout> {
        let dir = scratch.join(self.name());
        self.fixture().checkout(&dir)?;
        Ok(Checkout { server: self, dir, arguments: Vec::new(), environment: BTreeMap::new() })
    }

    fn fixture(self) -> Fixture {
        match self {
            Self::ViteReact => VITE_REACT,
            Self::Next => NEXT,
            Self::Django => DJANGO,
            Self::Webpack => WEBPACK,
            Self::FastApi => FASTAPI,
        }
    }

    /// The file that holds [`TEXT`].
    fn edited_file(self) -> &'static str {
        match self {
            Self::ViteReact => "src/App.jsx",
            Self::Next => "app/mark.jsx",
            Self::Django => "urls.py",
            Self::Webpack => "src/text.js",
            Self::FastApi => "main.py",
        }
    }
}

impl Checkout {
    /// Adds arguments at the end of the command.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Sets a variable by starting the server through `env`, so that it holds however the command is run.
    /// Django's settings read `ALLOWED_HOSTS`, `CSRF_TRUSTED_ORIGINS`, `USE_X_FORWARDED_HOST` and
    /// `SECURE_PROXY_SSL_HEADER`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What one types after `preview run --`, to be run in [`Self::dir`]; `{port}` stands for the port.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let python = self.dir.join(".venv/bin/python").display().to_string();
        let uvicorn = self.dir.join(".venv/bin/uvicorn").display().to_string();
        let words: Vec<&str> = match self.server {
            DevServer::ViteReact => vec!["npm", "run", "dev", "--", "--port", "{port}"],
            DevServer::Next => vec!["npx", "next", "dev", "-p", "{port}"],
            DevServer::Django => vec![&python, "manage.py", "runserver", "127.0.0.1:{port}"],
            DevServer::Webpack => vec!["npx", "webpack", "serve", "--port", "{port}"],
            // Without the last, a reload waits for the page's event stream, and the page for the reload.
            DevServer::FastApi => {
                vec![&uvicorn, "main:app", "--reload", "--port", "{port}", "--timeout-graceful-shutdown", "1"]
            }
        };
        let mut command = Vec::new();
        if !self.environment.is_empty() {
            command.push("env".to_owned());
            command.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        }
        command.extend(words.into_iter().map(str::to_owned));
        command.extend(self.arguments.iter().cloned());
        command
    }

    /// Starts it on `port` without a preview, and waits until it listens.
    pub fn start(&self, port: u16) -> Result<Process> {
        let command: Vec<String> =
            self.command().iter().map(|word| word.replace("{port}", &port.to_string())).collect();
        let mut process = Process::spawn_line(&command, &self.dir)?;
        process.wait_for_port(port, PATIENCE)?;
        Ok(process)
    }

    /// Changes the visible text from `from` to `to`, as an editor that saves the file would.
    pub fn edit(&self, from: &str, to: &str) -> Result<()> {
        let path = self.dir.join(self.server.edited_file());
        let source = fs::read_to_string(&path)?;
        ensure!(source.matches(from).count() == 1, "{} must hold {from:?} once:\n{source}", path.display());
        write(&path, &source.replace(from, to))
    }
}

fn write(path: &Path, source: &str) -> Result<()> {
    fs::write(path, source).with_context(|| format!("cannot write {}", path.display()))
}
