//! The rate by UDP, at the real socket.

use std::time::Instant;

use hickory_proto::rr::RecordType;
use xtask::real::poll_for;

use super::asking::{Asker, CHALLENGE, PATIENCE, at, bytes, challenge, question, read, start};
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
    let asked = bytes(&question(CHALLENGE, RecordType::TXT));
    // The first over the rate is told.
    let mut answers = std::iter::repeat_with(|| asker.ask(&asked).expect("an answer"));
    let short = answers.find(|it| read(it).metadata.truncation).expect("comes soon");
    assert!(short.len() <= asked.len(), "{} bytes", short.len());
}
