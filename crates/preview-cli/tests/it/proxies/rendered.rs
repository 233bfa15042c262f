//! What is rendered, held against the programs that read it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::real::preview::call;
use xtask::real::{
    Authority, Process, Scratch, bin, caddy, dig, free_address, free_port_outside, haproxy, nginx, poll,
};

use super::stage::{Kind, render};
use crate::home::{Home, SOON};

/// A user that every Debian has and nothing runs as.
const GAMES: u32 = 5;

const SERVICE: &str = "  state_dir: /var/lib/preview
  tasks: { user: preview-tasks }
  api: { edge_group: preview-edge, keys_file: \"/etc/preview/keys 100%\" }
";

#[test]
fn the_units_are_sound_and_the_edge_s_is_hard() -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch.write(
        "config.yaml",
        format!(
            "web_preview:\n  public_url_template: \"https://{{id}}.preview.test\"\n{SERVICE}  edge: {{ http: \":80\", https: \":443\", \
             state_dir: /var/lib/preview-edge, tls: {{ mode: files, cert: /etc/tls/c.pem, key: /etc/tls/k.pem }} }}\n"
        ),
    )?;
    let output =
        preview(&config, &["render", "systemd", "--output", &scratch.join("units").display().to_string()])?;
    ensure!(output.is_empty(), "{output}");
    for (unit, most) in [("preview-edge.service", 20), ("preview-daemon.service", 55)] {
        let file = scratch.join("units").join(unit);
        let text = fs::read_to_string(&file)?;
        ensure!(!text.contains('@') || text.contains("~@"), "{text}");
        // Where they are installed is not where the tests have built them.
        let built = bin("preview")?.parent().context("a folder")?.display().to_string();
        fs::write(&file, text.replace("ExecStart=/usr/bin/", &format!("ExecStart={built}/")))?;
        let analyze = |args: &[&str]| -> Result<String> {
            let output = Command::new("systemd-analyze").args(args).arg(&file).output()?;
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8_lossy(&told).into_owned();
            ensure!(output.status.success(), "{unit} {args:?}: {told}");
            Ok(told)
        };
        let told = analyze(&["verify", "--man=no"])?;
        ensure!(!told.contains(unit), "{told}");
        analyze(&["security", "--no-pager", "--offline=true", &format!("--threshold={most}")])?;
    }
    let daemon = fs::read_to_string(scratch.join("units/preview-daemon.service"))?;
    ensure!(daemon.contains("LoadCredential=keys:/etc/preview/keys 100%%\n"), "{daemon}");
    ensure!(daemon.contains("Environment=PREVIEW_API__KEYS_FILE=%d/keys\n"), "{daemon}");
    let edge = fs::read_to_string(scratch.join("units/preview-edge.service"))?;
    ensure!(edge.contains("LoadCredential=tls.key:/etc/tls/k.pem\n"), "{edge}");
    ensure!(edge.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE\n"), "{edge}");
    Ok(())
}

#[test]
fn the_rights_in_the_daemons_unit_are_enough_to_start_a_task_as_another_user() -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch.write(
        "config.yaml",
        format!("web_preview:\n{SERVICE}  edge: {{ state_dir: /var/lib/preview-edge }}\n"),
    )?;
    let unit = preview(&config, &["render", "systemd", "--only", "preview-daemon.service"])?;
    let rights = unit.lines().find_map(|line| line.strip_prefix("AmbientCapabilities=")).context("rights")?;
    let rights = rights.to_lowercase().replace("cap_", "+").replace(' ', ",");
    ensure!(unit.contains("NoNewPrivileges=yes"), "{unit}");

    // No service manager here: setpriv gives the same rights to the same kind of user.
    let (state, program) = (scratch.join("state"), scratch.join("preview-daemon"));
    fs::create_dir(&state)?;
    fs::copy(bin("preview-daemon")?, &program)?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o711))?;
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700))?;
    std::os::unix::fs::chown(&state, Some(GAMES), Some(GAMES))?;
    let config = scratch.write(
        "service.yaml",
        format!(
            "web_preview:\n  state_dir: {}\n  tasks: {{ user: nobody }}\n  edge: {{ metrics: {{ listen: null }} }}\n",
            state.display()
        ),
    )?;
    let mut setpriv = Command::new("setpriv");
    setpriv
        .args([&format!("--reuid={GAMES}"), &format!("--regid={GAMES}")])
        .args(["--clear-groups", "--no-new-privs"]);
    for set in ["inh-caps", "ambient-caps", "bounding-set"] {
        setpriv.arg(format!("--{set}=-all,{rights}"));
    }
    let mut daemon = Process::spawn(setpriv.arg(&program).arg("--config").arg(&config).current_dir("/"))?;
    daemon.wait_for_line("serving", SOON)?;
    let socket = state.join("run/api.sock");
    let body = serde_json::json!({ "session_id": "s", "user_id": "u", "cwd": "/", "env": {},
        "command": ["sh", "-c", "id -un; grep CapEff /proc/self/status; sleep 1000"] });
    let started = call(&socket, "POST", "/v1/tasks", Some(&body))?;
    ensure!(matches!(started.status, 200 | 201), "{started:?}");
    let id = started.json()?["id"].as_str().context("an id")?.to_owned();
    poll("its output", SOON, || {
        let told = call(&socket, "GET", &format!("/v1/tasks/{id}/logs"), None)?.body;
        let has_none = told.contains("nobody\n") && told.contains("CapEff:\t0000000000000000");
        Ok(has_none.then_some(()))
    })?;
    let ended = call(&socket, "DELETE", &format!("/v1/tasks/{id}"), None)?;
    ensure!(ended.json()?["running"] == false, "it can end it too: {ended:?}");
    Ok(())
}

#[test]
fn units_are_refused_for_a_configuration_that_no_service_can_have() {
    let home = Home::new();
    let text = home.refused(&["render", "systemd"], 2);
    assert!(text.contains("set state_dir: /var/lib/preview"), "{text}");
    let home = Home::with("  state_dir: /var/lib/preview\n");
    let text = home.refused(&["render", "systemd"], 2);
    assert!(text.contains("set edge.state_dir: /var/lib/preview-edge"), "{text}");
}

#[test]
fn dnsmasq_leads_every_name_below_the_domain_to_this_host() -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch
        .write("config.yaml", "web_preview:\n  public_url_template: \"https://{id}.preview.test\"\n")?;
    let text = preview(&config, &["render", "dnsmasq"])?;
    // Port 53 of 127.0.0.1 may be somebody's.
    let address = free_address()?;
    let text = text.replace("listen-address=127.0.0.1", &format!("listen-address={address}"));
    let file = scratch.write("dnsmasq.conf", text)?;
    let words =
        ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--pid-file", "-C"];
    let words: Vec<String> =
        words.iter().map(|it| (*it).to_owned()).chain([file.display().to_string()]).collect();
    let _dnsmasq = Process::spawn_line(&words, scratch.path())?;
    poll("an answer", SOON, || {
        let found = dig::dig(address, "any-name.preview.test", "A", true).unwrap_or_default();
        Ok((found == ["127.0.0.1"]).then_some(()))
    })?;
    ensure!(dig::dig(address, "elsewhere.test", "A", true)?.is_empty());
    Ok(())
}

#[test]
fn names_under_localhost_need_no_dns() {
    let text = Home::new().refused(&["render", "dnsmasq"], 2);
    assert!(text.contains("by themselves"), "{text}");
}

#[test]
fn paths_with_odd_characters_are_quoted_or_refused() -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch
        .write("config.yaml", "web_preview:\n  public_url_template: \"https://{id}.preview.test\"\n")?;
    let odd = [
        "it's", "a \"b\"", "a;b", "a#b", "a{b}c", "a\\b", "a\\", "$a", "${HOME}", "%h", "a\nb", "{$HOME}",
        "ü",
    ];
    let (mut taken, mut refused) = (0, 0);
    for (number, name) in odd.into_iter().enumerate() {
        let folder = scratch.join(name);
        fs::create_dir_all(&folder)?;
        let certificate = Authority::new(&folder)?.issue(&["*.preview.test"])?;
        for kind in [Kind::Nginx, Kind::Caddy, Kind::Haproxy] {
            let out = scratch.join(format!("{kind:?}-{number}"));
            // HAProxy's bundle must lie at an odd place too.
            let out = if kind == Kind::Haproxy { folder.join("out") } else { out };
            if let Err(error) = render(kind, &config, &certificate, free_port_outside()?, &out) {
                ensure!(error.to_string().contains("cannot express"), "{name:?}: {error}");
                refused += 1;
            } else {
                check(kind, &out).with_context(|| format!("{kind:?}: {name:?}"))?;
                taken += 1;
            }
        }
    }
    ensure!(taken >= 15 && refused >= 8, "{taken} taken, {refused} refused");
    Ok(())
}

const LOGIN: &str = "  public_url_template: \"https://{id}.preview.test\"
  access: { mode: forward, forward_url: \"http://127.0.0.1:4180/\" }
  edge: { trusted_proxies: [127.0.0.1/32] }
";

#[test]
fn before_an_edge_that_asks_a_login_traefik_asks_nobody() {
    let tcp = "  api: { listen: \"127.0.0.1:9460\", keys_file: keys, verify_peers: [unix, 127.0.0.1] }\n";
    let words = ["render", "traefik", "--cert", "c", "--key", "k", "--only", "preview.yml"];
    let text = Home::bare(&format!("{LOGIN}{tcp}")).told(&words);
    assert!(
        text.contains("it asks the login (access.forward_url)") && !text.contains("forwardAuth"),
        "{text}"
    );
    let token = LOGIN.replace("mode: forward", "mode: token");
    let text = Home::bare(&format!("{token}{tcp}")).told(&words);
    assert!(text.contains("forwardAuth"), "{text}");
}

#[test]
fn what_cannot_be_rendered_is_refused_with_what_to_do() {
    for (lines, words, hint) in [
        ("", &["render", "traefik"][..], "edge.trusted_proxies: [127.0.0.1/32]"),
        ("  public_url_template: \"http://localhost:{port}\"\n", &["render", "nginx"], "public_url_template"),
        ("  public_url_template: \"https://{id}.preview.test\"\n", &["render", "nginx"], "--cert FILE"),
        (
            "  public_url_template: \"https://{id}.preview.test\"\n",
            &["render", "haproxy", "--cert", "c", "--key", "k"],
            "cat CERT KEY",
        ),
        ("", &["render", "nginx", "--only", "x"], "--only"),
        (LOGIN, &["render", "nginx"], "under access.mode forward the edge asks the login: nginx cannot"),
        (LOGIN, &["render", "caddy"], "preview render traefik shows how; or set access.mode: token"),
        (LOGIN, &["render", "haproxy"], "the edge asks the login: haproxy cannot take its place"),
    ] {
        let home = Home::bare(lines);
        let output = home.preview(words);
        let text = crate::home::complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(hint), "{words:?}: {text}");
    }
}

#[test]
fn the_certificate_that_the_edge_has_got_is_taken_as_it_is() -> Result<()> {
    let home = Home::bare(
        "  public_url_template: \"https://{id}.preview.test\"\n  edge: { tls: { mode: acme }, \
         acme: { dns: { listen: [127.0.0.1] } } }\n",
    );
    let text = home.refused(&["render", "haproxy"], 2);
    ensure!(text.contains("there is no SET/bundle.pem in") && text.contains("give --cert FILE"), "{text}");
    let bundle = home.write(".local/state/preview/edge/certs/preview.test/bundle.pem", "");
    let config = home.told(&["render", "haproxy", "--only", "haproxy.cfg"]);
    ensure!(config.contains(&format!("ssl crt '{}'", bundle.display())), "{config}");
    home.write(".local/state/preview/edge/certs/other.test/bundle.pem", "");
    ensure!(home.refused(&["render", "haproxy"], 2).contains("there are several"));
    Ok(())
}

/// Whether the proxy itself takes what was rendered.
fn check(kind: Kind, folder: &Path) -> Result<()> {
    match kind {
        Kind::Nginx => nginx::check(&folder.join("preview.conf")),
        Kind::Caddy => caddy::check(&folder.join("Caddyfile")),
        Kind::Haproxy => haproxy::check(&folder.join("haproxy.cfg")),
    }
}

fn preview(config: &Path, words: &[&str]) -> Result<String> {
    let output = Command::new(bin("preview")?).arg("--config").arg(config).args(words).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
