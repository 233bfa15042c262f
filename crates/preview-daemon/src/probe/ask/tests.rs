//! Servers that answer as the real ones were measured to (`xtask::real` has the real ones).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use preview_core::listener::Loopback;
use preview_core::ports::Port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::*;

const LONG: Duration = Duration::from_secs(20);
const PUBLIC: &str = "x.preview.test";

#[tokio::test]
async fn vite_refuses_its_public_name_and_is_shown_localhost() {
    let vite = Server::start(|head| {
        if !head.is_local() {
            return http("403 Forbidden", "", "Blocked request. This host is not allowed.");
        }
        match head.header("sec-websocket-protocol") {
            Some("vite-hmr") if head.path == "/" && head.header("origin").is_none() => UPGRADED.into(),
            _ => html("", r#"<script type="module" src="/@vite/client"></script>"#),
        }
    });
    let verdict = vite.await.settle().await;
    assert_eq!(policy(&verdict), (HostPolicy::Loopback, PolicyReason::RefusesPublicHost));
    assert_eq!((verdict.status, verdict.live_update), (Some(200), Some(101)));
    assert_eq!(verdict.server.as_deref(), Some("vite"));
    assert_eq!((verdict.state, verdict.not_http), (ServerState::Live, false));
}

#[tokio::test]
async fn next_serves_both_names_but_comes_to_life_under_localhost_alone() {
    let next = Server::start(|head| match head.path.as_str() {
        path if path.starts_with("/_next/hmr") => {
            let origin = head.header("origin").unwrap_or_default();
            if origin.starts_with("http://localhost:") { UPGRADED.into() } else { b"Unauthorized".to_vec() }
        }
        _ => html("X-Powered-By: Next.js\r\n", r#"<script src="/_next/static/chunks/main.js"></script>"#),
    });
    let verdict = next.await.settle().await;
    assert_eq!(policy(&verdict), (HostPolicy::Loopback, PolicyReason::LiveUpdateNeedsLoopback));
    assert_eq!((verdict.status, verdict.live_update), (Some(200), Some(101)));
    assert_eq!(verdict.server.as_deref(), Some("next"));
}

#[tokio::test]
async fn next_that_was_told_of_its_public_name_keeps_it() {
    let next = Server::start(|head| match head.path.as_str() {
        path if path.starts_with("/_next/hmr") => UPGRADED.into(),
        _ => html("", r#"<script src="/_next/static/chunks/main.js"></script>"#),
    });
    let verdict = next.await.settle().await;
    assert_eq!(policy(&verdict), (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost));
    assert_eq!(verdict.live_update, Some(101));
}

#[tokio::test]
async fn django_refuses_its_public_name_and_says_that_it_will_not_be_framed() {
    let django = Server::start(|head| match (head.is_local(), head.path.as_str()) {
        (false, _) => http("400 Bad Request", "Server: WSGIServer/0.2 CPython/3.11.7\r\n", "DisallowedHost"),
        (true, "/") => http("302 Found", "Location: /admin/\r\n", ""),
        (true, _) => {
            let headers = "Server: WSGIServer/0.2 CPython/3.11.7\r\nX-Frame-Options: DENY\r\n\
                Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n";
            html(headers, "admin")
        }
    });
    let verdict = django.await.settle().await;
    assert_eq!(policy(&verdict), (HostPolicy::Loopback, PolicyReason::RefusesPublicHost));
    assert_eq!(verdict.status, Some(302), "of the page that was asked for");
    assert_eq!(verdict.framing, ["X-Frame-Options: DENY", "Content-Security-Policy: frame-ancestors 'none'"]);
    assert_eq!((verdict.server.as_deref(), verdict.live_update), (Some("django"), None));
}

#[tokio::test]
async fn gradio_and_flask_accept_their_public_name_and_keep_it() {
    for (name, headers, page) in [
        ("gradio", "Server: uvicorn\r\n", "<script>window.gradio_config = {};</script>"),
        ("flask", "Server: Werkzeug/3.1.3 Python/3.11.7\r\n", "<p>hello</p>"),
    ] {
        let verdict = Server::start(move |_| html(headers, page)).await.settle().await;
        assert_eq!(policy(&verdict), (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost), "{name}");
        assert_eq!((verdict.server.as_deref(), verdict.status), (Some(name), Some(200)));
        assert_eq!(verdict.framing, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn an_error_of_the_server_s_own_is_alive() {
    for status in [401, 404, 405, 500] {
        let server = Server::start(move |_| http(&format!("{status} Whatever"), "", ""));
        let verdict = server.await.settle().await;
        assert_eq!((verdict.state, verdict.status), (ServerState::Live, Some(status)));
    }
}

#[tokio::test]
async fn each_name_comes_with_its_own_headers_and_none_of_the_other_s() {
    let server = Server::start(|head| {
        let forwarded = ["x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded"];
        let count = forwarded.iter().filter(|name| head.header(name).is_some()).count();
        let whole = if head.is_local() { count == 0 } else { count == 4 };
        assert_eq!(head.method, "GET");
        if whole { html("", "as it should be") } else { http("500 Mixed", "", "") }
    });
    assert_eq!(server.await.settle().await.status, Some(200));
}

#[tokio::test]
async fn a_pinned_policy_is_the_only_one_asked_with() {
    let server =
        Server::start(|head| if head.is_local() { html("", "") } else { http("403 Forbidden", "", "") });
    let server = server.await;
    let question = Question { host_header: HostHeader::Pinned(HostPolicy::Preserve), ..server.question() };
    let Asked::Settled(verdict) = ask(question, LONG).await else { panic!("it answers") };
    assert_eq!(policy(&verdict), (HostPolicy::Preserve, PolicyReason::Pinned));
    assert_eq!((verdict.status, server.requests()), (Some(403), 1));
}

#[tokio::test]
async fn what_is_not_http_is_said_so() {
    for banner in ["SSH-2.0-OpenSSH_9.2\r\n", "\u{15}\u{3}\u{3}", "hello\r\n"] {
        let verdict = Server::speaking_first(banner).await.settle().await;
        assert!(verdict.not_http, "{banner:?}");
        assert_eq!((verdict.status, verdict.policy), (None, HostPolicy::Loopback));
        let verdict = Server::start(move |_| banner.as_bytes().to_vec()).await.settle().await;
        assert!(verdict.not_http, "{banner:?}, asked");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_asked_again_before_it_is_given_up() {
    let calls = AtomicUsize::new(0);
    let flaky = Server::start(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) < 3 { Vec::new() } else { html("", "up now") }
    });
    assert_eq!(flaky.await.settle().await.status, Some(200));
    let never = Server::start(|_| Vec::new()).await;
    assert!(never.settle().await.not_http);
    assert_eq!(never.requests(), 2 * TRIES);
}

#[tokio::test]
async fn an_answer_that_takes_long_is_pending_with_a_guess_and_comes_later_without_another_request() {
    let (gate, opened) = tokio::sync::watch::channel(false);
    let slow = Server::gated(opened, |_| html("", r#"<script src="/@vite/client"></script>"#)).await;
    let command = vec!["node".into(), "node_modules/.bin/streamlit".into()];
    let asked = ask(Question { command, ..slow.question() }, Duration::from_millis(50)).await;
    let Asked::Pending(guess, rest) = asked else { panic!("it has not answered") };
    assert_eq!(policy(&guess), (HostPolicy::Preserve, PolicyReason::GuessedFromCommand));
    assert_eq!((guess.state, guess.server.as_deref()), (ServerState::Pending, Some("streamlit")));
    gate.send(true).expect("the server waits for it");
    let verdict = rest.finish().await;
    assert_eq!((verdict.state, verdict.server.as_deref()), (ServerState::Live, Some("vite")));
    // Both names, and the socket of its live updates.
    assert_eq!(slow.requests(), 3);
}

#[tokio::test]
async fn an_unknown_command_is_guessed_to_want_localhost() {
    let (_gate, opened) = tokio::sync::watch::channel(false);
    let silent = Server::gated(opened, |_| Vec::new()).await;
    let asked = ask(silent.question(), Duration::from_millis(50)).await;
    let Asked::Pending(guess, _) = asked else { panic!("it is silent") };
    assert_eq!(policy(&guess), (HostPolicy::Loopback, PolicyReason::GuessedFromCommand));
}

#[tokio::test]
async fn where_nothing_listens_the_whole_time_is_used() {
    let gone = Server::start(|_| Vec::new()).await.question();
    let asked = ask(gone, Duration::from_millis(400)).await;
    assert!(matches!(asked, Asked::Pending(..)));
}

#[tokio::test]
async fn a_redirect_to_elsewhere_is_not_followed() {
    let elsewhere = Server::start(|_| html("", "")).await;
    let location = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.listener.port);
    let server = Server::start(move |_| http("302 Found", &location, "")).await;
    assert_eq!(server.settle().await.status, Some(302));
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends() {
    let server = Server::start(|_| http("302 Found", "Location: /again\r\n", "")).await;
    assert_eq!(server.settle().await.status, Some(302));
    assert_eq!(server.requests(), 2 * (1 + REDIRECTS));
}

#[tokio::test]
async fn endless_heads_and_bodies_are_cut_off() {
    let endless = Server::start(|_| {
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n".to_vec();
        head.extend((0..100_000).flat_map(|n| format!("X-{n}: {n}\r\n").into_bytes()));
        head
    });
    assert!(endless.await.settle().await.not_http);
    let long = Server::start(|_| {
        let mut page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n".to_vec();
        page.resize(4 << 20, b' ');
        page.extend_from_slice(b"/_next/");
        page
    });
    let verdict = long.await.settle().await;
    assert_eq!((verdict.status, verdict.server), (Some(200), None), "its end is not looked at");
}

fn policy(verdict: &Verdict) -> (HostPolicy, PolicyReason) {
    (verdict.policy, verdict.reason)
}

const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

fn html(headers: &str, body: &str) -> Vec<u8> {
    http("200 OK", &format!("Content-Type: text/html; charset=utf-8\r\n{headers}"), body)
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into()
}

/// A server in this process that reads one request for each connection, answers it and hangs up.
struct Server {
    listener: Listener,
    requests: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

/// What it was asked.
struct Head {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

type Gate = tokio::sync::watch::Receiver<bool>;

impl Server {
    async fn start(answer: impl Fn(&Head) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (_, open) = tokio::sync::watch::channel(true);
        Self::gated(open, answer).await
    }

    /// One that answers only when the gate is open.
    async fn gated(gate: Gate, answer: impl Fn(&Head) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::accepting(move |mut stream, requests| {
            let (answer, mut gate) = (Arc::clone(&answer), gate.clone());
            async move {
                let head = Head::read(&mut stream).await;
                requests.fetch_add(1, Ordering::Relaxed);
                let _ = gate.wait_for(|open| *open).await;
                let _ = stream.write_all(&answer(&head)).await;
            }
        })
        .await
    }

    async fn speaking_first(banner: &'static str) -> Self {
        Self::accepting(move |mut stream, _| async move {
            let _ = stream.write_all(banner.as_bytes()).await;
            Head::read(&mut stream).await;
        })
        .await
    }

    async fn accepting<F>(serve: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = Port::new(socket.local_addr().expect("bound").port()).expect("not zero");
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counted)));
            }
        });
        let listener = Listener { address: Loopback::V4, port };
        Self { listener, requests, _accepting: AbortOnDropHandle::new(accepting) }
    }

    fn question(&self) -> Question {
        Question {
            listener: self.listener,
            public: Rendered { origin: format!("https://{PUBLIC}"), host: PUBLIC.into() },
            path: StartPath::default(),
            command: Vec::new(),
            host_header: HostHeader::Auto,
        }
    }

    async fn settle(&self) -> Verdict {
        match ask(self.question(), LONG).await {
            Asked::Settled(verdict) => verdict,
            Asked::Pending(verdict, _) => panic!("not settled: {verdict:?}"),
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Head {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        Self { method, path, headers: lines.filter_map(header).collect() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn is_local(&self) -> bool {
        let host = self.header("host").expect("every request names its host");
        assert!(host == PUBLIC || host.starts_with("localhost:"), "{host}");
        host != PUBLIC
    }
}
