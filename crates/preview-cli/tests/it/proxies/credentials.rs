//! Credentials that were good once, are good elsewhere or come where none belongs, headers that only a proxy may write,
//! and other pages' requests, through nginx and `/auth/verify`: what our own edge refuses, this refuses too.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::confusion;
use super::stage::{Kind, Stage, cookie, got, seen};
use super::table::Fate::{self, Arrives, Refused};
use super::table::{FORBIDDEN, MALFORMED, NOT_IN, PLAIN, exchange, status};

/// `$A` is the attached host, `$B` another tenant's; of both links and grants there are several.
const ATTACKS: &[(&str, &str, Fate)] = &[
    ("a revoked token", "GET /echo?session_id=s&token=$REVOKED HTTP/1.1\nHost: $A", NOT_IN),
    ("a token rotated out", "GET /echo?session_id=s&token=$ROTATED HTTP/1.1\nHost: $A", NOT_IN),
    ("a withdrawn link", "GET /echo?session_id=s&token=$WITHDRAWN HTTP/1.1\nHost: $A", NOT_IN),
    ("the former holder's token", "GET /echo?session_id=s&token=$FORMERTOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("another tenant's token", "GET /echo?session_id=t&token=$THEIRTOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("another tenant's token as ours", "GET /echo?session_id=s&token=$THEIRTOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("our token under their session", "GET /echo?session_id=t&token=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("a token cut short", "GET /echo?session_id=s&token=$SHORT HTTP/1.1\nHost: $A", NOT_IN),
    ("a token drawn out", "GET /echo?session_id=s&token=$TOKENx HTTP/1.1\nHost: $A", NOT_IN),
    ("two pairs, theirs first", "GET /echo?session_id=t&token=$THEIRTOKEN&$LINK HTTP/1.1\nHost: $A", NOT_IN),
    ("an empty token first", "GET /echo?token=&$LINK HTTP/1.1\nHost: $A", NOT_IN),
    ("both empty", "GET /echo?session_id=&token= HTTP/1.1\nHost: $A", NOT_IN),
    ("a token alone", "GET /echo?token=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("names in capitals", "GET /echo?SESSION_ID=s&TOKEN=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("a list", "GET /echo?session_id[]=s&token[]=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("semicolons", "GET /echo?session_id=s;token=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("an encoded ampersand", "GET /echo?session_id=s%26token=$TOKEN HTTP/1.1\nHost: $A", NOT_IN),
    ("a second question mark", "GET /echo??$LINK HTTP/1.1\nHost: $A", NOT_IN),
    ("a token with a NUL behind it", "GET /echo?$LINK%00 HTTP/1.1\nHost: $A", NOT_IN),
    ("a token with a line behind it", "GET /echo?$LINK%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\nHost: $A", NOT_IN),
    ("bytes that are no text", "GET /echo?session_id=s&token=%ff%fe HTTP/1.1\nHost: $A", NOT_IN),
    ("a token of six kilobytes", "GET /echo?session_id=s&token=$LARGE HTTP/1.1\nHost: $A", NOT_IN),
    (
        "a form",
        "POST /echo HTTP/1.1\nHost: $A\nContent-Type: application/x-www-form-urlencoded\n\
         Content-Length: 62\n\n$LINK",
        NOT_IN,
    ),
    ("a header token elsewhere", "GET /echo HTTP/1.1\nHost: $B\nPreview-Token: $TOKEN", NOT_IN),
    ("two header tokens", "GET /echo HTTP/1.1\nHost: $A\nPreview-Token: x\nPreview-Token: $TOKEN", NOT_IN),
    ("_ for - in the token's header", "GET /echo HTTP/1.1\nHost: $A\nPreview_Token: $TOKEN", NOT_IN),
    ("a wrong header before a right link", "GET /echo?$LINK HTTP/1.1\nHost: $A\nPreview-Token: x", NOT_IN),
    ("a bearer", "GET /echo HTTP/1.1\nHost: $A\nAuthorization: Bearer $TOKEN", NOT_IN),
    ("a token for a cookie", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$TOKEN", NOT_IN),
    ("another tenant's grant", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$THEIRGRANT", NOT_IN),
    ("our grant at another tenant's", "GET /echo HTTP/1.1\nHost: $B\nCookie: preview=$GRANT", NOT_IN),
    ("the former holder's grant", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$FORMERGRANT", NOT_IN),
    ("the grant of before the revocation", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$OLDER", NOT_IN),
    ("a guest's grant after the withdrawal", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$LEFT", NOT_IN),
    ("a grant drawn out", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$LONGER", NOT_IN),
    ("a guest's grant made the owner's", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$WIDENED", NOT_IN),
    ("a grant with another seal", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$FLIPPED", NOT_IN),
    ("a grant without a seal", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$UNSIGNED", NOT_IN),
    ("a grant with a padded seal", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT=", NOT_IN),
    ("an encoded grant", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$ENCODED", NOT_IN),
    ("a quoted grant", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=\"$GRANT\"", NOT_IN),
    ("an empty grant", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=", NOT_IN),
    ("a grant of six kilobytes", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$LARGE", NOT_IN),
    ("a grant of twelve kilobytes", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$LARGE$LARGE", NOT_IN),
    ("two forged grants", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=x; preview=$FLIPPED", NOT_IN),
    ("two grants in one value", "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=x, preview=$GRANT", NOT_IN),
    ("a grant without a name", "GET /echo HTTP/1.1\nHost: $A\nCookie: $GRANT", NOT_IN),
    ("a grant behind an empty name", "GET /echo HTTP/1.1\nHost: $A\nCookie: =preview=$GRANT", NOT_IN),
    ("a name in capitals", "GET /echo HTTP/1.1\nHost: $A\nCookie: PREVIEW=$GRANT", NOT_IN),
    (
        "the secure cookie by plain HTTP",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: __Host-preview=$GRANT",
        NOT_IN,
    ),
    ("a grant in the token's header", "GET /echo HTTP/1.1\nHost: $A\nPreview-Token: $GRANT", NOT_IN),
    ("a grant in the query", "GET /echo?preview=$GRANT HTTP/1.1\nHost: $A", NOT_IN),
    ("the daemon's answer to itself", "GET /echo HTTP/1.1\nHost: $A\nPreview-Set-Cookie: preview=x", NOT_IN),
    ("the daemon's word", "GET /echo HTTP/1.1\nHost: $A\nPreview-Attachment: x\nPreview-User: u", NOT_IN),
    (
        "a post by a guest",
        "POST /echo?session_id=s&token=$GUEST HTTP/1.1\nHost: $A\nContent-Length: 0",
        FORBIDDEN,
    ),
    ("a delete by a guest's cookie", "DELETE /echo HTTP/1.1\nHost: $A\nCookie: preview=$LOOKS", FORBIDDEN),
    (
        "a guest's post that calls itself a socket",
        "POST /echo HTTP/1.1\nHost: $A\nCookie: preview=$LOOKS\nOrigin: $OWN\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nContent-Length: 0",
        FORBIDDEN,
    ),
    (
        "a guest's post that asks for an upgrade",
        "POST /echo?session_id=s&token=$GUEST HTTP/1.1\nHost: $A\nUpgrade: websocket\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nContent-Length: 0",
        FORBIDDEN,
    ),
    (
        "a guest's post that names another method",
        "POST /echo?session_id=s&token=$GUEST HTTP/1.1\nHost: $A\nX-Forwarded-Method: GET\n\
         X-HTTP-Method-Override: GET\nContent-Length: 0",
        FORBIDDEN,
    ),
    (
        "a sibling that hides in a post",
        "POST /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nOrigin: null\nSec-Fetch-Site: same-site\n\
         Content-Length: 0",
        FORBIDDEN,
    ),
    (
        "a sandboxed frame's form",
        "POST /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nOrigin: null\nSec-Fetch-Site: cross-site\n\
         Sec-Fetch-Mode: navigate\nContent-Length: 0",
        FORBIDDEN,
    ),
    (
        "a sibling's image",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nReferer: $THEIRS/",
        FORBIDDEN,
    ),
    (
        "a sibling's image without a referrer",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nSec-Fetch-Site: same-site",
        FORBIDDEN,
    ),
    (
        "a sibling before ourselves",
        "POST /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nOrigin: $THEIRS\nOrigin: $OWN\n\
         Content-Length: 0",
        Refused(&[400, 403]),
    ),
    (
        "a preflight with a cookie",
        "OPTIONS /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nOrigin: $THEIRS\n\
         Access-Control-Request-Method: PUT",
        FORBIDDEN,
    ),
    (
        "a preflight of nobody",
        "OPTIONS /echo HTTP/1.1\nHost: $A\nOrigin: null\nAccess-Control-Request-Method: PUT",
        NOT_IN,
    ),
    (
        "a preflight that asks for nothing",
        "OPTIONS /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT\nOrigin: $THEIRS",
        FORBIDDEN,
    ),
    ("a line end in a value", "GET /echo?$LINK HTTP/1.1\nHost: $A\nX: a\rSet-Cookie: evil=1", MALFORMED),
    ("a NUL in a value", "GET /echo?$LINK HTTP/1.1\nHost: $A\nX: a\0b", MALFORMED),
    (
        "a forged grant before a good one",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=evil; $KEPT; preview=$GRANT",
        Arrives("/echo"),
    ),
    (
        "grants in two headers",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=evil; $KEPT\nCookie: preview=$GRANT",
        Arrives("/echo"),
    ),
    (
        "a token in its header",
        "GET /echo HTTP/1.1\nHost: $A\nPreview-Token: $TOKEN\nCookie: $KEPT",
        Arrives("/echo"),
    ),
    (
        "headers of a proxy",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT; $KEPT\nX-Forwarded-For: 6.6.6.6\n\
         X-Forwarded-Host: evil\nX-Forwarded-Proto: evil\nX-Forwarded-Port: 6666\nX-Real-IP: 6.6.6.6\n\
         Forwarded: for=6.6.6.6\nX-Original-URL: /evil\nX-Rewrite-URL: /evil\nProxy: evil\n\
         X-Middleware-Subrequest: evil\nRemote-User: evil\nPreview-User: evil",
        Arrives("/echo"),
    ),
    (
        "headers of a proxy with _",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT; $KEPT\nX_Forwarded_For: 6.6.6.6\n\
         X_Real_IP: 6.6.6.6\nX_Original_URL: /evil\nX_Middleware_Subrequest: evil\nRemote_User: evil\n\
         Preview_User: evil\nContent_Length: 6666",
        Arrives("/echo"),
    ),
    (
        "headers of a proxy twice",
        "GET /echo HTTP/1.1\nHost: $A\nCookie: preview=$GRANT; $KEPT\nX-Forwarded-For: 127.0.0.1\n\
         X-Forwarded-For: 6.6.6.6\nX-Forwarded-Host: evil\nX-Forwarded-Host: evil",
        Arrives("/echo"),
    ),
];

#[test]
fn what_our_edge_refuses_nginx_refuses_by_the_daemons_word() -> Result<()> {
    let stage = Stage::new(Kind::Nginx, PLAIN)?;
    let other = xtask::real::EchoServer::start(xtask::real::free_port()?)?;
    let words = words(&stage, other.port())?;
    let fill =
        |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let known = (seen(&other)?.len(), seen(&stage.other)?.len());
    let secrets = ["$TOKEN", "$GUEST", "$GRANT", "$LOOKS"].map(fill);
    let mut wrong = Vec::new();
    for (name, request, fate) in ATTACKS {
        let before = seen(&stage.app)?.len();
        let request = fill(request);
        ensure!(!request.contains('$'), "{name}: no such word: {request}");
        let answer = exchange(stage.preview.https, &request).with_context(|| (*name).to_owned())?;
        let arrived = seen(&stage.app)?.split_off(before);
        let is_right = match fate {
            Refused(statuses) => {
                let told = secrets.iter().any(|secret| answer.contains(secret.as_str()));
                let shown = told || answer.contains("evil") || answer.to_lowercase().contains("set-cookie");
                statuses.contains(&status(&answer)) && arrived.is_empty() && !shown
            }
            Arrives(target) => {
                arrived.len() == 1 && arrived[0]["url"] == fill(target) && is_clean(&arrived[0], &words)
            }
        };
        if !is_right {
            wrong.push(format!("{name}: {answer:?}, arrived {arrived:?}, not {fate:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} attacks:\n{}", wrong.len(), ATTACKS.len(), wrong.join("\n"));
    let last = (seen(&other)?.len(), seen(&stage.other)?.len());
    ensure!(last == known, "another session's dev server was reached: {:?}", seen(&other)?);
    Ok(())
}

#[test]
fn over_a_hundred_attacks_go_through_nginx_and_none_twice() {
    let all: Vec<_> = confusion::ATTACKS.iter().chain(ATTACKS).collect();
    let names: HashSet<&str> = all.iter().map(|(name, ..)| *name).collect();
    let requests: HashSet<&str> = all.iter().map(|(_, request, _)| *request).collect();
    assert_eq!((names.len(), requests.len()), (all.len(), all.len()));
    assert!(all.len() > 100, "{}", all.len());
    let refused = all.iter().filter(|(.., fate)| matches!(fate, Refused(_))).count();
    assert!(refused > 100, "{refused}");
    let misses = ATTACKS.iter().filter(|(.., fate)| *fate == NOT_IN).count();
    assert!(misses < 90, "{misses}: after a hundred in a minute the daemon judges no more");
}

/// Whether nothing of the visitor's arrived but what is his to say.
fn is_clean(arrived: &Value, words: &[(&str, String)]) -> bool {
    let host = &words.iter().find(|(word, _)| *word == "$A").expect("a host").1;
    let text = arrived["headers"].to_string().to_lowercase();
    let one = |name: &str, value: &str| got(arrived, name) == [value];
    let told = ["evil", "6.6.6.6", "6666", "preview=", "preview-token", "preview-user", "_"];
    !told.iter().any(|word| text.contains(word))
        && one("cookie", "kept=1")
        && one("x-forwarded-for", "127.0.0.1")
        && one("x-real-ip", "127.0.0.1")
        && got(arrived, "host").concat().starts_with(host.as_str())
}

/// The words of the table, the longest first: what was good once has been so.
fn words(stage: &Stage, other: u16) -> Result<Vec<(&'static str, String)>> {
    let port = stage.app.port();
    let call = |path: &str, body: &Value| -> Result<Value> {
        let answer = stage.preview.call("POST", path, Some(body))?;
        ensure!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer.json()
    };
    let attach = |session: &str, user: &str, port: u16| {
        call("/v1/attachments", &json!({ "session_id": session, "user_id": user, "port": port, "name": "x" }))
    };
    let grant = |port: u16, session: &str, token: &str| -> Result<String> {
        let host = Stage::host(port);
        let url = format!("http://{host}:{}/echo?session_id={session}&token={token}", stage.preview.https);
        let pair = cookie(&stage.ask(&url, &[])?, "preview")?;
        Ok(pair.trim_start_matches("preview=").to_owned())
    };
    let former = attach("s", "u", port)?;
    let former_token = token(&former)?;
    let former_grant = grant(port, "s", &former_token)?;
    let gone = stage.preview.call("DELETE", &format!("/v1/attachments/{}", id(&former)), None)?;
    ensure!(gone.status == 200, "{gone:?}");

    let theirs = token(&attach("t", "v", other)?)?;
    let mine = attach("s", "u", port)?;
    let path = |what: &str| format!("/v1/attachments/{}/{what}", id(&mine));
    let revoked = token(&mine)?;
    let older = grant(port, "s", &revoked)?;
    let rotated = token(&call(&path("revoke"), &json!({}))?)?;
    // Of two rotations only the second leaves its token a minute.
    call(&path("rotate"), &json!({}))?;
    let good = token(&call(&path("rotate"), &json!({}))?)?;

    let share = |read_only: bool| -> Result<(String, Value)> {
        let made = call(&path("shares"), &json!({ "read_only": read_only }))?;
        let url = made["url"].as_str().context("a url")?;
        Ok((url.split("token=").nth(1).context("a token")?.to_owned(), made["number"].clone()))
    };
    let (guest, number) = share(true)?;
    let (withdrawn, left) = share(false)?;
    let left_grant = grant(port, "s", &withdrawn)?;
    let away = stage.preview.call("DELETE", &format!("{}/{left}", path("shares")), None)?;
    ensure!(away.status == 200, "{away:?}");

    let own = grant(port, "s", &good)?;
    let looks = grant(port, "s", &guest)?;
    let (signed, seal) = own.rsplit_once('.').context("a seal")?;
    let first = if seal.starts_with('A') { 'B' } else { 'A' };
    let widened = looks.replacen(&format!(".{number}."), ".0.", 1);
    ensure!(widened != looks, "a guest's grant names its link: {looks}");
    let origin = |port: u16| format!("http://{}:{}", Stage::host(port), stage.preview.https);
    let mut words = vec![
        ("$A", Stage::host(port)),
        ("$B", Stage::host(other)),
        ("$OWN", origin(port)),
        ("$THEIRS", origin(other)),
        ("$KEPT", "kept=1".to_owned()),
        ("$LARGE", "x".repeat(6 << 10)),
        ("$LINK", format!("session_id=s&token={good}")),
        ("$SHORT", good[1..].to_owned()),
        ("$REVOKED", revoked),
        ("$ROTATED", rotated),
        ("$WITHDRAWN", withdrawn),
        ("$FORMERTOKEN", former_token),
        ("$THEIRTOKEN", theirs.clone()),
        ("$GUEST", guest),
        ("$TOKEN", good),
        ("$THEIRGRANT", grant(other, "t", &theirs)?),
        ("$FORMERGRANT", former_grant),
        ("$OLDER", older),
        ("$LEFT", left_grant),
        ("$LONGER", format!("{signed}9.{seal}")),
        ("$WIDENED", widened),
        ("$FLIPPED", format!("{signed}.{first}{}", &seal[1..])),
        ("$UNSIGNED", format!("{signed}.")),
        ("$ENCODED", own.replace('.', "%2E")),
        ("$LOOKS", looks),
        ("$GRANT", own),
    ];
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    Ok(words)
}

fn token(attached: &Value) -> Result<String> {
    attached["token"].as_str().map(str::to_owned).with_context(|| format!("a token in {attached}"))
}

fn id(attached: &Value) -> &str {
    attached["id"].as_str().unwrap_or_default()
}
