//! Previews of two tenants, and what an attacker may hold: credentials that were good once, are good elsewhere, or
//! are made up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use preview_core::attachment::Visibility;
use preview_core::clock::Wall;
use preview_core::grant::{Grant, GrantKey, GrantKeys};
use preview_core::id::SessionId;
use preview_core::route::Route;
use preview_core::share::{Label, Share, Wish};
use preview_core::token::{Token, Tokens};
use preview_edge::config::{Config, Notice};
use xtask::real::{free_port, poll_for};

use crate::client::SOON;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::{get, grant, grant_for, private};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// What no client of HTTP can read, and no page may show.
const NO_HTTP: &[u8] = b"<script>evil</script>\r\n\r\n";

/// The stage, and the words of the table.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) servers: Vec<(&'static str, Recorder)>,
    words: Vec<(&'static str, String)>,
    /// What no answer to an attack may tell.
    pub(super) secrets: Vec<String>,
}

impl Scene {
    /// `A` and `API` are previews of one session, `THEIRS` one of another, `PUBLIC` everybody's; `MUTE` speaks no
    /// HTTP, at `GONE` nobody listens any more.
    pub(super) fn new(is_secure: bool) -> Self {
        let names = ["A", "API", "THEIRS", "PUBLIC", "MUTE"];
        let servers =
            names.map(|name| (name, Recorder::answering(if name == "MUTE" { NO_HTTP } else { OK })));
        let port = |name: &str| servers.iter().find(|it| it.0 == name).expect("a server").1.port;
        let scheme = if is_secure { "https" } else { "http" };
        let own = |name: &str, port: u16, token: u8| {
            let mut route = private(name, port);
            route.url.origin = format!("{scheme}://{}", route.url.host);
            Route { tokens: Tokens::new(token_of(token).digest()), ..route }
        };
        let theirs =
            Route { session: SessionId::new("t").expect("valid"), ..own("theirs", port("THEIRS"), 3) };
        let public = Route { visibility: Visibility::Public, ..own("public", port("PUBLIC"), 4) };
        let gone = own("gone", free_port().expect("a port"), 5);
        let before = with_shares(own("app", port("A"), REVOKED), true);
        let now = Route {
            epoch: 1,
            tokens: Tokens {
                current: token_of(OWN).digest(),
                previous: Some((token_of(ROTATED).digest(), wall(-1))),
            },
            ..with_shares(own("app", port("A"), OWN), false)
        };
        let others = vec![
            own("api", port("API"), 2),
            theirs.clone(),
            public.clone(),
            gone.clone(),
            own("mute", port("MUTE"), 6),
        ];
        let routes = [vec![before.clone()], others].concat();
        let stage = if is_secure { Stage::secure(routes, change) } else { Stage::of(routes, change) };

        let old_link = format!("/?session_id=s&token={}", token_of(REVOKED).reveal());
        let first = get(stage.edge.http, HOST, &old_link, "");
        assert_eq!(first.status(), 200, "what is replayed was good once: {first:?}");
        let older = first.all("set-cookie")[0].clone();
        let older =
            older.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair").1.to_owned();
        stage.daemon.put(now.clone());
        let new_link = format!("/?session_id=s&token={}", token_of(OWN).reveal());
        poll_for("the revocation", SOON, || {
            (get(stage.edge.http, HOST, &new_link, "").status() == 200).then_some(())
        })
        .expect("in time");

        let words = words(is_secure, &now, &theirs, &gone, older);
        let secrets = words.iter().filter(|it| SECRET.contains(&it.0)).map(|it| it.1.clone()).collect();
        Self { stage, servers: servers.into(), words, secrets }
    }

    /// A text of the table with the scene's words.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let filled = words.iter().fold(text.to_owned(), |text, (name, word)| {
            if text.contains('$') { text.replace(&format!("${name}"), word) } else { text }
        });
        assert!(!filled.contains('$'), "no such word: {filled}");
        filled
    }
}

const HOST: &str = "app.preview.test";
/// Its token has letters of both cases.
const OWN: u8 = 109;
const REVOKED: u8 = 11;
const ROTATED: u8 = 12;
const GUEST: u8 = 13;
const WITHDRAWN: u8 = 14;
const LAPSED: u8 = 15;

/// What asks for a WebSocket.
const SOCKET: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// Words that open something somewhere.
const SECRET: [&str; 6] = ["TOKEN", "TOKENTHEIRS", "GUEST", "GRANT", "GRANTTHEIRS", "GRANTGONE"];

fn change(config: &mut Config) {
    // The table is longer than the misses of a minute.
    config.limits.misses_per_minute = 100_000;
    config.notice = Some(Notice { contact: None });
    config.login.headers = ["remote-user", "x-auth-request-email"].map(http::HeaderName::from_static).into();
}

fn words(
    is_secure: bool,
    app: &Route,
    theirs: &Route,
    gone: &Route,
    older: String,
) -> Vec<(&'static str, String)> {
    let good = grant(app);
    let (signed, mac) = good.rsplit_once('.').expect("a MAC");
    let token = token_of(OWN).reveal().to_owned();
    let origin = |name: &str| format!("{}://{name}.preview.test", if is_secure { "https" } else { "http" });
    let seal = |key: GrantKey, grant: Grant, host: &str| {
        GrantKeys::new(vec![key]).seal(&grant, host).expect("a key")
    };
    let hour = Duration::from_hours(1);
    let fresh = |route: &Route| Grant::new(route.id, route.epoch, wall(-60), hour);
    let guest = &app.shares.as_slice()[0];
    let by_guest = seal(GrantKey::new(1, [4; 32]), fresh(app).by(guest), HOST);
    let (guest_signed, guest_mac) = by_guest.rsplit_once('.').expect("a MAC");
    let (cookie, worker) =
        if is_secure { ("__Host-preview", "__Host-preview-w") } else { ("preview", "preview-w") };
    let wrong_share = format!(".{}.0.", app.epoch);
    let right_share = format!(".{}.{}.", app.epoch, guest.number);
    let digest = HEXLOWER.encode(token_of(OWN).digest().as_bytes());
    vec![
        ("HOSTA", HOST.to_owned()),
        ("HOSTAPI", "api.preview.test".to_owned()),
        ("HOSTTHEIRS", "theirs.preview.test".to_owned()),
        ("HOSTPUBLIC", "public.preview.test".to_owned()),
        ("HOSTMUTE", "mute.preview.test".to_owned()),
        ("HOSTGONE", "gone.preview.test".to_owned()),
        ("HOSTDEAD", "dead.preview.test".to_owned()),
        ("ORIGINA", origin("app")),
        ("ORIGINTHEIRS", origin("theirs")),
        ("ORIGINDEAD", origin("dead")),
        ("ORIGINPUBLIC", origin("public")),
        ("SCHEME", if is_secure { "https" } else { "http" }.to_owned()),
        ("PORT", if is_secure { "443" } else { "80" }.to_owned()),
        ("DEVPORT", app.listener.port.to_string()),
        ("COOKIE", cookie.to_owned()),
        ("WORKER", worker.to_owned()),
        ("SOCKET", SOCKET.to_owned()),
        ("LINK", format!("session_id=s&token={token}")),
        ("TOKENTHEIRS", token_of(3).reveal().to_owned()),
        ("TOKENPUBLIC", token_of(4).reveal().to_owned()),
        ("TOKENSHORT", token[..token.len() - 1].to_owned()),
        ("TOKENUPPER", token.to_uppercase()),
        ("TOKENDIGEST", BASE64URL_NOPAD.encode(token_of(OWN).digest().as_bytes())),
        ("TOKENHEX", digest),
        ("TOKENTWICE", token.bytes().map(|byte| format!("%25{byte:02X}")).collect::<Vec<_>>().concat()),
        ("TOKEN", token),
        ("REVOKED", token_of(REVOKED).reveal().to_owned()),
        ("ROTATED", token_of(ROTATED).reveal().to_owned()),
        ("GUEST", token_of(GUEST).reveal().to_owned()),
        ("WITHDRAWN", token_of(WITHDRAWN).reveal().to_owned()),
        ("LAPSED", token_of(LAPSED).reveal().to_owned()),
        ("GRANTTHEIRS", grant(theirs)),
        ("GRANTGONE", grant(gone)),
        ("GRANTOLDER", older),
        ("GRANTNEWER", grant_for(app, 2, hour)),
        ("GRANTPAST", grant_for(app, 1, Duration::from_secs(30))),
        ("GRANTELSEWHERE", seal(GrantKey::new(1, [4; 32]), fresh(app), "theirs.preview.test")),
        ("GRANTFORMER", seal(GrantKey::new(1, [4; 32]), fresh(theirs), HOST)),
        ("GRANTOWNKEY", seal(GrantKey::new(1, [5; 32]), fresh(app), HOST)),
        ("GRANTNEXTKEY", seal(GrantKey::new(2, [4; 32]), fresh(app), HOST)),
        ("GRANTGUEST", by_guest.clone()),
        ("GRANTWIDENED", format!("{}.{guest_mac}", guest_signed.replacen(&right_share, &wrong_share, 1))),
        ("GRANTLONGER", format!("{signed}9.{mac}")),
        ("GRANTEPOCH", format!("{}.{mac}", signed.replacen(".1.0.", ".01.0.", 1))),
        ("GRANTVERSION", good.replacen("1.", "2.", 1)),
        ("GRANTUNSIGNED", format!("{signed}.")),
        ("GRANTCUT", good[..good.len() - 1].to_owned()),
        ("GRANTPADDED", format!("{good}=")),
        ("GRANTFLIPPED", format!("{signed}.{}", flipped(mac))),
        ("GRANTENCODED", good.replace('.', "%2E")),
        ("GRANT", good),
        ("KILOBYTES", "x".repeat(8 << 10)),
        ("MEGABYTE", "x".repeat(1 << 20)),
        ("MANY", (0..101).map(|n| format!("X-{n}: 1")).collect::<Vec<_>>().join("\n")),
        ("CROWD", format!("{cookie}=1.1.x.0.0.1.9999999999.x; ").repeat(500)),
    ]
}

/// Two links for others while all is well, and what is left of them later.
fn with_shares(mut route: Route, before: bool) -> Route {
    for (token, read_only) in [(GUEST, true), (WITHDRAWN, false), (LAPSED, false)] {
        let wish = Wish::new(Label::default(), read_only, Duration::from_hours(1)).expect("in bounds");
        let share = route.shares.make(&wish, token_of(token).digest(), wall(-60)).expect("room");
        let expires = if token == LAPSED && !before { wall(-1) } else { share.expires };
        route.shares.add(Share { expires, ..share });
    }
    if !before {
        let withdrawn = token_of(WITHDRAWN).digest();
        let number = route.shares.as_slice().iter().find(|it| it.digest == withdrawn).expect("made").number;
        route.shares.remove(number);
    }
    route
}

fn token_of(number: u8) -> Token {
    Token::from_entropy([number; 32])
}

/// The moment so many seconds from now.
fn wall(from_now: i64) -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Wall::from_secs(since.as_secs().checked_add_signed(from_now).expect("after 1970"))
}

/// The same text with another first character.
fn flipped(mac: &str) -> String {
    let first = if mac.starts_with('A') { 'B' } else { 'A' };
    format!("{first}{}", &mac[1..])
}
