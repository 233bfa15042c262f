//! The way of one request.

use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::body::Body;
use crate::config::Config;
use crate::shared::{Conn, Shared};

/// What the request path keeps for all threads.
pub(crate) struct Global {}

/// What the request path keeps for one thread.
pub(crate) struct Local {}

impl Global {
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }
}

impl Local {
    pub(crate) fn new(_shared: &Arc<Shared>) -> Self {
        Self {}
    }
}

/// Answers one request of a client's connection.
pub(crate) async fn serve(_request: Request<Incoming>, _conn: Rc<Conn>) -> Response<Body> {
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
