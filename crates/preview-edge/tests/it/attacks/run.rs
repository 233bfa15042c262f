//! Says each attack of a table, and looks at the answer and at what arrived.

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Full};

use super::scene::Scene;
use super::{Attack, By, Fate};
use crate::http2::{Client, text};
use crate::recorder::values;
use crate::viewer::{Answer, raw};

/// What attackers write wherever they can; whoever shows it or passes it on has been taken in.
const MARK: &str = "evil";

pub(super) fn by_http1(attacks: &[Attack]) {
    let mut trial = Trial::new(Scene::new(false));
    for attack in attacks.iter().filter(|attack| attack.by != By::Http2) {
        let request = on_the_wire(&trial.scene.fill(attack.request));
        let edge = trial.scene.stage.edge.http;
        trial.judge(attack, || raw(edge, request.as_bytes()));
    }
    trial.end();
}

pub(super) async fn by_http2(attacks: &[Attack]) {
    let mut trial = Trial::new(Scene::new(true));
    for attack in attacks.iter().filter(|attack| attack.by != By::Http1) {
        let answer = ask_by_http2(&trial.scene, attack).await;
        trial.judge(attack, || answer);
    }
    trial.end();
}

/// One run through a table.
struct Trial {
    scene: Scene,
    /// How much each connection of each server had brought by the last look.
    seen: Vec<Vec<usize>>,
    wrong: Vec<String>,
    run: usize,
}

impl Trial {
    fn new(scene: Scene) -> Self {
        let mut trial =
            Self { seen: vec![Vec::new(); scene.servers.len()], scene, wrong: Vec::new(), run: 0 };
        trial.arrived();
        trial
    }

    fn judge(&mut self, attack: &Attack, ask: impl FnOnce() -> Answer) {
        let answer = ask();
        let arrived = self.arrived();
        self.run += 1;
        if let Err(why) = self.check(attack, &answer, &arrived) {
            self.wrong.push(format!("{}: {why}\n  {answer:?}\n  arrived: {arrived:?}", attack.name));
        }
    }

    fn check(
        &self,
        attack: &Attack,
        answer: &Answer,
        arrived: &[(&'static str, String)],
    ) -> Result<(), String> {
        let told = answer.0.to_lowercase();
        ensure(!told.contains(MARK), "the answer shows what was written into the request")?;
        let told = |secret: &&String| answer.0.contains(secret.as_str());
        ensure(!self.scene.secrets.iter().any(|secret| told(&secret)), "the answer holds a credential")?;
        match attack.fate {
            Fate::Refused(status, code) => {
                ensure(answer.status() == status, format!("not {status}"))?;
                let page = format!("<code>{code}</code>");
                let says = answer.body() == code || !code.is_empty() && answer.body().contains(&page);
                ensure(says, format!("not {code:?}"))?;
                ensure(answer.all("set-cookie").is_empty() || status == 303, "a cookie is set")?;
                is_inert(answer)?;
                ensure(arrived.is_empty(), "a dev server has heard of it")
            }
            Fate::Arrives(server, line, headers) => {
                ensure(answer.status() == 200 && answer.body() == "hi", "it is not let in")?;
                let [(name, request)] = arrived else {
                    return Err("it does not arrive, or twice".to_owned());
                };
                ensure(*name == server, format!("it arrives at {name}"))?;
                ensure(request.starts_with(&self.scene.fill(line)), format!("not {line}"))?;
                for (name, value) in headers {
                    let wanted = self.scene.fill(value);
                    let wanted: Vec<String> = [wanted].into_iter().filter(|it| !it.is_empty()).collect();
                    ensure(values(request, name) == wanted, format!("{name} is not {wanted:?}"))?;
                }
                is_clean(request)
            }
        }
    }

    /// What has come to the dev servers since the last look.
    fn arrived(&mut self) -> Vec<(&'static str, String)> {
        let mut arrived = Vec::new();
        for (at, (name, server)) in self.scene.servers.iter().enumerate() {
            for (connection, text) in server.connections().into_iter().enumerate() {
                let seen = self.seen[at].get(connection).copied().unwrap_or_default();
                let fresh = text.get(seen..).unwrap_or_default();
                if !fresh.is_empty() {
                    arrived.push((*name, fresh.to_owned()));
                }
                match self.seen[at].get_mut(connection) {
                    Some(seen) => *seen = text.len(),
                    None => self.seen[at].push(text.len()),
                }
            }
        }
        arrived
    }

    fn end(mut self) {
        let late = self.arrived();
        assert!(late.is_empty(), "came after the last answer: {late:?}");
        assert!(self.wrong.is_empty(), "{} of {}:\n{}", self.wrong.len(), self.run, self.wrong.join("\n"));
    }
}

/// An answer of ours runs nothing, and is taken for nothing else than it says.
fn is_inert(answer: &Answer) -> Result<(), String> {
    if answer.body().is_empty() {
        return Ok(());
    }
    ensure(answer.header("x-content-type-options") == "nosniff", "its type may be guessed")?;
    ensure(answer.header("cache-control") == "no-store", "it may be kept")?;
    if answer.header("content-type").starts_with("text/plain") {
        return Ok(());
    }
    let policy = answer.header("content-security-policy");
    ensure(policy.starts_with("default-src 'none'; style-src 'sha256-"), "anything may run in it")?;
    let script = answer.body().contains("<script>");
    ensure(script == policy.contains("script-src 'sha256-"), "a script nobody names")
}

/// Nothing that only a proxy may say, and no credential but the link's own.
fn is_clean(request: &str) -> Result<(), String> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let (_, fields) = head.split_once("\r\n").unwrap_or_default();
    for word in [MARK, "6.6.6.6", "preview=", "preview-w=", "preview-token", "preview_", "x_forwarded"] {
        ensure(!fields.to_lowercase().contains(word), format!("{word} arrived"))?;
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// The bytes of a request that is its connection's last.
fn on_the_wire(request: &str) -> String {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    format!("{}\r\nConnection: close\r\n\r\n{body}", head.replace('\n', "\r\n"))
}

async fn ask_by_http2(scene: &Scene, attack: &Attack) -> Answer {
    let filled = scene.fill(attack.request);
    let (head, body) = filled.split_once("\n\n").unwrap_or((&filled, ""));
    let mut lines = head.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let (method, target) = (first.next().expect("a method"), first.next().expect("a target"));
    let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").expect("a field")).collect();
    let named = |name: &str| fields.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
    let host = named("host").expect("a host").1;
    let mut client = Client::connect(&scene.stage, "app.preview.test").await;
    let of_one_hop = ["host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version"];
    let fields = fields.iter().filter(|(name, _)| !of_one_hop.iter().any(|it| name.eq_ignore_ascii_case(it)));
    let answer = if named("upgrade").is_some() {
        let fields: Vec<(&str, &str)> = fields.copied().collect();
        client.websocket(host, target, &fields).await
    } else {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("https://{host}{target}"))
            .version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes())).boxed();
        match client.send(request.body(body).expect("a request")).await {
            Ok(answer) => answer,
            Err(error) => return Answer(format!("HTTP/2 0 {error:?}\r\n\r\n")),
        }
    };
    let mut told = format!("HTTP/2 {} -\r\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        told += &[name.as_str(), ": ", &String::from_utf8_lossy(value.as_bytes()), "\r\n"].concat();
    }
    Answer(format!("{told}\r\n{}", text(answer).await))
}
