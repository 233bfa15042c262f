//! Providers that are shown a token, by their documentation of 2026. `None`: no such call is documented.

use http::Response;
use serde_json::{Value, json};

use super::FQDN;
use super::zone::{Zone, quoted, unquoted};
use crate::cert::fake::{Seen, answer};

const BELOW: &str = "_acme-challenge.preview";

type Played = Option<Response<String>>;

/// <https://developers.cloudflare.com/api/resources/dns/>
pub(super) fn cloudflare(zone: &mut Zone, seen: &Seen) -> Played {
    let told =
        |result: Value| say(200, &json!({ "success": true, "errors": [], "messages": [], "result": result }));
    let refused = |status, code: u32, message: &str| {
        let errors = json!([{ "code": code, "message": message }]);
        say(status, &json!({ "success": false, "errors": errors, "messages": [], "result": null }))
    };
    if (seen.host.as_str(), seen.header("authorization")) != ("api.cloudflare.com", "Bearer a-token") {
        return refused(403, 10000, "Authentication error");
    }
    let (path, query) = split(seen);
    match (seen.method.as_str(), path.strip_prefix("/client/v4/zones")?) {
        ("GET", "") => {
            let is_ours = query == "name=example.com";
            told(if is_ours { json!([{ "id": "z1", "name": "example.com" }]) } else { json!([]) })
        }
        ("GET", "/z1/dns_records") => {
            assert!(query.contains(&format!("name={FQDN}")) && query.contains("type=TXT"), "{query}");
            let record = |(id, value): &(u64, String)| json!({ "id": id.to_string(), "name": FQDN, "type": "TXT", "content": quoted(value), "ttl": 60 });
            told(zone.records.iter().map(record).collect())
        }
        ("POST", "/z1/dns_records") => {
            let body = seen.json();
            assert_eq!((&body["type"], &body["name"]), (&json!("TXT"), &json!(FQDN)), "{body}");
            assert!(body["ttl"].as_u64() >= Some(60), "{body}");
            let value = unquoted(text(&body["content"]));
            if zone.has(&value) {
                return refused(400, 81058, "An identical record already exists.");
            }
            told(json!({ "id": zone.add(&value).to_string() }))
        }
        ("DELETE", rest) => {
            let is_gone = zone.remove(rest.strip_prefix("/z1/dns_records/")?);
            if is_gone {
                told(json!({ "id": "gone" }))
            } else {
                refused(404, 81044, "Record does not exist.")
            }
        }
        _ => None,
    }
}

/// <https://docs.digitalocean.com/reference/api/reference/domain-records/>
pub(super) fn digitalocean(zone: &mut Zone, seen: &Seen) -> Played {
    if (seen.host.as_str(), seen.header("authorization")) != ("api.digitalocean.com", "Bearer a-token") {
        return say(401, &json!({ "id": "unauthorized", "message": "Unable to authenticate you" }));
    }
    let record =
        |id: u64, value: &str| json!({ "id": id, "type": "TXT", "name": BELOW, "data": value, "ttl": 30 });
    let (path, query) = split(seen);
    match (seen.method.as_str(), path.strip_prefix("/v2/domains/example.com/records")?) {
        ("GET", "") => {
            assert!(query.contains(&format!("name={FQDN}")) && query.contains("type=TXT"), "{query}");
            let records: Vec<_> = zone.records.iter().map(|(id, value)| record(*id, value)).collect();
            say(200, &json!({ "domain_records": records, "links": {}, "meta": { "total": records.len() } }))
        }
        ("POST", "") => {
            let body = seen.json();
            assert_eq!((&body["type"], &body["name"]), (&json!("TXT"), &json!(BELOW)), "{body}");
            let value = text(&body["data"]);
            say(201, &json!({ "domain_record": record(zone.add(value), value) }))
        }
        ("DELETE", rest) => {
            let is_gone = zone.remove(rest.strip_prefix('/')?);
            say(if is_gone { 204 } else { 404 }, &json!({ "id": "not_found" }))
        }
        _ => None,
    }
}

/// <https://desec.readthedocs.io/en/latest/dns/rrsets.html>
pub(super) fn desec(zone: &mut Zone, seen: &Seen) -> Played {
    if (seen.host.as_str(), seen.header("authorization")) != ("desec.io", "Token a-token") {
        return say(401, &json!({ "detail": "Invalid token." }));
    }
    let set = |zone: &Zone| {
        let records: Vec<_> = zone.records.iter().map(|(_, value)| quoted(value)).collect();
        json!({
            "created": "2026-11-01T00:00:00Z", "touched": "2026-11-01T00:00:00Z", "domain": "example.com",
            "subname": BELOW, "name": format!("{FQDN}."), "type": "TXT", "ttl": 3600, "records": records,
        })
    };
    let one = format!("rrsets/{BELOW}/TXT/");
    match (seen.method.as_str(), seen.path.strip_prefix("/api/v1/domains/example.com/")?) {
        ("GET", "") => say(200, &json!({ "name": "example.com", "minimum_ttl": 3600 })),
        ("GET", rest) if rest == one && zone.records.is_empty() => {
            say(404, &json!({ "detail": "Not found." }))
        }
        ("GET", rest) if rest == one => say(200, &set(zone)),
        (method @ ("PUT" | "POST"), rest) if rest == one || rest == "rrsets/" => {
            let body = seen.json();
            assert_eq!((&body["type"], &body["subname"]), (&json!("TXT"), &json!(BELOW)), "{body}");
            assert!(body["ttl"].as_u64() >= Some(3600), "{body}");
            let values = body["records"].as_array().expect("records");
            zone.set(values.iter().map(|value| unquoted(text(value))));
            say(if method == "PUT" { 200 } else { 201 }, &set(zone))
        }
        ("DELETE", rest) if rest == one => {
            zone.set([]);
            say(204, &json!(null))
        }
        _ => None,
    }
}

/// <https://docs.bunny.net/reference/dnszonepublic_addrecord>
pub(super) fn bunny(zone: &mut Zone, seen: &Seen) -> Played {
    const TXT: u8 = 3;
    if (seen.host.as_str(), seen.header("accesskey")) != ("api.bunny.net", "a-token") {
        return say(401, &json!({ "Message": "The request authorization failed" }));
    }
    let record =
        |id: u64, value: &str| json!({ "Id": id, "Type": TXT, "Ttl": 60, "Value": value, "Name": BELOW });
    match (seen.method.as_str(), seen.path.strip_prefix("/dnszone")?) {
        ("GET", "?search=example.com") => {
            let records: Vec<_> = zone.records.iter().map(|(id, value)| record(*id, value)).collect();
            let items = json!([{ "Id": 7, "Domain": "example.com", "Records": records }]);
            say(200, &json!({ "Items": items, "CurrentPage": 1, "TotalItems": 1, "HasMoreItems": false }))
        }
        ("PUT", "/7/records") => {
            let body = seen.json();
            assert_eq!((&body["Type"], &body["Name"]), (&json!(TXT), &json!(BELOW)), "{body}");
            let value = text(&body["Value"]);
            say(201, &record(zone.add(value), value))
        }
        ("DELETE", rest) => {
            let is_gone = zone.remove(rest.strip_prefix("/7/records/")?);
            say(if is_gone { 204 } else { 404 }, &json!(null))
        }
        _ => None,
    }
}

/// <https://porkbun.com/api/json/v3/documentation>
pub(super) fn porkbun(zone: &mut Zone, seen: &Seen) -> Played {
    let body = seen.json();
    let keys = (text(&body["apikey"]), text(&body["secretapikey"]));
    if (seen.host.as_str(), keys) != ("api.porkbun.com", ("an-api-key", "a-token")) {
        return say(400, &json!({ "status": "ERROR", "message": "Invalid API key. (001)" }));
    }
    let path = seen.path.strip_prefix("/api/json/v3/dns/")?;
    if path == format!("retrieveByNameType/example.com/TXT/{BELOW}") {
        let record = |(id, value): &(u64, String)| json!({ "id": id.to_string(), "name": FQDN, "type": "TXT", "content": value, "ttl": "600", "prio": "0" });
        let records: Vec<_> = zone.records.iter().map(record).collect();
        return say(200, &json!({ "status": "SUCCESS", "records": records }));
    }
    if path == "create/example.com" {
        assert_eq!((&body["type"], &body["name"]), (&json!("TXT"), &json!(BELOW)), "{body}");
        let id = zone.add(text(&body["content"])).to_string();
        return say(200, &json!({ "status": "SUCCESS", "id": id }));
    }
    let status = if zone.remove(path.strip_prefix("delete/example.com/")?) { "SUCCESS" } else { "ERROR" };
    say(200, &json!({ "status": status }))
}

/// <https://docs.hetzner.cloud/reference/cloud#zone-rrset-actions>
pub(super) fn hetzner(zone: &mut Zone, seen: &Seen) -> Played {
    if (seen.host.as_str(), seen.header("authorization")) != ("api.hetzner.cloud", "Bearer a-token") {
        return say(
            401,
            &json!({ "error": { "code": "unauthorized", "message": "unable to authenticate" } }),
        );
    }
    let path = seen.path.strip_prefix("/v1/zones/example.com/rrsets")?;
    if let (Some(query), "GET") = (path.strip_prefix('?'), seen.method.as_str()) {
        assert!(query.contains(&format!("name={BELOW}")) && query.contains("type=TXT"), "{query}");
        let records: Vec<_> =
            zone.records.iter().map(|(_, value)| json!({ "value": quoted(value) })).collect();
        let set = json!({ "id": format!("{BELOW}/TXT"), "name": BELOW, "type": "TXT", "ttl": 60, "records": records });
        return say(200, &json!({ "rrsets": [set], "meta": {} }));
    }
    let action = path.strip_prefix(&format!("/{BELOW}/TXT/actions/"))?;
    let body = seen.json();
    let values =
        || body["records"].as_array().expect("records").iter().map(|it| unquoted(text(&it["value"])));
    match (seen.method.as_str(), action) {
        // What happens to a value that is there already is not documented; the strictest way is played.
        ("POST", "add_records") if values().any(|value| zone.has(&value)) => {
            return say(
                422,
                &json!({ "error": { "code": "uniqueness_error", "message": "duplicate value" } }),
            );
        }
        ("POST", "add_records") => {
            values().for_each(|value| {
                zone.add(&value);
            });
        }
        ("POST", "remove_records") => {
            for value in values() {
                zone.records.retain(|(_, it)| *it != value);
            }
        }
        ("POST", "change_ttl") => assert!(body["ttl"].as_u64() >= Some(60), "{body}"),
        _ => return None,
    }
    say(201, &json!({ "action": { "id": 1, "command": action, "status": "running", "progress": 0 } }))
}

/// The answer of a call that is documented.
#[expect(clippy::unnecessary_wraps, reason = "beside `None` of calls that are not, at some forty places")]
pub(super) fn say(status: u16, body: &Value) -> Played {
    Some(answer(status, &if status == 204 { String::new() } else { body.to_string() }))
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("must be a text: {value}"))
}

pub(super) fn split(seen: &Seen) -> (&str, &str) {
    seen.path.split_once('?').unwrap_or((&seen.path, ""))
}
