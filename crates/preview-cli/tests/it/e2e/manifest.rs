//! The manifest of a private preview, which a browser fetches without cookies.

use std::time::Duration;

use anyhow::Result;
use xtask::real::browser::Tab;
use xtask::real::curl::curl;
use xtask::real::preview::Preview;
use xtask::real::{Authority, Browser, Process, Scratch, free_port, http_server};

const SOON: Duration = Duration::from_secs(30);
const PAGE: &str = "<!doctype html><title>shop</title><link rel=manifest href=/manifest.json><p>open</p>";
const MANIFEST: &str = r#"{"name":"Shop","start_url":"/","display":"standalone","icons":[{"src":"/icons/192.png","sizes":"192x192"}]}"#;

#[test]
fn by_option_a_browser_reads_the_manifest_of_a_private_preview() -> Result<()> {
    let stage = Stage::new("access: { exempt: [/manifest.json, /icons/192.png] }")?;
    let mut tab = stage.open()?;
    assert_eq!(tab.manifest()?.as_deref(), Some(MANIFEST));
    let record = tab.close()?;
    assert!(!record.refused.iter().any(|it| it.contains("/manifest.json")), "{record:?}");
    let stranger = |path: &str| stage.stranger(path);
    assert_eq!((stranger("/manifest.json")?, stranger("/icons/192.png")?), (200, 200));
    assert_eq!((stranger("/")?, stranger("/index.html")?, stranger("/manifest.json?x")?), (401, 401, 401));
    Ok(())
}

#[test]
fn without_the_option_the_same_browser_is_refused_it() -> Result<()> {
    let stage = Stage::new("access: { exempt: [] }")?;
    let mut tab = stage.open()?;
    assert_eq!(tab.manifest()?, None);
    let own: u16 = tab.evaluate("fetch('/manifest.json').then(it => it.status)")?;
    assert_eq!(own, 200, "with its cookie");
    assert_eq!(stage.stranger("/manifest.json")?, 401);
    Ok(())
}

/// A private preview of a page with a manifest, by HTTPS.
struct Stage {
    authority: Authority,
    link: String,
    _server: Process,
    _preview: Preview,
    _scratch: Scratch,
}

impl Stage {
    fn new(access: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let site = scratch.join("site");
        std::fs::create_dir_all(site.join("icons"))?;
        std::fs::write(site.join("index.html"), PAGE)?;
        std::fs::write(site.join("manifest.json"), MANIFEST)?;
        std::fs::write(site.join("icons/192.png"), b"\x89PNG\r\n\x1a\n")?;
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test"])?;
        let preview = Preview::up(&format!(
            "web_preview:\n  public_url_template: \"https://{{id}}.preview.test:HTTPS\"\n  state_dir: STATE\n  \
             {access}\n  edge:\n    http: \"localhost:HTTP\"\n    https: \"localhost:HTTPS\"\n    \
             tls: {{ mode: files, cert: {}, key: {} }}\n",
            certificate.chain.display(),
            certificate.key.display()
        ))?;
        let port = free_port()?;
        let server = http_server::start(&site, port)?;
        let link = preview.link(port, "shop")?;
        Ok(Self { authority, link, _server: server, _preview: preview, _scratch: scratch })
    }

    /// The preview in a tab, by its link.
    fn open(&self) -> Result<Tab> {
        let browser =
            Browser::new().patience(SOON).resolve("*.preview.test", "127.0.0.1").trust(&self.authority.root);
        let mut tab = browser.tab()?;
        assert_eq!(tab.go(&self.link)?, Some(200));
        tab.wait_for_text("open")?;
        Ok(tab)
    }

    /// The status that somebody without a cookie gets.
    fn stranger(&self, path: &str) -> Result<u16> {
        let origin = self.link.split("/?").next().unwrap_or_default();
        let authority = origin.trim_start_matches("https://");
        let resolve = format!("{authority}:127.0.0.1");
        let ca = self.authority.root.display().to_string();
        Ok(curl(&["--cacert", &ca, "--resolve", &resolve, &format!("{origin}{path}")])?.status)
    }
}
