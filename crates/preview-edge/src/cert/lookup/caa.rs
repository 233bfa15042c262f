//! Whether CAA records let an authority issue (RFC 8659, RFC 8657).

use hickory_proto::rr::{RData, RecordType};

use super::{Failure, Lookup};

/// How we prove a name (RFC 8657 §4).
const METHOD: &str = "dns-01";
/// Properties that say nothing about us; a critical one of another name forbids everything.
const OTHERS: [&str; 4] = ["iodef", "issuemail", "contactemail", "contactphone"];

/// What is to be issued, and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The name without `*.`.
    pub(crate) domain: &'a str,
    /// Whether it is a wildcard's.
    pub(crate) wildcard: bool,
    /// The names by which the authority knows itself ([`super::issuers`]); empty: nobody knows, nothing is judged.
    pub(crate) issuers: &'a [String],
    /// The account's URL; `None` before there is one, and then no record can be held against it.
    pub(crate) account: Option<&'a str>,
}

impl Lookup {
    /// Looks whether the nearest CAA records upwards from the domain allow the request.
    pub(crate) async fn caa(&self, request: &Request<'_>) -> Result<(), Failure> {
        let Some(issuer) = request.issuers.first() else { return Ok(()) };
        let mut at = request.domain;
        while !at.is_empty() {
            let answer = self.resolve(at, RecordType::CAA).await?;
            // Records at the end of a CNAME count as the name's own (RFC 8659 §3).
            let properties: Vec<Property> = answer.answers().filter_map(|(_, data)| property(data)).collect();
            if !properties.is_empty() {
                return judge(&properties, request).map_err(|found| {
                    let tag = if request.wildcard { "issuewild" } else { "issue" };
                    let record = format!("{at}. CAA 0 {tag} \"{issuer}\"");
                    Failure::CaaForbids { domain: at.to_owned(), found, record }
                });
            }
            at = at.split_once('.').map_or("", |(_, above)| above);
        }
        Ok(())
    }
}

/// One CAA record.
#[derive(Debug)]
struct Property {
    critical: bool,
    tag: String,
    value: Vec<u8>,
}

/// What an `issue` or `issuewild` property says.
#[derive(Debug)]
struct Issue {
    issuer: String,
    parameters: Vec<(String, String)>,
}

fn property(data: &RData) -> Option<Property> {
    let RData::CAA(caa) = data else { return None };
    let tag = caa.tag.to_ascii_lowercase();
    Some(Property { critical: caa.issuer_critical, tag, value: caa.value.clone() })
}

/// An error is what forbids.
fn judge(properties: &[Property], request: &Request<'_>) -> Result<(), String> {
    let known = |tag: &str| matches!(tag, "issue" | "issuewild") || OTHERS.contains(&tag);
    if let Some(unknown) = properties.iter().find(|it| it.critical && !known(&it.tag)) {
        return Err(format!("critical property {:?}, which no authority may pass over", unknown.tag));
    }
    let tagged = |tag: &str| properties.iter().filter(|it| it.tag == tag).collect::<Vec<_>>();
    let wild = if request.wildcard { tagged("issuewild") } else { Vec::new() };
    let relevant = if wild.is_empty() { tagged("issue") } else { wild };
    if relevant.is_empty() || relevant.iter().any(|it| allows(&it.value, request)) {
        return Ok(());
    }
    let texts: Vec<String> = relevant
        .iter()
        .map(|it| format!("{} \"{}\"", it.tag, String::from_utf8_lossy(&it.value).escape_debug()))
        .collect();
    Err(texts.join(", "))
}

/// Whether a property's value allows the request; one that cannot be read allows nobody (RFC 8659 §4.2).
fn allows(value: &[u8], request: &Request<'_>) -> bool {
    let Some(issue) = parse(value) else { return false };
    let all = |tag: &str| {
        issue
            .parameters
            .iter()
            .filter(|(name, _)| name == tag)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
    };
    let account = match (all("accounturi").as_slice(), request.account) {
        ([], _) | ([_], None) => true,
        ([uri], Some(account)) => *uri == account,
        _ => false,
    };
    let method = match all("validationmethods").as_slice() {
        [] => true,
        [methods] => methods.split(',').any(|method| method == METHOD),
        _ => false,
    };
    request.issuers.contains(&issue.issuer) && account && method
}

fn parse(value: &[u8]) -> Option<Issue> {
    let text = std::str::from_utf8(value).ok()?;
    let (issuer, rest) = text.split_once(';').unwrap_or((text, ""));
    let issuer = blank(issuer).to_ascii_lowercase();
    if !issuer.is_empty() && !issuer.split('.').all(is_label) {
        return None;
    }
    let rest = blank(rest);
    let parameters =
        if rest.is_empty() { Some(Vec::new()) } else { rest.split(';').map(parameter).collect() };
    Some(Issue { issuer, parameters: parameters? })
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (tag, value) = text.split_once('=')?;
    let (tag, value) = (blank(tag), blank(value));
    let is_value = value.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    (is_label(tag) && is_value).then(|| (tag.to_ascii_lowercase(), value.to_owned()))
}

fn is_label(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Without white space around it.
fn blank(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_property_that_concerns_us_everybody_may() {
        assert_eq!(wildcard(&[]), Ok(()));
        assert_eq!(wildcard(&["iodef mailto:a@example.com"]), Ok(()));
        assert_eq!(plain(&["issuewild other.example"]), Ok(()), "a wildcard's property is no other name's");
    }

    #[test]
    fn a_wildcard_goes_by_issuewild_and_by_issue_only_where_there_is_none() {
        assert_eq!(wildcard(&["issue ca.example"]), Ok(()));
        assert_eq!(wildcard(&["issue other.example", "issuewild ca.example"]), Ok(()));
        assert_eq!(
            wildcard(&["issue ca.example", "issuewild other.example", "issuewild ;"]),
            Err("issuewild \"other.example\", issuewild \";\"".to_owned())
        );
        assert_eq!(plain(&["issue ca.example", "issuewild ;"]), Ok(()));
    }

    #[test]
    fn what_is_malformed_allows_nobody_and_one_that_allows_is_enough() {
        for value in ["", ";", "%%%%%", "ca.example; a", "ca.example; a=b; ", "ca..example", "ca.example x=y"]
        {
            assert!(plain(&[&format!("issue {value}")]).is_err(), "{value:?}");
        }
        for value in ["CA.example", " ca.example\t", "ca.example;", "ca.example ; x = y", "ca.example;x=;z=1"]
        {
            assert_eq!(plain(&["issue ;", &format!("issue {value}")]), Ok(()), "{value:?}");
        }
    }

    #[test]
    fn an_account_and_a_method_that_are_pinned_must_be_ours() {
        assert_eq!(plain(&["issue ca.example; accounturi=https://ca.example/1"]), Ok(()));
        assert!(plain(&["issue ca.example; accounturi=https://ca.example/2"]).is_err());
        let twice = "issue ca.example; accounturi=https://ca.example/1; accounturi=https://ca.example/1";
        assert!(plain(&[twice]).is_err());
        assert_eq!(plain(&["issue ca.example; validationmethods=http-01,dns-01"]), Ok(()));
        assert!(plain(&["issue ca.example; validationmethods=http-01"]).is_err());
        let unknown = Request { account: None, ..request(false) };
        let pinned = properties(&["issue ca.example; accounturi=https://ca.example/2"]);
        assert_eq!(judge(&pinned, &unknown), Ok(()), "no account yet, nothing to hold against it");
    }

    #[test]
    fn a_critical_property_that_nobody_knows_forbids() {
        let mut found = properties(&["issue ca.example", "tbs x"]);
        assert_eq!(judge(&found, &request(false)), Ok(()));
        found[1].critical = true;
        assert!(judge(&found, &request(false)).expect_err("critical").contains("\"tbs\""));
    }

    fn plain(found: &[&str]) -> Result<(), String> {
        judge(&properties(found), &request(false))
    }

    fn wildcard(found: &[&str]) -> Result<(), String> {
        judge(&properties(found), &request(true))
    }

    fn request(wildcard: bool) -> Request<'static> {
        static ISSUERS: std::sync::LazyLock<[String; 1]> =
            std::sync::LazyLock::new(|| ["ca.example".to_owned()]);
        Request { domain: "example.com", wildcard, issuers: &*ISSUERS, account: Some("https://ca.example/1") }
    }

    /// Each is a tag, a blank, and a value.
    fn properties(found: &[&str]) -> Vec<Property> {
        let property = |text: &&str| {
            let (tag, value) = text.split_once(' ').expect("a tag and a value");
            Property { critical: false, tag: tag.to_owned(), value: value.as_bytes().to_vec() }
        };
        found.iter().map(property).collect()
    }
}
