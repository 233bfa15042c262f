//! DNS by TCP (RFC 7766): few connections, none of them idle for long, questions answered in their order.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::serve::Desk;
use crate::limits::client_of;

/// Connections at one time, at all addresses together.
pub(super) const CONNECTIONS: usize = 100;
/// Of these, connections of one client: one alone must not have them all.
pub(super) const OF_ONE: usize = 25;
/// How long the next whole question may take, and how long the client may take to read an answer.
pub(super) const IDLE: Duration = Duration::from_secs(5);
/// Bytes of a question; who announces more speaks something else.
const QUESTION: usize = 4_096;
/// How long a listener rests that cannot accept.
const REST: Duration = Duration::from_millis(100);

/// Which client has how many connections.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<HashMap<IpAddr, usize>>); // Invariant: no zeros, at most CONNECTIONS in sum.

impl Crowd {
    /// Lets a connection in, if there is room.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Seat> {
        let client = client_of(client);
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.values().sum::<usize>() >= CONNECTIONS || seats.get(&client) >= Some(&OF_ONE) {
            return None;
        }
        *seats.entry(client).or_default() += 1;
        Some(Seat { crowd: Arc::clone(self), client })
    }
}

/// A connection's place among the others.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seats.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                seats.remove(&self.client);
            }
        }
    }
}

/// Accepts connections until it is dropped. One that has no room is closed at once: the client asks elsewhere.
pub(super) async fn tcp(listener: Arc<TcpListener>, desk: Arc<Desk>, crowd: Arc<Crowd>) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let Some(seat) = crowd.admit(client.ip()) else { continue };
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    let _seat = seat;
                    if let Err(error) = converse(stream, &desk).await {
                        tracing::trace!(%error, %client, "a conversation by DNS ended");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a DNS socket cannot accept, resting");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Answers question after question until the client has no more, takes too long, or talks nonsense.
async fn converse(mut stream: TcpStream, desk: &Desk) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut reading = tokio::io::BufReader::with_capacity(QUESTION, reading);
    let mut message = Vec::new();
    loop {
        timeout(IDLE, async {
            let length = usize::from(reading.read_u16().await?);
            if length > QUESTION {
                return Err(io::ErrorKind::InvalidData.into());
            }
            message.resize(length, 0);
            reading.read_exact(&mut message).await
        })
        .await??;
        // Who sends what gets no answer would wait in vain.
        let answer = desk.by_tcp(&message).ok_or(io::ErrorKind::InvalidData)?;
        let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let framed = [length.to_be_bytes().as_slice(), &answer].concat();
        timeout(IDLE, writing.write_all(&framed)).await??;
    }
}
