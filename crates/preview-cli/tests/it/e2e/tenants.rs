//! Two tenants, one after the other: nothing of the first is to be seen by the second.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::real::curl::curl;
use xtask::real::{EchoServer, free_port};

use super::shared_host::{FETCH, OPEN, SharedHost, grant_of, wait_until};

#[test]
fn whoever_attaches_a_port_again_sees_nothing_of_who_had_it_before() -> Result<()> {
    follows_on_a_port("https://preview-{port}.preview.test:HTTPS")
}

#[test]
fn nor_without_encryption_on_ones_own_machine() -> Result<()> {
    follows_on_a_port("http://preview-{port}.localhost:HTTP")
}

fn follows_on_a_port(template: &str) -> Result<()> {
    let host = SharedHost::new(template, "")?;
    let port = free_port()?;
    let server = EchoServer::start(port)?;
    let ada = host.attach("ada", &server)?;

    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go_alone(&ada.link)?, Some(200));
    assert_eq!(tab.evaluate::<String>(REGISTER)?, "TypeError", "no service worker comes in");
    tab.evaluate::<()>(LEAVE)?;
    assert!(tab.evaluate::<bool>(OPEN)?);
    assert_eq!(tab.evaluate::<Value>(SEE)?, left_behind());
    let second = tab.another()?;
    assert_eq!(tab.go(&ada.link)?, Some(200));
    tab.evaluate::<()>(LEAVE_IN_A_FRAME)?;
    assert_eq!(tab.evaluate::<Value>(SEE_IN_A_FRAME)?, json!(["framed=left-behind", true]));
    let old_grant = grant_of(&tab.cookies()?, &ada.url).context("a grant")?;
    assert_eq!(host.status(&ada.url, &old_grant)?, 200);

    tab.turn_to(0)?;
    host.detach(&ada)?;
    wait_until(&mut tab, "the first one's socket to be closed", "window.isClosed", &json!(true))?;
    drop(server);
    let server = EchoServer::start(port)?;
    let bob = host.attach("bob", &server)?;
    assert_eq!(bob.url, ada.url, "the same address");
    assert_eq!(tab.evaluate::<Value>(FETCH)?, json!([410, false]), "a tab that is still open reads nothing");
    assert!(!tab.evaluate::<bool>(OPEN)?, "nor opens a socket");
    assert_eq!(host.status(&ada.link, "")?, 502, "the old link");
    assert_eq!(host.status(&ada.url, &old_grant)?, 410, "the old grant");
    assert_eq!(tab.reload()?, Some(410));
    tab.wait_for_text("This preview has ended")?;
    tab.screenshot(&host.scratch.join("ended.png"))?;
    assert!(!heard(&server)?.contains("of-the-old-page"), "the second one's server was asked");

    // In the very tab, in one beside it, and in a frame.
    let page = bob.link.replacen("/?", &format!("/{LOOKS_AT_ONCE}&"), 1);
    assert_eq!(tab.go_alone(&page)?, Some(200));
    assert_eq!(tab.evaluate::<String>("window.seenAtOnce")?, "", "when its first script runs");
    assert_eq!(tab.evaluate::<Value>(SEE)?, nothing());
    tab.another()?;
    assert_eq!(tab.go_alone(&bob.link)?, Some(200));
    assert_eq!(tab.evaluate::<Value>(SEE)?, nothing());
    tab.turn_to(second)?;
    assert_eq!(tab.go(&bob.link)?, Some(200));
    assert_eq!(tab.evaluate::<Value>(SEE_IN_A_FRAME)?, json!(["", true]));

    // Another preview of the first one's, in the same browser, which now holds the second one's grant.
    let other = EchoServer::start(free_port()?)?;
    let other = host.attach("ada", &other)?;
    assert_eq!(tab.go_alone(&other.link)?, Some(200));
    let reached: Value = tab.evaluate(&REACH.replace("ORIGIN", bob.origin()))?;
    assert_eq!(reached, json!(["TypeError", false]));
    let heard = heard(&server)?;
    assert!(!heard.contains("of-the-old-page"), "{heard}");
    assert!(!heard.contains("__Host-preview"), "no grant, whoever's it is: {heard}");
    assert!(heard.contains("/give") && !heard.contains("left-behind"), "{heard}");
    Ok(())
}

#[test]
fn an_address_of_its_own_has_workers_and_is_never_somebody_elses() -> Result<()> {
    let host = SharedHost::new("https://{id}.preview.test:HTTPS", "")?;
    let server = EchoServer::start(free_port()?)?;
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go_alone(&ada.link)?, Some(200));
    assert_eq!(tab.evaluate::<String>(REGISTER)?, "registered");
    tab.evaluate::<()>(LEAVE)?;
    wait_until(&mut tab, "the service worker to answer", FROM_THE_WORKER, &json!("from the worker"))?;
    assert_eq!(tab.evaluate::<u16>(SHARED)?, 200, "a shared worker is started, and let in itself");
    let old_grant = grant_of(&tab.cookies()?, &ada.url).context("a grant")?;

    host.detach(&ada)?;
    let bob = host.attach("bob", &server)?;
    assert_ne!(bob.url, ada.url);
    wait_until(&mut tab, "the end to be known", FETCH, &json!([410, false]))?;
    assert_eq!(tab.reload()?, Some(410));
    tab.wait_for_text("This preview has ended")?;
    assert_eq!((host.status(&ada.url, &old_grant)?, host.status(&ada.link, &old_grant)?), (410, 410));
    assert_eq!((host.status(&ada.url, "")?, host.status(&ada.link, "")?), (502, 502), "a stranger");
    assert_eq!(host.status(&bob.url, &old_grant)?, 401, "it opens no other");

    assert_eq!(tab.go_alone(&bob.link)?, Some(200));
    assert_eq!(tab.evaluate::<Value>(SEE)?, nothing());
    host.detach(&bob)?;
    let again = host.attach("ada", &server)?;
    assert!(again.url != ada.url && again.url != bob.url, "{}", again.url);
    assert_eq!(host.status(&ada.url, &old_grant)?, 410, "still");
    Ok(())
}

/// Leaves something in every store, and cookies of each kind, one of which its server means for all hosts of the domain.
const LEAVE: &str = "(async () => {
    localStorage.setItem('it', 'left-behind');
    sessionStorage.setItem('it', 'left-behind');
    await new Promise((resolve, reject) => {
        const opening = indexedDB.open('left-behind', 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore('it').put('left-behind', 1);
        opening.onsuccess = () => { opening.result.close(); resolve(); };
        opening.onerror = () => reject(opening.error);
    });
    await (await caches.open('left-behind')).put('/it', new Response('left-behind'));
    document.cookie = 'written=left-behind; Path=/; Max-Age=86400';
    document.cookie = 'parted=left-behind; Path=/; Max-Age=86400; Secure; SameSite=None; Partitioned';
    const served = 'served=left-behind; Path=/; HttpOnly; Max-Age=86400';
    const wide = `wide=left-behind; Path=/; Domain=${location.hostname.replace(/^[^.]*./, '')}; Max-Age=86400`;
    await fetch(`/set-cookie?c=${encodeURIComponent(served)}&c=${encodeURIComponent(wide)}`);
    await (await fetch('/headers?cache-control=max-age=86400')).text();
})()";

/// What a page finds in every store, and the cookies that its server gets.
const SEE: &str = "(async () => ({
    local: Object.values(localStorage),
    session: Object.values(sessionStorage),
    databases: (await indexedDB.databases()).map((it) => it.name),
    caches: await caches.keys(),
    kept: await fetch('/headers?cache-control=max-age=86400', { mode: 'same-origin', cache: 'only-if-cached' })
        .then((it) => it.status, () => 0),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    cookies: (await (await fetch('/echo')).json()).headers
        .filter(([name]) => name.toLowerCase() === 'cookie')
        .flatMap(([, value]) => value.split('; ').map((it) => it.split('=')[0])).sort(),
}))()";

/// A page that looks before anything else could happen.
const LOOKS_AT_ONCE: &str = "give?type=text/html&body=%3Cscript%3EseenAtOnce=document.cookie    %2BObject.values(localStorage)%2BObject.values(sessionStorage)%3C/script%3E";

const LEAVE_IN_A_FRAME: &str = "(async () => {
    document.cookie = 'framed=left-behind; Path=/; Max-Age=86400; Secure; SameSite=None; Partitioned';
    const served = 'served=left-behind; Path=/; HttpOnly; Max-Age=86400';
    await fetch(`/set-cookie?c=${encodeURIComponent(served)}`);
})()";

/// The cookies a frame's script sees, and whether its storage is closed to it.
const SEE_IN_A_FRAME: &str = "(() => {
    try { localStorage.length; return [document.cookie, false]; } catch { return [document.cookie, true]; }
})()";

/// A service worker that answers one address itself; `registered`, or what kept it out.
const REGISTER: &str =
    "navigator.serviceWorker.register(`/give?type=text/javascript&body=${encodeURIComponent(`
    onactivate = (event) => event.waitUntil(clients.claim());
    onfetch = (event) => {
        if (event.request.url.endsWith('/it')) event.respondWith(new Response('from the worker'));
    };
`)}`).then(() => 'registered', (error) => error.name)";

const FROM_THE_WORKER: &str = "fetch('/it').then((it) => it.text())";

/// The status that a shared worker gets for a fetch of its own.
const SHARED: &str = "new Promise((resolve, reject) => {
    const code = `onconnect = ({ ports: [port] }) => fetch('/echo').then((it) => port.postMessage(it.status));`;
    const worker = new SharedWorker(`/give?type=text/javascript&body=${encodeURIComponent(code)}`);
    worker.port.onmessage = (it) => resolve(it.data);
    worker.onerror = () => reject(new Error('it does not start'));
})";

/// Whether a page gets something from another host, and a socket to it. What it may only send has no answer.
const REACH: &str = "(async () => {
    await fetch('ORIGIN/echo?of-the-old-page', { credentials: 'include', mode: 'no-cors' });
    const status = await fetch('ORIGIN/echo?of-the-old-page', { credentials: 'include' })
        .then((it) => it.status, (error) => error.name);
    const opens = await new Promise((resolve) => {
        const socket = new WebSocket('ORIGIN/ws?of-the-old-page');
        socket.onopen = () => resolve(true);
        socket.onclose = () => resolve(false);
    });
    return [status, opens];
})()";

fn left_behind() -> Value {
    let it = ["left-behind"];
    let cookies = ["parted", "served", "wide", "written"];
    json!({ "local": it, "session": it, "databases": it, "caches": it, "kept": 200, "workers": 0, "cookies": cookies })
}

fn nothing() -> Value {
    json!({ "local": [], "session": [], "databases": [], "caches": [], "kept": 0, "workers": 0, "cookies": [] })
}

/// What a server heard so far, as text.
fn heard(server: &EchoServer) -> Result<String> {
    Ok(curl(&[&format!("http://127.0.0.1:{}/seen", server.port())])?.body)
}
