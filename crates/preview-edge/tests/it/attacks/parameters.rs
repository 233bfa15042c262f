//! `session_id` and `token` doubled, encoded, oversized, empty, and where no query is.

use super::Fate::Arrives;
use super::{Attack, Fate, UNKNOWN, UNREADABLE, both, http1};

pub(super) const ATTACKS: &[Attack] = &[
    both("a wrong token before the right one", "GET /?token=x&$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a wrong session before the right one", "GET /?session_id=t&$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an empty token before the right one", "GET /?token=&$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "another tenant's pair before ours",
        "GET /?session_id=t&token=$TOKENTHEIRS&$LINK HTTP/1.1\nHost: $HOSTA",
        UNKNOWN,
    ),
    both("an encoded name", "GET /?session_id=s&%74oken=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an encoded underscore", "GET /?session%5Fid=s&token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a hyphen for the underscore", "GET /?session-id=s&token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("names in capitals", "GET /?SESSION_ID=s&TOKEN=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a value encoded twice", "GET /?session_id=s&token=$TOKENTWICE HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a list", "GET /?session_id[]=s&token[]=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("semicolons", "GET /?session_id=s;token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an encoded ampersand", "GET /?session_id=s%26token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an encoded equals sign", "GET /?session_id%3Ds&token%3D$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a second question mark", "GET /??$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an encoded question mark", "GET /%3F$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("path parameters", "GET /;$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("the token as a path", "GET /s/$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    http1("a fragment", "GET /#?$LINK HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "a form",
        "POST / HTTP/1.1\nHost: $HOSTA\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 69\n\n$LINK&x=1234",
        UNKNOWN,
    ),
    both("both empty", "GET /?session_id=&token= HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("names alone", "GET /?session_id&token HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token alone", "GET /?token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("an empty session", "GET /?session_id=&token=$TOKEN HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token with a NUL behind it", "GET /?$LINK%00 HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token with a space behind it", "GET /?$LINK%20 HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "a token with a line behind it",
        "GET /?$LINK%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\nHost: $HOSTA",
        UNKNOWN,
    ),
    both("bytes that are no text", "GET /?session_id=s&token=%ff%fe HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("half an escape", "GET /?$LINK% HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a token of eight kilobytes", "GET /?session_id=s&token=$KILOBYTES HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "a session of eight kilobytes",
        "GET /?session_id=$KILOBYTES&token=$TOKEN HTTP/1.1\nHost: $HOSTA",
        UNKNOWN,
    ),
    http1(
        "a token of a megabyte",
        "GET /?session_id=s&token=$MEGABYTE HTTP/1.1\nHost: $HOSTA",
        Fate::Refused(431, ""),
    ),
    http1("a raw NUL", "GET /?$LINK\0 HTTP/1.1\nHost: $HOSTA", UNREADABLE),
    http1("a raw line end", "GET /?$LINK\rx HTTP/1.1\nHost: $HOSTA", UNREADABLE),
    both(
        "a second token behind the right one",
        "GET /?$LINK&token=x HTTP/1.1\nHost: $HOSTA",
        Arrives("A", "GET /?$LINK&token=x HTTP/1.1\r\n", &[("host", "$HOSTA")]),
    ),
];
