//! What only a proxy may say, said by a client: doubled, with `_` for `-`, and by way of `Connection`.

use super::Fate::{Arrives, Refused};
use super::{Attack, Fate, MALFORMED, UNKNOWN, UNREADABLE, both, http1};

const CLEAN: Fate = Arrives(
    "PUBLIC",
    "GET /x HTTP/1.1\r\n",
    &[
        ("host", "$HOSTPUBLIC"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "$SCHEME"),
        ("x-forwarded-host", "$HOSTPUBLIC"),
        ("x-forwarded-port", "$PORT"),
        ("forwarded", "for=127.0.0.1;host=\"$HOSTPUBLIC\";proto=$SCHEME"),
        ("preview-hop", "1"),
        ("content-length", ""),
        ("transfer-encoding", ""),
        ("upgrade", ""),
    ],
);
const LOOP: Fate = Refused(508, "request_invalid");

pub(super) const ATTACKS: &[Attack] = &[
    both("an address of one's own", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Forwarded-For: 6.6.6.6", CLEAN),
    both(
        "two addresses",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 127.0.0.1",
        CLEAN,
    ),
    both(
        "an address with _",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX_Forwarded_For: 6.6.6.6\nX-Forwarded_For: 6.6.6.6",
        CLEAN,
    ),
    both(
        "a real address",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Real-IP: 6.6.6.6\nX_Real_IP: 6.6.6.6",
        CLEAN,
    ),
    both("a host of one's own", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Forwarded-Host: evil.example", CLEAN),
    both("a host with _", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nx_forwarded_host: evil.example", CLEAN),
    both(
        "a scheme and a port",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Forwarded-Proto: evil\nX-Forwarded-Port: 6666",
        CLEAN,
    ),
    both(
        "a prefix",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Forwarded-Prefix: /evil\nX-Forwarded-Uri: /evil",
        CLEAN,
    ),
    both("all in one", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nForwarded: for=6.6.6.6;host=evil", CLEAN),
    both(
        "another path",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Original-URL: /evil\nX-Original-Host: evil\nX-Rewrite-URL: /evil",
        CLEAN,
    ),
    both(
        "another path with _",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX_Original_URL: /evil\nX_Rewrite_URL: /evil",
        CLEAN,
    ),
    both(
        "past a framework's checks",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nX-Middleware-Subrequest: evil\nx_middleware_subrequest: evil",
        CLEAN,
    ),
    both("a proxy for scripts", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nProxy: http://evil", CLEAN),
    both(
        "somebody else's name",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nPreview-User: evil\nPreview-Session: evil\nPreview_User: evil",
        CLEAN,
    ),
    both(
        "an upstream of one's own",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nPreview-Upstream: 127.0.0.1:22\nPreview-Upstream: evil",
        CLEAN,
    ),
    both(
        "a login of one's own",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nRemote-User: evil\nX-Auth-Request-Email: evil",
        CLEAN,
    ),
    both(
        "a login with _",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nRemote_User: evil\nremote-user: evil\nx_auth_request-email: evil",
        CLEAN,
    ),
    both(
        "lengths with _",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nContent_Length: 5\nTransfer_Encoding: evil",
        CLEAN,
    ),
    both("a hop with _", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nPreview_Hop: evil", CLEAN),
    both(
        "a link's token to a public preview",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nPreview-Token: $TOKENPUBLIC",
        CLEAN,
    ),
    both("a request that was here before", "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nPreview-Hop: 1", LOOP),
    both(
        "one that was here before, with a link",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nPreview-Hop: evil",
        LOOP,
    ),
    http1(
        "Connection against our headers",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nConnection: host, x-forwarded-for, preview-hop, x-forwarded-host",
        CLEAN,
    ),
    http1(
        "Connection against what is judged",
        "POST /x HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nConnection: origin, cookie",
        super::OTHER_PAGE,
    ),
    http1(
        "an upgrade to something else",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: evil",
        CLEAN,
    ),
    http1(
        "credentials for a proxy",
        "GET /x HTTP/1.1\nHost: $HOSTPUBLIC\nProxy-Authorization: Basic evil\nProxy-Connection: evil",
        CLEAN,
    ),
    both("over a hundred fields", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\n$MANY", Refused(431, "")),
    http1("a field of a megabyte", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nX: $MEGABYTE", Refused(431, "")),
    http1(
        "a line end in a value",
        "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nX: a\rSet-Cookie: evil=1",
        UNREADABLE,
    ),
    http1("a NUL in a value", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nX: a\0b", UNREADABLE),
    http1("a folded value", "GET /x?$LINK HTTP/1.1\nHost: $HOSTA\nX: a\n evil: 1", UNREADABLE),
    http1("a space before the colon", "GET /x?$LINK HTTP/1.1\nHost : $HOSTA", UNREADABLE),
    http1(
        "two lengths",
        "POST /x?$LINK HTTP/1.1\nHost: $HOSTA\nContent-Length: 4\nContent-Length: 5\n\nevil!",
        UNREADABLE,
    ),
    http1(
        "two codings",
        "POST /x?$LINK HTTP/1.1\nHost: $HOSTA\nTransfer-Encoding: gzip, chunked\n\n0\r\n\r\n",
        MALFORMED,
    ),
    both(
        "a proxy's word for the link",
        "GET /x HTTP/1.1\nHost: $HOSTA\nX-Forwarded-Uri: /?$LINK\nX-Original-URL: /?$LINK",
        UNKNOWN,
    ),
    both(
        "a proxy's word for the address",
        "GET /x HTTP/1.1\nHost: $HOSTA\nX-Forwarded-For: 127.0.0.1\nX-Real-IP: 127.0.0.1",
        UNKNOWN,
    ),
    both(
        "the daemon's word",
        "GET /x HTTP/1.1\nHost: $HOSTA\nPreview-Attachment: x\nPreview-Session: s\nPreview-User: u",
        UNKNOWN,
    ),
];
