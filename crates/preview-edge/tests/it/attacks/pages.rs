//! Markup and line ends in all that a page of ours might show: none shows any of it.

use super::Fate::Refused;
use super::{Attack, ENDED, MALFORMED, OTHER_PAGE, UNKNOWN, both, http1, http2};

pub(super) const ATTACKS: &[Attack] = &[
    both(
        "markup in a path",
        "GET /%3Cscript%3Eevil%3C/script%3E HTTP/1.1\nHost: $HOSTA\nSec-Fetch-Mode: navigate",
        UNKNOWN,
    ),
    both(
        "markup in the query",
        "GET /?error=%22%3E%3Csvg/onload=evil%3E&code=evil HTTP/1.1\nHost: $HOSTA\nSec-Fetch-Mode: navigate",
        UNKNOWN,
    ),
    both(
        "markup in a label",
        "GET / HTTP/1.1\nHost: script-evil-script.preview.test\nSec-Fetch-Mode: navigate",
        UNKNOWN,
    ),
    http1(
        "markup in the host",
        "GET / HTTP/1.1\nHost: <script>evil</script>.preview.test\nSec-Fetch-Mode: navigate",
        MALFORMED,
    ),
    http1(
        "quotes in the host",
        "GET / HTTP/1.1\nHost: \"onmouseover=evil\".preview.test\nAccept: text/html",
        MALFORMED,
    ),
    both(
        "markup in headers",
        "GET / HTTP/1.1\nHost: $HOSTA\nReferer: <script>evil</script>\nUser-Agent: <script>evil</script>\nAccept-Language: <evil>\nAccept: text/html",
        UNKNOWN,
    ),
    both(
        "line ends in a path",
        "GET /%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a%3Cscript%3E HTTP/1.1\nHost: $HOSTA\nSec-Fetch-Mode: navigate",
        UNKNOWN,
    ),
    both(
        "line ends that are cut to bytes",
        "GET /%E5%98%8A%E5%98%8DSet-Cookie:evil HTTP/1.1\nHost: $HOSTA\nSec-Fetch-Mode: navigate",
        UNKNOWN,
    ),
    both(
        "the page of an ended grant",
        "GET /%3Cevil%3E HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTPAST\nSec-Fetch-Mode: navigate",
        ENDED,
    ),
    both(
        "the page of an ended preview",
        "GET /%3Cevil%3E HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANTFORMER\nSec-Fetch-Mode: navigate",
        Refused(410, "not_found"),
    ),
    both(
        "the page of another origin",
        "POST /%3Cevil%3E HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nOrigin: $ORIGINTHEIRS\nSec-Fetch-Mode: navigate",
        OTHER_PAGE,
    ),
    both(
        "the page of a link that lets only look",
        "POST /%3Cevil%3E?session_id=s&token=$GUEST HTTP/1.1\nHost: $HOSTA\nSec-Fetch-Mode: navigate",
        Refused(403, "forbidden"),
    ),
    both(
        "the page of a worker",
        "GET /%3Cevil%3E HTTP/1.1\nHost: $HOSTA\nCookie: $COOKIE=$GRANT\nService-Worker: script\nSec-Fetch-Mode: navigate",
        Refused(403, "forbidden"),
    ),
    both(
        "the page of a loop",
        "GET /%3Cevil%3E HTTP/1.1\nHost: $HOSTA\nPreview-Hop: <evil>\nSec-Fetch-Mode: navigate",
        Refused(508, "request_invalid"),
    ),
    both(
        "the page that waits",
        "GET /%3Cscript%3Eevil%3C/script%3E HTTP/1.1\nHost: $HOSTGONE\nCookie: $COOKIE=$GRANTGONE\nSec-Fetch-Mode: navigate",
        Refused(503, "upstream_down"),
    ),
    http2(
        "the page of a wrong connection",
        "GET /%3Cevil%3E HTTP/2\nHost: evil.example\nSec-Fetch-Mode: navigate",
        Refused(421, "request_invalid"),
    ),
    both(
        "the notice's way back by a foreign page",
        "POST /.well-known/preview-notice HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: $ORIGINPUBLIC\nReferer: https://evil.example/",
        Refused(303, ""),
    ),
    both(
        "the notice's way back by a name like ours",
        "POST /.well-known/preview-notice HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: $ORIGINPUBLIC\nReferer: $ORIGINPUBLIC.evil.example/",
        Refused(303, ""),
    ),
    both(
        "the notice's way back by a user",
        "POST /.well-known/preview-notice HTTP/1.1\nHost: $HOSTPUBLIC\nOrigin: $ORIGINPUBLIC\nReferer: $ORIGINPUBLIC@evil.example/",
        Refused(303, ""),
    ),
];
