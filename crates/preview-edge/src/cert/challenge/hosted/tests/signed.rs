//! Providers whose requests are signed, or whose token is got with a signature. `None`: no such call is documented.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use dns_update::crypto::sha1_digest;
use http::Response;
use serde_json::{Value, json};

use super::FQDN;
use super::token::{say, split, text};
use super::zone::{Zone, quoted, unquoted};
use crate::cert::fake::{Seen, answer};

type Played = Option<Response<String>>;

/// <https://eu.api.ovh.com/console/?section=%2Fdomain>; signatures: <https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api>
pub(super) fn ovh(zone: &mut Zone, seen: &Seen) -> Played {
    let url = format!("https://eu.api.ovh.com{}", seen.path);
    let signed =
        ["a-secret", "a-consumer", &seen.method, &url, &seen.body, seen.header("x-ovh-timestamp")].join("+");
    let signature = format!("$1${}", HEXLOWER.encode(&sha1_digest(signed.as_bytes())));
    let shown =
        (seen.header("x-ovh-application"), seen.header("x-ovh-consumer"), seen.header("x-ovh-signature"));
    if (seen.host.as_str(), shown) != ("eu.api.ovh.com", ("an-app", "a-consumer", signature.as_str())) {
        return say(403, &json!({ "class": "Client::Forbidden", "message": "Invalid signature" }));
    }
    let (path, query) = split(seen);
    let below = "_acme-challenge.preview";
    let record = |id: u64, value: &str| json!({ "id": id, "fieldType": "TXT", "subDomain": below, "target": quoted(value), "ttl": 60, "zone": "example.com" });
    match (seen.method.as_str(), path.strip_prefix("/1.0/domain/zone/example.com")?) {
        ("GET", "") => say(200, &json!({ "name": "example.com" })),
        ("GET", "/record") => {
            assert_eq!(query, format!("fieldType=TXT&subDomain={below}"));
            say(200, &zone.records.iter().map(|(id, _)| json!(id)).collect())
        }
        ("POST", "/record") => {
            let body = seen.json();
            assert_eq!((&body["fieldType"], &body["subDomain"]), (&json!("TXT"), &json!(below)), "{body}");
            let value = text(&body["target"]).trim_matches('"').to_owned();
            say(200, &record(zone.add(&value), &value))
        }
        ("POST", "/refresh") => say(200, &Value::Null),
        (method, rest) => {
            let id = rest.strip_prefix("/record/")?;
            match zone.records.iter().find(|(it, _)| it.to_string() == id).cloned() {
                None => say(404, &json!({ "message": "This service does not exist" })),
                Some((id, value)) if method == "GET" => say(200, &record(id, &value)),
                Some((id, _)) if method == "DELETE" => {
                    zone.remove(&id.to_string());
                    say(200, &Value::Null)
                }
                Some(_) => None,
            }
        }
    }
}

/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
pub(super) fn route53(zone: &mut Zone, seen: &Seen) -> Played {
    let says = |root: &str, body: &str| {
        let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let space = "https://route53.amazonaws.com/doc/2013-04-01/";
        Some(answer(200, &format!("{declared}<{root} xmlns=\"{space}\">{body}</{root}>")))
    };
    let signed = seen.header("authorization");
    let is_signed = signed.starts_with("AWS4-HMAC-SHA256 Credential=an-id/")
        && signed.contains("/us-east-1/route53/aws4_request, SignedHeaders=")
        && signed.rsplit_once("Signature=").is_some_and(|(_, hex)| HEXLOWER.decode(hex.as_bytes()).is_ok());
    if seen.host != "route53.amazonaws.com" || !is_signed {
        return Some(answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"));
    }
    let (path, query) = split(seen);
    match (seen.method.as_str(), path.strip_prefix("/2013-04-01/")?) {
        ("GET", "hostedzonesbyname") => says(
            "ListHostedZonesByNameResponse",
            "<HostedZones><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name>\
             <CallerReference>r</CallerReference><Config><PrivateZone>false</PrivateZone></Config>\
             <ResourceRecordSetCount>3</ResourceRecordSetCount></HostedZone></HostedZones>\
             <IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>",
        ),
        ("GET", "hostedzone/Z1/rrset") => {
            assert!(query.contains(FQDN) && query.contains("type=TXT"), "{query}");
            let value = |(_, value): &(u64, String)| {
                format!("<ResourceRecord><Value>\"{value}\"</Value></ResourceRecord>")
            };
            let values: String = zone.records.iter().map(value).collect();
            let set = format!(
                "<ResourceRecordSet><Name>{FQDN}.</Name><Type>TXT</Type><TTL>10</TTL>\
                 <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
            );
            let sets = if zone.records.is_empty() { String::new() } else { set };
            says(
                "ListResourceRecordSetsResponse",
                &format!(
                    "<ResourceRecordSets>{sets}</ResourceRecordSets><IsTruncated>false</IsTruncated>\
                     <MaxItems>300</MaxItems>"
                ),
            )
        }
        ("POST", "hostedzone/Z1/rrset") => {
            let body = seen.body.replace("&quot;", "\"");
            assert!(
                body.contains(&format!("<Name>{FQDN}.</Name>")) && body.contains("<Type>TXT</Type>"),
                "{body}"
            );
            let values = body.split("<Value>").skip(1).filter_map(|rest| rest.split("</Value>").next());
            let values: Vec<_> = values.map(unquoted).collect();
            match body.split("<Action>").nth(1)?.split("</Action>").next()? {
                "UPSERT" => zone.set(values),
                "DELETE" => zone.set([]),
                _ => return None,
            }
            says(
                "ChangeResourceRecordSetsResponse",
                "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
                 <SubmittedAt>2026-11-01T00:00:00Z</SubmittedAt></ChangeInfo>",
            )
        }
        _ => None,
    }
}

/// <https://cloud.google.com/dns/docs/reference/rest/v1>; tokens: RFC 7523 §2.1.
pub(super) fn gcloud(zone: &mut Zone, seen: &Seen) -> Played {
    if (seen.host.as_str(), seen.path.as_str()) == ("oauth2.googleapis.com", "/token") {
        let (_, assertion) = seen.body.split_once("assertion=")?;
        let claims = BASE64URL_NOPAD.decode(assertion.split('.').nth(1)?.as_bytes()).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("claims");
        assert_eq!(claims["iss"], "edge@a-project.iam.gserviceaccount.com");
        return say(200, &json!({ "access_token": "a-token", "expires_in": 3599, "token_type": "Bearer" }));
    }
    if (seen.host.as_str(), seen.header("authorization")) != ("dns.googleapis.com", "Bearer a-token") {
        return say(401, &json!({ "error": { "code": 401, "status": "UNAUTHENTICATED" } }));
    }
    let set = |zone: &Zone| {
        let values: Vec<_> = zone.records.iter().map(|(_, value)| quoted(value)).collect();
        json!({ "name": format!("{FQDN}."), "type": "TXT", "ttl": 60, "rrdatas": values })
    };
    let (path, query) = split(seen);
    match (seen.method.as_str(), path.strip_prefix("/dns/v1/projects/a-project/managedZones")?) {
        ("GET", "") => {
            let zones = json!([
                { "name": "a-zone", "dnsName": "example.com.", "visibility": "public" },
                { "name": "other", "dnsName": "example.net.", "visibility": "public" },
            ]);
            say(200, &json!({ "managedZones": zones }))
        }
        ("GET", "/a-zone/rrsets") => {
            assert!(query.contains(FQDN) && query.contains("type=TXT"), "{query}");
            let sets = if zone.records.is_empty() { json!([]) } else { json!([set(zone)]) };
            say(200, &json!({ "rrsets": sets }))
        }
        ("POST", "/a-zone/changes") => {
            let body = seen.json();
            // What is deleted must be told as it is.
            let stands = if zone.records.is_empty() { Value::Null } else { json!([set(zone)]) };
            if body["deletions"] != stands {
                return say(412, &json!({ "error": { "code": 412, "status": "FAILED_PRECONDITION" } }));
            }
            let values = body["additions"][0]["rrdatas"].as_array().cloned().unwrap_or_default();
            zone.set(values.iter().map(|value| unquoted(text(value))));
            say(200, &json!({ "id": "1", "status": "pending" }))
        }
        _ => None,
    }
}
