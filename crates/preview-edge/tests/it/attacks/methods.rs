//! Methods that mean something to proxies.

use super::Fate::Arrives;
use super::{Attack, MALFORMED, UNKNOWN, UNREADABLE, both, http1};

pub(super) const ATTACKS: &[Attack] = &[
    both("TRACE", "TRACE /x?$LINK HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT", MALFORMED),
    both("TRACE of a public preview", "TRACE /x HTTP/1.1\nHost: $HOSTPUBLIC\nX: evil", MALFORMED),
    http1("CONNECT to a preview", "CONNECT $HOSTA:443 HTTP/1.1\nHost: $HOSTA:443", MALFORMED),
    http1("CONNECT to loopback", "CONNECT 127.0.0.1:$DEVPORT HTTP/1.1\nHost: 127.0.0.1:$DEVPORT", MALFORMED),
    http1("CONNECT elsewhere", "CONNECT evil.example:443 HTTP/1.1\nHost: evil.example:443", MALFORMED),
    http1("HTTP/2 in the clear", "PRI * HTTP/2.0\n\nSM\r\n\r\n", UNREADABLE),
    http1("the server itself", "OPTIONS * HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a method nobody knows", "EVIL /x HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both("a purge", "PURGE /x HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    http1("a method of two words", "GET GET /x?$LINK HTTP/1.1\nHost: $HOSTA", UNREADABLE),
    http1("a method with a colon", "GET: /x?$LINK HTTP/1.1\nHost: $HOSTA", UNREADABLE),
    http1("no version", "GET /x?$LINK\nHost: $HOSTA", UNREADABLE),
    http1(
        "a socket by POST",
        "POST /x HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: https://other.example\nConnection: Upgrade\nUpgrade: websocket",
        Arrives("PUBLIC", "POST /x HTTP/1.1\r\n", &[("upgrade", ""), ("connection", "")]),
    ),
    http1(
        "a socket of old",
        "GET /x HTTP/1.0\nHost: $HOSTPUBLIC\nConnection: Upgrade\nUpgrade: websocket",
        Arrives("PUBLIC", "GET /x HTTP/1.1\r\n", &[("upgrade", ""), ("connection", "")]),
    ),
];
