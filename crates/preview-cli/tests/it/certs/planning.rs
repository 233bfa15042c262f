//! `preview certs plan`: what it prints can be used as it stands.

use std::process::Command;

use serde_json::{Value, json};

use crate::home::Home;

#[test]
fn its_lines_are_those_of_a_zone_file_also_where_addresses_are_not_known() {
    let known = json!({ "dns": { "listen": ["192.0.2.1"], "ns": ["acme-ns.example.com"] } });
    let unknown = json!({
        "solver": "rfc2136",
        "zone": "example.com",
        "rfc2136": { "server": "192.0.2.53", "key_name": "preview-key", "secret_file": "/etc/preview/tsig" },
    });
    for acme in [known, unknown] {
        let home = Home::new();
        home.write("preview.yaml", &config(&acme).to_string());
        let plan = ["certs", "plan", "--format", "bind", "--zone", "example.com", "--config", "preview.yaml"];
        let lines = home.told(&plan);
        let head = "$TTL 300\n@ IN SOA ns admin 1 3600 600 86400 300\n@ IN NS ns\nns IN A 192.0.2.53\n";
        let zone = home.write("zone", &lines.replacen('\n', &format!("\n{head}"), 1));
        let judged =
            Command::new("named-checkzone").arg("example.com").arg(zone).output().expect("BIND is there");
        assert!(judged.status.success(), "{}{lines}", String::from_utf8_lossy(&judged.stdout));
    }
}

fn config(acme: &Value) -> Value {
    json!({ "web_preview": {
        "public_url_template": "https://{id}.preview.example.com",
        "edge": { "https": ":443", "tls": { "mode": "acme" }, "acme": acme },
    } })
}
