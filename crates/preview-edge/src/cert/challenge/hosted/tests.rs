//! The crate as it is, against what the providers document. Their addresses are fixed in it, but it heeds
//! `HTTPS_PROXY` and `SSL_CERT_FILE`: a child process, which is this test program again, is given a proxy that plays
//! whatever provider is asked for, and an authority that vouches for it.

mod zone;
mod token;
mod signed;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::table::PROVIDERS;
use super::*;
use crate::cert::fake::{Ca, Seen, answer, serve};
use zone::Zone;

/// The variable that makes a process the child, and says what to do.
const TASKS: &str = "PREVIEW_TEST_TASKS";
/// What stands before a line of the child's that tells outcomes.
const OUTCOMES: &str = "OUTCOMES ";
/// For one exchange; none of the proxy's takes a fraction of it.
const LONG: Duration = Duration::from_secs(20);
const FQDN: &str = "_acme-challenge.preview.example.com";

#[tokio::test]
async fn cloudflare_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    if let Ok(tasks) = env::var(TASKS) {
        return child(&tasks).await;
    }
    keeps_two_and_removes_one("cloudflare", "CF_DNS_API_TOKEN=a-token\n", token::cloudflare).await;
}

#[tokio::test]
async fn digitalocean_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    keeps_two_and_removes_one("digitalocean", "DO_AUTH_TOKEN=a-token\n", token::digitalocean).await;
}

#[tokio::test]
async fn desec_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    keeps_two_and_removes_one("desec", "DESEC_TOKEN=a-token\n", token::desec).await;
}

#[tokio::test]
async fn bunny_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    keeps_two_and_removes_one("bunny", "BUNNY_API_KEY=a-token\n", token::bunny).await;
}

#[tokio::test]
async fn porkbun_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    let text = "PORKBUN_API_KEY=an-api-key\nPORKBUN_SECRET_API_KEY=a-token\n";
    keeps_two_and_removes_one("porkbun", text, token::porkbun).await;
}

#[tokio::test]
async fn hetzner_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    keeps_two_and_removes_one("hetzner", "HETZNER_API_TOKEN=a-token\n", token::hetzner).await;
}

#[tokio::test]
async fn ovh_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    let text = "OVH_ENDPOINT=ovh-eu\nOVH_APPLICATION_KEY=an-app\nOVH_APPLICATION_SECRET=a-secret\n\
                OVH_CONSUMER_KEY=a-consumer\n";
    keeps_two_and_removes_one("ovh", text, signed::ovh).await;
}

#[tokio::test]
async fn route53_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    let text = "AWS_ACCESS_KEY_ID=an-id\nAWS_SECRET_ACCESS_KEY=a-secret\n";
    keeps_two_and_removes_one("route53", text, signed::route53).await;
}

#[tokio::test]
async fn gcloud_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    let account = service_account().replace('\n', "");
    let text = format!("GCE_PROJECT=a-project\nGCE_SERVICE_ACCOUNT='{account}'\n");
    keeps_two_and_removes_one("gcloud", &text, signed::gcloud).await;
}

#[tokio::test]
async fn every_provider_is_asked_where_it_lives_and_a_refusal_quotes_no_secret() {
    // Providers do quote what they were asked.
    let stage = Stage::new(|seen| {
        let quoted: Vec<_> = seen.headers.iter().filter(|(name, _)| *name != "authorization").collect();
        answer(403, &format!("no: {} {} {quoted:?}", seen.path, seen.body))
    });
    let stage = stage.await;
    let files: Vec<_> =
        PROVIDERS.iter().map(|provider| stage.file(provider.name, &sample(provider))).collect();
    let task = |(provider, file): (&Provider, &PathBuf)| Task {
        provider: provider.name.to_owned(),
        file: file.clone(),
        steps: vec![Step::Present("v".to_owned())],
    };
    let outcomes = stage.run(PROVIDERS.iter().zip(&files).map(task).collect()).await;
    assert_eq!(outcomes.len(), PROVIDERS.len());
    let asked = stage.seen();
    for (provider, outcome) in PROVIDERS.iter().zip(&outcomes) {
        let name = provider.name;
        let [Some(refused)] = outcome.as_slice() else { panic!("{name}: {outcome:?}") };
        assert_eq!(refused.code, "cert_provider_refused", "{name}: {refused:?}");
        let told = format!("{refused:?}");
        assert!(refused.message.contains(provider.title), "{told}");
        assert!(!told.contains("hush"), "{name} tells a secret: {told}");
        let host = LIVES.iter().find(|(it, _)| *it == name).map(|(_, host)| *host).expect(name);
        assert!(asked.iter().any(|seen| seen.host == host), "{name} was not asked at {host}");
    }
}

#[tokio::test]
async fn a_token_without_rights_and_a_zone_of_somebody_else_are_said_in_words() {
    for (status, expected) in [
        (401, "the credentials are not accepted, or without rights for the zone example.com"),
        (403, "the credentials are not accepted, or without rights for the zone example.com (HTTP 403"),
        (404, "the account has no zone example.com, or the credentials do not show it"),
    ] {
        let stage = Stage::new(move |_| answer(status, "no")).await;
        let task = Task {
            provider: "digitalocean".to_owned(),
            file: stage.file("do", "DO_AUTH_TOKEN=a-token\n"),
            steps: vec![Step::Present("v".to_owned()), Step::Remove("v".to_owned())],
        };
        let outcomes = stage.run(vec![task]).await;
        let refused = outcomes[0][0].as_ref().expect("refused");
        assert!(refused.message.contains(expected), "{refused:?}");
        assert_eq!(outcomes[0][1].is_none(), status == 404, "what is gone counts as removed");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_told_from_one_that_refuses() {
    let mut stage = Stage::new(|_| answer(200, "")).await;
    stage.proxy.abort();
    stage.at = TcpListener::bind("127.0.0.1:0")
        .await
        .and_then(|gone| gone.local_addr())
        .expect("a port")
        .to_string();
    let task = |provider: &str, text: &str| Task {
        provider: provider.to_owned(),
        file: stage.file(provider, text),
        steps: vec![Step::Present("v".to_owned())],
    };
    let tasks = vec![
        task("cloudflare", "CF_DNS_API_TOKEN=a-token"),
        task("route53", "AWS_ACCESS_KEY_ID=an-id\nAWS_SECRET_ACCESS_KEY=a-secret"),
    ];
    for outcome in stage.run(tasks).await {
        assert_eq!(outcome[0].as_ref().expect("unreachable").code, "cert_dns_unreachable", "{outcome:?}");
    }
}

#[test]
fn what_is_configured_amiss_is_refused_with_what_there_is() {
    let refused = |provider, zone| {
        let made = Hosted::new(provider, std::path::Path::new("/nowhere"), zone, LONG);
        made.expect_err("amiss").to_string()
    };
    let text = refused("cloudfare", Some("example.com"));
    assert!(text.starts_with("edge.acme.hosted.provider: there is no provider \"cloudfare\""), "{text}");
    assert!(text.contains("cloudflare, "), "{text}");
    assert!(refused("cloudflare", None).starts_with("edge.acme.zone: must be set"));
}

#[test]
fn names_are_in_order_and_no_two_alike() {
    let names: Vec<_> = PROVIDERS.iter().map(|provider| provider.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn the_manual_lists_every_provider_with_its_keys() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dns-providers.md");
    let manual = fs::read_to_string(manual).expect("readable");
    for provider in PROVIDERS {
        let word = |key: &table::Key| {
            let names: Vec<_> = key.names().map(|name| format!("`{name}`")).collect();
            names.join(" or ") + if key.is_needed() { "" } else { "?" }
        };
        let keys: Vec<_> = provider.keys.iter().map(word).collect();
        let line = format!("| `{}` | {} | {} |", provider.name, provider.title, keys.join(" "));
        assert!(manual.contains(&line), "missing in docs/dns-providers.md: {line}");
    }
}

/// Adds two values, one of them twice, and removes one; a stranger's value stays.
async fn keeps_two_and_removes_one(
    provider: &str,
    credentials: &str,
    plays: impl Fn(&mut Zone, &Seen) -> Option<Response<String>> + Send + Sync + 'static,
) {
    let zone = Arc::new(Mutex::new(Zone::with("stranger")));
    let played = zone.clone();
    let stage = Stage::new(move |seen| {
        let answered = plays(&mut played.lock().expect("whole"), seen);
        answered.unwrap_or_else(|| answer(405, &format!("not documented: {} {}", seen.method, seen.path)))
    });
    let stage = stage.await;
    let steps = vec![
        Step::Present("apex".to_owned()),
        Step::Present("wild".to_owned()),
        Step::Present("apex".to_owned()),
    ];
    let file = stage.file(provider, credentials);
    let task = |steps| Task { provider: provider.to_owned(), file: file.clone(), steps };
    let outcomes = stage.run(vec![task(steps)]).await;
    assert_eq!(outcomes[0], [None, None, None], "{:#?}", stage.seen());
    assert_eq!(zone.lock().expect("whole").values(), ["apex", "stranger", "wild"]);
    let steps = vec![Step::Remove("apex".to_owned()), Step::Remove("apex".to_owned())];
    let outcomes = stage.run(vec![task(steps)]).await;
    assert_eq!(outcomes[0], [None, None], "{:#?}", stage.seen());
    assert_eq!(zone.lock().expect("whole").values(), ["stranger", "wild"]);
}

/// What the child does with one provider.
#[derive(Serialize, Deserialize)]
struct Task {
    provider: String,
    file: PathBuf,
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
enum Step {
    Present(String),
    Remove(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Refused {
    code: String,
    message: String,
    debug: String,
}

async fn child(tasks: &str) {
    let tasks: Vec<Task> = serde_json::from_str(tasks).expect("tasks");
    let mut outcomes = Vec::new();
    for task in tasks {
        let hosted = Hosted::new(&task.provider, &task.file, Some("example.com"), LONG);
        let hosted = hosted.unwrap_or_else(|error| panic!("{}: {error}", task.provider));
        let mut ended = Vec::new();
        for step in &task.steps {
            let done = match step {
                Step::Present(value) => hosted.present(&record(value)).await,
                Step::Remove(value) => hosted.remove(&record(value)).await,
            };
            ended.push(done.err().map(|failure| Refused {
                code: failure.code().to_string(),
                message: failure.to_string(),
                debug: format!("{failure:?} {hosted:?}"),
            }));
        }
        outcomes.push(ended);
    }
    println!("\n{OUTCOMES}{}", serde_json::to_string(&outcomes).expect("JSON"));
}

fn record(value: &str) -> Record {
    Record {
        fqdn: FQDN.to_owned(),
        value: value.to_owned(),
        domain: "preview.example.com".to_owned(),
        token: "token".to_owned(),
        key_authorization: "token.thumb".to_owned(),
    }
}

/// The proxy that plays all providers.
struct Stage {
    ca: Arc<Ca>,
    at: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    proxy: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(plays: impl Fn(&Seen) -> Response<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("bound").to_string();
        let (ca, seen) = (Arc::new(Ca::new()), Arc::<Mutex<Vec<Seen>>>::default());
        let plays: Arc<crate::cert::fake::Answer> = Arc::new(plays);
        let proxy = tokio::spawn({
            let (ca, seen) = (ca.clone(), seen.clone());
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (ca, plays, seen) = (ca.clone(), plays.clone(), seen.clone());
                    tokio::spawn(async move {
                        let Some(host) = connected(&mut stream).await else { return };
                        let stream = ca.acceptor(&host).accept(stream).await;
                        serve(stream.unwrap_or_else(|error| panic!("{host}: {error}")), plays, seen).await;
                    });
                }
            }
        });
        Self { ca, at, seen, proxy, folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mine");
        file
    }

    /// The outcome of every step of every task, from a child.
    async fn run(&self, tasks: Vec<Task>) -> Vec<Vec<Option<Refused>>> {
        let module = module_path!().split_once("::").expect("a crate").1;
        let test = "cloudflare_keeps_apex_and_wildcard_side_by_side_and_removes_by_value";
        let mut command = Command::new(env::current_exe().expect("a program"));
        command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HTTPS_PROXY", format!("http://{}", self.at)).env("SSL_CERT_FILE", self.ca.file());
        command.env(TASKS, serde_json::to_string(&tasks).expect("JSON"));
        let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.expect("a child");
        let (said, wept) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let outcomes = said.lines().find_map(|line| line.strip_prefix(OUTCOMES));
        let outcomes = outcomes.unwrap_or_else(|| panic!("{status}: {said}{wept}"));
        serde_json::from_str(outcomes).expect("outcomes")
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// Takes `CONNECT HOST:PORT`, and says whom the client wants.
async fn connected(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("text");
    let host = head.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    Some(host)
}

/// A file of credentials with all that is needed; secrets have `hush` in them.
fn sample(provider: &Provider) -> String {
    let value = |name: &str| match name {
        "OVH_ENDPOINT" => "ovh-eu".to_owned(),
        "PDNS_API_URL" => "https://pdns.example.net".to_owned(),
        "PLESK_SERVER_BASE_URL" => "https://plesk.example.net:8443".to_owned(),
        "CPANEL_BASE_URL" => "https://cpanel.example.net:2083".to_owned(),
        "AKAMAI_HOST" => "akab-1.luna.akamaiapis.net".to_owned(),
        "HUAWEICLOUD_REGION" => "cn-north-4".to_owned(),
        "GCE_SERVICE_ACCOUNT" => service_account().replace('\n', ""),
        "TRANSIP_PRIVATE_KEY" => rsa_key().lines().filter(|line| !line.starts_with('-')).collect(),
        name => format!("hush-{}", name.to_ascii_lowercase().replace('_', "-")),
    };
    let is_given = |key: &&table::Key| key.is_needed() || key.name() == "CLOUDNS_AUTH_ID";
    let line = |key: &table::Key| format!("{}='{}'\n", key.name(), value(key.name()));
    provider.keys.iter().filter(is_given).map(line).collect()
}

fn service_account() -> String {
    json!({
        "type": "service_account",
        "client_email": "edge@a-project.iam.gserviceaccount.com",
        "private_key": rsa_key(),
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

fn rsa_key() -> String {
    KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key").serialize_pem()
}

/// Where the providers' documentation says that they live; the first thing that is asked for.
const LIVES: &[(&str, &str)] = &[
    ("alidns", "alidns.aliyuncs.com"),
    ("arvancloud", "napi.arvancloud.ir"),
    ("autodns", "api.autodns.com"),
    ("azuredns", "login.microsoftonline.com"),
    ("baiducloud", "dns.baidubce.com"),
    ("bunny", "api.bunny.net"),
    ("cloudflare", "api.cloudflare.com"),
    ("cloudns", "api.cloudns.net"),
    ("constellix", "api.dns.constellix.com"),
    ("cpanel", "cpanel.example.net"),
    ("desec", "desec.io"),
    ("digitalocean", "api.digitalocean.com"),
    ("dnsimple", "api.dnsimple.com"),
    ("dnsmadeeasy", "api.dnsmadeeasy.com"),
    ("domeneshop", "api.domeneshop.no"),
    ("dreamhost", "api.dreamhost.com"),
    ("dynu", "api.dynu.com"),
    ("easydns", "rest.easydns.net"),
    ("edgedns", "akab-1.luna.akamaiapis.net"),
    ("exoscale", "api-ch-gva-2.exoscale.com"),
    ("gandiv5", "api.gandi.net"),
    ("gcloud", "oauth2.googleapis.com"),
    ("gcore", "api.gcore.com"),
    ("glesys", "api.glesys.com"),
    ("godaddy", "api.godaddy.com"),
    ("hetzner", "api.hetzner.cloud"),
    ("hostingde", "secure.hosting.de"),
    ("hostinger", "developers.hostinger.com"),
    ("huaweicloud", "dns.cn-north-4.myhuaweicloud.com"),
    ("infomaniak", "api.infomaniak.com"),
    ("inwx", "api.domrobot.com"),
    ("ionos", "api.hosting.ionos.com"),
    ("ipv64", "ipv64.net"),
    ("linode", "api.linode.com"),
    ("luadns", "api.luadns.com"),
    ("mythicbeasts", "auth.mythic-beasts.com"),
    ("namedotcom", "api.name.com"),
    ("namesilo", "www.namesilo.com"),
    ("netcup", "ccp.netcup.net"),
    ("netlify", "api.netlify.com"),
    ("nifcloud", "dns.api.nifcloud.com"),
    ("ns1", "api.nsone.net"),
    ("ovh", "eu.api.ovh.com"),
    ("pdns", "pdns.example.net"),
    ("plesk", "plesk.example.net"),
    ("porkbun", "api.porkbun.com"),
    ("route53", "route53.amazonaws.com"),
    ("safedns", "api.ukfast.io"),
    ("scaleway", "api.scaleway.com"),
    ("simply", "api.simply.com"),
    ("spaceship", "spaceship.dev"),
    ("tencentcloud", "dnspod.tencentcloudapi.com"),
    ("transip", "api.transip.nl"),
    ("ultradns", "api.ultradns.com"),
    ("vercel", "api.vercel.com"),
    ("vultr", "api.vultr.com"),
    ("websupport", "rest.websupport.sk"),
    ("zoneee", "api.zone.eu"),
];
