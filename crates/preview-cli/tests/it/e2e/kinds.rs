//! Everything that a page asks for, in each place that a page is shown in: all of it gets in by the page's grant.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::real::browser::Tab;
use xtask::real::curl::curl;
use xtask::real::preview::Preview;
use xtask::real::{Browser, EchoServer, free_port};

use super::shared_host::{SOON, SharedHost};

#[test]
fn in_a_frame_of_another_site_all_that_a_page_asks_for_gets_in() -> Result<()> {
    let (host, server) =
        (SharedHost::new("https://{id}.preview.test:HTTPS", "")?, EchoServer::start(free_port()?)?);
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go(&ada.link)?, Some(200));
    all_get_in(&mut tab, &[])?;
    no_grant_arrived(&server)
}

#[test]
fn in_a_frame_that_may_keep_cookies_shared_and_service_workers_get_in_by_the_unpartitioned_one() -> Result<()>
{
    let (host, server) =
        (SharedHost::new("https://{id}.preview.test:HTTPS", "")?, EchoServer::start(free_port()?)?);
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.allow_third_party_cookies().tab()?;
    assert_eq!(tab.go(&ada.link)?, Some(200));
    all_get_in(&mut tab, &WORKERS)?;
    no_grant_arrived(&server)
}

#[test]
fn in_a_tab_shared_and_service_workers_get_in_too() -> Result<()> {
    let (host, server) =
        (SharedHost::new("https://{id}.preview.test:HTTPS", "")?, EchoServer::start(free_port()?)?);
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go_alone(&ada.link)?, Some(200));
    all_get_in(&mut tab, &WORKERS)?;
    no_grant_arrived(&server)
}

#[test]
fn by_plain_http_under_localhost_the_same_gets_in_as_by_https() -> Result<()> {
    let preview = Preview::up(
        "web_preview:\n  public_url_template: \"http://{id}.localhost:HTTP\"\n  state_dir: STATE\n  \
         edge: { http: \"localhost:HTTP\" }\n",
    )?;
    let server = EchoServer::start(free_port()?)?;
    let mut tab = Browser::new().patience(SOON).tab()?;
    assert_eq!(tab.go(&preview.link(server.port(), "app")?)?, Some(200));
    all_get_in(&mut tab, &WORKERS)?;
    no_grant_arrived(&server)
}

#[test]
fn another_origin_is_not_told_the_link_even_if_the_app_would_tell_it() -> Result<()> {
    let (host, server) =
        (SharedHost::new("https://{id}.preview.test:HTTPS", "")?, EchoServer::start(free_port()?)?);
    let ada = host.attach("ada", &server)?;
    let elsewhere = EchoServer::start(free_port()?)?;
    let mut tab = host.browser()?.tab()?;
    let query = ada.link.split('?').nth(1).context("a query")?;
    let told = format!("{}headers?referrer-policy=unsafe-url&{query}", ada.url);
    assert_eq!(tab.go_alone(&told)?, Some(200));
    let ask =
        format!("fetch('http://127.0.0.1:{}/echo', {{ mode: 'no-cors' }}).then(() => 1)", elsewhere.port());
    assert_eq!(tab.evaluate::<u8>(&ask)?, 1);
    let seen = seen(&elsewhere)?;
    assert!(seen.contains("/echo") && !seen.to_lowercase().contains("\"referer\""), "{seen}");
    Ok(())
}

/// Those that a frame of another site has only where the browser keeps its cookies, and that send no partitioned one
/// there.
const WORKERS: [&str; 2] = ["shared worker", "service worker"];

/// Each kind of request by its name, as a promise of `true`.
const KINDS: &str = "(async (more) => {
    const give = (type, body) => `/give?type=${encodeURIComponent(type)}&body=${encodeURIComponent(body)}`;
    const script = (body) => give('text/javascript', body);
    const loaded = (name, attributes) => new Promise((resolve, reject) => {
        const element = Object.assign(document.createElement(name), attributes);
        Object.assign(element, { onload: () => resolve(true), onerror: () => reject(new Error('refused')) });
        document.body.append(element);
    });
    const told = (worker, port = worker) => new Promise((resolve, reject) => {
        port.onmessage = (it) => resolve(it.data === 200);
        worker.onerror = () => reject(new Error('refused'));
    });
    const asking = \"fetch('/echo').then((it) => postMessage(it.status))\";
    const joined = \"onconnect = (it) => fetch('/echo').then(({ status }) => it.ports[0].postMessage(status))\";
    const kinds = {
        script: () => loaded('script', { src: script('1') }),
        style: () => loaded('link', { rel: 'stylesheet', href: give('text/css', 'p { color: red }') }),
        picture: () => loaded('img', { src: give('image/svg+xml', '<svg xmlns=\"http://www.w3.org/2000/svg\"/>') }),
        module: async () => (await import(script('export default 7'))).default === 7,
        frame: () => loaded('iframe', { src: '/echo' }).then(() => frames[0].document.body.innerText.includes('/echo')),
        fetch: async () => (await fetch('/echo')).status === 200,
        post: async () => (await fetch('/echo', { method: 'POST', body: 'x' })).status === 200,
        worker: () => told(new Worker(script(asking))),
        'module worker': () => told(new Worker(script(asking), { type: 'module' })),
        'event source': () => new Promise((resolve, reject) => {
            const events = new EventSource('/sse');
            Object.assign(events, { onmessage: () => resolve(true), onerror: () => reject(new Error('refused')) });
        }),
        socket: () => new Promise((resolve, reject) => {
            const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`);
            Object.assign(socket, { onopen: () => resolve(true), onerror: () => reject(new Error('refused')) });
        }),
        'shared worker': () => {
            const worker = new SharedWorker(script(joined));
            return told(worker, worker.port);
        },
        'service worker': async () => (await navigator.serviceWorker.register(script('1'))) && true,
    };
    const special = ['shared worker', 'service worker'];
    const due = Object.keys(kinds).filter((name) => !special.includes(name) || more.includes(name));
    const results = due.map(async (name) => [name, await kinds[name]().catch((error) => `${error}`)]);
    return Object.fromEntries(await Promise.all(results));
})";

fn all_get_in(tab: &mut Tab, more: &[&str]) -> Result<()> {
    let told: BTreeMap<String, Value> =
        tab.evaluate(&format!("{KINDS}({})", serde_json::to_string(more)?))?;
    assert_eq!(told.len(), 11 + more.len(), "{told:?}");
    assert!(told.values().all(|it| *it == Value::Bool(true)), "{told:?}");
    Ok(())
}

/// The dev server was asked, and told nothing of what let the browser in.
fn no_grant_arrived(server: &EchoServer) -> Result<()> {
    let seen = seen(server)?;
    assert!(seen.contains("/sse") && !seen.contains("-preview"), "{seen}");
    Ok(())
}

/// What arrived at a server, with all headers.
fn seen(server: &EchoServer) -> Result<String> {
    Ok(curl(&[&format!("http://127.0.0.1:{}/seen", server.port())])?.body)
}
