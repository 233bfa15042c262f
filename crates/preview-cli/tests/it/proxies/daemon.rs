//! With a daemon: nobody gets in without a link, and nothing is dialled but what is attached.

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::real::curl::{Answer, curl};
use xtask::real::poll;

use super::stage::{Kind, Stage, all, cookie, got, seen};
use crate::home::SOON;

const BY_PORT: &str = "web_preview:
  public_url_template: \"https://preview-{port}.preview.test:HTTPS\"
  state_dir: STATE
  ports: { deny: [OTHER] }
  edge: { http: \"localhost:HTTP\", daemon_host: daemon.test, metrics: { listen: null } }
";

const BY_ID: &str = "web_preview:
  public_url_template: \"https://{id}.preview.test:HTTPS\"
  state_dir: STATE
  access: { app_origins: [\"https://agent.example\"] }
  edge: { http: \"localhost:HTTP\", metrics: { listen: null } }
";

#[test]
fn nginx_lets_in_by_link_then_by_cookie_and_nobody_else() -> Result<()> {
    by_port(Kind::Nginx)
}

#[test]
fn caddy_lets_in_by_link_then_by_cookie_and_nobody_else() -> Result<()> {
    by_port(Kind::Caddy)
}

#[test]
fn haproxy_lets_in_by_link_then_by_cookie_and_nobody_else() -> Result<()> {
    by_port(Kind::Haproxy)
}

#[test]
fn nginx_serves_hosts_that_cannot_be_guessed() -> Result<()> {
    by_id(Kind::Nginx)
}

#[test]
fn caddy_serves_hosts_that_cannot_be_guessed() -> Result<()> {
    by_id(Kind::Caddy)
}

#[test]
fn haproxy_serves_hosts_that_cannot_be_guessed() -> Result<()> {
    by_id(Kind::Haproxy)
}

#[test]
fn where_access_is_open_everybody_reaches_what_is_attached_and_nothing_else() -> Result<()> {
    let open = BY_PORT.replace("  state_dir", "  access: { mode: open }\n  state_dir");
    for kind in [Kind::Nginx, Kind::Caddy, Kind::Haproxy] {
        let stage = Stage::new(kind, &open)?;
        stage.preview.attach(stage.app.port(), "shop")?;
        let shown = stage.ask(&stage.url(&Stage::host(stage.app.port()), "/echo"), &[])?;
        ensure!(shown.status == 200 && shown.header("set-cookie").is_none(), "{kind:?}: {shown:?}");
        let refused = stage.ask(&stage.url(&Stage::host(stage.other.port()), "/echo"), &[])?;
        ensure!(refused.status == 502 && seen(&stage.other)?.is_empty(), "{kind:?}: {refused:?}");
    }
    Ok(())
}

fn by_port(kind: Kind) -> Result<()> {
    let mut stage = Stage::new(kind, BY_PORT)?;
    let link = stage.preview.link(stage.app.port(), "shop")?;
    let (host, query) = (Stage::host(stage.app.port()), link.split_once('?').map_or("", |it| it.1));
    let token = query.split("token=").nth(1).unwrap_or_default();
    ensure!(!token.is_empty(), "{link}");

    strangers_learn_nothing(&stage, &host)?;
    let grant = a_link_is_exchanged(&stage, &host, query)?;
    the_cookie_alone_is_enough(&stage, &host, &grant)?;
    everything_streams(&stage, &host, &grant)?;
    answers_are_made_the_hosts_own(&stage, &host, &grant)?;
    the_daemon_has_its_own_host_name(&stage)?;
    plain_http_is_sent_to_https(&stage, &host)?;

    // What fails is logged most readily.
    stage.app.process().kill();
    let gone = stage.ask(&stage.url(&host, &format!("/?{query}")), &[])?;
    ensure!(matches!(gone.status, 502 | 503) && gone.body.contains("There is nothing here"), "{gone:?}");
    let written = stage.written()?;
    ensure!(written.contains("/echo"), "there is an access log: {written}");
    ensure!(!written.contains(token) && !written.contains(&grant), "a credential was logged: {written}");

    stage.preview.process().kill();
    let closed = stage.ask(&stage.url(&host, &format!("/?{query}")), &[])?;
    ensure!(closed.status == 502, "without the daemon's word nobody gets in: {closed:?}");
    Ok(())
}

/// Somebody without a link gets the same bytes whatever there is, and no listener hears of it.
fn strangers_learn_nothing(stage: &Stage, host: &str) -> Result<()> {
    let attached = stage.ask(&stage.url(host, "/"), &[])?;
    ensure!(attached.status == 502 && attached.body.contains("There is nothing here"), "{attached:?}");
    ensure!(all(&attached, "x-robots-tag") == ["noindex"], "{attached:?}");
    let edge = stage.preview.http;
    let hosts = [
        Stage::host(stage.other.port()), // listens, denied, not attached
        Stage::host(edge),               // the edge itself
        Stage::host(stage.preview.https),
        Stage::host(22),
        "preview-99999999.preview.test".into(),
        "preview-.preview.test".into(),
        format!("preview-0{}.preview.test", stage.app.port()),
        "other.preview.test".into(),
    ];
    let before = seen(&stage.app)?.len();
    for host in hosts {
        let refused = stage.ask(&stage.url(&host, "/"), &[])?;
        ensure!((refused.status, &refused.body) == (502, &attached.body), "{host}: {refused:?}");
    }
    ensure!(seen(&stage.other)?.is_empty() && seen(&stage.app)?.len() == before, "somebody was dialled");
    Ok(())
}

/// The link lets in and sets the cookies; what the visitor says of the way here is gone.
fn a_link_is_exchanged(stage: &Stage, host: &str, query: &str) -> Result<String> {
    let authority = format!("{host}:{}", stage.preview.https);
    let spoofed = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Prefix: /evil",
        "X_Forwarded_Host: evil.example",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Original-URL: /evil",
        "X-Rewrite-URL: /evil",
        "X-Middleware-Subrequest: evil",
        "Proxy: evil",
        "Preview-Session: evil",
        "Preview-Upstream: 127.0.0.1:22",
        "Remote-User: root",
        "X-Auth-Request-Email: root@example.com",
        "Remote_Groups: wheel",
        "Cookie: left=behind",
    ];
    let headers: Vec<&str> = spoofed.iter().flat_map(|line| ["--header", line]).collect();
    let first = stage.ask(&stage.url(host, &format!("/echo?{query}")), &headers)?;
    ensure!(first.status == 200, "{first:?}");
    ensure!(first.headers.starts_with("HTTP/2 200"), "{}", first.headers);
    for name in ["__Host-preview", "__Host-preview-w"] {
        cookie(&first, name)?;
    }
    ensure!(first.headers.contains("SameSite=None; Partitioned"), "{}", first.headers);
    ensure!(first.header("clear-site-data") == Some("\"cache\", \"storage\""), "{}", first.headers);
    ensure!(first.header("referrer-policy") == Some("same-origin"), "{}", first.headers);
    ensure!(all(&first, "cache-control") == ["no-store"], "{}", first.headers);

    let echoed = first.json()?;
    ensure!(echoed["url"] == format!("/echo?{query}"), "the app's SDK reads the token: {echoed}");
    for (name, value) in [
        ("host", Some(authority.as_str())),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-forwarded-host", Some(&authority)),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-prefix", None),
        ("x_forwarded_host", None),
        ("forwarded", None),
        ("x-original-url", None),
        ("x-rewrite-url", None),
        ("x-middleware-subrequest", None),
        ("proxy", None),
        ("preview-session", None),
        ("preview-upstream", None),
        ("remote-user", None),
        ("x-auth-request-email", None),
        ("remote_groups", None),
        ("cookie", None),
    ] {
        let wanted: Vec<String> = value.into_iter().map(str::to_owned).collect();
        ensure!(got(&echoed, name) == wanted, "{name}: {echoed}");
    }
    let path = format!("/headers?{query}&Clear-Site-Data=%22cookies%22");
    let cleared = stage.ask(&stage.url(host, &path), &[])?;
    ensure!(all(&cleared, "clear-site-data") == ["\"cache\", \"storage\""], "ours alone: {cleared:?}");
    cookie(&first, "__Host-preview")
}

fn the_cookie_alone_is_enough(stage: &Stage, host: &str, grant: &str) -> Result<()> {
    for version in ["--http1.1", "--http2"] {
        let cookies = format!("Cookie: a=1; {grant}; b=2");
        let again = stage.ask(&stage.url(host, "/echo"), &[version, "--header", &cookies])?;
        ensure!(again.status == 200, "{version}: {again:?}");
        ensure!(got(&again.json()?, "cookie") == ["a=1; b=2"], "our own cookies stay here: {again:?}");
        ensure!(again.header("set-cookie").is_none(), "{again:?}");
    }
    let other =
        ["--http1.1", "--cookie", grant, "--header", "Connection: Upgrade", "--header", "Upgrade: h2c"];
    let tunnel = stage.ask(&stage.url(host, "/echo"), &other)?;
    // nginx says WebSocket whatever it is told.
    let is_judged = match stage.kind {
        Kind::Nginx => tunnel.status != 101,
        _ => tunnel.status == 200 && got(&tunnel.json()?, "upgrade").is_empty(),
    };
    ensure!(is_judged, "in another protocol nothing would be judged: {tunnel:?}");
    let origin = format!("https://{host}:{}", stage.preview.https);
    let posted = stage.ask(
        &stage.url(host, "/echo"),
        &["--cookie", grant, "--data", "preview", "--header", &format!("Origin: {origin}")],
    )?;
    ensure!(posted.json()?["body"]["bytes"] == 7 && posted.json()?["method"] == "POST", "{posted:?}");
    ensure!(got(&posted.json()?, "origin") == [origin], "{posted:?}");
    let elsewhere = stage.ask(&stage.url(&Stage::host(stage.other.port()), "/"), &["--cookie", grant])?;
    ensure!(elsewhere.status == 502, "{elsewhere:?}");
    let looping = stage.ask(&stage.url(host, "/echo"), &["--cookie", grant, "--header", "Preview-Hop: 1"])?;
    ensure!(looping.status == 508, "{looping:?}");
    Ok(())
}

/// Events come as they are written, and WebSockets carry both ways.
fn everything_streams(stage: &Stage, host: &str, grant: &str) -> Result<()> {
    let mut events = stage.follow(&stage.url(host, "/sse"), grant, &[])?;
    events.wait_for_line("data: first", SOON)?;
    ensure!(!events.output().contains("tick"), "{}", events.output());
    curl(&["--request", "POST", &format!("http://127.0.0.1:{}/tick", stage.app.port())])?;
    events.wait_for_line("data: tick 1", SOON)?;

    // What nobody takes is not fetched: a proxy that kept it would have it all before these answers.
    let _slow =
        stage.follow(&stage.url(host, "/big?mb=256"), grant, &["--limit-rate", "1k", "-o", "/dev/null"])?;
    let fetched = || -> Result<u64> {
        let seen = curl(&[format!("http://127.0.0.1:{}/seen", stage.app.port())])?.json()?;
        Ok(seen["downloaded"].as_u64().unwrap_or_default())
    };
    poll("the first of a download", SOON, || Ok((fetched()? > 0).then_some(())))?;
    for _ in 0..20 {
        ensure!(stage.ask(&stage.url(host, "/echo"), &["--cookie", grant])?.status == 200);
    }
    ensure!(fetched()? < 64 << 20, "{} bytes were fetched for nobody", fetched()?);

    ensure!(stage.socket(host, &["--cookie", grant])? == "echoed hello");
    ensure!(stage.socket(host, &[])?.starts_with("refused"), "without a grant");
    if stage.kind == Kind::Haproxy {
        ensure!(stage.socket(host, &["--http2", "--cookie", grant])? == "echoed hello");
        ensure!(stage.socket(host, &["--http2"])?.starts_with("refused"), "without a grant");
    }
    let foreign = [
        "--http1.1",
        "--cookie",
        grant,
        "--header",
        "Connection: Upgrade",
        "--header",
        "Upgrade: websocket",
        "--header",
        "Sec-WebSocket-Version: 13",
        "--header",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "--header",
        "Origin: https://evil.example",
    ];
    let refused = stage.ask(&stage.url(host, "/ws"), &foreign)?;
    ensure!(refused.status == 403, "{refused:?}");
    Ok(())
}

fn answers_are_made_the_hosts_own(stage: &Stage, host: &str, grant: &str) -> Result<()> {
    let ask = |path: &str| stage.ask(&stage.url(host, path), &["--cookie", grant]);
    let moved = ask(&format!("/redirect?to=http://localhost:{}/x/y?z=1", stage.app.port()))?;
    ensure!(moved.status == 302 && moved.header("location") == Some("/x/y?z=1"), "{moved:?}");
    let away = ask("/redirect?to=https://elsewhere.example/x")?;
    ensure!(away.header("location") == Some("https://elsewhere.example/x"), "{away:?}");
    let set = ask("/set-cookie?c=a=1%3B%20Domain%3Dpreview.test%3B%20Path%3D/&c=b=2")?;
    let domain = set.headers.lines().find(|line| line.to_lowercase().contains("domain="));
    let is_own = domain.is_none_or(|line| line.to_lowercase().contains(&format!("domain={host}")));
    ensure!(is_own, "{set:?}");
    for name in ["a", "b"] {
        cookie(&set, name)?;
    }
    for domain in ["Domain%20%3Dpreview.test", "Domain%3Dx%3B%20domain%3Dpreview.test"] {
        let set = ask(&format!("/set-cookie?c=a=1%3B%20{domain}"))?;
        ensure!(!set.headers.to_lowercase().contains("=preview.test"), "{domain}: {set:?}");
    }
    let framed = ask("/headers?X-Frame-Options=DENY&X-Robots-Tag=all&Cache-Control=max-age%3D60")?;
    ensure!(framed.header("x-frame-options").is_none(), "{framed:?}");
    ensure!(all(&framed, "x-robots-tag") == ["noindex"], "{framed:?}");
    ensure!(all(&framed, "cache-control") == ["max-age=60"], "{framed:?}");
    let elsewhere = ask("/headers?Clear-Site-Data=%22cookies%22&Alt-Svc=h3%3D%22%3A3000%22")?;
    ensure!(elsewhere.header("clear-site-data").is_none(), "viewers of other previews: {elsewhere:?}");
    ensure!(elsewhere.header("alt-svc").is_none(), "{elsewhere:?}");
    let failing = ask("/status?code=503")?;
    ensure!(failing.status == 503 && failing.body == "{}", "the dev server's own words stand: {failing:?}");
    Ok(())
}

fn the_daemon_has_its_own_host_name(stage: &Stage) -> Result<()> {
    let health = stage.ask(&stage.url("daemon.test", "/health"), &[])?;
    ensure!(health.status == 200, "{health:?}");
    let closed = stage.ask(&stage.url("daemon.test", "/v1/attachments"), &[])?;
    ensure!(closed.status == 401 && closed.json()?["code"] == "unauthorized", "{closed:?}");
    let asked = stage.ask(&stage.url("daemon.test", "/auth/verify"), &[])?;
    ensure!(asked.status == 403, "only proxies speak for browsers: {asked:?}");
    Ok(())
}

fn plain_http_is_sent_to_https(stage: &Stage, host: &str) -> Result<()> {
    let url = format!("http://{host}:{}/a/b?c=d&e", stage.plain);
    let moved = stage.ask(&url, &[])?;
    let there = stage.url(host, "/a/b?c=d&e");
    ensure!((moved.status, moved.header("location")) == (301, Some(there.as_str())), "{moved:?}");
    Ok(())
}

fn by_id(kind: Kind) -> Result<()> {
    let stage = Stage::new(kind, BY_ID)?;
    let (mine, theirs) = (
        stage.preview.attach(stage.app.port(), "mine")?,
        stage.preview.attach(stage.other.port(), "theirs")?,
    );
    let (host, other) = (host_of(&mine), host_of(&theirs));
    let query = format!("session_id=s&token={}", text(&mine, "token"));
    let ask = |host: &str, path: &str, args: &[&str]| stage.ask(&stage.url(host, path), args);

    let stranger = ask(host, "/", &[])?;
    ensure!(stranger.status == 401 && all(&stranger, "x-robots-tag") == ["noindex"], "{stranger:?}");
    ensure!(ask(host, "/?session_id=s&token=wrong", &[])?.status == 401);
    ensure!(ask(other, &format!("/?{query}"), &[])?.status == 401, "a token of another attachment");
    let first = ask(host, &format!("/echo?{query}"), &["--header", "Cookie: a=1"])?;
    ensure!(first.status == 200 && first.header("clear-site-data").is_none(), "{first:?}");
    ensure!(got(&first.json()?, "cookie") == ["a=1"], "nobody had this host before: {first:?}");
    let policy = first.header("content-security-policy");
    ensure!(policy == Some("frame-ancestors 'self' https://agent.example"), "{first:?}");
    let grant = cookie(&first, "__Host-preview")?;
    ensure!(ask(host, "/echo", &["--cookie", &grant])?.status == 200);
    ensure!(ask(other, "/echo", &["--cookie", &grant])?.status == 401, "a grant of another attachment");

    // The dev server is asked as localhost where it wants that, whatever the template.
    let body = serde_json::json!({ "session_id": "s", "user_id": "u", "port": stage.app.port(), "name": "mine",
                                   "host_header": "loopback" });
    let anew = stage.preview.call("POST", "/v1/attachments", Some(&body))?;
    ensure!(anew.status == 200, "{anew:?}");
    let origin = format!("Origin: https://{host}:{}", stage.preview.https);
    let local = ask(host, "/echo", &["--cookie", &grant, "--header", &origin])?.json()?;
    let authority = format!("localhost:{}", stage.app.port());
    ensure!(got(&local, "host") == [authority.clone()], "{local}");
    ensure!(got(&local, "origin") == [format!("http://{authority}")], "{local}");
    ensure!(got(&local, "x-forwarded-host").is_empty() && got(&local, "x-forwarded-proto").is_empty());

    let id = text(&mine, "id");
    let revoked = stage.preview.call("POST", &format!("/v1/attachments/{id}/revoke"), None)?;
    ensure!(revoked.status == 200, "{revoked:?}");
    ensure!(ask(host, "/echo", &["--cookie", &grant])?.status == 401, "the cookie is worth nothing now");
    ensure!(ask(host, &format!("/echo?{query}"), &[])?.status == 401, "and neither is the link");
    let fresh = revoked.json()?;
    let query = format!("session_id=s&token={}", text(&fresh, "token"));
    ensure!(ask(host, &format!("/echo?{query}"), &[])?.status == 200);

    let gone = stage.preview.call("DELETE", &format!("/v1/attachments/{id}"), None)?;
    ensure!(gone.status == 200, "{gone:?}");
    let refused: Answer = ask(host, &format!("/echo?{query}"), &[])?;
    ensure!(refused.status == 401, "{refused:?}");
    Ok(())
}

fn host_of(view: &Value) -> &str {
    let url = text(view, "url").trim_start_matches("https://");
    url.split(':').next().unwrap_or_default()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
