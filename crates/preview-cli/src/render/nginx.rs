//! nginx: `auth_request` asks the daemon.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::plan::{self, Certificate, Judge, Plan};
use super::quote::{Language, word};
use super::{File, SPOOFABLE, about, fill, range};
use crate::failure::Failure;

const ASK: &str = "\
# The daemon says whether the visit is let in, to which listener, and as what.
auth_request /.preview/verify;
auth_request_set $preview_upstream $upstream_http_preview_upstream;
auth_request_set $preview_host $upstream_http_preview_host;
auth_request_set $preview_origin $upstream_http_preview_origin;
auth_request_set $preview_referer $upstream_http_preview_referer;
auth_request_set $preview_cookie $upstream_http_preview_cookie;
auth_request_set $preview_forwarded_host $upstream_http_preview_forwarded_host;
auth_request_set $preview_forwarded_proto $upstream_http_preview_forwarded_proto;
auth_request_set $preview_forwarded_port $upstream_http_preview_forwarded_port;
auth_request_set $preview_grant $upstream_http_preview_set_cookie;
auth_request_set $preview_grant_w $upstream_http_preview_set_cookie_w;
auth_request_set $preview_clear $upstream_http_preview_clear_site_data;
auth_request_set $preview_referrer $upstream_http_preview_referrer_policy;

# The attached listener alone: 127.0.0.1:PORT or [::1]:PORT, never what a host name says.
proxy_pass http://$preview_upstream;";

const FORWARDED_BY_DAEMON: &str = "\
# What the daemon does not tell is empty, and nginx sends no empty header: the dev server sees one consistent
# world, its public name everywhere or localhost everywhere, and never our own cookies.
proxy_set_header Host $preview_host;
proxy_set_header Origin $preview_origin;
proxy_set_header Referer $preview_referer;
proxy_set_header Cookie $preview_cookie;
proxy_set_header X-Forwarded-Host $preview_forwarded_host;
proxy_set_header X-Forwarded-Proto $preview_forwarded_proto;
proxy_set_header X-Forwarded-Port $preview_forwarded_port;";

const ANSWER: &str = "\
# A good link is exchanged for cookies; what an attachment before this one left in the browser is cleared.
add_header Set-Cookie $preview_grant always;
add_header Set-Cookie $preview_grant_w always;
add_header Clear-Site-Data $preview_clear always;
# A URL with a token stays with its own host.
add_header Referrer-Policy $preview_referrer always;
# What hands over a cookie, no cache may keep; else the dev server says what may be kept.
proxy_hide_header Cache-Control;
add_header Cache-Control $preview_cache_control always;
# Who may frame previews is not the dev server's to say.
proxy_hide_header X-Frame-Options;";

const VERIFY: &str = "
# The question to the daemon. Nobody reaches this path from outside.
location = /.preview/verify {
    internal;
    proxy_pass http://preview_verify/auth/verify;
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host preview;
    # Method, host, path and query as they came: what is judged is what is forwarded.
    proxy_set_header X-Forwarded-Method $request_method;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Uri $request_uri;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_pass_request_body off;
    proxy_set_header Content-Length \"\";
    # The visitor's cookies come back without ours.
    proxy_buffer_size 64k;
    proxy_buffers 4 64k;
    proxy_busy_buffers_size 64k;
    proxy_connect_timeout 2s;
    proxy_read_timeout 5s;
}
";

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let mut maps = String::new();
    let (judge, forwarded, answer, verify) = match &plan.judge {
        Judge::Daemon { verify: socket } => {
            let socket = word(Language::Nginx, "the socket", &format!("unix:{}", socket.display()))?;
            let _ = write!(
                maps,
                "# nginx's workers must be able to open it: `api.verify_group: www-data`.\n\
                 upstream preview_verify {{\n    server {socket};\n    keepalive 32;\n}}\n{CACHE_CONTROL}"
            );
            (ASK, FORWARDED_BY_DAEMON, framing(plan, ANSWER)?, VERIFY)
        }
        Judge::Static { .. } => {
            maps.push_str(&static_map(plan)?);
            (STATIC, FORWARDED_STATIC, String::new(), "")
        }
    };
    let tls = if plan.is_https() { tls(plan.certificate()?)? } else { String::new() };
    let mut spoofable = SPOOFABLE.iter().fold(String::new(), |mut all, name| {
        let _ = writeln!(all, "proxy_set_header {name} \"\";");
        all
    });
    if !plan.identity.is_empty() {
        spoofable.push_str("# Nor who he is, where a login would (access.forward_headers).\n");
    }
    for name in &plan.identity {
        let name = word(Language::Nginx, "access.forward_headers", name.as_str())?;
        let _ = writeln!(spoofable, "proxy_set_header {name} \"\";");
    }
    let values = [
        ("TEMPLATE", plan.template.as_str()),
        ("ABOUT", &about(plan, "#")),
        ("MAPS", &maps),
        ("REDIRECT", &redirect(plan)?),
        ("LISTEN", &listen(plan, plan.place.port.get(), plan.is_https())),
        ("PATTERN", &plan.pattern()),
        ("MORE_NAMES", ""),
        ("TLS", &tls),
        ("LOG", &word(Language::Nginx, "--log", &plan.log.display().to_string())?),
        ("REAL_IP", &real_ip(plan)),
        ("ERROR_PAGES", error_pages(plan)),
        ("JUDGE", judge),
        ("FORWARDED", forwarded),
        ("SPOOFABLE", &spoofable),
        ("ANSWER", &answer),
        ("VERIFY", verify),
        ("DAEMON_HOST", &daemon_host(plan, &tls)?),
    ];
    Ok(vec![File { name: "preview.conf", text: fill(include_str!("nginx.conf"), &values) }])
}

const CACHE_CONTROL: &str = "
# What the dev server says of caching stands, but for an answer that hands over a cookie.
map $preview_grant $preview_cache_control {
    \"\"      $upstream_http_cache_control;
    default no-store;
}
";

const STATIC: &str = "\
if ($preview_upstream = \"\") {
    return 502;
}
proxy_pass http://$preview_upstream;";

const FORWARDED_STATIC: &str = "\
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Port $server_port;";

/// The port of a host name, within the allowed ones alone.
fn static_map(plan: &Plan) -> Result<String, Failure> {
    let Judge::Static { ports } = &plan.judge else { return Ok(String::new()) };
    let (before, after) = plan.around_port()?;
    let (ranges, refused) = plan::ranges(ports);
    let mut map = String::from(
        "# The port in the host name, as long as it is one of ports.allow and none of ports.deny or our own.\n\
         map $host $preview_upstream {\n    default \"\";\n",
    );
    for port in refused {
        let _ = writeln!(map, "    \"{before}{port}{after}.{}\" \"\";", plan.template.base());
    }
    for (first, last) in ranges {
        let expression = range::expression(first, last);
        let pattern = plan.pattern();
        let _ = writeln!(
            map,
            "    \"~^{before}(?<preview_port>{expression}){after}{pattern}$\" 127.0.0.1:$preview_port;"
        );
    }
    map.push_str("}\n");
    Ok(map)
}

fn listen(plan: &Plan, port: u16, tls: bool) -> String {
    let ssl = if tls { " ssl http2" } else { "" };
    if plan.place.addresses.is_empty() {
        return format!("listen {port}{ssl};\nlisten [::]:{port}{ssl};");
    }
    let line = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => format!("listen {ip}:{port}{ssl};\n"),
        IpAddr::V6(ip) => format!("listen [{ip}]:{port}{ssl};\n"),
    };
    plan.place.addresses.iter().map(line).collect()
}

fn tls(Certificate { cert, key }: &Certificate) -> Result<String, Failure> {
    let path = |what, path: &std::path::Path| word(Language::Nginx, what, &path.display().to_string());
    Ok(format!(
        "# nginx reads them when it starts or reloads: whoever renews them must reload it.\n\
         ssl_certificate {};\nssl_certificate_key {};\nssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_session_cache shared:preview:10m;",
        path("--cert", cert)?,
        path("--key", key)?
    ))
}

fn redirect(plan: &Plan) -> Result<String, Failure> {
    let Some(port) = plan.place.redirect else { return Ok(String::new()) };
    let names = match &plan.daemon_host {
        Some((host, _)) => format!(" {}", word(Language::Nginx, "edge.daemon_host", host)?),
        None => String::new(),
    };
    Ok(format!(
        "# Plain HTTP is sent to https, path and query kept.\n\
         server {{\n    {}\n    server_name \"~^[a-z0-9-]+{}$\"{names};\n    access_log {} preview;\n    \
         error_log stderr emerg;\n    server_tokens off;\n    return 301 https://$host{}$request_uri;\n}}\n",
        listen(plan, port.get(), false).trim_end().replace('\n', "\n    "),
        plan.pattern(),
        word(Language::Nginx, "--log", &plan.log.display().to_string())?,
        plan.port_suffix()
    ))
}

fn real_ip(plan: &Plan) -> String {
    if plan.trusted.is_empty() {
        return String::new();
    }
    let mut lines =
        String::from("# The proxies in front of this one say who the visitor is (edge.trusted_proxies).\n");
    for network in &plan.trusted {
        let _ = writeln!(lines, "set_real_ip_from {network};");
    }
    lines + "real_ip_header X-Forwarded-For;\nreal_ip_recursive on;"
}

fn error_pages(plan: &Plan) -> &'static str {
    match &plan.judge {
        Judge::Daemon { .. } if plan.template.is_guessable() => {
            "# Not let in, nothing attached, nothing listening, no daemon: all the same to a stranger.\n\
             error_page 401 500 502 504 =502 @preview_nobody;"
        }
        Judge::Daemon { .. } => {
            "# Nothing listening, or no daemon.\nerror_page 500 502 504 =502 @preview_nobody;"
        }
        Judge::Static { .. } => "error_page 502 504 =502 @preview_nobody;",
    }
}

/// Who may frame previews: everybody, or the agent's app.
fn framing(plan: &Plan, answer: &str) -> Result<String, Failure> {
    if plan.app_origins.is_empty() {
        return Ok(answer.to_owned());
    }
    let policy = format!("frame-ancestors 'self' {}", plan.app_origins.join(" "));
    let policy = word(Language::Nginx, "access.app_origins", &policy)?;
    Ok(format!("{answer}\nadd_header Content-Security-Policy {policy} always;"))
}

fn daemon_host(plan: &Plan, tls: &str) -> Result<String, Failure> {
    let Some((host, socket)) = &plan.daemon_host else { return Ok(String::new()) };
    let values = [
        ("LISTEN", listen(plan, plan.place.port.get(), plan.is_https())),
        ("HOST", word(Language::Nginx, "edge.daemon_host", host)?),
        ("TLS", tls.to_owned()),
        ("LOG", word(Language::Nginx, "--log", &plan.log.display().to_string())?),
        ("REAL_IP", real_ip(plan)),
        ("SOCKET", word(Language::Nginx, "the socket", &format!("unix:{}", socket.display()))?),
    ];
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(format!("\n{}", fill(DAEMON_HOST, &values)))
}

const DAEMON_HOST: &str = "\
# The daemon's API by its own host name, where a bearer key is needed. nginx's workers must be able to open the
# socket: `api.edge_group: www-data`. The certificate must cover this name too.
upstream preview_daemon {
    server @SOCKET@;
}
server {
    @LISTEN@
    server_name @HOST@;
    @TLS@
    access_log @LOG@ preview;
    error_log stderr emerg;
    server_tokens off;
    @REAL_IP@
    location / {
        proxy_pass http://preview_daemon;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $preview_upgrade;
        proxy_set_header Connection $preview_connection;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header Forwarded \"\";
        proxy_set_header Preview-Token \"\";
        # Events, and logs that are followed.
        proxy_buffering off;
        proxy_read_timeout 86400s;
    }
}";
