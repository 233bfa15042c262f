//! Caddy 2: the daemon is asked as `forward_auth` would ask it, written out, because the answer says where to forward.

use std::fmt::Write as _;

use super::plan::{self, Certificate, Judge, Plan};
use super::quote::{Language, word};
use super::{File, about, fill, range};
use crate::failure::Failure;

const ASK: &str = "\
# The daemon says whether the visit is let in, to which listener, and as what. Its socket is Caddy's to open:
# `api.verify_group: caddy`.
reverse_proxy @SOCKET@ {
	method GET
	rewrite /auth/verify
	header_up Host preview
	# Method, host, path and query as they came: what is judged is what is forwarded.
	header_up X-Forwarded-Method {method}
	header_up X-Forwarded-Host {host}
	header_up X-Forwarded-Uri {uri}
	@TRUST@
	transport http {
		dial_timeout 2s
		response_header_timeout 5s
	}
	@let_in status 204
	handle_response @let_in {
		vars preview_upstream {rp.header.Preview-Upstream}
		vars preview_host {rp.header.Preview-Host}
		vars preview_origin {rp.header.Preview-Origin}
		vars preview_referer {rp.header.Preview-Referer}
		vars preview_cookie {rp.header.Preview-Cookie}
		vars preview_forwarded_host {rp.header.Preview-Forwarded-Host}
		vars preview_forwarded_proto {rp.header.Preview-Forwarded-Proto}
		vars preview_forwarded_port {rp.header.Preview-Forwarded-Port}
		vars preview_grant {rp.header.Preview-Set-Cookie}
		vars preview_grant_w {rp.header.Preview-Set-Cookie-W}
		vars preview_clear {rp.header.Preview-Clear-Site-Data}
		vars preview_referrer {rp.header.Preview-Referrer-Policy}
	}
	@REFUSED@
	# Anything else: not let in, or something is wrong. Nothing goes on from here.
	handle_response {
		error 502
	}
}

# The dev server sees one consistent world, its public name everywhere or localhost everywhere, and never our
# own cookies: what the daemon does not tell is not sent.
request_header -Origin
request_header @has_origin Origin {vars.preview_origin}
request_header -Referer
request_header @has_referer Referer {vars.preview_referer}
request_header -Cookie
request_header @has_cookie Cookie {vars.preview_cookie}";

const MATCHERS: &str = "\
@has_origin not vars {vars.preview_origin} \"\"
@has_referer not vars {vars.preview_referer} \"\"
@has_cookie not vars {vars.preview_cookie} \"\"
@has_grant not vars {vars.preview_grant} \"\"
@has_grant_w not vars {vars.preview_grant_w} \"\"
@clears not vars {vars.preview_clear} \"\"
@shows_token not vars {vars.preview_referrer} \"\"
@preserve not vars {vars.preview_forwarded_host} \"\"";

const ANSWER: &str = "\
# A good link is exchanged for cookies; what an attachment before this one left in the browser is cleared.
header @has_grant +Set-Cookie {vars.preview_grant}
header @has_grant_w +Set-Cookie {vars.preview_grant_w}
header @clears {
	Clear-Site-Data {vars.preview_clear}
	defer
}
# A URL with a token stays with its own host.
header @shows_token {
	Referrer-Policy {vars.preview_referrer}
	defer
}
# What hands over a cookie, no cache may keep.
header @has_grant {
	Cache-Control no-store
	defer
}
# Who may frame previews is not the dev server's to say.
header -X-Frame-Options";

const FORWARD: &str = "\
# The attached listener alone: 127.0.0.1:PORT or [::1]:PORT, never what a host name says.
reverse_proxy @preserve {vars.preview_upstream} {
	import preview_devserver
	header_up X-Forwarded-Host {vars.preview_forwarded_host}
	header_up X-Forwarded-Proto {vars.preview_forwarded_proto}
	header_up X-Forwarded-Port {vars.preview_forwarded_port}
}
reverse_proxy {vars.preview_upstream} {
	import preview_devserver
	header_up -X-Forwarded-Host
	header_up -X-Forwarded-Proto
}";

const FORWARD_STATIC: &str = "\
@listener not vars {preview_upstream} \"\"
reverse_proxy @listener {preview_upstream} {
	import preview_devserver
	header_up X-Forwarded-Port {port}
}
error 502";

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let trust = trust(plan);
    let (matchers, judge, answer, forward) = match &plan.judge {
        Judge::Daemon { verify } => {
            let socket = word(Language::Caddy, "the socket", &format!("unix/{}", verify.display()))?;
            let refused = if plan.template.is_guessable() { GUESSABLE } else { TOLD };
            let values = [("SOCKET", socket.as_str()), ("TRUST", &trust), ("REFUSED", refused)];
            (MATCHERS.to_owned(), fill(ASK, &values), framing(plan)?, FORWARD.to_owned())
        }
        Judge::Static { .. } => (
            String::new(),
            static_map(plan)?,
            "header -X-Frame-Options".to_owned(),
            FORWARD_STATIC.to_owned(),
        ),
    };
    let base = plan.template.base();
    let scheme = plan.template.scheme().as_str();
    let tls = if plan.is_https() { tls(plan.certificate()?)? } else { String::new() };
    let values = [
        ("TEMPLATE", plan.template.as_str()),
        ("ABOUT", &about(plan, "#")),
        ("REDIRECT", &redirect(plan)),
        ("SITE", &format!("{scheme}://*.{base}:{}", plan.place.port)),
        ("BIND", &bind(plan)),
        ("TLS", &tls),
        ("MATCHERS", &matchers),
        ("JUDGE", &judge),
        ("ANSWER", &answer),
        ("FORWARD", &forward),
        ("TRUST", &trust),
        ("IDENTITY", &identity(plan)?),
        ("LOG", LOG),
        ("DAEMON_HOST", &daemon_host(plan, &tls)?),
    ];
    let text = fill(include_str!("Caddyfile"), &values);
    Ok(vec![File { name: "Caddyfile", text }])
}

const LOG: &str = "\
output stderr
format filter {
	wrap json
	fields {
		# Of a URL only the token and its session go; Referer, Location and cookies may repeat them.
		request>uri query {
			delete token
			delete session_id
		}
		request>headers delete
		resp_headers delete
	}
}";

const GUESSABLE: &str = "\
@refused status 403
handle_response @refused {
	respond 403
}";

const TOLD: &str = "\
@unauthorized status 401
handle_response @unauthorized {
	respond 401
}
@refused status 403
handle_response @refused {
	respond 403
}
@too_often status 429
handle_response @too_often {
	respond 429
}";

/// The port in the host name, as long as it is allowed.
fn static_map(plan: &Plan) -> Result<String, Failure> {
    let Judge::Static { ports } = &plan.judge else { return Ok(String::new()) };
    let (before, after) = plan.around_port()?;
    let (ranges, refused) = plan::ranges(ports);
    let mut map = String::from(
        "# The port in the host name, as long as it is one of ports.allow and none of ports.deny or our own.\n\
         map {host} {preview_upstream} {\n",
    );
    for port in refused {
        let _ = writeln!(map, "\t{before}{port}{after}.{} \"\"", plan.template.base());
    }
    for (first, last) in ranges {
        let expression = range::expression(first, last);
        let pattern = plan.pattern();
        let _ = writeln!(map, "\t~^{before}({expression}){after}{pattern}$ \"127.0.0.1:${{1}}\"");
    }
    map.push_str("\tdefault \"\"\n}\nvars preview_host {hostport}");
    Ok(map)
}

fn tls(Certificate { cert, key }: &Certificate) -> Result<String, Failure> {
    Ok(format!(
        "# Caddy reads them when it starts: whoever renews them must restart it. Its own ACME client gets no wildcard\n\
         # certificate without a plugin for the DNS provider, which Debian's Caddy has none of.\n\
         tls {} {}",
        word(Language::Caddy, "--cert", &cert.display().to_string())?,
        word(Language::Caddy, "--key", &key.display().to_string())?
    ))
}

fn bind(plan: &Plan) -> String {
    let all: Vec<String> = plan.place.addresses.iter().map(ToString::to_string).collect();
    if all.is_empty() { String::new() } else { format!("bind {}", all.join(" ")) }
}

fn redirect(plan: &Plan) -> String {
    let Some(port) = plan.place.redirect else { return String::new() };
    let base = plan.template.base();
    let daemon =
        plan.daemon_host.as_ref().map(|(host, _)| format!(", http://{host}:{port}")).unwrap_or_default();
    let values = [
        ("NAMES", format!("http://*.{base}:{port}{daemon}")),
        ("BIND", bind(plan)),
        ("PORT", plan.port_suffix()),
    ];
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fill(
        "# Plain HTTP is sent to https, path and query kept.\n@NAMES@ {\n\t@BIND@\n\t\
         redir https://{host}@PORT@{uri} 301\n}\n",
        &values,
    )
}

/// What visitors may not say of themselves.
fn identity(plan: &Plan) -> Result<String, Failure> {
    let mut lines = String::new();
    if !plan.identity.is_empty() {
        lines.push_str("# Nor who he is, where a login would (access.forward_headers).\n");
    }
    for name in &plan.identity {
        let name = word(Language::Caddy, "access.forward_headers", &format!("-{name}"))?;
        let _ = writeln!(lines, "request_header {name}");
    }
    Ok(lines)
}

/// Where the visitor comes from.
fn trust(plan: &Plan) -> String {
    if plan.trusted.is_empty() {
        return "# Set, not added to: what the visitor sent of it is gone.\nheader_up X-Real-IP {remote_host}\n\
                header_up X-Forwarded-For {remote_host}"
            .to_owned();
    }
    format!(
        "# The proxies in front of this one say who the visitor is (edge.trusted_proxies).\ntrusted_proxies {}",
        plan.trusted_words()
    )
}

/// Who may frame previews: everybody, or the agent's app.
fn framing(plan: &Plan) -> Result<String, Failure> {
    if plan.app_origins.is_empty() {
        return Ok(ANSWER.to_owned());
    }
    let policy = format!("frame-ancestors 'self' {}", plan.app_origins.join(" "));
    let policy = word(Language::Caddy, "access.app_origins", &policy)?;
    Ok(format!("{ANSWER}\nheader +Content-Security-Policy {policy}"))
}

fn daemon_host(plan: &Plan, tls: &str) -> Result<String, Failure> {
    let Some((host, socket)) = &plan.daemon_host else { return Ok(String::new()) };
    let scheme = plan.template.scheme().as_str();
    let values = [
        ("SITE", format!("{scheme}://{host}:{}", plan.place.port)),
        ("BIND", bind(plan)),
        ("TLS", tls.to_owned()),
        ("SOCKET", word(Language::Caddy, "the socket", &format!("unix/{}", socket.display()))?),
        ("TRUST", trust(plan)),
        ("LOG", LOG.to_owned()),
    ];
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(format!("\n{}", fill(DAEMON_HOST, &values)))
}

const DAEMON_HOST: &str = "\
# The daemon's API by its own host name, where a bearer key is needed. The socket is Caddy's to open:
# `api.edge_group: caddy`. The certificate must cover this name too.
@SITE@ {
	@BIND@
	@TLS@
	log {
		@LOG@
	}
	request_header -Forwarded
	request_header -Preview-Token
	reverse_proxy @SOCKET@ {
		flush_interval -1
		@TRUST@
	}
}";
