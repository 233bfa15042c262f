//! What a dev server needs that cannot be given from outside, said once it is up.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use preview_core::ports::Port;
use preview_core::template::{Scheme, UrlTemplate};
use preview_sockets::{Diag, SocketSeen, receiving};

use super::found::Listener;

/// Advice on a command that listens there, for a URL of this template.
pub(super) fn on(command: &[String], listener: &Listener, template: &UrlTemplate) -> Vec<String> {
    let words = script(command);
    let runs = |program: &str| words.iter().any(|word| word.rsplit('/').next() == Some(program));
    let mut all = Vec::new();
    let listening = Diag::open().and_then(|mut diag| diag.listening()).unwrap_or_default();
    if runs("next") && is_wildcard(&listening, listener) {
        all.push("next binds every address unless it is told: add `-H 127.0.0.1`".to_owned());
    }
    if runs("next") && template.scheme() == Scheme::Https {
        all.push(format!(
            "for Next's own host check: allowedDevOrigins: ['*.{}'] in next.config",
            template.base()
        ));
    }
    let is_webpack =
        runs("webpack-dev-server") || runs("webpack") && words.iter().any(|word| word == "serve");
    if is_webpack && !words.iter().any(|word| word.contains("client-web-socket-url")) {
        all.push(
            "webpack's live updates dial its own port: add `--client-web-socket-url auto://0.0.0.0:0/ws`"
                .into(),
        );
    }
    if let Some(port) = missing_edge(&listening, template) {
        all.push(format!(
            "no edge listens on port {port}: start preview-edge, or end the daemon and `preview up`"
        ));
    }
    if let Some(port) = template.public_port().filter(|_| runs("storybook")) {
        all.push(format!(
            "Storybook's live updates dial its own port: in viteFinal set server.hmr.clientPort to {port}"
        ));
    }
    all
}

/// The words of a command, and those of the package script that it runs.
fn script(command: &[String]) -> Vec<String> {
    let mut words = command.to_vec();
    let is_runner = command.first().is_some_and(|it| matches!(it.as_str(), "npm" | "pnpm" | "yarn" | "bun"));
    let name = command.iter().skip(1).find(|word| !word.starts_with('-') && *word != "run");
    if let (true, Some(name)) = (is_runner, name) {
        let text = fs::read_to_string(Path::new("package.json")).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let line = package["scripts"][name].as_str().unwrap_or_default();
        words.extend(line.split_whitespace().map(str::to_owned));
    }
    words
}

fn is_wildcard(listening: &[SocketSeen], listener: &Listener) -> bool {
    let Ok(ip) = listener.host.parse() else { return false };
    receiving(listening, SocketAddr::new(ip, listener.port)).iter().any(SocketSeen::is_wildcard)
}

/// The port of this host on which an edge should be, and nobody is. Names elsewhere may lead to another host.
fn missing_edge(listening: &[SocketSeen], template: &UrlTemplate) -> Option<Port> {
    let is_here = template.base() == "localhost" || template.base().ends_with(".localhost");
    let port = template.public_port().filter(|_| is_here)?;
    (!listening.iter().any(|socket| socket.bound.port() == port.get())).then_some(port)
}
