//! The codes that API, CLI, pages and docs share (one list: `docs/contract.md` §8).

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($variant:ident $text:literal $status:literal $cause:literal $cure:literal;)+) => {
        /// A stable code of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)+ }
            }

            /// What to do next.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)+ }
            }
        }
    };
}

codes! {
    NameInvalid "name_invalid" 400
        "The attachment's name is empty, too long, or has a character that no name may have."
        "Use 1 to 64 printable characters other than /.";
    SessionInvalid "session_invalid" 400
        "A session_id, user_id or app_id is empty, too long, or has a character outside A-Z a-z 0-9 . _ : @ -."
        "Use 1 to 128 characters of A-Z a-z 0-9 . _ : @ -.";
    TemplateInvalid "template_invalid" 400
        "The public_url_template cannot be used: the message shows the place."
        "Use a template such as https://{id}.preview.example.com.";
    ConfigInvalid "config_invalid" 400
        "A key of the configuration is unknown, has the wrong type or an impossible value."
        "Run `preview config check`: it shows file, line, key and what is allowed.";
    RequestInvalid "request_invalid" 400
        "The request lacks a field, or has one of the wrong type or value."
        "The message names the field and what is allowed.";
    Unauthorized "unauthorized" 401
        "There is no key, token or grant with the request, or it is not a known one."
        "Open the link with its token again, or send the bearer key.";
    GrantExpired "grant_expired" 401
        "The browser was let in before, but its grant has ended."
        "Ask for a fresh link and open it.";
    Forbidden "forbidden" 403
        "The session or user is not yours, or the operator does not allow it."
        "Act for a session and user that your key covers.";
    OriginRefused "origin_refused" 403
        "A page of another origin made the request."
        "Call from the allowed origin, or add it to api.origins (API) or access.app_origins (previews).";
    PortRefused "port_refused" 403
        "The port may not be attached: outside ports.allow, denied, or the service's own."
        "Start the dev server on a port of ports.allow.";
    PortNotYours "port_not_yours" 403
        "The listener belongs to a task of another session, or another user's attachment holds it."
        "Start a dev server of your own on another port.";
    NotFound "not_found" 404
        "There is no such attachment, task or session, or you may not know of it."
        "List what there is: `preview ls`, GET /v1/attachments.";
    HostTaken "host_taken" 409
        "Another live attachment has the host name that this one would get."
        "Choose another port or name, or use a template with {id}.";
    PortOwnerChanged "port_owner_changed" 409
        "Another program or user listens on the port now than when it was attached."
        "Attach the port again if the new listener is yours.";
    StateInUse "state_in_use" 409
        "Another process of the service uses the same state folder."
        "Stop it, or give this one a state_dir of its own.";
    PortNotListening "port_not_listening" 422
        "Nothing was listening on the port within the time waited."
        "Start the dev server first, or raise wait_seconds (at most 120).";
    TaskDead "task_dead" 422
        "The task that should listen has ended."
        "Read its last lines, mend the command, start it again.";
    LimitSession "limit_session" 429
        "The session has as many attachments as it may have."
        "Detach one that is not needed: `preview detach NAME`.";
    LimitUser "limit_user" 429
        "The user has as many attachments as they may have over all sessions."
        "Detach one that is not needed: `preview ls`, `preview detach NAME`.";
    RateLimited "rate_limited" 429
        "Too many requests came in too short a time."
        "Wait as long as Retry-After says.";
    UpstreamDown "upstream_down" 502
        "Nothing is attached there, nothing listens, or you are not let in."
        "Start and attach the dev server, then open its link: `preview route URL` says which it is.";
    UpstreamNotHttp "upstream_not_http" 502
        "The listener answered with something that is not HTTP."
        "Attach the port on which the dev server serves pages.";
    Disabled "disabled" 503
        "New attachments are switched off by web_preview.enabled: false."
        "Ask the operator to switch them on.";
    StoreReadonly "store_readonly" 503
        "The state folder cannot be written."
        "Check owner, mode and mount of state_dir.";
    StoreCorrupt "store_corrupt" 503
        "The stored state is damaged and no good copy of it was found."
        "Restore state_dir from a backup, or move it away to start empty.";
    DaemonUnreachable "daemon_unreachable" 503
        "The daemon does not answer."
        "Start it: preview-daemon, `preview up` or `systemctl start preview-daemon`.";
    UpstreamSlow "upstream_slow" 504
        "The dev server did not accept the connection, or did not begin its answer, in time."
        "Look at its output: `preview logs NAME`.";
    StoreFull "store_full" 507
        "The disk that holds the state folder is full; nothing was changed."
        "Free some space on the disk of state_dir, then try again.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}
