//! Certificates whose records are written by HTTP: to an endpoint made for lego, to acme-dns, to a hosted provider.
//! Each of them is played here, and hands the records on to BIND.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use xtask::real::TsigKey;

use super::edges::Scaled;
use super::world::{CHALLENGE, Special, World, ZONE, close, previews};

#[test]
fn an_endpoint_written_for_lego_serves_as_it_is() {
    let world = World::new();
    let zone = Writer::of(&world);
    let endpoint = Played::by(move |asked| {
        let (fqdn, value) = (text(&asked.body["fqdn"]), text(&asked.body["value"]));
        assert_eq!(fqdn, format!("{CHALLENGE}."));
        // `preview` and `sesame`, as RFC 7617 §2 has them.
        assert_eq!(asked.header("authorization"), "Basic cHJldmlldzpzZXNhbWU=");
        match asked.path.as_str() {
            "/dns/present" => zone.write(&format!("update add {fqdn} 1 TXT {value}")),
            "/dns/cleanup" => zone.write(&format!("update delete {fqdn} TXT {value}")),
            other => panic!("{other}"),
        }
        json!({})
    });
    let password = secret(&world, "password", "sesame\n");
    let edge = Scaled::start(&world.config_with(json!({
        "solver": "httpreq",
        "names": [ZONE],
        "httpreq": {
            "endpoint": format!("http://{}/dns", endpoint.at), "username": "preview", "password_file": password,
        },
    })));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
    assert_eq!(endpoint.paths().len(), 4, "apex and wildcard, added and removed: {:?}", endpoint.paths());
}

#[test]
fn an_acme_dns_server_behind_a_cname_serves_apex_and_wildcard() {
    const TARGET: &str = "sub-1.auth.preview.test";
    let zone = |at| previews(at).record(&format!("_acme-challenge CNAME {TARGET}."));
    let world = World::with(Special { zone: Box::new(zone), grants: vec![TARGET], ..Special::default() });
    let zone = Writer::of(&world);
    let kept = Mutex::new(VecDeque::new());
    let server = Played::by(move |asked| {
        assert_eq!(asked.path, "/update");
        assert_eq!((asked.header("x-api-user"), asked.header("x-api-key")), ("user", "key"));
        let mut kept = kept.lock().expect("whole");
        kept.push_back(text(&asked.body["txt"]).to_owned());
        if kept.len() > 2 {
            kept.pop_front();
        }
        zone.write(&format!("update delete {TARGET} TXT"));
        for value in kept.iter() {
            zone.write(&format!("update add {TARGET} 1 TXT {value}"));
        }
        asked.body.clone()
    });
    let account = json!({
        "fulldomain": TARGET, "subdomain": "sub-1", "username": "user", "password": "key",
        "server_url": format!("http://{}", server.at),
    });
    let accounts = secret(&world, "accounts.json", &json!({ ZONE: account }).to_string());
    let edge = Scaled::start(&world.config_with(json!({
        "solver": "acme-dns", "names": [ZONE], "acme_dns": { "account_file": accounts },
    })));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), server.paths().len()), (1, 2));
    assert_eq!(world.named.txt(TARGET).expect("BIND answers").len(), 2, "acme-dns knows no removal");
}

#[test]
fn a_hosted_provider_is_written_to_through_its_own_interface() {
    let world = World::new();
    let zone = Writer::of(&world);
    let sets = Mutex::new(json!([]));
    // PowerDNS alone lives where one says: the crate knows the addresses of all others.
    let provider = Played::by(move |asked| {
        assert_eq!(asked.header("x-api-key"), "key");
        assert!(asked.path.starts_with("/api/v1/servers/localhost/zones/preview.test"), "{}", asked.path);
        let mut sets = sets.lock().expect("whole");
        let Some(changes) = asked.body["rrsets"].as_array() else {
            return json!({ "name": "preview.test.", "rrsets": *sets });
        };
        for change in changes {
            assert_eq!(
                (text(&change["name"]), text(&change["type"])),
                ("_acme-challenge.preview.test.", "TXT")
            );
            zone.write(&format!("update delete {CHALLENGE} TXT"));
            let records = change["records"].as_array().cloned().unwrap_or_default();
            for record in &records {
                zone.write(&format!("update add {CHALLENGE} 1 TXT {}", text(&record["content"])));
            }
            let set = json!({ "name": change["name"], "type": "TXT", "ttl": 60, "records": records });
            *sets = if records.is_empty() { json!([]) } else { json!([set]) };
        }
        json!({})
    });
    let lines = format!("PDNS_API_URL=http://{}\nPDNS_API_KEY=key\n", provider.at);
    let file = secret(&world, "pdns", &lines);
    let edge = Scaled::start(&world.config_with(json!({
        "solver": "hosted", "names": [ZONE], "hosted": { "provider": "pdns", "credentials_file": file },
    })));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

fn secret(world: &World, name: &str, content: &str) -> std::path::PathBuf {
    let file = world.scratch.write(name, content).expect("written");
    close(&file);
    file
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("must be a text: {value}"))
}

/// Writes to the world's zone.
struct Writer {
    at: Ipv4Addr,
    key: TsigKey,
}

impl Writer {
    fn of(world: &World) -> Self {
        Self { at: world.named.address, key: world.key.clone() }
    }

    fn write(&self, update: &str) {
        let TsigKey { name, algorithm, secret } = &self.key;
        let mut nsupdate = Command::new("nsupdate").stdin(Stdio::piped()).spawn().expect("nsupdate");
        let mut into = nsupdate.stdin.take().expect("piped");
        writeln!(into, "server {}\nkey {algorithm}:{name} {secret}\n{update}\nsend", self.at).expect("told");
        drop(into);
        assert!(nsupdate.wait().expect("waited for").success(), "{update}");
    }
}

/// A request that came.
#[derive(Debug)]
struct Asked {
    path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// Null where there is none.
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }
}

/// A server that answers requests with JSON; it ends with the test's process.
struct Played {
    at: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Played {
    fn by(answer: impl Fn(&Asked) -> Value + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("bound");
        let paths = Arc::<Mutex<Vec<String>>>::default();
        let told = paths.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a client");
                let Some(asked) = read(&stream) else { continue };
                let body = answer(&asked).to_string();
                told.lock().expect("whole").push(asked.path);
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
                write!(&stream, "{head}\r\n\r\n{body}").expect("answered");
            }
        });
        Self { at, paths }
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().expect("whole").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a number"))];
    reader.read_exact(&mut body).ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    Some(Asked { path, headers, body })
}
