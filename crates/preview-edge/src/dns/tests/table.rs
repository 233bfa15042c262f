//! Question by question: code, flags and sections.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, RecordType as T};

use super::asking::{
    Asker, CHALLENGE, PATIENCE, Served, ask, at, bytes, challenge, lines, plain, question, read, start,
    start_again, v4, with_alias, zone,
};
use crate::config::Dns;

/// What an answer says, in short: its code and what stands in it.
#[derive(Debug, PartialEq)]
enum Says {
    /// These records and nothing else.
    Has(&'static [&'static str]),
    /// Nothing, with this zone's SOA.
    NoData(&'static str),
    /// No such name, with this zone's SOA.
    NoName(&'static str),
    /// That it is none of our business.
    Refused,
}
use Says::{Has, NoData, NoName, Refused};

#[test]
fn challenge_mode_has_a_zone_at_each_challenge_and_knows_of_nothing_else() {
    let server = start(&challenge());
    let records = server.records();
    records.put(CHALLENGE, "one").expect("room");
    records.put(CHALLENGE, "two").expect("room");
    let zone = "_acme-challenge.preview.example.test.";
    let daemons = "_acme-challenge.daemon.example.test.";
    for (name, kind, says) in [
        (
            CHALLENGE,
            T::TXT,
            Has(&[
                "_acme-challenge.preview.example.test. 1 TXT one",
                "_acme-challenge.preview.example.test. 1 TXT two",
            ]),
        ),
        (CHALLENGE, T::NS, Has(&["_acme-challenge.preview.example.test. 300 NS acme-ns.example.test."])),
        (
            CHALLENGE,
            T::SOA,
            Has(&["_acme-challenge.preview.example.test. 5 SOA acme-ns.example.test. \
                   hostmaster.preview.example.test. 1800000002 3600 600 604800 5"]),
        ),
        (CHALLENGE, T::CAA, NoData(zone)),
        (CHALLENGE, T::A, NoData(zone)),
        (CHALLENGE, T::AAAA, NoData(zone)),
        (CHALLENGE, T::HTTPS, NoData(zone)),
        (CHALLENGE, T::CNAME, NoData(zone)),
        (CHALLENGE, T::DS, NoData(zone)),
        (CHALLENGE, T::DNSKEY, NoData(zone)),
        (CHALLENGE, T::Unknown(65_280), NoData(zone)),
        ("x._acme-challenge.preview.example.test", T::TXT, NoName(zone)),
        ("*._acme-challenge.preview.example.test", T::A, NoName(zone)),
        ("a.b._acme-challenge.preview.example.test", T::SOA, NoName(zone)),
        ("_acme-challenge.daemon.example.test", T::TXT, NoData(daemons)),
        ("preview.example.test", T::A, Refused),
        ("x.preview.example.test", T::A, Refused),
        ("x_acme-challenge.preview.example.test", T::TXT, Refused),
        ("_acme-challenge.example.test", T::TXT, Refused),
        ("acme-ns.example.test", T::A, Refused),
        ("test", T::NS, Refused),
        ("", T::NS, Refused),
        ("example.com", T::A, Refused),
    ] {
        assert_says(&server, name, kind, &says);
    }
    records.remove(CHALLENGE, "one");
    assert_says(&server, CHALLENGE, T::TXT, &Has(&["_acme-challenge.preview.example.test. 1 TXT two"]));
}

#[test]
fn zone_mode_has_the_edges_at_every_name_but_those_needed_otherwise() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    let zone = "preview.example.test.";
    for (name, kind, says) in [
        (
            "preview.example.test",
            T::SOA,
            Has(&["preview.example.test. 5 SOA ns1.preview.example.test. \
                   hostmaster.preview.example.test. 1800000001 3600 600 604800 5"]),
        ),
        (
            "preview.example.test",
            T::NS,
            Has(&[
                "preview.example.test. 300 NS ns1.preview.example.test.",
                "preview.example.test. 300 NS ns2.dns.preview.example.test.",
                "preview.example.test. 300 NS ns.elsewhere.test.",
            ]),
        ),
        (
            "preview.example.test",
            T::A,
            Has(&["preview.example.test. 300 A 192.0.2.1", "preview.example.test. 300 A 192.0.2.2"]),
        ),
        ("preview.example.test", T::AAAA, NoData(zone)),
        ("preview.example.test", T::CAA, NoData(zone)),
        ("preview.example.test", T::TXT, NoData(zone)),
        ("preview.example.test", T::DS, NoData(zone)),
        (
            "x.preview.example.test",
            T::A,
            Has(&["x.preview.example.test. 300 A 192.0.2.1", "x.preview.example.test. 300 A 192.0.2.2"]),
        ),
        (
            "a.b.c.preview.example.test",
            T::A,
            Has(&[
                "a.b.c.preview.example.test. 300 A 192.0.2.1",
                "a.b.c.preview.example.test. 300 A 192.0.2.2",
            ]),
        ),
        (
            "*.preview.example.test",
            T::A,
            Has(&["*.preview.example.test. 300 A 192.0.2.1", "*.preview.example.test. 300 A 192.0.2.2"]),
        ),
        ("x.preview.example.test", T::AAAA, NoData(zone)),
        ("x.preview.example.test", T::HTTPS, NoData(zone)),
        ("x.preview.example.test", T::CAA, NoData(zone)),
        ("x.preview.example.test", T::SOA, NoData(zone)),
        ("x.preview.example.test", T::NS, NoData(zone)),
        ("x.preview.example.test", T::TXT, NoData(zone)),
        // Below a name that exists, the wildcard does not reach.
        ("x.*.preview.example.test", T::A, NoName(zone)),
        (CHALLENGE, T::TXT, Has(&["_acme-challenge.preview.example.test. 1 TXT one"])),
        (CHALLENGE, T::A, NoData(zone)),
        (CHALLENGE, T::AAAA, NoData(zone)),
        ("x._acme-challenge.preview.example.test", T::A, NoName(zone)),
        (
            "ns1.preview.example.test",
            T::A,
            Has(&["ns1.preview.example.test. 300 A 192.0.2.1", "ns1.preview.example.test. 300 A 192.0.2.2"]),
        ),
        ("ns1.preview.example.test", T::TXT, NoData(zone)),
        ("x.ns1.preview.example.test", T::A, NoName(zone)),
        // There because of what is below it, with nothing of its own.
        ("dns.preview.example.test", T::A, NoData(zone)),
        ("x.dns.preview.example.test", T::A, NoName(zone)),
        ("ns.elsewhere.test", T::A, Refused),
        ("example.test", T::A, Refused),
        ("_acme-challenge.daemon.example.test", T::TXT, NoData("_acme-challenge.daemon.example.test.")),
    ] {
        assert_says(&server, name, kind, &says);
    }
}

#[test]
fn as_many_addresses_as_servers_are_each_ones_own() {
    let dns = Dns {
        ns: ["ns1.preview.example.test", "ns2.preview.example.test"].map(str::to_owned).into(),
        addresses: vec![v4(1), "2001:db8::1".parse().expect("an address"), v4(2)],
        ..zone()
    };
    let server = start(&dns);
    for (name, kind, data) in [
        ("ns1.preview.example.test", T::A, "192.0.2.1"),
        ("ns2.preview.example.test", T::A, "192.0.2.2"),
        ("ns1.preview.example.test", T::AAAA, "2001:db8::1"),
        ("ns2.preview.example.test", T::AAAA, "2001:db8::1"),
    ] {
        let answer = ask(at(&server), &question(name, kind));
        assert_eq!(lines(&answer.answers), [format!("{name}. 300 {kind} {data}")]);
    }
    assert_eq!(ask(at(&server), &question("x.preview.example.test", T::AAAA)).answers.len(), 1);
}

#[test]
fn the_name_that_cnames_lead_to_is_a_zone_too() {
    let server = with_alias(&challenge(), Some("Preview.Acme.example.org.")).expect("starts");
    server.records().put("preview.acme.example.org", "one").expect("room");
    assert_says(&server, "preview.acme.example.org", T::TXT, &Has(&["preview.acme.example.org. 1 TXT one"]));
}

#[test]
fn the_questions_spelling_comes_back_in_all_of_the_answer() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    for (name, kind) in [
        ("_AcMe-ChAlLeNgE.pReViEw.ExAmPlE.tEsT", T::TXT),
        ("X.PREVIEW.example.TEST", T::A),
        ("x.pReview.exaMple.test", T::AAAA),
        ("PREVIEW.EXAMPLE.TEST", T::SOA),
        ("y._Acme-Challenge.preview.example.TEST", T::A),
        ("WWW.Example.COM", T::A),
    ] {
        let question = question(name, kind);
        let (asked, answer) = (bytes(&question), ask(at(&server), &question));
        let raw = Asker::udp(at(&server)).ask(&asked).expect("an answer");
        // Header, then the question with its type and class: byte for byte.
        let end = 12 + name.len() + 2 + 4;
        assert_eq!(raw[12..end], asked[12..end], "{name}");
        for record in answer.answers.iter().chain(&answer.authorities) {
            let theirs = format!("{name}.");
            assert!(theirs.ends_with(&record.name.to_ascii()), "{} for {theirs}", record.name);
        }
    }
}

#[test]
fn what_is_no_question_for_a_record_is_told_so_or_gets_nothing() {
    let server = start(&challenge());
    let with = |change: fn(&mut Message)| {
        let mut message = question(CHALLENGE, T::TXT);
        change(&mut message);
        message
    };
    let kind = |kind: RecordType| question(CHALLENGE, kind);
    let record = || Record::from_rdata(Name::root(), 0, RData::NULL(hickory_proto::rr::rdata::NULL::new()));
    let soa = Name::from_ascii("_acme-challenge.preview.example.test.").expect("a name");
    let mut ixfr = kind(T::IXFR);
    ixfr.add_authority(Record::update0(soa, 0, T::SOA));
    for (what, message, code) in [
        ("ANY", kind(T::ANY), ResponseCode::Refused),
        ("AXFR", kind(T::AXFR), ResponseCode::Refused),
        ("IXFR", ixfr, ResponseCode::Refused),
        ("TSIG as a type", kind(T::TSIG), ResponseCode::Refused),
        ("MAILA", kind(T::Unknown(254)), ResponseCode::Refused),
        ("OPT as a type", kind(T::OPT), ResponseCode::FormErr),
        ("CH", with(|it| it.queries[0].query_class = DNSClass::CH), ResponseCode::Refused),
        ("class ANY", with(|it| it.queries[0].query_class = DNSClass::ANY), ResponseCode::Refused),
        ("class 7", with(|it| it.queries[0].query_class = DNSClass::Unknown(7)), ResponseCode::Refused),
        ("STATUS", with(|it| it.metadata.op_code = OpCode::Status), ResponseCode::NotImp),
        ("NOTIFY", with(|it| it.metadata.op_code = OpCode::Notify), ResponseCode::NotImp),
        ("UPDATE", with(|it| it.metadata.op_code = OpCode::Update), ResponseCode::NotImp),
        ("opcode 15", with(|it| it.metadata.op_code = OpCode::Unknown(15)), ResponseCode::NotImp),
        ("no question", with(|it| it.queries.clear()), ResponseCode::FormErr),
        ("two questions", with(|it| it.queries.push(Query::new())), ResponseCode::FormErr),
        (
            "an answer within",
            {
                let mut message = question(CHALLENGE, T::TXT);
                message.add_answer(record());
                message
            },
            ResponseCode::FormErr,
        ),
        (
            "many records behind",
            {
                let mut message = question(CHALLENGE, T::TXT);
                message.add_additionals(std::iter::repeat_n(record(), 5));
                message
            },
            ResponseCode::FormErr,
        ),
        (
            "EDNS of version 1",
            with(|it| {
                it.edns.get_or_insert_default().set_version(1);
            }),
            ResponseCode::BADVERS,
        ),
    ] {
        let answer = ask(at(&server), &message);
        // By its number, as BADVERS and BADSIG share one.
        assert_eq!(u16::from(answer.metadata.response_code), u16::from(code), "{what}");
        assert_eq!(answer.metadata.message_type, MessageType::Response, "{what}");
        assert_eq!(answer.metadata.op_code, message.metadata.op_code, "{what}");
        assert!(!answer.metadata.authoritative && !answer.metadata.truncation, "{what}");
        assert_eq!(answer.all_sections().count(), 0, "{what}: {answer}");
        assert!(bytes(&answer).len() <= bytes(&message).len(), "{what}: longer than the question");
    }
    for garbage in [
        [bytes(&question(CHALLENGE, T::TXT)), vec![0]].concat(),
        bytes(&question(CHALLENGE, T::TXT))[..40].to_vec(),
        two_edns(),
    ] {
        let answer = read(&Asker::udp(at(&server)).ask(&garbage).expect("an answer"));
        assert_eq!((answer.metadata.response_code, answer.queries.len()), (ResponseCode::FormErr, 0));
    }
}

#[test]
fn an_answer_is_never_answered_whole_or_broken() {
    let server = start(&challenge());
    let mut response = question(CHALLENGE, T::TXT);
    response.metadata.message_type = MessageType::Response;
    let whole = bytes(&response);
    let broken = whole[..30].to_vec();
    let mut asker = Asker::udp(at(&server));
    for silent in [whole, broken, vec![0; 11], Vec::new()] {
        asker.send(&silent).expect("sent");
    }
    // Had one of them been answered, its answer would come first.
    let last = question(CHALLENGE, T::SOA);
    let answer = read(&asker.ask(&bytes(&last)).expect("an answer"));
    assert_eq!(answer.metadata.id, last.metadata.id);
}

#[test]
fn flags_are_those_of_a_server_that_resolves_nothing() {
    let server = start(&challenge());
    let mut wishes = question(CHALLENGE, T::SOA);
    wishes.metadata.recursion_desired = true;
    wishes.metadata.checking_disabled = true;
    wishes.metadata.authentic_data = true;
    wishes.edns.get_or_insert_default().set_dnssec_ok(true);
    let answer = ask(at(&server), &wishes);
    let flags = answer.metadata;
    assert!(flags.authoritative && flags.recursion_desired && flags.checking_disabled);
    assert!(!flags.recursion_available && !flags.authentic_data && !flags.truncation);
    let edns = answer.edns.expect("the client has it");
    assert_eq!((edns.version(), edns.max_payload(), edns.flags().dnssec_ok), (0, 1_232, true));
    assert!(ask(at(&server), &plain(CHALLENGE, T::SOA)).edns.is_none());
}

#[test]
fn a_long_answer_fits_what_the_client_takes_or_sends_it_to_tcp() {
    let server = start(&challenge());
    let value = |at: usize| format!("{at:043}");
    for at in 0..16 {
        server.records().put(CHALLENGE, &value(at)).expect("room");
    }
    for (takes, fits) in
        [(None, false), (Some(0), false), (Some(512), false), (Some(1_232), true), (Some(4_096), true)]
    {
        let mut message = plain(CHALLENGE, T::TXT);
        if let Some(takes) = takes {
            // Below 512 nobody may go, says the setter; what is said on the wire may.
            message.set_edns(Edns::new().set_max_payload(takes).clone());
        }
        let raw = Asker::udp(at(&server)).ask(&bytes(&message)).expect("an answer");
        let answer = read(&raw);
        assert_eq!((answer.metadata.truncation, answer.answers.len()), (!fits, if fits { 16 } else { 0 }));
        assert!(raw.len() <= usize::from(takes.unwrap_or(512).clamp(512, 1_232)), "{takes:?}: {}", raw.len());
        let whole = read(&Asker::tcp(at(&server)).ask(&bytes(&message)).expect("an answer"));
        assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 16));
    }
}

#[test]
fn what_was_asked_is_counted_by_type_code_and_protocol() {
    let server = start(&Dns { rate: 3, ..challenge() });
    let mut asker = Asker::udp(at(&server));
    asker.ask(&bytes(&question(CHALLENGE, T::Unknown(4_711)))).expect("an answer");
    let mut whole = 0;
    // The first over the rate is told to use TCP, and counted as limited.
    while !read(&asker.ask(&bytes(&question(CHALLENGE, T::TXT))).expect("an answer")).metadata.truncation {
        whole += 1;
    }
    Asker::tcp(at(&server)).ask(&bytes(&question("example.com", T::A))).expect("an answer");
    let counted = server.counts().answered();
    let counted: Vec<_> = counted.iter().map(|it| (it.kind, it.rcode, it.proto, it.count)).collect();
    let all = [("A", "REFUSED", "tcp", 1), ("TXT", "NOERROR", "udp", whole), ("other", "NOERROR", "udp", 1)];
    assert_eq!((counted.as_slice(), server.counts().limited()), (&all[..], 1));
}

#[test]
fn a_server_that_is_dropped_leaves_its_ports() {
    let dns = challenge();
    for _ in 0..3 {
        let server = start_again(&dns);
        assert_eq!(at(&server), dns.listen[0]);
        ask(at(&server), &question(CHALLENGE, T::SOA));
    }
    assert!(std::net::TcpStream::connect_timeout(&dns.listen[0], PATIENCE).is_err());
}

fn assert_says(server: &Served, name: &str, kind: RecordType, says: &Says) {
    let question = question(name, kind);
    let answer = ask(at(server), &question);
    let what = format!("{name} {kind}: {answer}");
    let (code, has, soa) = match says {
        Has(records) => (ResponseCode::NoError, *records, None),
        NoData(zone) => (ResponseCode::NoError, &[][..], Some(*zone)),
        NoName(zone) => (ResponseCode::NXDomain, &[][..], Some(*zone)),
        Refused => (ResponseCode::Refused, &[][..], None),
    };
    assert_eq!(answer.metadata.response_code, code, "{what}");
    assert_eq!(answer.metadata.authoritative, code != ResponseCode::Refused, "{what}");
    assert_eq!(answer.queries, question.queries, "{what}");
    let written = lines(&answer.answers);
    assert_eq!(written, has, "{what}");
    let authorities: Vec<_> =
        answer.authorities.iter().map(|it| (it.name.to_ascii(), it.record_type(), it.ttl)).collect();
    let expected: Vec<_> = soa.map(|zone| (zone.to_owned(), T::SOA, 5)).into_iter().collect();
    assert_eq!(authorities, expected, "{what}");
    assert!(answer.additionals.is_empty(), "{what}");
}

/// A question with two OPT records.
fn two_edns() -> Vec<u8> {
    let mut packet = bytes(&question(CHALLENGE, T::TXT));
    let opt = packet[packet.len() - 11..].to_vec();
    packet.extend(opt);
    packet[11] = 2;
    packet
}
