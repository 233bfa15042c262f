//! The way of a request whose path is exempt: a manifest or an icon, for whoever asks.
//!
//! It keeps no preview alive and uses up nothing of it but its client's misses, no credential goes either way, and
//! what is neither manifest nor picture is told as to anybody without a credential.

use std::rc::Rc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, REFERER, SET_COOKIE};
use http::{Request, Response};
use hyper::body::Incoming;
use preview_core::access::{Denial, Exempt, VisitKind};

use super::forward;
use crate::access::Admitted;
use crate::body::Body;
use crate::headers::forwarded::Via;
use crate::page::Answer;
use crate::shared::Conn;

/// The dev server's answer, if it may be shown.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    conn: &Rc<Conn>,
    (via, authority): (&Via, &HeaderValue),
    admitted: &Admitted<'_>,
    denial: Denial,
    now: Duration,
) -> Result<Response<Body>, Answer> {
    if let Some(wait) = conn.thread.shared.global.misses.count(via.client, now) {
        return Err(Answer::TooMany(wait));
    }
    drop_credentials(request.headers_mut());
    let kind = VisitKind::Subresource;
    let answered = forward::to_dev_server(request, conn, kind, via, authority, admitted).await;
    let mut response = answered.map_err(|_| Answer::from(denial))?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if !Exempt::may_show(response.status().as_u16(), content_type) {
        return Err(Answer::from(denial));
    }
    response.headers_mut().remove(SET_COOKIE);
    Ok(response)
}

/// The address of the page that asks may hold a token.
fn drop_credentials(headers: &mut HeaderMap) {
    for name in [COOKIE, AUTHORIZATION, REFERER] {
        headers.remove(name);
    }
}
