//! A token and a grant are looked for everywhere, and found only where the contract says: the token in the dev
//! server's URL, the grant nowhere but in the browser, and what a login knows somebody by at that login alone.

mod places;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::real::curl::{Answer, curl};
use xtask::real::login::Mood;
use xtask::real::preview::Preview;
use xtask::real::{EchoServer, Login, Process, echo, free_port, free_port_outside, poll};

use crate::pair::SOON;
use places::{Found, Places};

/// What a client logs in with by a header.
const PASSWORD: &str = "canary-of-the-password";

/// A word that is no secret and goes the same ways: where it is not found, nothing would be.
const MARK: &str = "canary-of-the-path";

const CONFIG: &str = "web_preview:
  public_url_template: \"https://preview-{port}.localhost:HTTPS\"
  state_dir: STATE
  access: { ACCESS }
  log: { level: trace, format: text }
  edge:
    http: \"localhost:HTTP\"
    https: \"localhost:HTTPS\"
    metrics: { listen: \"127.0.0.1:METRICS\" }
";

#[test]
fn a_token_goes_to_the_dev_servers_url_alone_and_a_grant_nowhere() -> Result<()> {
    let mut story = Story::begin("handoff: pass")?;
    story.visit()?;
    story.call()?;
    let found = story.search()?;
    ensure!(found.places(&story.token) == ["upstream: header referer", "upstream: the URL"], "{found:?}");
    ensure!(found.places(&story.share) == ["upstream: the URL"], "{found:?}");
    for grant in &story.grants {
        ensure!(found.of(grant).is_empty(), "a grant was found: {:?}", found.of(grant));
    }
    Ok(())
}

#[test]
fn a_stripped_token_goes_nowhere_at_all() -> Result<()> {
    let mut story = Story::begin("handoff: strip")?;
    story.visit()?;
    story.call()?;
    let found = story.search()?;
    for secret in story.grants.iter().chain([&story.token, &story.share]) {
        let found = found.of(secret);
        // A page's own subresources name it in `Referer`; there the browser has been sent on before.
        ensure!(found.keys().all(|place| *place == "upstream: header referer"), "{found:?}");
    }
    Ok(())
}

#[test]
fn what_a_login_knows_somebody_by_goes_to_that_login_alone() -> Result<()> {
    let login = Login::start("preview.test")?;
    let access = format!("mode: forward, forward_cache: 1s, forward_url: \"{}\"", login.endpoint());
    let mut story = Story::begin(&access)?;
    let session = story.log_in(&login)?;
    story.call()?;
    let found = story.search()?;
    let asked = login.questions().concat();
    ensure!(asked.contains(&session) && asked.contains(PASSWORD), "it was not asked: {asked}");
    ensure!(found.of(&session).is_empty(), "the login's cookie was found: {:?}", found.of(&session));
    // The header that may be the dev server's own goes on to it, as docs/access.md says, and nowhere else.
    ensure!(found.places(PASSWORD) == ["upstream: another header"], "{:?}", found.of(PASSWORD));
    for secret in story.grants.iter().chain([&story.token]) {
        ensure!(found.of(secret).is_empty() && !asked.contains(secret.as_str()), "{:?}", found.of(secret));
    }
    ensure!(found.places(&story.share) == ["upstream: the URL"], "{found:?}");
    ensure!(!asked.contains(&story.share), "the login was told a shared link");
    Ok(())
}

/// A pair that logs all there is to log, a dev server that records, and somebody who visits it.
struct Story {
    preview: Preview,
    server: EchoServer,
    metrics: u16,
    origin: String,
    id: String,
    token: String,
    share: String,
    /// Values of the cookies that the browser holds.
    grants: Vec<String>,
    /// More secrets of this story.
    others: Vec<String>,
    /// What anybody was answered but by the calls that hand secrets out, by the place it is.
    answers: Vec<(&'static str, String)>,
    /// What the dev server tells of all it was sent.
    upstream: Value,
}

impl Story {
    fn begin(access: &str) -> Result<Self> {
        let metrics = free_port_outside()?;
        let config = CONFIG.replace("ACCESS", access).replace("METRICS", &metrics.to_string());
        let preview = Preview::up(&config)?;
        let server = EchoServer::start(free_port()?)?;
        let view = preview.attach(server.port(), "web")?;
        let id = view["id"].as_str().context("an id")?.to_owned();
        let token = view["token"].as_str().context("a token")?.to_owned();
        let origin = view["url"].as_str().context("a URL")?.trim_end_matches('/').to_owned();
        let wish = json!({ "label": "a friend", "read_only": true });
        let share = preview.call("POST", &format!("/v1/attachments/{id}/shares"), Some(&wish))?.json()?;
        let share =
            share["url"].as_str().and_then(|it| it.split("token=").nth(1)).context("a link")?.to_owned();
        let (grants, others, answers, upstream) = (Vec::new(), Vec::new(), Vec::new(), Value::Null);
        Ok(Self { preview, server, metrics, origin, id, token, share, grants, others, answers, upstream })
    }

    /// A login's cookie and a password, shown to the edge in all ways: let in, kept out, to a login that is down.
    fn log_in(&mut self, login: &Login) -> Result<String> {
        let cookie = login.log_in("ada");
        let session = cookie.split('=').nth(1).context("a value")?.to_owned();
        self.others.extend([session.clone(), PASSWORD.to_owned()]);
        let (origin, share, token) = (self.origin.clone(), self.share.clone(), self.token.clone());
        let (page, link) = (format!("{origin}/echo"), format!("{origin}/{MARK}?session_id=s&token={token}"));
        let held = format!("Cookie: own=1; {cookie}");
        let password = format!("Authorization: Bearer {PASSWORD}");
        for protocol in ["--http1.1", "--http2"] {
            let both = [protocol, "-H", &held, "-H", &password];
            let entered = self.curl(&[&both[..], &[&page]].concat())?;
            ensure!(entered.status == 200 && entered.body.contains("ada@example.com"), "{entered:?}");
            let written = format!("{origin}/set-cookie?c=_oauth2_proxy=planted");
            ensure!(self.curl(&[&both[..], &[&written]].concat())?.header("set-cookie").is_none());
            for mood in [Mood::Answers(401), Mood::Answers(403), Mood::Answers(500), Mood::Well] {
                login.be(mood);
                let wrong = format!("{held}x; __Host-preview={token}");
                let words =
                    [protocol, "-H", &wrong, "-H", &password, "-H", "Sec-Fetch-Mode: navigate", &link];
                ensure!(self.curl(&words)?.status != 200, "{mood:?}");
            }
        }
        let mut socket = self.socket(&cookie, &[])?;
        socket.wait_for_line("echoed hello", SOON)?;
        let lent = self.curl(&[&format!("{origin}/{MARK}?session_id=s&token={share}")])?;
        self.grants.extend(grants(&lent).into_values());
        ensure!(self.grants.len() == 2, "no grant for the shared link");
        self.upstream = curl(&[format!("http://127.0.0.1:{}/seen", self.server.port())])?.json()?;
        Ok(session)
    }

    /// All ways to show a token or a grant to the edge, good ones and bad ones, by both protocols.
    fn visit(&mut self) -> Result<()> {
        let origin = self.origin.clone();
        let opened = |token: &str| format!("{origin}/{MARK}?session_id=s&token={token}");
        let (link, share) = (opened(&self.token), opened(&self.share));
        let entered = self.curl(&["--http2", "-H", "Sec-Fetch-Mode: navigate", &link])?;
        let cookies = grants(&entered);
        ensure!(cookies.len() == 2, "no grant: {entered:?}");
        let cookie =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let lent = grants(&self.curl(&["--http1.1", &share])?);
        self.grants.extend(cookies.into_values().chain(lent.into_values()));

        let with_cookie = format!("Cookie: own=1; {cookie}");
        let with_token = format!("Preview-Token: {}", self.token);
        let from_page = format!("Referer: {link}");
        let elsewhere = format!(
            "https://preview-3999.localhost:{}/{MARK}?session_id=s&token={}",
            self.preview.https, self.token
        );
        let wrong = format!("{origin}/?session_id=other&token={}", self.token);
        let page = format!("{origin}/echo");
        for protocol in ["--http1.1", "--http2"] {
            for words in [
                &["-H", &with_cookie, "-H", &from_page, "-H", "Sec-Fetch-Site: same-origin", &page][..],
                &["-H", &with_token, &page],
                &["-H", &with_cookie, "-X", "POST", "-H", "Origin: https://evil.example", &page],
                &["-H", &with_cookie, "-H", "Sec-Fetch-Mode: navigate", &elsewhere],
                &["-H", "Sec-Fetch-Mode: navigate", &wrong],
                &["-H", &format!("{with_cookie}x"), &page],
            ] {
                self.curl(&[&[protocol], words].concat())?;
            }
        }
        for http2 in [&[][..], &["--http2"]] {
            let mut socket = self.socket(&cookie, http2)?;
            socket.wait_for_line("echoed hello", SOON)?;
        }
        // Plain HTTP, where a link is sent on to HTTPS with all that it has: the one answer that says it again.
        let plain = link
            .replace("https://", "http://")
            .replace(&self.preview.https.to_string(), &self.preview.http.to_string());
        ensure!(curl(&["-H", &with_cookie, &plain])?.status == 301);

        // Nothing listens there any more: the waiting page, whoever shows what.
        self.upstream = curl(&[format!("http://127.0.0.1:{}/seen", self.server.port())])?.json()?;
        self.server.process().kill();
        for words in [&["-H", &with_cookie, "-H", "Sec-Fetch-Mode: navigate", &page][..], &[&link]] {
            let down = self.curl(words)?;
            ensure!(down.status == 503 || down.status == 302, "{down:?}");
        }
        Ok(())
    }

    /// All calls that take a secret, and those that tell of what happened.
    fn call(&mut self) -> Result<()> {
        let check = json!({ "session_id": "s", "token": self.token });
        let verified = self.preview.call("POST", "/v1/tokens/verify", Some(&check))?;
        ensure!(verified.status == 200, "{verified:?}");
        let wrong = json!({ "session_id": "other", "token": self.token });
        let refused = self.preview.call("POST", "/v1/tokens/verify", Some(&wrong))?;
        ensure!(refused.status == 401, "{refused:?}");
        let host = self.origin.trim_start_matches("https://").to_owned();
        let socket = self.preview.scratch().join("state/run/verify.sock").display().to_string();
        let visit = |uri: &str, cookie: &str| {
            curl(&[
                "--unix-socket",
                &socket,
                "http://localhost/auth/verify",
                "-H",
                "X-Forwarded-Method: GET",
                "-H",
                &format!("X-Forwarded-Host: {host}"),
                "-H",
                &format!("X-Forwarded-Uri: {uri}"),
                "-H",
                &format!("Cookie: __Host-preview={cookie}"),
            ])
        };
        let grant = self.grants.first().context("a grant")?.clone();
        // Its server may be down by now.
        let let_in = visit("/", &grant)?;
        ensure!(matches!(let_in.status, 204 | 403), "{let_in:?}");
        let refused = visit(&format!("/?session_id=other&token={}", self.token), "none")?;
        ensure!(refused.status == 401, "{refused:?}");
        self.answers.extend([verified, refused, let_in].iter().map(|it| ("an answer", told(it))));

        let events = self.preview.socket().display().to_string();
        // They go on for ever: what is told in a second, until that is what has happened.
        let events = poll("the events", SOON, || {
            let since = "http://localhost/v1/events?since=0";
            let told = curl(&["--unix-socket", &events, "--max-time", "1", since]).map(|it| told(&it));
            Ok(told.ok().filter(|told| told.contains(&self.id)))
        })?;
        self.answers.push(("the events", events));
        for (place, path) in [
            ("the audit trail", "/v1/audit"),
            ("the list", "/v1/attachments"),
            ("an answer", "/v1/blocks"),
            ("an answer", "/health/web_preview"),
        ] {
            let answer = self.preview.call("GET", path, None)?;
            ensure!(answer.status == 200, "{path}: {answer:?}");
            self.answers.push((place, told(&answer)));
        }
        let metrics = curl(&[format!("http://127.0.0.1:{}/metrics", self.metrics)])?;
        self.answers.push(("the metrics", told(&metrics)));
        let control = self.preview.scratch().join("state/edge/control.sock").display().to_string();
        for (place, path) in
            [("the control socket's metrics", "metrics"), ("an answer", "health"), ("an answer", "ready")]
        {
            let answer = curl(&["--unix-socket", &control, &format!("http://localhost/{path}")])?;
            ensure!(answer.status == 200, "{path}: {answer:?}");
            self.answers.push((place, told(&answer)));
        }
        Ok(())
    }

    /// Looks for every secret in every place.
    fn search(&mut self) -> Result<Found> {
        let table = self.preview.scratch().join("state/edge/table.json");
        // It may have been written before there was anything to write.
        poll("the edge's table", SOON, || {
            Ok(fs::read_to_string(&table).is_ok_and(|it| it.contains(&self.id)).then_some(()))
        })?;
        let mut places = Places::default();
        places.add("log", self.preview.process().output().as_bytes());
        for (place, answer) in &self.answers {
            places.add(place, answer.as_bytes());
        }
        places.add_upstream(&self.upstream)?;
        places.add_processes(&self.preview.process().tree())?;
        places.add_folder(self.preview.scratch().path())?;
        let secrets = self.grants.iter().chain(&self.others).chain([&self.token, &self.share]);
        let marks = self.marks();
        let found = places.look_for(secrets.chain(marks.iter().map(|(_, mark)| mark)).map(String::as_str));
        for (place, mark) in &marks {
            ensure!(found.of(mark).contains_key(place), "the search is blind to {place}: no {mark:?} there");
        }
        Ok(found)
    }

    /// What is no secret and must be found, for each place: where it is not, no secret would be.
    fn marks(&self) -> Vec<(&'static str, String)> {
        let host = self.origin.trim_start_matches("https://").to_owned();
        let config = self.preview.config().display().to_string();
        let mut marks: Vec<_> =
            ["the database", "the edge's table", "the events", "the audit trail", "the list", "an answer"]
                .map(|place| (place, self.id.clone()))
                .into();
        marks.extend(["log", "upstream: the URL"].map(|place| (place, MARK.to_owned())));
        marks.extend([
            ("upstream: another header", host),
            ("an error page", "Code: <code>".to_owned()),
            ("another file", "public_url_template".to_owned()),
            ("the metrics", "preview_".to_owned()),
            ("the control socket's metrics", "preview_".to_owned()),
            ("our command line", config),
            ("our environment", "PATH=".to_owned()),
        ]);
        marks
    }

    /// Keeps what is answered: none but the one that sets them may say a grant, none at all a token.
    fn curl(&mut self, words: &[&str]) -> Result<Answer> {
        let answer = curl(&[&["-k"], words].concat())?;
        let headers = answer.headers.lines().filter(|line| {
            !line.to_ascii_lowercase().starts_with("set-cookie: __Host-preview".to_ascii_lowercase().as_str())
        });
        // The dev server says again what it was told, and is looked at by itself.
        let is_ours = !words.iter().any(|word| word.ends_with("/echo")) || answer.status != 200;
        let body = if is_ours { answer.body.as_str() } else { "" };
        let place = if answer.status < 400 { "an answer" } else { "an error page" };
        self.answers.push((place, format!("{}\n{body}", headers.collect::<Vec<_>>().join("\n"))));
        Ok(answer)
    }

    fn socket(&self, cookie: &str, more: &[&str]) -> Result<Process> {
        let mut words = echo::ws_client(self.preview.scratch())?;
        words.push(format!("{}/ws", self.origin.replace("https://", "wss://")));
        words.extend(["--map", "127.0.0.1", "--cookie", cookie].map(str::to_owned));
        words.extend(more.iter().map(ToString::to_string));
        Process::spawn_line(&words, self.preview.scratch().path())
    }
}

/// The grants that an answer sets, by the cookie's name.
fn grants(answer: &Answer) -> BTreeMap<String, String> {
    let lines = answer.headers.lines().filter_map(|line| line.split_once(": "));
    let cookies = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs = cookies.filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='));
    let own = pairs.filter(|(name, value)| name.starts_with("__Host-preview") && !value.is_empty());
    own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn told(answer: &Answer) -> String {
    format!("{}\n{}", answer.headers, answer.body)
}
