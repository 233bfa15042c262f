//! Names that lead to this server and are not its own, or could be read as one by some and as another by others.

use super::Fate::{Arrives, Refused};
use super::{Attack, Fate, MALFORMED, UNKNOWN, UNREADABLE, both, http1, http2};

const OWN: Fate = Arrives("A", "GET /x HTTP/1.1\r\n", &[("x-forwarded-for", "127.0.0.1")]);
const ELSEWHERE: Fate = Refused(421, "request_invalid");

pub(super) const ATTACKS: &[Attack] = &[
    http1("a rebound name", "GET /x?$LINK HTTP/1.1\nHost: evil.example\nCookie: $COOKIE=$GRANT", UNKNOWN),
    http1("a rebound name with a port", "GET /x?$LINK HTTP/1.1\nHost: evil.example:$DEVPORT", UNKNOWN),
    http1("loopback", "GET /x?$LINK HTTP/1.1\nHost: 127.0.0.1\nCookie: $COOKIE=$GRANT", UNKNOWN),
    http1("the dev server's own address", "GET /x?$LINK HTTP/1.1\nHost: 127.0.0.1:$DEVPORT", UNKNOWN),
    http1("localhost", "GET /x?$LINK HTTP/1.1\nHost: localhost:$DEVPORT", UNKNOWN),
    http1("loopback in six", "GET /x?$LINK HTTP/1.1\nHost: [::1]:$DEVPORT", UNKNOWN),
    http1("loopback as four in six", "GET /x?$LINK HTTP/1.1\nHost: [::ffff:127.0.0.1]", UNKNOWN),
    http1("loopback as a number", "GET /x?$LINK HTTP/1.1\nHost: 2130706433", UNKNOWN),
    http1("loopback in hex", "GET /x?$LINK HTTP/1.1\nHost: 0x7f.1", UNKNOWN),
    http1("everything", "GET /x?$LINK HTTP/1.1\nHost: 0.0.0.0", UNKNOWN),
    both("the base", "GET /x?$LINK HTTP/1.1\nHost: preview.test", UNKNOWN),
    http1("a trailing dot", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA.\nCookie: $COOKIE=$GRANT", UNKNOWN),
    http1("a deeper name", "GET /x?$LINK HTTP/1.1\nHost: x.$HOSTA", UNKNOWN),
    http1("a longer name beyond ours", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA.evil.example", UNKNOWN),
    both("a longer label", "GET /x?$LINK HTTP/1.1\nHost: x$HOSTA\nCookie: $COOKIE=$GRANT", UNKNOWN),
    both("a port for a label", "GET /x?$LINK HTTP/1.1\nHost: preview-22.preview.test", UNKNOWN),
    both("an underscore", "GET /x?$LINK HTTP/1.1\nHost: _app.preview.test", UNKNOWN),
    both("a name in another script's code", "GET /x?$LINK HTTP/1.1\nHost: xn--pp-7lc.preview.test", UNKNOWN),
    http1("a name in another script", "GET /x?$LINK HTTP/1.1\nHost: \u{430}pp.preview.test", MALFORMED),
    http1("a wildcard", "GET /x?$LINK HTTP/1.1\nHost: *.preview.test", MALFORMED),
    http1("an encoded dot", "GET /x?$LINK HTTP/1.1\nHost: app%2epreview.test", MALFORMED),
    http1("a user before the name", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA@evil.example", MALFORMED),
    http1("a path behind the name", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA/evil", MALFORMED),
    http1("two names in one", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA, $HOSTTHEIRS", MALFORMED),
    http1("two names", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nHost: $HOSTTHEIRS", MALFORMED),
    http1("one name twice", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nHost: $HOSTA", MALFORMED),
    http1("no name", "GET /x?$LINK HTTP/1.1", MALFORMED),
    http1("no name of old", "GET /x?$LINK HTTP/1.0", MALFORMED),
    http1("an empty name", "GET /x?$LINK HTTP/1.1\nHost: ", MALFORMED),
    http1("a port that is none", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA:8x", MALFORMED),
    http1("a port too long", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA:000080", MALFORMED),
    http1("an address left open", "GET /x?$LINK HTTP/1.1\nHost: [::1", MALFORMED),
    http1("a tab in the name", "GET /x?$LINK HTTP/1.1\nHost: app\tevil.preview.test", MALFORMED),
    http1("a NUL in the name", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\0evil", UNREADABLE),
    http1(
        "an absolute target of another",
        "GET http://$HOSTTHEIRS/x?$LINK HTTP/1.1\nHost: $HOSTA",
        MALFORMED,
    ),
    http1(
        "an absolute target and another name",
        "GET http://$HOSTA/x?$LINK HTTP/1.1\nHost: evil.example",
        MALFORMED,
    ),
    http1(
        "an absolute target with a user",
        "GET http://evil@$HOSTA/x?$LINK HTTP/1.1\nHost: $HOSTA",
        MALFORMED,
    ),
    http1(
        "an absolute target with another port",
        "GET http://$HOSTA:$DEVPORT/x?$LINK HTTP/1.1\nHost: $HOSTA",
        MALFORMED,
    ),
    http1("an absolute target of a file", "GET ftp://$HOSTA/x?$LINK HTTP/1.1\nHost: $HOSTA", MALFORMED),
    http1("an absolute target without a name", "GET http://$HOSTA/x?$LINK HTTP/1.1", MALFORMED),
    both(
        "the name in a proxy's header",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTDEAD\nX-Forwarded-Host: $HOSTA",
        UNKNOWN,
    ),
    both(
        "the name in other headers",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTDEAD\nX-Host: $HOSTA\nX-HTTP-Host-Override: $HOSTA\nForwarded: host=$HOSTA",
        UNKNOWN,
    ),
    http2(
        "a name beside the certificate",
        "GET /x?$LINK HTTP/2\nHost: evil.example\nCookie: $COOKIE=$GRANT",
        ELSEWHERE,
    ),
    http2("an address beside the certificate", "GET /x?$LINK HTTP/2\nHost: 127.0.0.1:$DEVPORT", ELSEWHERE),
    http1("another case", "GET /x HTTP/1.1\nHost: APP.Preview.TEST\nCookie: $COOKIE=$GRANT", OWN),
    both("a port of one's own", "GET /x HTTP/1.1\nHost: $HOSTA:1\nCookie: $COOKIE=$GRANT", OWN),
    http1(
        "an absolute target of its own",
        "GET http://$HOSTA/x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT",
        OWN,
    ),
];
