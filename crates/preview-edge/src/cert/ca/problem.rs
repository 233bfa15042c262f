//! What an authority's refusal means (RFC 8555 §6.7): problem documents, and what the ACME crate makes of them, as
//! [`Failure`]s.

use instant_acme::{Error, Identifier, Problem};

use super::Terms;
use crate::cert::Failure;

/// What all types of problems begin with.
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// A problem's type without its prefix.
pub(super) fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix(PREFIX).unwrap_or(kind)
}

/// Whether nothing is wrong but the nonce.
pub(super) fn is_bad_nonce<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Api(problem)) if kind(problem) == "badNonce")
}

/// What an error of the ACME crate means; [`super::wire::Wire`] has already judged what was no answer.
pub(super) fn explain(error: Error, terms: &Terms) -> Failure {
    match error {
        Error::Api(problem) => refusal(&problem, terms),
        Error::Other(inner) => match inner.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(inner) => nonsense(&inner.to_string()),
        },
        other => nonsense(&other.to_string()),
    }
}

/// Why the account was refused; `bound` says that a binding was presented.
pub(super) fn of_account(error: Error, terms: &Terms, bound: bool) -> Failure {
    match error {
        Error::Api(problem) => match (kind(&problem), bound) {
            ("unauthorized" | "malformed" | "externalAccountRequired", true) => {
                Failure::EabInvalid(detail(&problem))
            }
            // An account whose key we hold, and which the authority has closed.
            ("unauthorized", false) => Failure::AccountLost,
            _ => refusal(&problem, terms),
        },
        other => explain(other, terms),
    }
}

/// Why a contact was refused.
pub(super) fn of_contact(error: Error, terms: &Terms, contact: &str) -> Failure {
    match error {
        Error::Api(problem)
            if matches!(kind(&problem), "invalidContact" | "unsupportedContact" | "malformed") =>
        {
            Failure::ContactInvalid(contact.to_owned())
        }
        other => explain(other, terms),
    }
}

/// Why the authority was not convinced by the record at `fqdn`, which proves `domain`.
pub(super) fn of_challenge(problem: &Problem, fqdn: &str, domain: &str, terms: &Terms) -> Failure {
    let said = detail(problem);
    let has = |words: &[&str]| words.iter().any(|word| said.to_ascii_lowercase().contains(word));
    match kind(problem) {
        "dns" | "unauthorized" | "incorrectResponse" | "connection" => {
            let more = more_values(&said);
            if has(&["dnssec", "servfail", "bogus", "rrsig"]) {
                Failure::DnssecBroken(domain.to_owned())
            } else if more >= MANY || has(&["overflow", "truncated"]) {
                Failure::TxtTooMany { fqdn: fqdn.to_owned(), count: more + 1 }
            } else if has(&["timed out", "timeout", "networking error", "refused", "no route"]) {
                Failure::DnsUnreachable { server: format!("{}{domain}", Failure::THEIR_SERVER), reason: said }
            } else if has(&["no txt record", "nxdomain", "no such host"]) {
                Failure::TxtNotSeen { fqdn: fqdn.to_owned(), ns: Failure::AUTHORITY.to_owned() }
            } else {
                Failure::TxtMismatch(said)
            }
        }
        _ => refusal(problem, terms),
    }
}

/// Where an answer with so many values no longer fits into what is asked by UDP.
const MANY: usize = 20;

/// What a problem means wherever it stands.
pub(super) fn refusal(problem: &Problem, terms: &Terms) -> Failure {
    let sub = problem.subproblems.iter().find_map(|sub| {
        let name = match &sub.identifier {
            Some(Identifier::Dns(name)) => Some(name.as_str()),
            _ => None,
        };
        let inner = Problem {
            r#type: sub.r#type.clone(),
            detail: sub.detail.clone(),
            status: None,
            subproblems: Vec::new(),
        };
        named(&inner, name, terms)
    });
    sub.or_else(|| named(problem, None, terms)).unwrap_or_else(|| Failure::CaRefused {
        kind: match kind(problem) {
            "" => "unnamed".to_owned(),
            kind => kind.to_owned(),
        },
        detail: detail(problem),
    })
}

/// The failure of a problem whose type says enough; `name` is whom it is about, where that is known.
fn named(problem: &Problem, name: Option<&str>, terms: &Terms) -> Option<Failure> {
    let said = detail(problem);
    Some(match kind(problem) {
        "accountDoesNotExist" => Failure::AccountLost,
        "badNonce" => Failure::BadNonce,
        "caa" => caa(&said, name, terms),
        "dns" if said.to_ascii_lowercase().contains("servfail") => {
            Failure::DnssecBroken(name.map_or(said, str::to_owned))
        }
        "externalAccountRequired" => Failure::EabRequired,
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            Failure::NameForbidden(name.map_or_else(|| said.clone(), |name| format!("{name}: {said}")))
        }
        "userActionRequired" | "agreementRequired" => {
            Failure::TosNotAccepted { url: url(&said).or_else(|| terms.url.clone()) }
        }
        "invalidContact" | "unsupportedContact" => Failure::ContactInvalid(said),
        "invalidProfile" => Failure::ProfileUnknown {
            profile: terms.profile.clone().unwrap_or_default(),
            have: terms.profiles.clone(),
        },
        "serverInternal" => {
            Failure::CaUnavailable { status: problem.status.unwrap_or(500), retry_after: None }
        }
        _ => return None,
    })
}

/// A CAA record (RFC 8659) that does not name the authority.
fn caa(said: &str, name: Option<&str>, terms: &Terms) -> Failure {
    let told = said.split_once("CAA record for ").and_then(|(_, rest)| rest.split_whitespace().next());
    let domain = name.or(told).map(|name| name.trim_start_matches("*.").trim_end_matches(['.', ':', ',']));
    let domain =
        domain.unwrap_or_else(|| terms.names.first().map_or("", |name| name.trim_start_matches("*.")));
    let is_wild = terms.names.iter().any(|it| it.strip_prefix("*.") == Some(domain));
    let tag = if is_wild { "issuewild" } else { "issue" };
    Failure::CaaForbids {
        domain: domain.to_owned(),
        found: said.to_owned(),
        record: format!(
            "{domain}. CAA 0 {tag} \"{}\"",
            terms.caa.first().map_or("the authority", String::as_str)
        ),
    }
}

fn detail(problem: &Problem) -> String {
    problem.detail.clone().unwrap_or_else(|| "it gives no reason".to_owned())
}

fn url(text: &str) -> Option<String> {
    let word = text.split_whitespace().find(|word| word.starts_with("https://"))?;
    Some(word.trim_end_matches(['.', ',', ')', '"']).to_owned())
}

/// The N of `(and N more)`, as Boulder counts the values it found beside the one it quotes.
fn more_values(said: &str) -> usize {
    let number = said.split_once("(and ").and_then(|(_, rest)| rest.split_once(" more)"));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

fn nonsense(what: &str) -> Failure {
    Failure::CaRefused { kind: "nonsense".to_owned(), detail: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_problem_has_its_failure() {
        for (kind, said, expected) in [
            ("accountDoesNotExist", "gone", Failure::AccountLost),
            ("badNonce", "no", Failure::BadNonce),
            ("externalAccountRequired", "no", Failure::EabRequired),
            ("rejectedIdentifier", "policy", Failure::NameForbidden("policy".to_owned())),
            ("unsupportedIdentifier", "no", Failure::NameForbidden("no".to_owned())),
            (
                "userActionRequired",
                "new terms: https://ca.example/terms.",
                Failure::TosNotAccepted { url: Some("https://ca.example/terms".to_owned()) },
            ),
            (
                "agreementRequired",
                "agree",
                Failure::TosNotAccepted { url: Some("https://ca.example/old".to_owned()) },
            ),
            ("invalidContact", "no", Failure::ContactInvalid("no".to_owned())),
            ("unsupportedContact", "no", Failure::ContactInvalid("no".to_owned())),
            (
                "invalidProfile",
                "no",
                Failure::ProfileUnknown { profile: "fast".to_owned(), have: vec!["slow".to_owned()] },
            ),
            ("serverInternal", "oh", Failure::CaUnavailable { status: 500, retry_after: None }),
            ("dns", "SERVFAIL looking up CAA", Failure::DnssecBroken("SERVFAIL looking up CAA".to_owned())),
            (
                "orderNotReady",
                "wait",
                Failure::CaRefused { kind: "orderNotReady".to_owned(), detail: "wait".to_owned() },
            ),
            (
                "caa",
                "CAA record for preview.example.com prevents issuance",
                Failure::CaaForbids {
                    domain: "preview.example.com".to_owned(),
                    found: "CAA record for preview.example.com prevents issuance".to_owned(),
                    record: "preview.example.com. CAA 0 issuewild \"ca.example\"".to_owned(),
                },
            ),
        ] {
            assert_eq!(explain(Error::Api(problem(kind, said)), &terms()), expected, "{kind}");
        }
    }

    #[test]
    fn a_subproblem_says_more_than_the_problem_around_it() {
        let text = format!(
            r#"{{"type":"{PREFIX}malformed","detail":"some were refused","subproblems":[{{"type":"{PREFIX}caa",
            "detail":"it forbids","identifier":{{"type":"dns","value":"www.example.com"}}}}]}}"#
        );
        let problem = serde_json::from_str(&text).expect("a problem");
        let record = "www.example.com. CAA 0 issue \"ca.example\"".to_owned();
        assert_eq!(
            refusal(&problem, &terms()),
            Failure::CaaForbids {
                domain: "www.example.com".to_owned(),
                found: "it forbids".to_owned(),
                record
            }
        );
    }

    #[test]
    fn what_went_wrong_with_a_challenge_is_told_by_its_detail() {
        let (fqdn, domain) = ("_acme-challenge.example.com", "example.com");
        let fqdn_owned = || fqdn.to_owned();
        for (kind, said, expected) in [
            (
                "unauthorized",
                "No TXT record found at _acme-challenge.example.com",
                Failure::TxtNotSeen { fqdn: fqdn_owned(), ns: Failure::AUTHORITY.to_owned() },
            ),
            (
                "dns",
                "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.example.com",
                Failure::TxtNotSeen { fqdn: fqdn_owned(), ns: Failure::AUTHORITY.to_owned() },
            ),
            (
                "unauthorized",
                "No TXT records found for DNS challenge",
                Failure::TxtNotSeen { fqdn: fqdn_owned(), ns: Failure::AUTHORITY.to_owned() },
            ),
            (
                "incorrectResponse",
                "Incorrect TXT record \"x\" found at _acme-challenge.example.com",
                Failure::TxtMismatch(
                    "Incorrect TXT record \"x\" found at _acme-challenge.example.com".to_owned(),
                ),
            ),
            (
                "unauthorized",
                "Correct value not found for DNS challenge",
                Failure::TxtMismatch("Correct value not found for DNS challenge".to_owned()),
            ),
            (
                "unauthorized",
                "Incorrect TXT record \"x\" (and 39 more) found at _acme-challenge.example.com",
                Failure::TxtTooMany { fqdn: fqdn_owned(), count: 40 },
            ),
            (
                "dns",
                "DNS problem: SERVFAIL looking up TXT for _acme-challenge.example.com - the domain's nameservers may be malfunctioning",
                Failure::DnssecBroken(domain.to_owned()),
            ),
            (
                "dns",
                "DNS problem: query timed out looking up TXT for _acme-challenge.example.com",
                Failure::DnsUnreachable {
                    server: "as the authority finds, a name server of example.com".to_owned(),
                    reason: "DNS problem: query timed out looking up TXT for _acme-challenge.example.com"
                        .to_owned(),
                },
            ),
            ("rejectedIdentifier", "no", Failure::NameForbidden("no".to_owned())),
        ] {
            let found = of_challenge(&problem(kind, said), fqdn, domain, &terms());
            assert_eq!(found, expected, "{kind}: {said}");
            let counts = found.is_validation() || matches!(found, Failure::NameForbidden(_));
            assert!(counts, "{found}: the authority counts it, and so must the edge's own budget");
        }
    }

    #[test]
    fn a_refused_account_is_the_bindings_fault_where_there_was_one() {
        for kind in ["unauthorized", "malformed"] {
            let failure = of_account(Error::Api(problem(kind, "bad mac")), &terms(), true);
            assert_eq!(failure, Failure::EabInvalid("bad mac".to_owned()));
        }
        let closed = of_account(Error::Api(problem("unauthorized", "deactivated")), &terms(), false);
        assert_eq!(closed, Failure::AccountLost);
        let missing = of_account(Error::Api(problem("externalAccountRequired", "no")), &terms(), false);
        assert_eq!(missing, Failure::EabRequired);
    }

    #[test]
    fn a_refused_contact_is_quoted() {
        let failure = of_contact(Error::Api(problem("unsupportedContact", "no")), &terms(), "foo");
        assert_eq!(failure, Failure::ContactInvalid("foo".to_owned()));
    }

    #[test]
    fn what_the_wire_has_judged_stays_as_it_is() {
        let failure = Failure::CaUnavailable { status: 502, retry_after: None };
        assert_eq!(explain(Error::Other(Box::new(failure.clone())), &terms()), failure);
        let nonsense = explain(Error::Str("no order URL found"), &terms());
        assert!(matches!(nonsense, Failure::CaRefused { kind, .. } if kind == "nonsense"));
    }

    fn terms() -> Terms {
        Terms {
            url: Some("https://ca.example/old".to_owned()),
            caa: vec!["ca.example".to_owned()],
            takes_replaces: true,
            names: vec!["*.preview.example.com".to_owned(), "www.example.com".to_owned()],
            profile: Some("fast".to_owned()),
            profiles: vec!["slow".to_owned()],
        }
    }

    fn problem(kind: &str, said: &str) -> Problem {
        let text = serde_json::json!({ "type": format!("{PREFIX}{kind}"), "detail": said }).to_string();
        serde_json::from_str(&text).expect("a problem")
    }
}
