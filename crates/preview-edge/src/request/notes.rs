//! What the request path remembers of a client's connection, so as not to work it out for each request.

use std::cell::RefCell;
use std::net::SocketAddr;

use http::HeaderValue;

use crate::access::Opened;
use crate::headers::value;

/// Notes on one connection.
#[derive(Debug)]
pub(crate) struct Notes {
    /// The client's address, for headers.
    address: HeaderValue,
    /// Grants that its cookies held.
    pub(crate) opened: Opened,
    /// `Forwarded` for the authority that was last asked for.
    forwarded: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Notes {
    /// Nothing is known yet but who connected.
    pub(crate) fn of(peer: SocketAddr) -> Self {
        let address = value(peer.ip().to_canonical().to_string());
        Self { address, opened: Opened::default(), forwarded: RefCell::default() }
    }

    pub(crate) fn address(&self) -> &HeaderValue {
        &self.address
    }

    /// `Forwarded` for `authority`, `made` if it is another than last time. It depends on nothing else but the
    /// connection.
    pub(crate) fn forwarded(
        &self,
        authority: &HeaderValue,
        made: impl FnOnce(&HeaderValue) -> HeaderValue,
    ) -> HeaderValue {
        let mut noted = self.forwarded.borrow_mut();
        match &*noted {
            Some((of, forwarded)) if of == authority => forwarded.clone(),
            _ => {
                let forwarded = made(authority);
                *noted = Some((authority.clone(), forwarded.clone()));
                forwarded
            }
        }
    }
}
