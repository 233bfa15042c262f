use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::real::{Browser, EchoServer, Process, Scratch, bin, free_port, http_server, poll};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_plain_server_lists_its_folder() -> Result<()> {
    let scratch = Scratch::new()?;
    scratch.write("within/hello.txt", "hello")?;
    let port = free_port()?;
    let mut server = http_server::start(scratch.path(), port)?;
    assert!(curl(&[&format!("http://127.0.0.1:{port}/")])?.contains("within/"));
    server.wait_for_line("GET / ", SOON)?;
    Ok(())
}

#[test]
fn an_echo_tells_the_request_line_headers_and_body() -> Result<()> {
    let app = App::new()?;
    let said = app.json(&["-X", "PUT", "-H", "X-Two: b", "-d", "preview", &app.url("/echo?a=b")])?;
    assert_eq!((&said["method"], &said["url"]), (&"PUT".into(), &"/echo?a=b".into()));
    assert!(said["headers"].as_array().context("a list")?.contains(&serde_json::json!(["X-Two", "b"])));
    assert_eq!(said["body"]["bytes"], 7);
    assert_eq!(said["body"]["sha256"], "5975cf1bba432391c94667f5886225f69377c0aa8b9fa21fddfb21c89bcf9092");
    Ok(())
}

#[test]
fn the_first_event_is_there_at_once_and_the_second_after_a_tick() -> Result<()> {
    let app = App::new()?;
    let mut stream = Process::spawn(Command::new("curl").args(["-sN", &app.url("/sse")]))?;
    stream.wait_for_line("data: first", SOON)?;
    assert!(!stream.output().contains("tick"));
    assert_eq!(app.json(&["-X", "POST", &app.url("/tick")])?["released"], 1);
    stream.wait_for_line("data: tick 1", SOON)?;
    Ok(())
}

#[test]
fn an_upload_on_hold_is_not_read_before_a_tick() -> Result<()> {
    let app = App::new()?;
    let scratch = Scratch::new()?;
    let file = scratch.write("upload", vec![b'x'; 3_000_000])?;
    let body = format!("@{}", file.display());
    let mut upload = Process::spawn(Command::new("curl").args([
        "-s",
        "--data-binary",
        &body,
        &app.url("/stream-up?hold"),
    ]))?;
    app.wait_until("the upload", |seen| seen["waiting"] == 1)?;
    assert_eq!(app.json(&[&app.url("/seen")])?["uploaded"], 0);
    app.json(&["-X", "POST", &app.url("/tick")])?;
    ensure!(upload.wait(SOON)?.success());
    assert!(upload.output().contains(r#""bytes":3000000"#), "{}", upload.output());
    Ok(())
}

#[test]
fn a_download_that_nobody_takes_is_not_written() -> Result<()> {
    let app = App::new()?;
    let mut idle = TcpStream::connect(("127.0.0.1", app.server.port()))?;
    idle.write_all(b"GET /big?mb=64 HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    app.wait_until("the first MiB", |seen| seen["downloaded"].as_u64() > Some(0))?;
    assert!(app.json(&[&app.url("/seen")])?["downloaded"].as_u64() < Some(32 << 20));
    let whole = curl(&["-o", "/dev/null", "-w", "%{size_download}", &app.url("/big?mb=2")])?;
    assert_eq!(whole, "2097152");
    Ok(())
}

#[test]
fn answers_can_be_made_to_order() -> Result<()> {
    let app = App::new()?;
    let head = curl(&["-i", &app.url("/redirect?to=http://localhost:1/x&status=307")])?;
    assert!(head.starts_with("HTTP/1.1 307") && head.contains("http://localhost:1/x"), "{head}");
    let head = curl(&["-i", &app.url("/set-cookie?c=a=1%3B%20Path=/&c=b=2")])?;
    assert!(head.contains("set-cookie: a=1; Path=/") && head.contains("set-cookie: b=2"), "{head}");
    let head = curl(&["-i", &app.url("/headers?X-Frame-Options=DENY")])?;
    assert!(head.contains("X-Frame-Options: DENY"), "{head}");
    assert!(curl(&["-i", &app.url("/status?code=503")])?.starts_with("HTTP/1.1 503"));
    assert_eq!(app.json(&[&app.url("/slow?ms=1")])?["slow"], true);
    assert!(curl(&[&app.url("/drop")]).is_err());
    Ok(())
}

#[test]
fn a_websocket_echoes_text_and_bytes_and_closes_as_told() -> Result<()> {
    let app = App::new()?;
    let expression = "new Promise((resolve) => {
        const seen = [];
        const socket = new WebSocket(`ws://${location.host}/ws`);
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => { socket.send('hello'); socket.send(new Uint8Array([1, 2])); socket.send('close:4001:bye'); };
        socket.onmessage = (event) => seen.push(event.data.byteLength ?? event.data);
        socket.onclose = (event) => resolve([...seen, event.code, event.reason]);
    })";
    let seen = Browser::new().evaluate(&app.url("/").replace("127.0.0.1", "localhost"), expression)?;
    assert_eq!(seen.value, serde_json::json!(["hello", 2, 4001, "bye"]));
    Ok(())
}

#[test]
fn a_binary_that_is_not_built_is_named_with_the_cure() {
    let error = format!("{:#}", bin("preview-nothing").unwrap_err());
    assert!(error.contains("preview-nothing is not built") && error.contains("cargo xtask test"), "{error}");
}

struct App {
    server: EchoServer,
}

impl App {
    fn new() -> Result<Self> {
        Ok(Self { server: EchoServer::start(free_port()?)? })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.port())
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = curl(arguments)?;
        serde_json::from_str(&text).with_context(|| format!("from port {}: {text}", self.server.port()))
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        poll(what, SOON, || Ok(Some(self.json(&[&self.url("/seen")])?).filter(&is_so)))
    }
}

fn curl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output()?;
    ensure!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
