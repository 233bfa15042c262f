//! Attachments as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use preview_core::clock::Wall;
use preview_core::refusal::age_words;
use preview_core::wire::api::{AttachmentView, ModuleHealth};
use preview_core::wire::{StateWord, Timestamp, VisibilityWord};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{GOOD, Output, STRONG};

/// Hands out a link: the answer of everything that makes one.
pub fn link(output: Output, view: &AttachmentView) {
    let url = url(view);
    if output.is_json() {
        output.json(view);
    } else if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} {STRONG}{}{STRONG:#}  {url}", view.name));
    } else {
        output.row(&[&view.name, url]);
    }
}

/// The URL that lets one in, where there is one.
#[must_use]
pub fn url(view: &AttachmentView) -> &str {
    view.iframe_url.as_deref().unwrap_or(&view.url)
}

/// What is to be known of an attachment that was just made: how it was found, who sees it, how long it stays.
pub async fn notes(output: Output, client: &Client, view: &AttachmentView) -> Result<(), Failure> {
    if output.is_json() {
        return Ok(());
    }
    let session =
        view.session_id.parse().map_err(|_| Failure::Garbled("a session id that is none".into()))?;
    let (count, health) = (client.list(Some(&session)).await?.len(), client.module_health().await?);
    output.note(format_args!("{} · {}", listener(view), policy(view)));
    output.note(standing(view, count, &health));
    for header in &view.verdict.framing {
        output.note(format_args!("sends {header}: dropped, so that the page can be framed"));
    }
    match (&view.hint, view.verdict.state) {
        (_, StateWord::Pending) => output.note("it listens but has not answered yet: the page waits for it"),
        (Some(hint), _) => output.warn(hint),
        (None, _) => {}
    }
    Ok(())
}

fn standing(view: &AttachmentView, count: usize, health: &ModuleHealth) -> String {
    let idle = age_words(Duration::from_secs(health.limits.idle_reap_after_seconds));
    let limit = health.limits.max_per_session;
    format!("{} · {count} of {limit} in session · detached after {idle} idle", visibility(view))
}

/// Address, program and owner: `127.0.0.1:5173 (node)`.
#[must_use]
pub fn listener(view: &AttachmentView) -> String {
    let program = view.verdict.owner_program.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
    match view.verdict.server.as_deref().or(program) {
        Some(what) => format!("{} ({what})", view.verdict.listener),
        None => view.verdict.listener.clone(),
    }
}

/// The host policy with its reason.
#[must_use]
pub fn policy(view: &AttachmentView) -> String {
    let policy = preview_core::verdict::HostPolicy::from(view.verdict.host_policy);
    format!("host header: {} ({})", policy.as_str(), view.verdict.host_policy_reason)
}

/// `live`, `pending` or `down`.
#[must_use]
pub const fn state(view: &AttachmentView) -> &'static str {
    match view.verdict.state {
        StateWord::Live => "live",
        StateWord::Pending => "pending",
        StateWord::Down => "down",
    }
}

/// `private` or `public`.
#[must_use]
pub const fn visibility(view: &AttachmentView) -> &'static str {
    match view.visibility {
        VisibilityWord::Private => "private",
        VisibilityWord::Public => "public",
    }
}

/// How long ago that was: `3s`, `6m`; `-` for never.
#[must_use]
pub fn ago(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| age_words(age(time)))
}

/// For how long that has been so.
#[must_use]
pub fn age(time: Timestamp) -> Duration {
    now().since(time.0)
}

/// How long until then: `29m57s`, `2h05m`; `-` for never.
#[must_use]
pub fn until(seconds: Option<u64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s @ 0..60) => format!("{s}s"),
        Some(s @ 60..3_600) => format!("{}m{:02}s", s / 60, s % 60),
        Some(s) => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
    }
}

/// The same of a moment; `-` for one that is over.
#[must_use]
pub fn until_time(time: Timestamp) -> String {
    until(Some(time.0.since(now()).as_secs()).filter(|left| *left > 0))
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_is_told_to_the_second_while_that_matters() {
        let told = [Some(7), Some(1_797), Some(7_500), None].map(until);
        assert_eq!(told, ["7s", "29m57s", "2h05m", "-"]);
    }
}
