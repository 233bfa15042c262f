//! A proxy before Pebble that writes down what a client asks for, and answers amiss where a test wants it.
//!
//! It terminates TLS under a certificate that [`Pebble::roots_file`] leads to as well. Pebble makes its URLs, and
//! expects those of signed requests, from the `Host` of a request, which is passed on: so a client that was given
//! [`Front::directory`] comes through here with all it asks.

mod message;
mod rule;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

pub use self::message::{Answer, Request, Resource};
use self::rule::Rule;
pub use self::rule::{Act, Change, Play, Run, When};
use super::{Pebble, wait};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_mins(1);

/// One exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// The answer; `None` as long as there is none.
    pub answer: Option<Answer>,
}

/// A running proxy; dropped, it answers no more.
#[derive(Debug)]
pub struct Front {
    shared: Arc<Shared>,
    roots: PathBuf,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: SocketAddr,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    log: Mutex<Vec<Exchange>>,
    rules: Mutex<Vec<Rule>>,
    is_over: AtomicBool,
}

impl Front {
    /// Starts one before `pebble`, which may be restarted meanwhile.
    pub fn start(pebble: &Pebble) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = CertificateDer::pem_file_iter(&pebble.server_certificate().chain)?;
        let chain = chain.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&pebble.server_certificate().key)?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pebble.roots_file())?)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            upstream: pebble.address(),
            server: Arc::new(server),
            client: Arc::new(client),
            log: Mutex::default(),
            rules: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accepting.accept(&listener));
        Ok(Self { shared, roots: pebble.roots_file() })
    }

    /// The address of the directory, through here.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}/dir", self.url())
    }

    /// `https://ADDRESS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.shared.address)
    }

    /// What to trust when talking to it (PEM).
    #[must_use]
    pub fn roots_file(&self) -> PathBuf {
        self.roots.clone()
    }

    /// Has `act` happen to requests for `resource`; of several rules for one request, the first that fits.
    pub fn on(&self, resource: Resource, when: When, act: Act) {
        lock(&self.shared.rules).push(Rule::new(resource, when, act));
    }

    /// Has the directory (RFC 8555 §7.1.1) pass through `change` before it is shown.
    pub fn on_directory(&self, mut change: impl FnMut(&mut serde_json::Value) + Send + 'static) {
        let rewrite = move |_: &Request, answer: &mut Answer| answer.change(&mut change);
        self.on(Resource::Directory, When::Always, Act::Rewrite(Box::new(rewrite)));
    }

    /// Offers renewal information (RFC 9773), which Pebble has none of: `play` answers each question. Orders say
    /// what they replace, as RFC 9773 §5 wants it.
    pub fn offer_renewal_info(&self, play: impl FnMut(&Request) -> Answer + Send + 'static) {
        let url = format!("{}{}", self.url(), message::RENEWAL_INFO);
        self.on_directory(move |directory| directory["renewalInfo"] = url.as_str().into());
        self.on(Resource::RenewalInfo, When::Always, Act::Play(Box::new(play)));
        let echo = |request: &Request, answer: &mut Answer| {
            if let Some(replaced) = request.payload().get("replaces") {
                answer.change(|order| order["replaces"] = replaced.clone());
            }
        };
        self.on(Resource::NewOrder, When::Always, Act::Rewrite(Box::new(echo)));
    }

    /// From now on all requests pass unhindered.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
    }

    /// What was asked so far, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Exchange> {
        lock(&self.shared.log).clone()
    }

    /// How often a resource was asked for.
    #[must_use]
    pub fn count(&self, resource: Resource) -> usize {
        lock(&self.shared.log).iter().filter(|it| it.request.resource == resource).count()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.shared.address);
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let shared = Arc::clone(&self);
            // A client that hangs up, or is killed, ends its connection and nothing else.
            std::thread::spawn(move || shared.serve(stream));
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        let session = ServerConnection::new(Arc::clone(&self.server)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while let Some(request) = Request::read(&mut stream)? {
            let number = {
                let mut log = lock(&self.log);
                log.push(Exchange { request: request.clone(), answer: None });
                log.len() - 1
            };
            let Some(answer) = self.answer(&request) else { return Ok(()) };
            if let Some(exchange) = lock(&self.log).get_mut(number) {
                exchange.answer = Some(answer.clone());
            }
            answer.write(&mut stream, &request)?;
        }
        Ok(())
    }

    /// The answer to pass on; `None`: hang up.
    fn answer(&self, request: &Request) -> Option<Answer> {
        // Every rule counts; none is held while one acts, so that its closure may use the front.
        let fired: Vec<_> = lock(&self.rules).iter_mut().filter_map(|rule| rule.fires(request)).collect();
        let Some(rule) = fired.first() else { return Some(self.forward(request)) };
        let mut act = lock(rule);
        match &mut *act {
            Act::Answer(answer) => Some(answer.clone()),
            Act::Play(play) => Some(play(request)),
            Act::Hang => {
                drop(act);
                while !self.is_over.load(Ordering::Relaxed) {
                    std::thread::sleep(wait::PAUSE);
                }
                None
            }
            Act::Cut(run) => {
                run();
                None
            }
            Act::Before(run) => {
                run();
                Some(self.forward(request))
            }
            Act::After(run) => {
                let answer = self.forward(request);
                run();
                Some(answer)
            }
            Act::Rewrite(change) => {
                let mut answer = self.forward(request);
                change(request, &mut answer);
                Some(answer)
            }
        }
    }

    /// Pebble's answer; 502 where there is none.
    fn forward(&self, request: &Request) -> Answer {
        let ask = || -> io::Result<Answer> {
            let stream = TcpStream::connect(self.upstream)?;
            stream.set_read_timeout(Some(IDLE))?;
            let name = ServerName::from(self.upstream.ip());
            let session = ClientConnection::new(Arc::clone(&self.client), name).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(session, stream);
            request.write(&mut stream)?;
            Answer::read(&mut stream)
        };
        ask().unwrap_or_else(|error| Answer::new(502, "text/plain", error.to_string()))
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A test's closure that panicked fails its test; what it left behind is of no interest.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::{curl, pebble};
    use super::*;

    #[test]
    fn pebbles_urls_lead_through_it_and_rules_meet_the_requests_they_mean() {
        let pebble = Pebble::start(&pebble::Settings::default()).expect("Pebble");
        let front = Front::start(&pebble).expect("a front");
        let roots = front.roots_file().display().to_string();
        let get = |url: &str| curl::curl(&["--cacert", &roots, url]).expect("an answer");

        let directory = get(&front.directory()).json().expect("a directory");
        let nonce = directory["newNonce"].as_str().expect("a URL").to_owned();
        assert!(nonce.starts_with(&front.url()), "{directory}");
        assert!(get(&nonce).header("replay-nonce").is_some());

        let slow = Answer::problem(429, "rateLimited", "slow down").with("Retry-After", 7);
        front.on(Resource::NewNonce, When::Nth(2), Act::Answer(slow));
        front.on_directory(|it| it["meta"]["profiles"] = serde_json::json!({ "tlsserver": "short" }));
        assert_eq!(get(&nonce).status, 204);
        let limited = get(&nonce);
        assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
        assert_eq!(get(&nonce).status, 204);
        assert_eq!(
            get(&front.directory()).json().expect("a directory")["meta"]["profiles"]["tlsserver"],
            "short"
        );

        assert_eq!((front.count(Resource::NewNonce), front.count(Resource::Directory)), (4, 2));
        front.clear();
        assert!(get(&front.directory()).json().expect("a directory")["meta"]["profiles"].is_null());
    }
}
