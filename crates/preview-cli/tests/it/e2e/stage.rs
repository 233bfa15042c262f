//! A dev server behind `preview run` over HTTPS, and a browser that finds it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::real::browser::{EDITED, Visit};
use xtask::real::curl::curl;
use xtask::real::devservers::TEXT;
use xtask::real::{
    Authority, Browser, Checkout, DevServer, Process, Scratch, Signal, bin, free_port_outside, poll, tree,
};

/// How long a cold dev server may take to its first page.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is on stage.
pub(super) struct Stage {
    pub(super) run: Process,
    /// With session and token.
    pub(super) link: String,
    pub(super) scratch: Scratch,
    authority: Authority,
}

impl Stage {
    /// Runs `command` in `dir` as `preview run` does for a person.
    pub(super) fn run(scratch: Scratch, dir: &std::path::Path, command: &[String]) -> Result<Self> {
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test"])?;
        let (http, https) = (free_port_outside()?, free_port_outside()?);
        let config = format!(
            "web_preview:\n  public_url_template: \"https://{{id}}.preview.test:{https}\"\n  state_dir: {}\n  edge:\n    \
             http: \"localhost:{http}\"\n    https: \"localhost:{https}\"\n    tls: {{ mode: files, cert: {}, key: {} }}\n",
            scratch.join("state").display(),
            certificate.chain.display(),
            certificate.key.display()
        );
        let config = scratch.write("config.yaml", config)?;
        let mut all = Command::new(bin("preview")?);
        all.arg("run").arg("--config").arg(config).arg("--").args(command).current_dir(dir);
        let mut run = Process::spawn(&all)?;
        let told = run.wait_for_line("?session_id=", PATIENCE)?;
        let link =
            told.split_whitespace().find(|word| word.contains("?session_id=")).context("a link")?.to_owned();
        Ok(Self { run, link, scratch, authority })
    }

    /// As [`Self::run`], with one of the dev servers that every change is tried on.
    pub(super) fn of(server: DevServer) -> Result<(Self, Checkout)> {
        let scratch = Scratch::new()?;
        let checkout = server.checkout(&scratch)?;
        let checkout = match server {
            DevServer::Webpack => checkout.with_arguments(&xtask::real::devservers::WEBPACK_CLIENT),
            _ => checkout,
        };
        let stage = Self::run(scratch, &checkout.dir, &checkout.command())?;
        Ok((stage, checkout))
    }

    /// A browser that finds the preview by name and trusts its certificate.
    pub(super) fn browser(&self) -> Browser {
        Browser::new()
            .patience(PATIENCE)
            .resolve("*.preview.test", "127.0.0.1")
            .trust(&self.authority.root)
            .screenshot(self.scratch.join("page.png"))
    }

    /// The same in a frame of a page on another site, third-party cookies blocked.
    pub(super) fn frame(&self) -> Result<Browser> {
        let embedding = self.authority.issue(&["agent.elsewhere.test"])?;
        Ok(self.browser().embed_in("agent.elsewhere.test", &embedding))
    }

    /// Visits, edits and sees the edit; puts the source back for the next visit.
    pub(super) fn visit(&self, browser: &Browser, checkout: &Checkout) -> Result<Visit> {
        let visit = browser.visit(checkout, &self.link).with_context(|| self.run.output())?;
        checkout.edit(EDITED, TEXT)?;
        self.wait_for_old_source()?;
        Ok(visit)
    }

    /// Waits until the server serves what it served before the edit: some restart for it, and are away meanwhile.
    fn wait_for_old_source(&self) -> Result<()> {
        let authority = self.link.split('/').nth(2).context("a link has a host")?;
        let resolve = format!("{authority}:127.0.0.1");
        poll("the old source", PATIENCE, || {
            let page = curl(&["--insecure", "--resolve", &resolve, &self.link])?;
            Ok((page.status == 200 && !page.body.contains(EDITED)).then_some(()))
        })
    }

    /// Ctrl-C: nothing of it is left.
    pub(super) fn interrupt(mut self) -> Result<()> {
        let all = self.run.tree();
        self.run.signal(Signal::INT)?;
        let status = self.run.wait(Duration::from_secs(30))?;
        ensure!(status.code() == Some(130), "{status}: {}", self.run.output());
        let left: Vec<u32> = all.into_iter().filter(|pid| tree::is_alive(*pid)).collect();
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}
