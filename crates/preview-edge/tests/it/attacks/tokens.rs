//! Tokens that were good once, are good elsewhere, or come where none belongs.

use super::Fate::{Arrives, Refused};
use super::{Attack, UNKNOWN, both};

const READ_ONLY: super::Fate = Refused(403, "forbidden");

pub(super) const ATTACKS: &[Attack] = &[
    both("nothing at all", "GET /x HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a made-up token", "GET /x?session_id=s&token=evil HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a revoked token", "GET /x?session_id=s&token=$REVOKED HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token rotated out", "GET /x?session_id=s&token=$ROTATED HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a withdrawn link", "GET /x?session_id=s&token=$WITHDRAWN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a link that has ended", "GET /x?session_id=s&token=$LAPSED HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("another tenant's token", "GET /x?session_id=t&token=$TOKENTHEIRS HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "another tenant's token as ours",
        "GET /x?session_id=s&token=$TOKENTHEIRS HTTP/1.1\nHost: $HOSTA",
        UNKNOWN,
    ),
    both("a link to another tenant's host", "GET /x?$LINK HTTP/1.1\nHost: $HOSTTHEIRS", UNKNOWN),
    both("a link to a sibling of its session", "GET /x?$LINK HTTP/1.1\nHost: $HOSTAPI", UNKNOWN),
    both("a link to nothing", "GET /x?$LINK HTTP/1.1\nHost: $HOSTDEAD", UNKNOWN),
    both("a token under another session", "GET /x?session_id=t&token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a session in another case", "GET /x?session_id=S&token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token cut short", "GET /x?session_id=s&token=$TOKENSHORT HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token drawn out", "GET /x?session_id=s&token=$TOKEN$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token in another case", "GET /x?session_id=s&token=$TOKENUPPER HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("the digest at rest", "GET /x?session_id=s&token=$TOKENDIGEST HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("the digest in hex", "GET /x?session_id=s&token=$TOKENHEX HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a grant for a token", "GET /x?session_id=s&token=$GRANT HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a made-up header token", "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: evil", UNKNOWN),
    both("a revoked header token", "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: $REVOKED", UNKNOWN),
    both("a header token elsewhere", "GET /x HTTP/1.1\nHost: $HOSTTHEIRS\nPreview-Token: $TOKEN", UNKNOWN),
    both(
        "two header tokens",
        "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: evil\nPreview-Token: $TOKEN",
        UNKNOWN,
    ),
    both("two tokens in one header", "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: evil, $TOKEN", UNKNOWN),
    both(
        "a wrong header before a right link",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nPreview-Token: evil",
        UNKNOWN,
    ),
    both("_ for - in the token's header", "GET /x HTTP/1.1\nHost: $HOSTA\nPreview_Token: $TOKEN", UNKNOWN),
    both("a bearer", "GET /x HTTP/1.1\nHost: $HOSTA\nAuthorization: Bearer $TOKEN", UNKNOWN),
    both("a token for a cookie", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$TOKEN", UNKNOWN),
    both("a token in a cookie of its name", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: token=$TOKEN", UNKNOWN),
    both("a link in the referrer", "GET /x HTTP/1.1\nHost: $HOSTA\nReferer: $ORIGINA/?$LINK", UNKNOWN),
    both(
        "a post by a link that lets only look",
        "POST /x?session_id=s&token=$GUEST HTTP/1.1\nHost: $HOSTA\n\nevil",
        READ_ONLY,
    ),
    both(
        "a post that says it is none",
        "POST /x?session_id=s&token=$GUEST HTTP/1.1\nHost: $HOSTA\nX-HTTP-Method-Override: GET",
        READ_ONLY,
    ),
    both(
        "a post by the cookie of such a link",
        "DELETE /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTGUEST",
        READ_ONLY,
    ),
    both(
        "a right token beside a revoked cookie",
        "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: $TOKEN\nCookie: $COOKIE=$GRANTOLDER",
        Arrives("A", "GET /x HTTP/1.1\r\n", &[("cookie", ""), ("host", "$HOSTA")]),
    ),
];
