//! What of requests and answers a log may show: no token, and no URL that holds one.

use std::fmt;

use super::{AttachmentView, ShareView, TokenCheck};

impl fmt::Debug for AttachmentView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentView")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("session_id", &self.session_id)
            .field("user_id", &self.user_id)
            .field("url", &self.url)
            .field("port", &self.port)
            .field("visibility", &self.visibility)
            .field("verdict", &self.verdict)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ShareView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareView")
            .field("number", &self.number)
            .field("label", &self.label)
            .field("read_only", &self.read_only)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCheck").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Detached;
    use super::*;

    #[test]
    fn a_token_that_is_handed_out_or_asked_about_is_not_shown() {
        let link = "http://a.localhost/?session_id=s&token=s3cret";
        let view = json!({
            "id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "name": "web", "type": "devserver", "session_id": "s",
            "user_id": "u", "app_id": null, "host": "127.0.0.1", "port": 3000, "path": "", "bash_task_id": null,
            "created_at": "2026-01-01T00:00:00Z", "last_hit_at": null, "reaped_in_seconds": null,
            "iframe_url": link, "url": "http://a.localhost/", "token": "s3cret", "visibility": "private",
            "verdict": {
                "state": "live", "listener": "127.0.0.1:3000", "owner_uid": 0, "owner_program": null,
                "status": 200, "host_policy": "preserve", "host_policy_reason": "", "framing": [],
                "live_update": null, "server": null,
            },
        });
        let view: AttachmentView = serde_json::from_value(view).expect("a view");
        let detached = Detached { name: "web".into(), removed: true, previous: Some(Box::new(view.clone())) };
        let share = json!({
            "number": 1, "label": "Zoë", "read_only": true, "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-01T01:00:00Z", "url": link,
        });
        let share: ShareView = serde_json::from_value(share).expect("a view");
        let check = TokenCheck { session_id: "s".into(), token: "s3cret".into() };
        for shown in
            [format!("{view:?}"), format!("{detached:?}"), format!("{share:#?}"), format!("{check:?}")]
        {
            assert!(!shown.contains("s3cret") && shown.len() > 20, "{shown}");
        }
    }
}
