//! `preview route`: which attachment answers a URL, by which rule, and why not.

use std::net::SocketAddr;

use preview_core::listener::Loopback;
use preview_core::ports::Port;
use preview_core::refusal::Code;
use preview_core::template::UrlTemplate;
use preview_core::wire::VisibilityWord;
use preview_core::wire::api::AttachmentView;
use preview_sockets::{Diag, receiving};
use serde_json::json;

use super::view;
use crate::args::Route;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, STRONG};

pub(super) async fn run(context: &Context, args: &Route) -> Result<(), Failure> {
    let (client, output) = (context.client()?, context.output);
    let asked = Asked::parse(&args.url)?;
    let template = context.running_template()?;
    let all = client.list(None).await?;
    let Some(found) = all.iter().find(|it| Asked::parse(&it.url).is_ok_and(|url| url.host == asked.host))
    else {
        return Err(why_not(&asked, &template, &all));
    };
    let reasons = reasons(context, found, &asked, &template);
    if output.is_json() {
        output.json(&json!({ "attachment": found, "reasons": reasons }));
        return Ok(());
    }
    let mark =
        if view::state(found) == "down" { format!("{BAD}×{BAD:#}") } else { format!("{GOOD}✓{GOOD:#}") };
    if output.is_terminal() {
        output.line(format_args!("{mark} {STRONG}{}{STRONG:#} of session {}", found.name, found.session_id));
        for reason in reasons {
            output.line(format_args!("  {reason}"));
        }
    } else {
        output.row(&[&found.name, &found.session_id, view::state(found), &found.verdict.listener]);
        for reason in reasons {
            output.note(reason);
        }
    }
    Ok(())
}

/// What of a URL decides where it leads.
struct Asked {
    host: String,
    port: Option<u16>,
    has_token: bool,
}

impl Asked {
    fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || Failure::usage(format!("{url:?} is not a URL"), "give it as a browser would open it");
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let usual = match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        };
        Ok(Self {
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().or(usual),
            has_token: uri
                .query()
                .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token="))),
        })
    }
}

/// The rules on the way of such a request, in their order.
fn reasons(context: &Context, it: &AttachmentView, asked: &Asked, template: &UrlTemplate) -> Vec<String> {
    let mut reasons = vec![format!("rule: the host name {} is that of this attachment", asked.host)];
    let public = Asked::parse(&it.url).ok().and_then(|url| url.port);
    if let (Some(public), Some(port)) = (public, asked.port.filter(|port| Some(*port) != public)) {
        reasons.push(format!("the edge is reached on port {public}, the URL says {port}"));
    }
    reasons.push(format!("dialled: {} · {}", view::listener(it), view::policy(it)));
    let mode = context.settings.text("access.mode");
    let open = mode == Some("open") || it.visibility == VisibilityWord::Public;
    reasons.push(match (open, template.is_guessable(), asked.has_token) {
        (false, ..) if mode == Some("forward") => {
            "let in: whom the endpoint of access.forward_url lets in, and by links of `preview share`"
                .to_owned()
        }
        (true, ..) => "let in: everybody".to_owned(),
        (false, _, true) => "let in: browsers with a grant, and this URL while its token is good".to_owned(),
        (false, true, false) => {
            "let in: browsers with a grant; a stranger gets 502, as if it were not there".to_owned()
        }
        (false, false, false) => "let in: browsers with a grant; a stranger gets 401".to_owned(),
    });
    match view::state(it) {
        "down" => reasons
            .push("nothing listens there now: viewers get the page that waits, strangers 502".to_owned()),
        "pending" => reasons.push("it listens and has not answered yet".to_owned()),
        _ => {}
    }
    reasons
}

fn why_not(asked: &Asked, template: &UrlTemplate, all: &[AttachmentView]) -> Failure {
    let host = &asked.host;
    if !template.could_render(host) {
        let detail = format!("{host} is not a host name of {template} (edge answers 502 upstream_down)");
        return Failure::found(
            Code::NotFound,
            detail,
            "check the URL, or public_url_template: `preview config show`",
        );
    }
    let detail = format!("no attachment for {host} (edge answers 502 upstream_down)");
    let Some(port) = template.port_of(host) else {
        return Failure::found(
            Code::NotFound,
            detail,
            "it ended, or never was: `preview ls` shows what is there",
        );
    };
    let elsewhere = all.iter().find(|it| it.port == port.get());
    let listens = if is_listening(port) { "something listens there" } else { "nothing listens there" };
    let hint = match elsewhere {
        Some(it) => format!("port {port} is attached as {}: {}", it.name, it.url),
        None => format!("preview attach {port}"),
    };
    Failure::found(Code::NotFound, format!("{detail}; {listens}, not attached"), hint)
}

fn is_listening(port: Port) -> bool {
    let Ok(all) = Diag::open().and_then(|mut diag| diag.listening()) else { return false };
    let at = |loopback: Loopback| SocketAddr::new(loopback.ip(), port.get());
    [Loopback::V4, Loopback::V6].into_iter().any(|loopback| !receiving(&all, at(loopback)).is_empty())
}
