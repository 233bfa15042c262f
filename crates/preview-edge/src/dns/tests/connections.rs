//! TCP: who may have how many connections, and how long.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use socket2::{Domain, Protocol, Socket, Type};

use super::asking::{Asker, CHALLENGE, PATIENCE, at, bytes, challenge, framed, question, read, start};
use crate::dns::tcp::{CONNECTIONS, Crowd, IDLE, OF_ONE};

#[test]
fn a_hundred_connections_are_served_and_the_next_is_closed_at_once() {
    let server = start(&challenge());
    let mut open: Vec<TcpStream> = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = from(client(number / OF_ONE), at(&server));
        assert!(is_served(&mut stream), "connection {number}");
        open.push(stream);
    }
    assert!(!is_served(&mut from("127.0.77.1", at(&server))), "one too many");
    // A place that is left is taken again.
    drop(open.pop());
    let again = xtask::real::poll_for("a place", PATIENCE, || {
        is_served(&mut from("127.0.77.1", at(&server))).then_some(())
    });
    again.expect("there is one");
}

#[test]
fn one_client_does_not_get_all_of_them() {
    let server = start(&challenge());
    let mut open: Vec<_> = (0..OF_ONE).map(|_| from("127.0.77.1", at(&server))).collect();
    assert!(open.iter_mut().all(is_served));
    assert!(!is_served(&mut from("127.0.77.1", at(&server))));
    assert!(is_served(&mut from("127.0.77.2", at(&server))));
}

#[test]
fn a_network_of_64_bits_is_one_client() {
    let crowd = Arc::new(Crowd::default());
    let admit = |ip: String| crowd.admit(ip.parse().expect("an address"));
    let seats: Vec<_> = (0..OF_ONE).map(|host| admit(format!("2001:db8::{host:x}"))).collect();
    assert!(seats.iter().all(Option::is_some));
    assert!(admit("2001:db8::ffff:1".to_owned()).is_none(), "the same network");
    assert!(admit("2001:db8:0:1::1".to_owned()).is_some(), "another");
}

#[test]
fn who_is_silent_slow_or_does_not_read_is_hung_up_on_after_five_seconds() {
    let server = start(&challenge());
    let begun = Instant::now();
    let silent = from("127.0.77.1", at(&server));
    let mut half = from("127.0.77.2", at(&server));
    half.write_all(&framed(&bytes(&question(CHALLENGE, RecordType::TXT)))[..9]).expect("sent");
    // A byte now and then does not buy time.
    let mut trickle = from("127.0.77.3", at(&server));
    trickle.write_all(&[0, 200]).expect("sent");
    let feeding = std::thread::spawn({
        let mut trickle = trickle.try_clone().expect("the same");
        move || {
            while trickle.write_all(&[0]).is_ok() && begun.elapsed() < PATIENCE * 2 {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    let deaf = from("127.0.77.4", at(&server));
    let asking = std::thread::spawn({
        let mut deaf = deaf.try_clone().expect("the same");
        move || {
            let pipeline = framed(&bytes(&question(CHALLENGE, RecordType::SOA))).repeat(1_000);
            while deaf.write_all(&pipeline).is_ok() && begun.elapsed() < PATIENCE * 2 {}
        }
    });
    for mut ended in [silent, half, trickle] {
        ended.set_read_timeout(Some(PATIENCE * 2)).expect("a time-out");
        let end = ended.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert!(begun.elapsed() >= IDLE.saturating_sub(Duration::from_millis(500)), "{:?}", begun.elapsed());
    }
    feeding.join().expect("hung up on");
    asking.join().expect("hung up on");
    assert!(begun.elapsed() < PATIENCE * 2, "{:?}", begun.elapsed());
    drop(deaf);
}

#[test]
fn questions_in_a_row_are_answered_in_their_order_even_when_the_client_has_said_all() {
    let server = start(&challenge());
    let questions: Vec<_> = (0..200).map(|_| question(CHALLENGE, RecordType::SOA)).collect();
    let mut stream = from("127.0.77.1", at(&server));
    let row: Vec<u8> = questions.iter().flat_map(|it| framed(&bytes(it))).collect();
    stream.write_all(&row).expect("sent");
    stream.shutdown(Shutdown::Write).expect("said all");
    let mut asker = Asker::Tcp(stream);
    for question in &questions {
        assert_eq!(read(&asker.receive().expect("an answer")).metadata.id, question.metadata.id);
    }
    assert!(asker.receive().is_err(), "nothing follows");
}

#[test]
fn a_length_that_is_none_ends_the_connection_at_once() {
    let server = start(&challenge());
    let begun = Instant::now();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0, 0],
        &[0, 3, 1, 2, 3],
        &[0xff, 0xff],
        &[0x16, 0x03, 0x01, 0x02, 0x00],
    ] {
        let mut stream = from("127.0.77.1", at(&server));
        stream.write_all(garbage).expect("sent");
        let end = stream.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{garbage:?}: {end:?}");
    }
    assert!(begun.elapsed() < IDLE, "{:?}", begun.elapsed());
    assert!(is_served(&mut from("127.0.77.1", at(&server))));
}

/// An address for each group of connections.
fn client(group: usize) -> &'static str {
    ["127.0.78.1", "127.0.78.2", "127.0.78.3", "127.0.78.4"][group]
}

fn from(client: &str, server: SocketAddr) -> TcpStream {
    let client: SocketAddr = format!("{client}:0").parse().expect("an address");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    socket.bind(&client.into()).expect("a loopback address");
    socket.connect(&server.into()).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket.into()
}

fn is_served(stream: &mut TcpStream) -> bool {
    let mut asker = Asker::Tcp(stream.try_clone().expect("the same"));
    asker.ask(&bytes(&question(CHALLENGE, RecordType::SOA))).is_ok()
}
