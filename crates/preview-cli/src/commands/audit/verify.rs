//! `preview audit verify`: whether the trail is whole, by the rule that wrote it.

use preview_core::audit::{Broken, Digest, Link, Sealed, verify};
use preview_core::refusal::{Code, Refusal};
use preview_core::wire::audit::AuditPage;
use serde_json::json;

use crate::args::AuditVerify;
use crate::client::{AuditQuery, Client};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{BAD, GOOD};

pub(super) async fn run(context: &Context, args: &AuditVerify) -> Result<(), Failure> {
    let seen = args.seen.as_deref().map(read_seen).transpose()?;
    let (client, output) = (context.client()?, context.output);
    let progress = output.progress("walking the trail");
    let mut walk = Walk { seen, ..Walk::default() };
    let walked = walk.go(&client).await?;
    drop(progress);
    let (entries, pruned) = (walk.entries, walk.anchor.map_or(0, |it| it.number));
    match walked {
        Ok(head) => {
            let digest = head.digest.to_string();
            if output.is_json() {
                output.json(&json!({
                    "whole": true, "entries": entries, "pruned": pruned,
                    "head": { "number": head.number, "digest": digest },
                }));
            } else {
                let pruned =
                    if pruned == 0 { String::new() } else { format!(", {pruned} before them pruned") };
                output.line(format_args!("{GOOD}whole{GOOD:#}  {entries} entries{pruned}"));
                output.line(format_args!("head   {}:{digest}", head.number));
            }
            Ok(())
        }
        Err(broken) => {
            if output.is_json() {
                output.json(&json!({ "whole": false, "entries": entries, "broken": broken.to_string() }));
            } else {
                output.line(format_args!("{BAD}broken{BAD:#}  {broken}; {entries} before it fit"));
            }
            Err(Failure::ChecksFailed)
        }
    }
}

/// How far the trail was walked.
#[derive(Debug, Default)]
struct Walk {
    /// A place it must lead through.
    seen: Option<Link>,
    anchor: Option<Link>,
    last: Option<Link>,
    entries: u64,
}

impl Walk {
    /// Reads page by page; the inner result is where the trail ends, or where it is broken.
    async fn go(&mut self, client: &Client) -> Result<Result<Link, Broken>, Failure> {
        loop {
            let since = self.last.map_or(0, |last| last.number);
            let query = AuditQuery { since: Some(since), limit: AuditQuery::MOST, ..AuditQuery::default() };
            let page = client.audit(&query).await?;
            let (anchor, head) = ends(&page)?;
            match self.take(page, anchor, head) {
                Ok(true) => return Ok(Ok(head)),
                Ok(false) => {}
                Err(broken) => return Ok(Err(broken)),
            }
        }
    }

    /// Goes on with a page; whether it was the last.
    fn take(&mut self, page: AuditPage, anchor: Link, head: Link) -> Result<bool, Broken> {
        self.anchor = Some(anchor);
        // What was pruned while the page before was looked at is no gap.
        let from = self.last.filter(|last| last.number >= anchor.number).unwrap_or(anchor);
        self.pass(from)?;
        let is_last = page.entries.len() < usize::try_from(AuditQuery::MOST).unwrap_or(usize::MAX);
        let entries: Vec<Sealed> = page.entries.into_iter().map(Sealed::from).collect();
        let mut last = from;
        for it in &entries {
            last = verify(last, [it])?;
            self.entries += 1;
            self.pass(last)?;
        }
        self.last = Some(last);
        match is_last {
            true if last != head => Err(Broken::End(last.number)),
            is_last => Ok(is_last),
        }
    }

    /// A place that was seen earlier must be as it was then.
    fn pass(&mut self, at: Link) -> Result<(), Broken> {
        match self.seen {
            Some(seen) if seen.number == at.number && seen != at => Err(Broken::Changed(at.number)),
            _ => Ok(()),
        }
    }
}

/// Only admins are told where the trail begins and ends.
fn ends(page: &AuditPage) -> Result<(Link, Link), Failure> {
    page.anchor
        .as_ref()
        .zip(page.head.as_ref())
        .map(|(anchor, head)| (anchor.into(), head.into()))
        .ok_or_else(|| {
            let refusal = Refusal::OutOfScope("the whole trail: it is the operator's");
            Failure::found(
                Code::Forbidden,
                refusal.to_string(),
                "verify with an admin key, or on the host itself",
            )
        })
}

fn read_seen(text: &str) -> Result<Link, Failure> {
    let read = || {
        let (number, digest) = text.split_once(':')?;
        Some(Link { number: number.parse().ok()?, digest: Digest::parse(digest)? })
    };
    read().ok_or_else(|| {
        Failure::usage(
            format!("--seen is {text:?}, must be NUMBER:DIGEST"),
            "give a head as `preview audit verify` prints it",
        )
    })
}
