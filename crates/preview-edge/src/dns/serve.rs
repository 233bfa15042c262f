//! From sockets to answers and back. UDP is limited by rate, TCP by connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::counts::Counts;
use super::limit::{Limiter, Verdict};
use super::message::{Asked, Proto};
use super::zone::Zones;

/// Bytes of a question that are read; longer ones are cut and so make no sense.
const QUESTION: usize = 4_096;
/// How long a socket rests that cannot receive.
const REST: Duration = Duration::from_millis(100);

/// All that answering needs.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) zones: Zones,
    pub(super) limiter: Limiter,
    pub(super) counts: Arc<Counts>,
}

impl Desk {
    /// The answer to a packet that claims to come from `client`, if it gets one.
    pub(super) fn by_udp(&self, packet: &[u8], client: IpAddr, now: Instant) -> Option<Vec<u8>> {
        let asked = Asked::read(packet)?;
        let bytes = match self.limiter.judge(client, now) {
            Verdict::Answer => self.answer(&asked, Proto::Udp),
            Verdict::Shorten => {
                self.counts.limit();
                asked.shortened()
            }
            Verdict::Drop => {
                self.counts.limit();
                return None;
            }
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    /// The answer to a message of a connection, if it gets one.
    pub(super) fn by_tcp(&self, message: &[u8]) -> Option<Vec<u8>> {
        let bytes = self.answer(&Asked::read(message)?, Proto::Tcp);
        (!bytes.is_empty()).then_some(bytes)
    }

    fn answer(&self, asked: &Asked, proto: Proto) -> Vec<u8> {
        let answer = asked.answer(&self.zones, proto);
        self.counts.answer(asked.kind(), answer.code, proto);
        answer.bytes
    }
}

/// Answers at a UDP socket until it is dropped.
pub(super) async fn udp(socket: Arc<UdpSocket>, desk: Arc<Desk>) {
    let mut packet = vec![0; QUESTION];
    loop {
        match socket.recv_from(&mut packet).await {
            Ok((length, client)) => reply(&socket, &desk, &packet[..length], client).await,
            Err(error) => {
                tracing::debug!(%error, "a DNS socket cannot receive, resting");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn reply(socket: &UdpSocket, desk: &Desk, packet: &[u8], client: SocketAddr) {
    // Nobody can be answered at port 0.
    if client.port() == 0 {
        return;
    }
    if let Some(answer) = desk.by_udp(packet, client.ip(), Instant::now())
        && let Err(error) = socket.send_to(&answer, client).await
    {
        tracing::debug!(%error, %client, "an answer by DNS could not be sent");
    }
}
