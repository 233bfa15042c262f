//! Random packets, and questions right and nearly right: never a failure, never a longer answer than is allowed.

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::RecordType as T;
use xtask::count::count;

use super::asking::{Asker, CHALLENGE, Served, at, bytes, plain, question, read, start, zone};
use crate::dns::message::PAYLOAD;

/// The same packets each time.
const SEED: u64 = 0x5eed_0053;
/// KiB by which the process may grow: allocators keep what they once had.
const GROWTH: u64 = 16 * 1024;

#[test]
fn random_packets_are_answered_briefly_or_not_at_all_and_right_questions_rightly() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    let rounds = count("PREVIEW_DNS_PACKETS", 10_000, 200_000);
    let mut random = Random(SEED);
    let mut asker = Asker::udp(at(&server));
    warm(&server, &mut asker);
    let before = resident();
    for round in 0..rounds {
        let (packet, expected) = random.packet();
        let case = format!("seed {SEED:#x}, round {round}: {packet:02x?}");
        let answers = exchange(&mut asker, &packet, &case);
        assert!(answers.len() <= 1, "{case}: {answers:?}");
        for answer in &answers {
            check(answer, &packet, &case);
        }
        match (&expected, answers.first()) {
            (Some(expected), Some(answer)) => expected.check(&read(answer), &case),
            (Some(_), None) => panic!("a right question got no answer: {case}"),
            (None, Some(_)) => assert!(may_be_answered(&packet), "{case}"),
            (None, None) => assert!(!may_be_answered(&packet), "{case}"),
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} KiB more after {rounds} packets");
}

#[test]
fn the_same_noise_by_tcp_ends_connections_and_nothing_else() {
    let server = start(&zone());
    server.records().put(CHALLENGE, "one").expect("room");
    let rounds = count("PREVIEW_DNS_MESSAGES", 2_000, 40_000);
    let mut random = Random(SEED);
    let mut asker = Asker::tcp(at(&server));
    for round in 0..rounds {
        let (packet, expected) = random.packet();
        let case = format!("seed {SEED:#x}, round {round}: {packet:02x?}");
        match asker.ask(&packet) {
            Ok(answer) => {
                check(&answer, &packet, &case);
                if let Some(expected) = expected {
                    expected.check(&read(&answer), &case);
                }
            }
            Err(error) => {
                assert!(!may_be_answered(&packet), "{error}: {case}");
                asker = Asker::tcp(at(&server));
            }
        }
    }
}

/// What a right question must find.
struct Expected {
    code: ResponseCode,
    answers: usize,
}

impl Expected {
    fn check(&self, answer: &Message, case: &str) {
        assert_eq!(answer.metadata.response_code, self.code, "{case}");
        assert_eq!(answer.answers.len(), self.answers, "{case}");
        let negative = self.answers == 0 && self.code != ResponseCode::Refused;
        assert_eq!(answer.authorities.len(), usize::from(negative), "{case}");
        assert_eq!(answer.metadata.authoritative, self.code != ResponseCode::Refused, "{case}");
    }
}

/// What holds of every answer to every packet.
fn check(answer: &[u8], packet: &[u8], case: &str) {
    assert!(answer.len() <= usize::from(PAYLOAD), "{} bytes: {case}", answer.len());
    let message = read(answer);
    let asked = packet[..2].try_into().map(u16::from_be_bytes).expect("a number");
    assert_eq!(message.metadata.id, asked, "{case}");
    assert_eq!(message.metadata.message_type, MessageType::Response, "{case}");
    assert!(!message.metadata.recursion_available, "{case}");
    assert_ne!(message.metadata.response_code, ResponseCode::ServFail, "{case}");
    let edns = message.edns.as_ref();
    assert!(edns.is_none_or(|edns| edns.options().as_ref().is_empty()), "{case}");
    assert!(edns.is_some() || answer.len() <= 512, "{case}");
}

/// Whether it has a number and is no answer itself.
fn may_be_answered(packet: &[u8]) -> bool {
    packet.len() >= 12 && packet[2] & 0x80 == 0
}

/// Sends the packet and a question behind it; what comes before that one's answer is the packet's.
fn exchange(asker: &mut Asker, packet: &[u8], case: &str) -> Vec<Vec<u8>> {
    asker.send(packet).expect("sent");
    let mut last = plain("last.example.com", T::A);
    // Not the packet's number.
    last.metadata.id = packet.get(1).map_or(0, |it| u16::from(!it));
    let mut answers = Vec::new();
    let mut answer = asker.ask(&bytes(&last)).unwrap_or_else(|error| panic!("{error}: {case}"));
    while answer[..2] != last.metadata.id.to_be_bytes() || !answer.ends_with(&bytes(&last)[12..]) {
        answers.push(answer);
        answer = asker.receive().unwrap_or_else(|error| panic!("{error}: {case}"));
    }
    answers
}

fn warm(server: &Served, asker: &mut Asker) {
    for _ in 0..500 {
        asker.ask(&bytes(&question(CHALLENGE, T::TXT))).expect("an answer");
    }
    assert!(server.counts().answered().len() == 1);
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// xorshift64*: good enough to choose, and repeatable by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }

    /// A packet, and what it must find if it is right.
    fn packet(&mut self) -> (Vec<u8>, Option<Expected>) {
        match self.below(4) {
            0 => {
                let length = self.below(600);
                ((0..length).map(|_| self.byte()).collect(), None)
            }
            1 => {
                // Random behind a header that is a question's.
                let length = 12 + self.below(200);
                let mut packet: Vec<u8> = (0..length).map(|_| self.byte()).collect();
                let additionals = u8::try_from(self.below(3)).expect("few");
                packet[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, additionals]);
                (packet, None)
            }
            2 => {
                let (message, _) = self.question();
                (self.mutate(bytes(&message)), None)
            }
            _ => {
                let (message, expected) = self.question();
                (bytes(&message), Some(expected))
            }
        }
    }

    /// A right question in random spelling, with or without EDNS.
    fn question(&mut self) -> (Message, Expected) {
        let found = |answers| Expected { code: ResponseCode::NoError, answers };
        let missing = || Expected { code: ResponseCode::NXDomain, answers: 0 };
        let label: String = (0..=self.below(20)).map(|_| char::from(b'a' + self.byte() % 26)).collect();
        let (name, kind, expected) = match self.below(12) {
            0 => (CHALLENGE.to_owned(), T::TXT, found(1)),
            1 => (CHALLENGE.to_owned(), T::A, found(0)),
            2 => (format!("{label}.{CHALLENGE}"), T::TXT, missing()),
            3 => (format!("{label}.preview.example.test"), T::AAAA, found(0)),
            4 => (format!("{label}.{label}.preview.example.test"), T::HTTPS, found(0)),
            5 => (format!("{label}.{label}.preview.example.test"), T::A, found(2)),
            6 => ("preview.example.test".to_owned(), T::NS, found(3)),
            7 => ("preview.example.test".to_owned(), T::SOA, found(1)),
            8 => ("ns1.preview.example.test".to_owned(), T::A, found(2)),
            9 => (format!("{label}.ns1.preview.example.test"), T::A, missing()),
            10 => ("dns.preview.example.test".to_owned(), T::from(self.kind()), found(0)),
            _ => (format!("{label}.example.org"), T::A, Expected { code: ResponseCode::Refused, answers: 0 }),
        };
        let spelled: String =
            name.chars().map(|c| if self.below(2) == 0 { c.to_ascii_uppercase() } else { c }).collect();
        let mut message = match self.below(2) {
            0 => plain(&spelled, kind),
            _ => question(&spelled, kind),
        };
        message.metadata.id = u16::from_be_bytes([self.byte(), self.byte()]);
        message.metadata.recursion_desired = self.below(2) == 0;
        assert_eq!(message.metadata.op_code, OpCode::Query);
        (message, expected)
    }

    /// A type that records may have, but none of the server's.
    fn kind(&mut self) -> u16 {
        256 + u16::from(self.byte())
    }

    fn mutate(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(3) {
            let place = self.below(packet.len().max(1));
            match self.below(5) {
                0 => packet.truncate(place),
                1 => {
                    let byte = self.byte();
                    packet.insert(place.min(packet.len()), byte);
                }
                2 if !packet.is_empty() => {
                    packet.remove(place);
                }
                3 if !packet.is_empty() => packet[place] ^= 1 << self.below(8),
                _ => {
                    let byte = self.byte();
                    if let Some(it) = packet.get_mut(place) {
                        *it = byte;
                    }
                }
            }
        }
        packet
    }
}
