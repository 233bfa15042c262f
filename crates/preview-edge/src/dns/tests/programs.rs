//! `dig`, `kdig` and `delv`, who complain about what is not as it should be.

use std::process::Command;

use super::asking::{CHALLENGE, Served, at, challenge, start, zone};

#[test]
fn dig_has_nothing_to_complain_about_by_udp_and_tcp() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    server.records().put(CHALLENGE, "two").expect("room");
    for by in ["+notcp", "+tcp"] {
        let text = run(&server, "dig", &[by, "+noall", "+answer", CHALLENGE, "TXT"]);
        let mut lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        lines.sort();
        let name = "_acme-challenge.preview.example.test.";
        assert_eq!(lines, [[name, "1", "IN", "TXT", "\"one\""], [name, "1", "IN", "TXT", "\"two\""]]);
        let text = run(&server, "dig", &[by, "+norecurse", "Foo.Preview.example.test", "AAAA"]);
        for part in [
            "status: NOERROR",
            "flags: qr aa;",
            "QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1",
            "EDNS: version: 0, flags:; udp: 1232",
            ";Foo.Preview.example.test.",
            "Preview.example.test.\t5\tIN\tSOA\tns1.preview.example.test. hostmaster.preview.example.test.",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("WARNING") && !text.contains(";; Got bad packet"), "{text}");
    }
}

/// The questions of RFC 8906, by which operators of resolvers judge servers.
#[test]
fn dig_finds_the_answers_of_rfc_8906_to_questions_that_trip_others() {
    let server = start(&challenge());
    for (flags, status) in [
        (&["+noedns", "+noad", "+norec", CHALLENGE, "SOA"][..], "NOERROR"),
        (&["+noedns", "+noad", "+norec", CHALLENGE, "TYPE1000"], "NOERROR"),
        (&["+noedns", "+noad", "+norec", "+cd", CHALLENGE, "SOA"], "NOERROR"),
        (&["+noedns", "+noad", "+norec", "+ad", CHALLENGE, "SOA"], "NOERROR"),
        (&["+noedns", "+noad", "+norec", "+zflag", CHALLENGE, "SOA"], "NOERROR"),
        (&["+noedns", "+noad", "+norec", "+opcode=15", "+header-only"], "NOTIMP"),
        (&["+nocookie", "+edns=0", "+noad", "+norec", CHALLENGE, "SOA"], "NOERROR"),
        (&["+nocookie", "+edns=1", "+noednsneg", "+noad", "+norec", CHALLENGE, "SOA"], "BADVERS"),
        (&["+nocookie", "+edns=0", "+noad", "+norec", "+ednsopt=100", CHALLENGE, "SOA"], "NOERROR"),
        (&["+nocookie", "+edns=0", "+noad", "+norec", "+ednsflags=0x40", CHALLENGE, "SOA"], "NOERROR"),
        (
            &["+nocookie", "+edns=1", "+noednsneg", "+noad", "+norec", "+ednsopt=100", CHALLENGE, "SOA"],
            "BADVERS",
        ),
        (&["+nocookie", "+edns=0", "+noad", "+norec", "+dnssec", CHALLENGE, "SOA"], "NOERROR"),
        (&["+cookie", "+noad", "+norec", CHALLENGE, "SOA"], "NOERROR"),
        (&["+subnet=192.0.2.0/24", "+norec", CHALLENGE, "SOA"], "NOERROR"),
        (&["+nsid", "+padding=128", "+norec", CHALLENGE, "SOA"], "NOERROR"),
        (&["+norec", CHALLENGE, "ANY", "+notcp"], "REFUSED"),
        (&["+norec", "-c", "CH", "version.bind", "TXT"], "REFUSED"),
        (&["+norec", "example.com", "A"], "REFUSED"),
    ] {
        let text = run(&server, "dig", flags);
        assert!(text.contains(&format!("status: {status}")), "{flags:?}: {text}");
        assert!(!text.contains("WARNING") && !text.contains("MBZ"), "{flags:?}: {text}");
        let has_edns = text.contains("OPT PSEUDOSECTION");
        let asks_with_it = !flags.contains(&"+noedns");
        assert_eq!(has_edns, asks_with_it, "{flags:?}: {text}");
        assert_eq!(text.contains("flags: do;"), flags.contains(&"+dnssec"), "{flags:?}: {text}");
        // Options that we do not know are not sent back.
        assert!(!text.contains("OPT=100") && !text.contains("CLIENT-SUBNET"), "{flags:?}: {text}");
    }
    let text = run(&server, "dig", &["+norec", CHALLENGE, "AXFR"]);
    assert!(text.contains("Transfer failed"), "{text}");
}

#[test]
fn kdig_agrees_and_gets_many_answers_by_one_connection() {
    let server = start(&zone());
    let text = run(&server, "kdig", &["+norec", "X.preview.example.test", "A"]);
    for part in ["status: NOERROR", "Flags: qr aa;", "QUERY: 1; ANSWER: 2; AUTHORITY: 0", "192.0.2.2"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let one = ["a.preview.example.test", "A"];
    let text = run(&server, "kdig", &[&["+tcp", "+keepopen", "+short"][..], &one.repeat(5)].concat());
    assert_eq!(text.lines().filter(|line| line.starts_with("192.0.2.")).count(), 10, "{text}");
    let text = run(&server, "kdig", &["+norec", "x._acme-challenge.preview.example.test", "A"]);
    assert!(text.contains("status: NXDOMAIN") && text.contains("AUTHORITY: 1;"), "{text}");
}

#[test]
fn delv_takes_the_unsigned_answer() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    let ip = at(&server).ip().to_string();
    let text = output(Command::new("delv").args(["-i", &format!("@{ip}"), CHALLENGE, "TXT"]));
    assert!(text.contains("; authoritative\n") && text.contains("\"one\""), "{text}");
    let text = output(Command::new("delv").args(["-i", &format!("@{ip}"), "x.preview.example.test", "AAAA"]));
    assert!(text.contains("ncache nxrrset") && text.contains("negative response"), "{text}");
    let text = output(Command::new("delv").args(["-i", &format!("@{ip}"), &format!("x.{CHALLENGE}"), "A"]));
    assert!(text.contains("ncache nxdomain"), "{text}");
}

fn run(server: &Served, program: &str, words: &[&str]) -> String {
    let place = format!("@{}", at(server).ip());
    output(Command::new(program).arg(place).arg("+time=5").args(words))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it is installed (xtask/real/PACKAGES)");
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}
