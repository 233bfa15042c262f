//! The words of our pages, and what they are put into.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64;
use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::headers::value;

/// What a page says: what happened, why, and what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    title: &'static str,
    cause: &'static str,
    cure: &'static str,
    /// The code that API, command line and docs know it by.
    pub(super) code: &'static str,
}

pub(super) const UNIFORM: Text = Text {
    title: "There is no preview here",
    cause: "Nothing is attached under this address, its dev server is not running, or you have not been let in.",
    cure: "If somebody gave you a link, open that link again, whole. If it is your preview, start its dev server \
           and attach it.",
    code: "upstream_down",
};
pub(super) const WAITING: Text = Text {
    title: "Waiting for the dev server",
    cause: "Nothing listens on its port yet, or it is being restarted.",
    cure: "This page opens the preview by itself as soon as the server is up. If it stays like this, look at the \
           server’s output.",
    code: "upstream_down",
};
pub(super) const WAITING_FOR_OWNER: Text = Text {
    title: "Another program has taken the port",
    cause: "What listens on the preview’s port now is not the dev server that was attached, so it is not shown.",
    cure: "This page opens the preview by itself once its own server is back. If the new program is the right one, \
           attach the port again.",
    code: "port_owner_changed",
};
pub(super) const NOT_HTTP: Text = Text {
    title: "This is not a web server",
    cause: "The attached port answered with something that is not HTTP.",
    cure: "Attach the port on which the dev server serves its pages.",
    code: "upstream_not_http",
};
pub(super) const SLOW: Text = Text {
    title: "The dev server takes too long",
    cause: "It did not accept the connection, or did not begin its answer, in time.",
    cure: "Look at the server’s output, then load this page again.",
    code: "upstream_slow",
};
pub(super) const UNAUTHORIZED: Text = Text {
    title: "This preview opens by its link",
    cause: "This browser has not been let in. Where the preview is open within another page, that does not count for \
            a tab of its own.",
    cure: "Open the link that you were given, whole, with everything behind the question mark.",
    code: "unauthorized",
};
pub(super) const GRANT_EXPIRED: Text = Text {
    title: "Your access has ended",
    cause: "This browser was let in before, but that was some time ago, or access was taken back.",
    cure: "Open your link once more, or, if this is part of another page, load that page again. If it does not help, \
           ask for a fresh link.",
    code: "grant_expired",
};
pub(super) const LOGIN_NEEDED: Text = Text {
    title: "Log in first",
    cause: "This preview is for people who are logged in, and this browser is not.",
    cure: "Log in where you do so for your other tools, then load this page again.",
    code: "unauthorized",
};
pub(super) const LOGIN_IN_TAB: Text = Text {
    title: "Log in to see this preview",
    cause: "The login needs a tab of its own: within another page it could not remember you.",
    cure: "The preview opens there once you are logged in. Then load this page again, too; if it asks again, your \
           browser keeps the login out of frames of other sites, so stay in the tab.",
    code: "unauthorized",
};
pub(super) const NOT_ALLOWED: Text = Text {
    title: "You may not see this preview",
    cause: "You are logged in, but not as somebody whom it is for.",
    cure: "Ask whoever runs the previews to let you in, or whose preview it is for a link.",
    code: "forbidden",
};
pub(super) const LOGIN_UNREACHABLE: Text = Text {
    title: "The login does not answer",
    cause: "The service that says who is let in is not to be reached, so nobody is let in for now.",
    cure: "Load this page again in a moment. If you run this service: the edge’s log says what the login answered.",
    code: "login_unreachable",
};
pub(super) const ORIGIN_REFUSED: Text = Text {
    title: "Refused",
    cause: "A page of another origin made this request.",
    cure: "Open the preview itself. An app that embeds previews must be named in access.app_origins.",
    code: "origin_refused",
};
pub(super) const READ_ONLY: Text = Text {
    title: "This link lets you only look",
    cause: "The page tried to change something, which whoever shared it has not allowed.",
    cure: "Ask for a link that lets you take part.",
    code: "forbidden",
};
pub(super) const SERVICE_WORKER: Text = Text {
    title: "No service workers here",
    cause: "This address will be used for other previews later, and a service worker would outlive this one.",
    cure: "Use a URL template with {id}: such addresses are never used again.",
    code: "forbidden",
};
pub(super) const GONE: Text = Text {
    title: "This preview has ended",
    cause: "It was taken down, or nobody had visited it for a while.",
    cure: "If it is yours, attach its dev server again and open the new link. If not, ask whose it is for one.",
    code: "not_found",
};
pub(super) const TOO_MANY: Text = Text {
    title: "Too many requests",
    cause: "More was asked for in a short time than is allowed.",
    cure: "Wait a moment, then load this page again.",
    code: "rate_limited",
};
pub(super) const HEADER_TOO_LARGE: Text = Text {
    title: "The request’s header is too large",
    cause: "It has more fields, or more bytes, than a request may have.",
    cure: "Delete this site’s cookies, then load the page again.",
    code: "request_invalid",
};
pub(super) const LOOP: Text = Text {
    title: "This preview leads to itself",
    cause: "The request had already passed this service: the attached server sends it back here.",
    cure: "Attach the port of the dev server itself, not that of a proxy in front of it.",
    code: "request_invalid",
};
pub(super) const MISDIRECTED: Text = Text {
    title: "Wrong connection",
    cause: "This connection was opened for another host name, whose certificate does not cover this one.",
    cure: "Open the address in a new connection.",
    code: "request_invalid",
};
pub(super) const MALFORMED: Text = Text {
    title: "This is not a valid request",
    cause: "It breaks the rules of HTTP.",
    cure: "Open the address in a browser.",
    code: "request_invalid",
};
pub(super) const DAEMON_UNREACHABLE: Text = Text {
    title: "The daemon does not answer",
    cause: "The program that manages previews is not running. Previews that are open go on.",
    cure: "Start it: systemctl start preview-daemon.",
    code: "daemon_unreachable",
};
pub(super) const DAEMON_SLOW: Text = Text {
    title: "The daemon takes too long",
    cause: "The program that manages previews did not begin its answer in time.",
    cure: "Look at its log: journalctl -u preview-daemon.",
    code: "upstream_slow",
};

pub(super) const CERT_PENDING: Text = Text {
    title: "The certificate is on its way",
    cause: "Previews are opened by HTTPS here, and its first certificate is still being obtained. That takes a few \
            minutes, or until somebody mends what is in the way.",
    cure: "This page goes on by itself as soon as it is there. If you run this service: ‘preview certs list’ says how \
           far it is and what to do.",
    code: "cert_pending",
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("wait.js");

/// For browsers that run no scripts.
const REFRESH: &str = "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>\n";
const BAR: &str = "<div class=\"bar\" role=\"progressbar\" aria-label=\"Waiting\"></div>\n";

/// What a page may do: look as it looks; one that waits may also ask again.
struct Policies {
    still: HeaderValue,
    waiting: HeaderValue,
}

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text.as_bytes())));
    let still = format!("default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'", hash(STYLE));
    let waiting = format!("{still}; script-src {}; connect-src 'self'", hash(SCRIPT));
    Policies { still: value(still), waiting: value(waiting) }
});

/// A page, and the policy that it needs.
pub(super) fn page(text: Text, waits: bool) -> (Bytes, HeaderValue) {
    let Text { title, cause, cure, code } = text;
    let (policy, refresh, bar) =
        if waits { (&POLICIES.waiting, REFRESH, BAR) } else { (&POLICIES.still, "", "") };
    let script = if waits { format!("<script>{SCRIPT}</script>\n") } else { String::new() };
    // To itself, in a tab: there the login finds its own cookies, and the app around the frame stays.
    let links = match text {
        LOGIN_IN_TAB => {
            "<p class=\"links\"><a class=\"button\" href=\"\" target=\"_blank\" rel=\"noopener\">Log in in a new \
             tab</a> <a href=\"\">Load again</a></p>\n"
        }
        // A frame has no button of the browser's for it.
        LOGIN_UNREACHABLE => "<p class=\"links\"><a class=\"button\" href=\"\">Load again</a></p>\n",
        _ => "",
    };
    let main = format!(
        "{bar}<h1>{title}</h1>\n<p>{cause}</p>\n<p>{cure}</p>\n{links}\
         <p class=\"code\">Code: <code>{code}</code></p>\n"
    );
    (whole(title, refresh, &main, &script).into(), policy.clone())
}

/// What stands before public previews under `base`, and the policy that it needs.
pub(super) fn notice(base: &str, contact: Option<&str>) -> (Bytes, HeaderValue) {
    const TITLE: &str = "Somebody’s preview";
    let base = escaped(base);
    let contact = contact.map_or_else(String::new, |contact| {
        format!("<p class=\"code\">Who runs this: {}</p>\n", escaped(contact))
    });
    let main = format!(
        "<p>Behind this page is a web app that somebody is working on. It may be unfinished, and those who run \
         {base} have not looked at it.</p>\n<p>Enter no password and nothing personal, unless you know who sent you \
         here.</p>\n<form method=\"post\" action=\"{}\"><button autofocus>Open the preview</button></form>\n{contact}",
        crate::notice::PATH
    );
    let html = whole(TITLE, "", &format!("<h1>{TITLE}</h1>\n{main}"), "");
    let policy = POLICIES.still.to_str().unwrap_or_default();
    let policy = policy.replace("form-action 'none'", "form-action 'self'; frame-ancestors 'none'");
    (html.into(), value(policy))
}

/// A whole page: `head` and `after` are what only some have.
fn whole(title: &str, head: &str, main: &str, after: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n{head}\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{main}</main>\n{after}</body>\n</html>\n"
    )
}

/// Text of the operator's for a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use preview_core::refusal::Code;

    #[test]
    fn every_page_says_what_why_and_what_next_under_a_known_code() {
        for text in [
            UNIFORM,
            WAITING,
            WAITING_FOR_OWNER,
            NOT_HTTP,
            SLOW,
            UNAUTHORIZED,
            GRANT_EXPIRED,
            LOGIN_NEEDED,
            LOGIN_IN_TAB,
            NOT_ALLOWED,
            LOGIN_UNREACHABLE,
            ORIGIN_REFUSED,
            READ_ONLY,
            SERVICE_WORKER,
            GONE,
            TOO_MANY,
            HEADER_TOO_LARGE,
            LOOP,
            MISDIRECTED,
            MALFORMED,
            DAEMON_UNREACHABLE,
            DAEMON_SLOW,
            CERT_PENDING,
        ] {
            assert!(text.code.parse::<Code>().is_ok(), "{}", text.code);
            for words in [text.title, text.cause, text.cure] {
                assert!(!words.is_empty() && !words.contains(['<', '>', '&', '"']), "{words}");
            }
        }
    }

    #[test]
    fn the_notice_says_who_runs_this_and_what_they_wrote_is_text() {
        let (page, policy) = notice("preview.example.com", Some("Ops & <b>\"Co\"</b>, abuse@example.com"));
        let page = str::from_utf8(&page).expect("text");
        assert!(page.contains("run preview.example.com have"));
        assert!(page.contains("Ops &amp; &lt;b&gt;&quot;Co&quot;&lt;/b&gt;, abuse@example.com"), "{page}");
        assert!(policy.to_str().expect("text").contains("form-action 'self'; frame-ancestors 'none'"));
        let (silent, _) = notice("preview.example.com", None);
        assert!(!str::from_utf8(&silent).expect("text").contains("Who runs this"));
    }

    #[test]
    fn a_page_loads_nothing_and_runs_only_what_its_policy_names() {
        let (still, policy) = page(UNIFORM, false);
        let still = str::from_utf8(&still).expect("text");
        assert!(!still.contains("<script") && !still.contains("src=") && !still.contains("href="));
        assert!(policy.to_str().expect("text").starts_with("default-src 'none'; style-src 'sha256-"));
        let (waiting, policy) = page(WAITING, true);
        assert!(str::from_utf8(&waiting).expect("text").contains(&format!("<script>{SCRIPT}</script>")));
        assert!(policy.to_str().expect("text").contains("script-src 'sha256-"));
    }
}
