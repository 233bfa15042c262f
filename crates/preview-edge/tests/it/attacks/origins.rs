//! Other pages' requests with a browser's own cookie: of siblings, of nobody (`null`), of elsewhere; and preflights.

use super::Fate::{Arrives, Refused};
use super::{Attack, Fate, OTHER_PAGE, UNKNOWN, both, http1};

/// Alike for every host, and nobody hears of it.
const PREFLIGHT: Fate = Refused(204, "");
const NO_WORKER: Fate = Refused(403, "forbidden");

pub(super) const ATTACKS: &[Attack] = &[
    both(
        "a sibling's fetch",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: cors",
        OTHER_PAGE,
    ),
    both(
        "a sibling's post",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\n\nevil",
        OTHER_PAGE,
    ),
    both(
        "a sibling's form",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: navigate",
        OTHER_PAGE,
    ),
    both(
        "a sibling's form that says it is ours",
        "DELETE /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate",
        OTHER_PAGE,
    ),
    both(
        "a sibling's image",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nReferer: $ORIGINTHEIRS/\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors",
        OTHER_PAGE,
    ),
    both(
        "a sibling's image without a referrer",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors",
        OTHER_PAGE,
    ),
    both(
        "a sibling's image where browsers say less",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nReferer: $ORIGINTHEIRS/a?b",
        OTHER_PAGE,
    ),
    both(
        "a sibling's fetch that wants a page, where browsers say less",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nAccept: text/html",
        OTHER_PAGE,
    ),
    both(
        "a sibling that is no more",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINDEAD",
        OTHER_PAGE,
    ),
    both(
        "a sibling with a port",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS:8443",
        OTHER_PAGE,
    ),
    both(
        "a sibling before ourselves",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nOrigin: $ORIGINA",
        OTHER_PAGE,
    ),
    both(
        "a sibling that hides in a post",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors",
        OTHER_PAGE,
    ),
    both(
        "a sibling that hides in a form",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: navigate",
        OTHER_PAGE,
    ),
    both(
        "a sandboxed frame's fetch",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors",
        OTHER_PAGE,
    ),
    both(
        "a sandboxed frame's form",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate",
        OTHER_PAGE,
    ),
    both(
        "nobody's post where browsers say less",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null",
        OTHER_PAGE,
    ),
    both(
        "an origin that is none",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: theirs",
        OTHER_PAGE,
    ),
    both(
        "a foreign fetch without a grant",
        "GET /x HTTP/1.1\nHost: $HOSTA\nOrigin: https://evil.example\nSec-Fetch-Mode: cors",
        UNKNOWN,
    ),
    both(
        "a foreign socket",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: https://evil.example\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a foreign socket that says it is ours",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: https://evil.example\nSec-Fetch-Site: same-origin\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a foreign socket by a link",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nOrigin: https://evil.example\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a sibling's socket",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "nobody's socket",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "nobody's socket that says it is ours",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: same-origin\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a socket of no origin",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a socket from a port of our host",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS:1\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a socket from a longer name",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINA.evil.example\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a foreign socket before ours",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: https://evil.example\nOrigin: $ORIGINA\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "a foreign socket to a public preview",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: https://evil.example\n$SOCKET",
        OTHER_PAGE,
    ),
    both(
        "nobody's socket to a public preview",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: null\n$SOCKET",
        OTHER_PAGE,
    ),
    both("a socket without a grant", "GET /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINA\n$SOCKET", UNKNOWN),
    both(
        "a worker that would outlive the preview",
        "GET /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nService-Worker: script\nSec-Fetch-Site: same-origin",
        NO_WORKER,
    ),
    both(
        "such a worker of a public preview",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nService-Worker: script",
        NO_WORKER,
    ),
    both(
        "a preflight of a sibling",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT",
        PREFLIGHT,
    ),
    both(
        "a preflight to nothing",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTDEAD\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT",
        PREFLIGHT,
    ),
    both(
        "a preflight with a cookie",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT\nCookie: $COOKIE=$GRANT",
        PREFLIGHT,
    ),
    both(
        "a preflight with a link",
        "OPTIONS /x?$LINK HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT",
        PREFLIGHT,
    ),
    both(
        "a preflight with a body",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINA\nAccess-Control-Request-Method: PUT\nContent-Length: 4\n\nevil",
        PREFLIGHT,
    ),
    http1(
        "a preflight with a request behind it",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINA\nAccess-Control-Request-Method: PUT\n\nGET /evil HTTP/1.1\r\nHost: public.preview.test\r\n\r\n",
        PREFLIGHT,
    ),
    both(
        "a preflight of anybody",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: https://evil.example\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a preflight of nobody",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: null\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a preflight of a longer name",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINA.evil.example\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a preflight by another scheme",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: ftp://theirs.preview.test\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a preflight that asks for nothing",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS",
        UNKNOWN,
    ),
    both(
        "a preflight that asks for nothing with a cookie",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nCookie: $COOKIE=$GRANT",
        OTHER_PAGE,
    ),
    both(
        "a preflight without an origin",
        "OPTIONS /x HTTP/1.1\nHost: $HOSTA\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a get that asks as a preflight does",
        "GET /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT",
        UNKNOWN,
    ),
    both(
        "a get that asks so with a cookie",
        "GET /x HTTP/1.1\nHost: $HOSTA\nOrigin: $ORIGINTHEIRS\nAccess-Control-Request-Method: PUT\nCookie: $COOKIE=$GRANT",
        OTHER_PAGE,
    ),
    both(
        "an own form that hides",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: null\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate",
        Arrives("A", "POST /x HTTP/1.1\r\n", &[("origin", "null"), ("cookie", "")]),
    ),
    both(
        "a foreign form",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: https://other.example\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate",
        Arrives("A", "POST /x HTTP/1.1\r\n", &[("origin", "https://other.example"), ("cookie", "")]),
    ),
];
