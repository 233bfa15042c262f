use std::path::Path;

use preview_core::settings::{Settings, Sources};

use super::*;

#[test]
fn challenge_mode_wants_addresses_one_ns_record_and_the_servers_address() {
    let plan = planned("acme: { dns: { listen: [192.0.2.1] } }");
    assert_eq!(
        lines(&plan),
        [
            "*.preview.example.com A 192.0.2.1",
            "preview.example.com A 192.0.2.1",
            "_acme-challenge.preview.example.com NS acme-ns.preview.example.com",
            "acme-ns.preview.example.com A 192.0.2.1",
            "preview.example.com CAA 0 issuewild \"letsencrypt.org; validationmethods=dns-01\" ?",
        ]
    );
    assert_eq!((plan.zone.as_deref(), plan.solver), (None, "builtin"));
    assert!(plan.notes[0].contains("port 53 must be open"), "{:?}", plan.notes);
}

#[test]
fn nothing_is_wanted_above_the_base_which_may_be_a_registrys_unless_it_was_told() {
    let plan = planned_at("example.co.uk", "acme: { dns: { listen: [192.0.2.1] } }");
    assert_eq!(plan.zone, None);
    for record in &plan.records {
        assert!(is_within(&record.name, "example.co.uk"), "{record:?}");
        assert!(record.kind != "NS" || is_within(&record.value, "example.co.uk"), "{record:?}");
    }
    let named = |zone: &str| {
        let edge = format!("acme: {{ {zone} dns: {{ listen: [192.0.2.1], ns: [ns.example.com] }} }}");
        let plan = planned(&edge);
        (lines(&plan).contains(&"ns.example.com A 192.0.2.1".to_owned()), plan.notes.join("; "))
    };
    let (has_address, notes) = named("");
    assert!(!has_address && notes.contains("ns.example.com must lead to an edge"), "{notes}");
    assert!(named("zone: example.com,").0, "it is the operator's, as was told");
}

#[test]
fn an_address_that_nobody_outside_reaches_is_left_to_the_operator() {
    let plan = planned("acme: { dns: { listen: [10.0.0.5] } }");
    assert_eq!(
        lines(&plan)[..2],
        ["*.preview.example.com A IPV4-OF-THE-EDGE", "*.preview.example.com AAAA IPV6-OF-THE-EDGE ?"]
    );
}

#[test]
fn zone_mode_delegates_all_with_glue_for_each_server() {
    let plan = planned(
        "daemon_host: daemon.preview.example.com, acme: { dns: { listen: [\"0.0.0.0\"], mode: zone, \
         ns: [ns1.preview.example.com, ns2.preview.example.com], a: [192.0.2.1, 192.0.2.2] } }",
    );
    assert_eq!(
        lines(&plan),
        [
            "preview.example.com NS ns1.preview.example.com",
            "preview.example.com NS ns2.preview.example.com",
            "ns1.preview.example.com A 192.0.2.1",
            "ns2.preview.example.com A 192.0.2.2",
        ]
    );
}

#[test]
fn rfc2136_wants_a_grant_for_each_challenge_and_records_for_each_host() {
    let plan = planned(
        "daemon_host: daemon.example.com, acme: { solver: rfc2136, zone: example.com, \
         rfc2136: { server: 192.0.2.53, key_name: k, secret_file: /s } }",
    );
    let lines = lines(&plan);
    assert!(lines.contains(&"daemon.example.com A IPV4-OF-THE-EDGE".to_owned()), "{lines:?}");
    let caa = "daemon.example.com CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\" ?".to_owned();
    assert!(lines.contains(&caa), "{lines:?}");
    assert!(
        plan.notes[0].contains(
            "update-policy { grant k name _acme-challenge.preview.example.com. TXT; \
             grant k name _acme-challenge.daemon.example.com. TXT; };"
        ),
        "{:?}",
        plan.notes
    );
}

#[test]
fn an_alias_is_led_to_by_each_challenge_and_delegated_itself_where_the_edge_serves_it() {
    let plan = planned("acme: { alias: challenges.example.net, dns: { listen: [192.0.2.1] } }");
    let lines = lines(&plan);
    assert!(lines.contains(&"_acme-challenge.preview.example.com CNAME challenges.example.net".to_owned()));
    assert!(lines.contains(&"challenges.example.net NS acme-ns.preview.example.com".to_owned()), "{lines:?}");
}

#[test]
fn acme_dns_wants_a_cname_to_each_accounts_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("accounts.json");
    let accounts = "{\"preview.example.com\":{\"fulldomain\":\"u.auth.example.net\",\"subdomain\":\"u\",\
                    \"username\":\"n\",\"password\":\"p\",\"server_url\":\"https://auth.example.net\"}}";
    std::fs::write(&file, accounts).expect("written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mine");
    let plan =
        planned(&format!("acme: {{ solver: acme-dns, acme_dns: {{ account_file: {} }} }}", file.display()));
    assert!(
        lines(&plan).contains(&"_acme-challenge.preview.example.com CNAME u.auth.example.net".to_owned())
    );
}

#[test]
fn a_fallback_may_issue_too_and_an_unknown_authority_is_not_guessed() {
    let plan = planned("acme: { fallback: { directory: google }, dns: { listen: [192.0.2.1] } }");
    assert_eq!(lines(&plan).iter().filter(|line| line.contains(" CAA ")).count(), 2);
    let plan = planned("acme: { directory: \"https://ca.example.org/dir\", dns: { listen: [192.0.2.1] } }");
    assert_eq!(lines(&plan).iter().filter(|line| line.contains(" CAA ")).count(), 0);
}

#[test]
fn the_account_for_rehearsals_has_a_record_of_its_own_once_there_is_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("edge");
    let vault = Dir::new(state.clone());
    let mut config = config("tls: { mode: acme }, acme: { dns: { listen: [192.0.2.1] } }");
    config.state_dir = state;
    let acme = crate::certs::acme(&config).expect("ordered");
    let keep = |authority: &Authority, id: &str| {
        let account = Account { id: id.to_owned(), directory: authority.directory.clone(), contact: None };
        let (_, since) = Account::load(&vault, &authority.name).expect("read");
        account.save(&vault, &authority.name, &since).expect("kept");
    };
    keep(&acme.authority, "https://ca.test/1");
    keep(acme.staging.as_ref().expect("rehearses"), "https://staging.test/2");
    let plan = plan(&config).expect("planned");
    let lines = lines(&plan);
    for uri in ["https://ca.test/1", "https://staging.test/2"] {
        let ends = format!("accounturi={uri}\" ?");
        assert!(lines.iter().any(|line| line.ends_with(&ends)), "{uri}: {lines:?}");
    }
    assert!(plan.notes.iter().any(|note| note.contains("set all of them")), "{:?}", plan.notes);
}

#[test]
fn certificates_that_are_not_ordered_need_no_plan() {
    let error = plan(&config("tls: { mode: self_signed }")).expect_err("nothing to plan");
    assert_eq!(error.code(), preview_core::refusal::Code::ConfigInvalid);
}

fn planned(edge: &str) -> Plan {
    planned_at("preview.example.com", edge)
}

fn planned_at(base: &str, edge: &str) -> Plan {
    plan(&config_at(base, &format!("tls: {{ mode: acme }}, {edge}"))).expect("planned")
}

fn config(edge: &str) -> Config {
    config_at("preview.example.com", edge)
}

fn config_at(base: &str, edge: &str) -> Config {
    let text = format!(
        "web_preview:\n  public_url_template: \"https://{{id}}.{base}\"\n  state_dir: /nowhere\n  \
         edge: {{ https: \":443\", {edge} }}\n"
    );
    let settings =
        Settings::load(Sources { file: Some(("f", &text)), ..Sources::default() }).expect("readable");
    Config::from_settings(&settings, Path::new("/home/u")).expect("usable")
}

/// One a record; a question mark behind those that can be left out.
fn lines(plan: &Plan) -> Vec<String> {
    let line = |it: &Wanted| {
        let optional = if it.optional { " ?" } else { "" };
        format!("{} {} {}{optional}", it.name, it.kind, it.value)
    };
    plan.records.iter().map(line).collect()
}
