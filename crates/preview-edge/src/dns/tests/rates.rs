//! The rate by UDP, at the real socket.

use std::time::Instant;

use hickory_proto::rr::RecordType;
use xtask::real::poll_for;

use super::asking::{Asker, CHALLENGE, PATIENCE, at, bytes, challenge, question, read, start, zone};
use crate::config::Dns;

#[test]
fn over_the_rate_every_second_question_is_sent_to_tcp_and_tcp_has_no_rate() {
    let server = start(&Dns { rate: 20, ..challenge() });
    server.records().put(CHALLENGE, "one").expect("room");
    let (begun, mut asker) = (Instant::now(), Asker::udp(at(&server)));
    let counts = server.counts();
    let answered = || counts.answered().iter().map(|it| it.count).sum::<u64>();
    let (mut sent, mut whole, mut cut) = (0, 0, 0);
    // Few at a time, so that no buffer overflows.
    for _ in 0..20 {
        for _ in 0..100 {
            asker.send(&bytes(&question(CHALLENGE, RecordType::TXT))).expect("sent");
            sent += 1;
        }
        let all = poll_for("the server to see them", PATIENCE, || {
            (answered() + counts.limited() == sent).then_some(())
        });
        all.expect("none is lost");
        while whole + cut < answered() + counts.limited().div_ceil(2) {
            let answer = read(&asker.receive().expect("an answer is due"));
            assert_eq!(answer.metadata.truncation, answer.answers.is_empty());
            if answer.metadata.truncation { cut += 1 } else { whole += 1 }
        }
    }
    // 20 at once, and those that came back meanwhile.
    let most = 20 + 20 * (begun.elapsed().as_secs() + 1);
    assert!((20..=most).contains(&whole), "{whole} answers, {most} at most");
    assert_eq!(whole, answered());
    assert_eq!(cut, server.counts().limited().div_ceil(2));
    let mut asker = Asker::tcp(at(&server));
    for _ in 0..100 {
        let answer = read(&asker.ask(&bytes(&question(CHALLENGE, RecordType::TXT))).expect("an answer"));
        assert_eq!(answer.answers.len(), 1);
    }
}

#[test]
fn a_shortened_answer_is_no_longer_than_its_question() {
    let server = start(&Dns { rate: 1, ..challenge() });
    let mut asker = Asker::udp(at(&server));
    let packet = bytes(&question(CHALLENGE, RecordType::TXT));
    // The first over the rate is told.
    let mut answers = std::iter::repeat_with(|| asker.ask(&packet).expect("an answer"));
    let short = answers.find(|it| read(it).metadata.truncation).expect("comes soon");
    assert!(short.len() <= packet.len(), "{} bytes", short.len());
}

/// `docs/builtin-dns.md` §3 says so.
#[test]
fn a_forged_sender_gets_little_more_than_the_question_had() {
    let server = start(&zone());
    // Of the length that digests have.
    for value in ["a", "b"] {
        server.records().put(CHALLENGE, &value.repeat(43)).expect("room");
    }
    for (name, kind, times) in [
        ("example.com", RecordType::A, 1.0),
        (CHALLENGE, RecordType::ANY, 1.0),
        (CHALLENGE, RecordType::TXT, 3.0),
        (CHALLENGE, RecordType::AAAA, 2.5),
        ("x.preview.example.test", RecordType::HTTPS, 2.5),
        ("x.preview.example.test", RecordType::A, 2.5),
        ("preview.example.test", RecordType::NS, 3.0),
        ("preview.example.test", RecordType::SOA, 2.5),
        ("x._acme-challenge.preview.example.test", RecordType::A, 2.5),
    ] {
        let asked = bytes(&question(name, kind));
        let answer = Asker::udp(at(&server)).ask(&asked).expect("an answer");
        let lengths = [answer.len(), asked.len()].map(|it| f64::from(u16::try_from(it).expect("short")));
        assert!(lengths[0] <= times * lengths[1], "{name} {kind}: {lengths:?}");
    }
}
