//! Grants of another attachment, host, epoch or key; tampered, encoded, doubled, oversized, misnamed.

use super::Fate::{Arrives, Refused};
use super::{Attack, ENDED, UNKNOWN, UNREADABLE, both, http1, http2};

pub(super) const ATTACKS: &[Attack] = &[
    both("another tenant's grant", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTTHEIRS", UNKNOWN),
    both(
        "our grant at another tenant's",
        "GET /x HTTP/1.1\nHost: $HOSTTHEIRS\nCookie: $COOKIE=$GRANT",
        UNKNOWN,
    ),
    both(
        "our grant at a sibling of its session",
        "GET /x HTTP/1.1\nHost: $HOSTAPI\nCookie: $COOKIE=$GRANT",
        UNKNOWN,
    ),
    both("our grant at nothing", "GET /x HTTP/1.1\nHost: $HOSTDEAD\nCookie: $COOKIE=$GRANT", UNKNOWN),
    both(
        "a grant sealed for another host",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTELSEWHERE",
        UNKNOWN,
    ),
    both(
        "what the host's former holder gave",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTFORMER",
        Refused(410, "not_found"),
    ),
    both(
        "the grant of before the revocation",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTOLDER",
        ENDED,
    ),
    both(
        "the grant of an epoch to come",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTNEWER",
        ENDED,
    ),
    both("a grant that has ended", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTPAST", ENDED),
    both(
        "an ended grant and a wrong token",
        "GET /?session_id=s&token=x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTPAST",
        ENDED,
    ),
    both(
        "a grant by a key of one's own",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTOWNKEY",
        UNKNOWN,
    ),
    both(
        "a grant by a key that is not in force",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTNEXTKEY",
        UNKNOWN,
    ),
    both("a grant drawn out", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTLONGER", UNKNOWN),
    both(
        "a grant whose epoch is written otherwise",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTEPOCH",
        UNKNOWN,
    ),
    both(
        "a guest's grant made the owner's",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTWIDENED",
        UNKNOWN,
    ),
    both(
        "a grant of another version",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTVERSION",
        UNKNOWN,
    ),
    both(
        "a grant with another seal",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTFLIPPED",
        UNKNOWN,
    ),
    both("a grant without a seal", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTUNSIGNED", UNKNOWN),
    both("a grant with half a seal", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTCUT", UNKNOWN),
    both(
        "a grant with a padded seal",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTPADDED",
        UNKNOWN,
    ),
    both(
        "a grant with more behind it",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT.evil",
        UNKNOWN,
    ),
    both("an encoded grant", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTENCODED", UNKNOWN),
    both("a quoted grant", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=\"$GRANT\"", UNKNOWN),
    both("an empty grant", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=", UNKNOWN),
    both("a name without a value", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE", UNKNOWN),
    both("a grant of eight kilobytes", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$KILOBYTES", UNKNOWN),
    both(
        "two forged grants",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTCUT; $COOKIE=$GRANTFLIPPED",
        UNKNOWN,
    ),
    both("five hundred forged grants", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $CROWDx=1", UNKNOWN),
    both(
        "two grants in one value",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=evil, $COOKIE=$GRANT",
        UNKNOWN,
    ),
    both("a grant without a name", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $GRANT", UNKNOWN),
    both("a grant behind an empty name", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: =$COOKIE=$GRANT", UNKNOWN),
    both(
        "a name in capitals",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: PREVIEW=$GRANT; __HOST-PREVIEW=$GRANT",
        UNKNOWN,
    ),
    both("a longer name", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: x$COOKIE=$GRANT", UNKNOWN),
    both("a space in the name's place", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE =$GRANT", UNKNOWN),
    both("the notice's cookie", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE-seen=$GRANT", UNKNOWN),
    both("a grant in the token's header", "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Token: $GRANT", UNKNOWN),
    both("a grant as a bearer", "GET /x HTTP/1.1\nHost: $HOSTA\nAuthorization: Bearer $GRANT", UNKNOWN),
    both("a grant in the query", "GET /x?$COOKIE=$GRANT HTTP/1.1\nHost: $HOSTA", UNKNOWN),
    both(
        "a cookie that the server sets",
        "GET /x HTTP/1.1\nHost: $HOSTA\nSet-Cookie: $COOKIE=$GRANT",
        UNKNOWN,
    ),
    http1(
        "the secure cookie by plain HTTP",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: __Host-preview=$GRANT",
        UNKNOWN,
    ),
    http1("a NUL in the cookie", "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\0", UNREADABLE),
    http2("the plain cookie by HTTPS", "GET /x HTTP/2\nHost: $HOSTA\nCookie: preview=$GRANT", UNKNOWN),
    http2(
        "the workers' cookie in a tab",
        "GET /x HTTP/2\nHost: $HOSTA\nCookie: $WORKER=$GRANT\nSec-Fetch-Site: none\nSec-Fetch-Mode: navigate",
        ENDED,
    ),
    http2(
        "the workers' cookie from a sibling",
        "GET /x HTTP/2\nHost: $HOSTA\nCookie: $WORKER=$GRANT\nSec-Fetch-Site: same-site",
        ENDED,
    ),
    http2(
        "the workers' cookie from elsewhere",
        "GET /x HTTP/2\nHost: $HOSTA\nCookie: $WORKER=$GRANT\nSec-Fetch-Site: cross-site",
        ENDED,
    ),
    http2(
        "the workers' cookie in another case",
        "GET /x HTTP/2\nHost: $HOSTA\nCookie: $WORKER=$GRANT\nSec-Fetch-Site: Same-Origin",
        ENDED,
    ),
    http2(
        "the workers' cookie twice vouched for",
        "GET /x HTTP/2\nHost: $HOSTA\nCookie: $WORKER=$GRANT\nSec-Fetch-Site: cross-site\nSec-Fetch-Site: same-origin",
        ENDED,
    ),
    both(
        "a forged grant before a good one",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=evil; a=1; $COOKIE=$GRANT; __Host-preview-w=evil; preview=evil",
        Arrives("A", "GET /x HTTP/1.1\r\n", &[("cookie", "a=1")]),
    ),
    both(
        "grants in several headers",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=evil\nCookie: a=1\nCookie: $COOKIE=$GRANT",
        Arrives("A", "GET /x HTTP/1.1\r\n", &[("cookie", "a=1")]),
    ),
    both(
        "our names with spaces to a public preview",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nCookie: preview =evil; a=1;\t__Host-preview\t= evil;__Host-preview-seen=evil",
        Arrives("PUBLIC", "GET /x HTTP/1.1\r\n", &[("cookie", "a=1")]),
    ),
];
