//! What changes nothing: all of it is answered from memory, but for events of the past.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::BoxStream;
use preview_core::attachment::Attachment;
use preview_core::audit::Action;
use preview_core::command::Authority;
use preview_core::id::{AttachmentId, NodeId, SessionId, UserId};
use preview_core::idle::{IdlePolicy, Verdict};
use preview_core::refusal::Code;
use preview_core::token::TokenDigest;
use preview_core::wire::Timestamp;
use preview_core::wire::api::{
    AttachmentList, AttachmentView, ModuleHealth, ModuleLimits, TokenCheck, TokenVerified,
};
use preview_core::wire::events::EventView;
use preview_core::wire::watch::{ActivityReport, FeedLine};

use super::{Daemon, EventFilter};
use crate::audit::Note;
use crate::failure::Failure;
use crate::{clock, events, watch};

/// Which attachments to list, and from where on.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of this user.
    pub user: Option<UserId>,
    /// After this one.
    pub after: Option<AttachmentId>,
}

/// So many attachments make a page of a list.
const PAGE: usize = 100;

impl Daemon {
    /// A page of the attachments that the caller may know of, in the order of their ids.
    pub fn list(&self, by: &Authority, filter: &ListFilter) -> Result<AttachmentList, Failure> {
        self.check_scope(by, filter.session.as_ref(), filter.user.as_ref())?;
        let passes = |it: &Attachment| {
            by.covers(&it.session, &it.user)
                && filter.session.as_ref().is_none_or(|session| *session == it.session)
                && filter.user.as_ref().is_none_or(|user| *user == it.user)
        };
        let mut found = self.live().page(filter.after, PAGE + 1, passes);
        let has_more = found.len() > PAGE;
        found.truncate(PAGE);
        let cursor = found.last().filter(|_| has_more).map(|it| it.id.to_string());
        Ok(AttachmentList { attachments: found.iter().map(|it| self.view(it)).collect(), cursor })
    }

    /// One attachment.
    pub fn show(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        let found = self.live().get(id).filter(|it| by.covers(&it.session, &it.user));
        found.map(|it| self.view(&it)).ok_or(Failure::not_found("attachment"))
    }

    /// Says whether a token is one of that session: `Unauthorized` if not.
    pub fn verify_token(&self, check: &TokenCheck) -> Result<TokenVerified, Failure> {
        let now = clock::wall();
        let session = SessionId::new(&check.session_id).map_err(|_| Failure::Unauthorized)?;
        let in_session = self.live().page(None, usize::MAX, |it| it.session == session && !it.blocked);
        let given = TokenDigest::of(&check.token);
        let found = in_session.iter().find_map(|it| {
            let share = it.shares.find(&given, now);
            (it.tokens.admit_digest(&given, now) || share.is_some()).then_some((it, share))
        });
        let (it, share) = found.ok_or(Failure::Unauthorized)?;
        let is_current = given == it.tokens.current;
        let until = it.tokens.previous.filter(|_| !is_current).map(|(_, until)| until);
        Ok(TokenVerified {
            id: it.id.to_string(),
            name: it.name.to_string(),
            session_id: it.session.to_string(),
            read_only: share.is_some_and(|share| share.read_only),
            valid_until: share.map(|share| share.expires).or(until).map(Timestamp),
        })
    }

    /// Events after `since` that are still kept, if it is given, then those to come.
    pub fn events_since(
        &self,
        by: &Authority,
        filter: EventFilter,
        since: Option<u64>,
    ) -> Result<BoxStream<'static, EventView>, Failure> {
        self.check_scope(by, filter.session.as_ref(), filter.user.as_ref())?;
        Ok(events::follow(self.store().clone(), by.clone(), filter, since))
    }

    /// The route feed: from `since` if that can be resumed, else from a snapshot.
    #[must_use]
    pub fn routes_since(&self, since: Option<u64>) -> BoxStream<'static, FeedLine> {
        watch::follow(self.live().clone(), self.keys(), &self.config().rules.node, since)
    }

    /// Takes an edge's report of who visited what.
    pub fn record_activity(&self, report: &ActivityReport) {
        self.activity().take(report, clock::now(), |id| self.live().get(id).is_some());
        let by = format!(
            "edge {}",
            NodeId::new(&report.node).map_or_else(|_| "-".to_owned(), |it| it.to_string())
        );
        for entry in &report.entries {
            let Some(it) = entry.id.parse().ok().and_then(|id| self.live().get(id)) else { continue };
            for (code, count) in &entry.refused {
                // A code of a later release is passed over.
                let Ok(code) = code.parse::<Code>() else { continue };
                let note = Note::new(&by, Action::VisitRefused).of(&it.session, &it.user).subject(&it.id);
                self.keep_refusal(Note { code: Some(code.to_string()), count: *count, ..note });
            }
        }
    }

    /// Counts; by user for admins only. `by` is absent for callers without a key.
    pub async fn module_health(&self, by: Option<&Authority>) -> Result<ModuleHealth, Failure> {
        let (all, now) = (self.live().all(), clock::now());
        let mut by_type = BTreeMap::new();
        let mut by_user = BTreeMap::new();
        for it in &all {
            *by_type.entry(it.kind().as_str().to_owned()).or_default() += 1;
            *by_user.entry(it.user.to_string()).or_default() += 1;
        }
        let sessions: BTreeSet<_> = all.iter().map(|it| &it.session).collect();
        let ages = all.iter().map(|it| now.wall.since(it.created));
        let silences = all.iter().map(|it| now.tick.since(self.activity().of(it.id, now.tick).last_visit));
        let is_ready = self.ready().await.is_ok();
        let is_admin = matches!(by, Some(Authority::Admin));
        Ok(ModuleHealth {
            status: if is_ready { "ok" } else { "degraded" }.to_owned(),
            module_id: "web_preview".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            count: count(all.len()),
            by_type,
            session_count: count(sessions.len()),
            oldest_age_seconds: ages.max().unwrap_or_default().as_secs(),
            oldest_idle_seconds: silences.max().unwrap_or_default().as_secs(),
            limits: self.module_limits(),
            by_user_count: is_admin.then(|| count(by_user.len())),
            by_user: is_admin.then_some(by_user),
        })
    }

    /// Whether it can take changes now.
    pub async fn ready(&self) -> Result<(), Failure> {
        Ok(self.store().ready().await?)
    }

    /// An attachment as clients see it, without credentials.
    pub(crate) fn view(&self, it: &Attachment) -> AttachmentView {
        let now = clock::tick();
        let left = match self.idle().judge(self.activity().of(it.id, now), now) {
            Verdict::KeepUntil(due) | Verdict::Warn(due) => due.since(now),
            Verdict::Reap => Duration::ZERO,
        };
        AttachmentView {
            last_hit_at: self.activity().last_hit(it.id).map(Timestamp),
            reaped_in_seconds: Some(left.as_secs()),
            ..AttachmentView::of(it)
        }
    }

    fn idle(&self) -> IdlePolicy {
        self.config().idle
    }

    fn module_limits(&self) -> ModuleLimits {
        let limits = self.config().rules.limits;
        ModuleLimits {
            max_per_session: limits.per_session,
            max_per_user: limits.per_user,
            idle_reap_after_seconds: self.idle().after().as_secs(),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
