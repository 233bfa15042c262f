//! A tab that stays open while the test does other things.

use std::path::Path;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Record, Script};

/// An open tab, or a frame in one where the browser embeds; dropped, its browser ends. Further tabs of the same
/// profile are opened by [`Tab::another`]; what is told and asked is of the one that was turned to last.
#[derive(Debug)]
pub struct Tab {
    script: Script,
}

#[derive(Deserialize)]
struct Answer<T> {
    answer: T,
}

impl Tab {
    pub(super) fn new(script: Script) -> Self {
        Self { script }
    }

    /// Opens an address; the status of its document.
    pub fn go(&mut self, url: &str) -> Result<Option<u16>> {
        self.ask("go", url)
    }

    /// Opens an address in the tab itself, also where the browser embeds; the status of its document.
    pub fn go_alone(&mut self, url: &str) -> Result<Option<u16>> {
        self.ask("alone", url)
    }

    /// Opens a further tab of the same profile and turns to it; its number. The first is 0.
    pub fn another(&mut self) -> Result<usize> {
        self.ask("another", ())
    }

    /// Turns to the tab of this number.
    pub fn turn_to(&mut self, number: usize) -> Result<usize> {
        self.ask("turn", number)
    }

    /// Loads the tab's page anew, which is the embedding one where the browser embeds.
    pub fn reload(&mut self) -> Result<Option<u16>> {
        self.ask("reload", ())
    }

    /// Waits until the page shows a text, also over reloads of its own.
    pub fn wait_for_text(&mut self, text: &str) -> Result<()> {
        self.ask("see", text)
    }

    /// The visible text.
    pub fn text(&mut self) -> Result<String> {
        self.ask("text", ())
    }

    /// Clicks what a CSS selector finds.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        self.ask("click", selector)
    }

    /// Clicks what opens a tab, and goes on in that one until [`Self::leave`].
    pub fn follow(&mut self, selector: &str) -> Result<()> {
        self.ask("follow", selector)
    }

    /// Closes the tab that [`Self::follow`] opened, and goes back to where it was opened from.
    pub fn leave(&mut self) -> Result<()> {
        self.ask("leave", ())
    }

    /// Types into what a CSS selector finds.
    pub fn fill(&mut self, selector: &str, value: &str) -> Result<()> {
        self.ask("fill", [selector, value])
    }

    /// Evaluates a JavaScript expression, which may be a promise.
    pub fn evaluate<T: DeserializeOwned>(&mut self, expression: &str) -> Result<T> {
        self.ask("evaluate", expression)
    }

    pub fn url(&mut self) -> Result<String> {
        self.ask("url", ())
    }

    pub fn title(&mut self) -> Result<String> {
        self.ask("title", ())
    }

    /// `h2`, `http/1.1`.
    pub fn protocol(&mut self) -> Result<Option<String>> {
        self.ask("protocol", ())
    }

    /// The web app manifest of the tab's page, which the browser fetches now: its text; `None` if it got none.
    pub fn manifest(&mut self) -> Result<Option<String>> {
        let manifest: Value = self.ask("manifest", ())?;
        Ok(manifest["data"].as_str().filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// As Playwright lists them: `name`, `value`, `domain`, `partitionKey`, ….
    pub fn cookies(&mut self) -> Result<Vec<Value>> {
        self.ask("cookies", ())
    }

    /// What happened so far; how its WebSockets were opened only [`Self::close`] tells.
    pub fn record(&mut self) -> Result<Record> {
        self.ask("record", ())
    }

    /// Saves a picture (PNG) of the page.
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        self.ask("screenshot", file)
    }

    /// Closes the browser; all that happened.
    pub fn close(mut self) -> Result<Record> {
        self.script.say(&json!(["close"]))?;
        self.script.finish()
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &str, argument: impl Serialize) -> Result<T> {
        self.script.say(&json!([command, argument]))?;
        Ok(serde_json::from_value::<Answer<T>>(self.script.hear()?)?.answer)
    }
}
