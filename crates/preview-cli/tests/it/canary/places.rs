//! Where a secret may turn up, and where it did.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Where something was found: place and what stood around it, by what was looked for.
#[derive(Debug)]
pub(super) struct Found(Vec<(String, &'static str, String)>);

/// Texts by the place they were found in.
#[derive(Default)]
pub(super) struct Places(Vec<(&'static str, String)>);

impl Places {
    pub(super) fn add(&mut self, place: &'static str, bytes: &[u8]) {
        // Secrets are ASCII.
        self.0.push((place, String::from_utf8_lossy(bytes).into_owned()));
    }

    /// What the dev server got: each part of a request is a place of its own.
    pub(super) fn add_upstream(&mut self, seen: &Value) -> Result<()> {
        let requests = seen["requests"].as_array().context("requests")?;
        ensure!(requests.len() > 5, "the dev server saw little: {seen}");
        for request in requests {
            self.add("upstream: the URL", request["url"].to_string().as_bytes());
            for header in request["headers"].as_array().context("headers")? {
                let name = header[0].as_str().context("a name")?.to_ascii_lowercase();
                let place =
                    if name == "referer" { "upstream: header referer" } else { "upstream: another header" };
                self.add(place, header.to_string().as_bytes());
            }
        }
        Ok(())
    }

    /// What anybody on this machine may read of all programs: ours are places of their own.
    pub(super) fn add_processes(&mut self, ours: &[u32]) -> Result<()> {
        for process in fs::read_dir("/proc")?.flatten() {
            let is_ours = process.file_name().to_str().and_then(|it| it.parse().ok());
            let is_ours = is_ours.is_some_and(|pid: u32| ours.contains(&pid));
            let [line, environment] = if is_ours {
                ["our command line", "our environment"]
            } else {
                ["another's command line", "another's environment"]
            };
            // One that has ended meanwhile says nothing.
            for (place, file) in [(line, "cmdline"), (environment, "environ")] {
                self.add(place, &fs::read(process.path().join(file)).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// All files: database, its log and copy, the edge's table and keys, the tasks' output.
    pub(super) fn add_folder(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            if kind.is_dir() {
                // What belongs to the dev server's client is not ours.
                if !path.ends_with("node_modules") {
                    self.add_folder(&path)?;
                }
            } else if kind.is_file() {
                self.add(place(&path), &fs::read(&path).with_context(|| path.display().to_string())?);
            }
        }
        Ok(())
    }

    pub(super) fn look_for<'s>(&self, secrets: impl Iterator<Item = &'s str>) -> Found {
        let mut found = Vec::new();
        for secret in secrets {
            for (place, text) in &self.0 {
                if let Some((before, after)) = text.split_once(secret) {
                    let before: String = before.chars().rev().take(120).collect();
                    let before: String = before.chars().rev().collect();
                    let after: String = after.chars().take(120).collect();
                    found.push((secret.to_owned(), *place, format!("{before}[{secret}]{after}")));
                }
            }
        }
        Found(found)
    }
}

/// Which place a file is.
fn place(file: &Path) -> &'static str {
    match file.file_name().and_then(|it| it.to_str()) {
        // With its log and its copies.
        Some(name) if name.starts_with("preview.db") => "the database",
        Some("table.json") => "the edge's table",
        _ => "another file",
    }
}

impl Found {
    /// The places where this was found, each once.
    pub(super) fn places(&self, secret: &str) -> Vec<&str> {
        self.of(secret).into_keys().collect()
    }

    /// The places where this was found, and what stands around it there.
    pub(super) fn of(&self, secret: &str) -> BTreeMap<&str, &str> {
        let found = self.0.iter().filter(|(it, ..)| it == secret);
        found.map(|(_, place, around)| (*place, around.as_str())).collect()
    }
}
