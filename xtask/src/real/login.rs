//! A login such as oauth2-proxy is, to be asked by other proxies who is let in; made for tests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

use super::free_port_outside;

/// A running login; its thread ends with the process. `/oauth2/auth` says 202 or 401. Every other path but those of
/// `/oauth2/` says 202, or sends pages to the login and refuses the rest: what oauth2-proxy does with
/// `upstreams = ["static://202"]`, `reverse_proxy = true` and `skip_provider_button = true`.
#[derive(Clone, Debug)]
pub struct Login {
    port: u16,
    /// The domain of its cookie, and of its own host `login.DOMAIN`.
    domain: String,
    state: Arc<Mutex<State>>,
}

/// How it is today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does its work.
    #[default]
    Well,
    /// It answers this status and nothing else.
    Answers(u16),
    /// It takes connections and says nothing.
    Silent,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// Users by the values of the cookies that they were given.
    sessions: HashMap<String, String>,
    given: u32,
    questions: Vec<String>,
}

impl Login {
    /// Starts one for the hosts below `domain`.
    pub fn start(domain: &str) -> Result<Self> {
        let port = free_port_outside()?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let login = Self { port, domain: domain.to_owned(), state: Arc::default() };
        let serving = login.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let login = serving.clone();
                thread::spawn(move || login.serve(stream));
            }
        });
        Ok(login)
    }

    /// What sends pages to the login.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What only says whether.
    #[must_use]
    pub fn bare_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/oauth2/auth", self.port)
    }

    /// Where people log in.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://login.{}:{}", self.domain, self.port)
    }

    /// Logs a user in; the cookie, name and value.
    #[must_use]
    pub fn log_in(&self, user: &str) -> String {
        let mut state = self.state();
        state.given += 1;
        let session = format!("session-{}-of-{user}", state.given);
        state.sessions.insert(session.clone(), user.to_owned());
        format!("_oauth2_proxy={session}")
    }

    /// Logs everybody out.
    pub fn log_out(&self) {
        self.state().sessions.clear();
    }

    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// The heads of the questions that other proxies asked.
    #[must_use]
    pub fn questions(&self) -> Vec<String> {
        self.state().questions.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(mut answering) = stream.try_clone() else { return };
        let mut lines = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if !matches!(lines.read_line(&mut head), Ok(1..)) {
                    return;
                }
            }
            let Some(answer) = self.answer(&head) else { continue };
            if answering.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &str) -> Option<String> {
        let target = head.split(' ').nth(1).unwrap_or("/");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let is_question = path == "/oauth2/auth" || !path.starts_with("/oauth2/");
        if is_question {
            self.state().questions.push(head.to_owned());
            match self.state().mood {
                Mood::Well => {}
                Mood::Answers(status) => return Some(answer(status, "", "")),
                Mood::Silent => return None,
            }
        }
        let user = self.user(head);
        Some(match (path, user) {
            ("/oauth2/sign_in", _) => {
                let form = "<!doctype html><title>Log in</title><h1>Log in</h1><form action=\"/oauth2/callback\">\
                    <input name=\"user\"><input type=\"hidden\" name=\"rd\" value=\"RD\"><button>Go</button></form>";
                answer(200, "Content-Type: text/html\r\n", &form.replace("RD", &value(query, "rd")))
            }
            ("/oauth2/callback", _) => {
                let (user, to) = (value(query, "user"), decoded(&value(query, "rd")));
                let cookie = self.log_in(&user);
                answer(302, &format!("Location: {to}\r\nSet-Cookie: {cookie}; {}\r\n", self.attributes()), "")
            }
            ("/oauth2/sign_out", _) => {
                if let Some(session) = Self::session(head) {
                    self.state().sessions.remove(&session);
                }
                answer(200, "Content-Type: text/html\r\n", "<h1>Logged out</h1>")
            }
            (_, Some(user)) => {
                let who =
                    format!("X-Auth-Request-User: {user}\r\nX-Auth-Request-Email: {user}@example.com\r\n");
                answer(202, &who, "")
            }
            (path, None) if path != "/oauth2/auth" && header(head, "accept").contains("text/html") => {
                let told = |name| header(head, name);
                let host = told("x-forwarded-host");
                let rd = format!("{}://{host}{}", told("x-forwarded-proto"), told("x-forwarded-uri"));
                let to = format!("{}/oauth2/sign_in?rd={}", self.origin(), encoded(&rd));
                let csrf = format!("_oauth2_proxy_csrf=1; {}", self.attributes());
                answer(302, &format!("Location: {to}\r\nSet-Cookie: {csrf}\r\n"), "")
            }
            _ => answer(401, "", ""),
        })
    }

    fn attributes(&self) -> String {
        format!("Path=/; Domain={}; HttpOnly; SameSite=Lax", self.domain)
    }

    fn session(head: &str) -> Option<String> {
        let cookies = header(head, "cookie");
        let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == "_oauth2_proxy").map(|(_, session)| session.to_owned()).last()
    }

    fn user(&self, head: &str) -> Option<String> {
        let session = Self::session(head)?;
        self.state().sessions.get(&session).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} As it is\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines
        .filter(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The value of a query's parameter, as it is written there.
fn value(query: &str, name: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(it, _)| *it == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
}

fn encoded(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// Undoes [`encoded`], as often as a form has done it again.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(b'%'));
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.contains("%3A") { decoded(&text) } else { text }
}
