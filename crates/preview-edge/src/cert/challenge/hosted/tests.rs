//! The crate as it is, against what the providers document. Their addresses are fixed in it, but it heeds
//! `HTTPS_PROXY` and `SSL_CERT_FILE`: a child process, which is this test program again, is given a proxy that plays
//! whatever provider is asked for, and an authority that vouches for it.

mod stage;
mod samples;
mod zone;
mod token;
mod signed;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http::Response;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use super::table::PROVIDERS;
use super::*;
use crate::cert::fake::{Seen, answer};
use samples::{LIVES, sample, service_account};
use stage::{Stage, Step, TASKS, Task};
use zone::Zone;

/// For one exchange; none of the proxy's takes a fraction of it.
const LONG: Duration = Duration::from_secs(20);
const FQDN: &str = "_acme-challenge.preview.example.com";

#[tokio::test]
async fn cloudflare_keeps_apex_and_wildcard_side_by_side_and_removes_by_value() {
    if let Ok(tasks) = env::var(TASKS) {
        return stage::child(&tasks).await;
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
        for refused in &outcomes[0] {
            // A zone that the token does not show is no record that is gone.
            let refused = refused.as_ref().expect("refused");
            assert!(refused.message.contains(expected), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_told_from_one_that_refuses() {
    let mut stage = Stage::new(|_| answer(200, "")).await;
    stage.close().await;
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
        let made = Hosted::new(provider, Path::new("/nowhere"), zone, LONG);
        made.expect_err("amiss").to_string()
    };
    let text = refused("cloudfare", Some("example.com"));
    assert!(text.starts_with("edge.acme.hosted.provider: there is no provider \"cloudfare\""), "{text}");
    assert!(text.contains("cloudflare, "), "{text}");
    assert!(refused("cloudflare", None).starts_with("edge.acme.zone: must be set"));
}

#[test]
fn credentials_and_the_systems_roots_are_read_on_a_thread_that_may_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials");
    fs::write(&file, "CF_DNS_API_TOKEN=a-token\n").expect("written");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mine");
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let solver = Hosted::new("cloudflare", &file, Some("example.com"), LONG).expect("a solver");
        fs::remove_file(&file).expect("removed");
        let (free, taken) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || taken.recv());
        let record = stage::record("v");
        let mut present = solver.present(&record);
        assert!((&mut present).now_or_never().is_none(), "that thread is busy");
        free.send(()).expect("it waits");
        let failed = present.await.expect_err("no file");
        assert!(matches!(failed, Failure::CredentialsInvalid { .. }), "{failed:?}");
        busy.await.expect("ended").expect("told");
    });
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
