//! Every key there is: the one table that reading, `config show`, errors and docs share.

use std::fmt;
use std::time::Duration;

/// A key: its path below `web_preview`, what may stand there, what stands there by default, what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path, parts joined by dots.
    pub path: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// The default, as a file would write it; a list's parts joined by commas, empty for null and the empty list.
    pub default: &'static str,
    /// What it is for, one sentence.
    pub doc: &'static str,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Number(u64, u64),
    /// A duration within these bounds, seconds.
    Duration(u64, u64),
    /// Text, not empty.
    Text,
    /// Text, or null.
    OptionalText,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    List,
}

const DAY: u64 = 86_400;

macro_rules! keys {
    ($($path:literal $kind:expr, $default:literal, $doc:literal;)+) => {
        /// All keys, in the order of `docs/contract.md` §7.
        pub const KEYS: &[Key] = &[$(Key { path: $path, kind: $kind, default: $default, doc: $doc }),+];
    };
}

keys! {
    "enabled" Kind::Flag, "true", "Whether new attachments are admitted; old ones are served either way.";
    "public_url_template" Kind::Text, "http://preview-{port}.localhost:8080", "How public URLs are made.";
    "state_dir" Kind::Text, "~/.local/state/preview", "The folder of all state.";
    "store" Kind::Choice(&["sqlite"]), "sqlite", "What keeps the attachments.";
    "node" Kind::OptionalText, "", "This host's name in {node}; null: its host name.";
    "ports.allow" Kind::Text, "3000-9999", "Ports that may be attached.";
    "ports.deny" Kind::List, "3306,5432,6379", "Ports that may never be attached.";
    "ports.tasks_outside" Kind::Flag, "true", "Whether a tied task's own listeners are admitted outside ports.allow.";
    "limits.per_session" Kind::Number(1, 100_000), "5", "Attachments of one session.";
    "limits.per_user" Kind::Number(1, 100_000), "20", "Attachments of one user.";
    "attach.wait" Kind::Duration(1, 120), "15s", "How long attach waits for the port to be bound.";
    "attach.max_wait" Kind::Duration(1, 3_600), "120s", "The longest wait a caller may ask for.";
    "attach.health_check" Kind::Flag, "true", "Whether attach asks the dev server how it answers.";
    "attach.host_header" Kind::Choice(&["auto", "preserve", "loopback"]), "auto", "The host policy, if the caller says auto.";
    "idle.after" Kind::Duration(5, 30 * DAY), "30m", "Silence after which an attachment is taken down.";
    "idle.warn" Kind::Duration(0, 30 * DAY), "5m", "How long before it is warned of; at most half of idle.after.";
    "idle.max_presence" Kind::Duration(0, 30 * DAY), "4h", "How long an untouched tab keeps an attachment; 0: not at all.";
    "idle.kill_task" Kind::Flag, "true", "Whether reaping ends the tied task.";
    "tasks.user" Kind::OptionalText, "", "The system user that tasks run as; a daemon run by root starts none without it.";
    "tasks.env_pass" Kind::List, "PATH,HOME,LANG", "Environment variables passed on to tasks.";
    "tasks.remote" Kind::Flag, "false", "Whether keys narrower than admin may start tasks.";
    "visibility.default" Kind::Choice(&["private", "public"]), "private", "The visibility of an attachment that asks for none.";
    "visibility.max" Kind::Choice(&["private", "public"]), "public", "The widest visibility that may be asked for.";
    "visibility.notice" Kind::Flag, "false", "Whether public previews first tell visitors what they are.";
    "visibility.contact" Kind::OptionalText, "", "Who runs the previews and how to be reached, as that notice says it.";
    "access.mode" Kind::Choice(&["open", "token", "forward"]), "token", "Who is let in: everybody, who holds a token or grant, or whom the endpoint of access.forward_url lets in.";
    "access.forward_url" Kind::OptionalText, "", "The endpoint that says who is let in, http or https; needed by access.mode forward.";
    "access.forward_headers" Kind::List, "X-Auth-Request-User,X-Auth-Request-Email,X-Auth-Request-Groups,Remote-User,Remote-Email,Remote-Groups,Remote-Name", "Headers of its answer that dev servers are passed; what browsers send under these names is dropped in every mode.";
    "access.forward_cookies" Kind::List, "_oauth2_proxy,authelia_session,authentik_proxy_", "Beginnings of the names of its cookies, which dev servers are not passed.";
    "access.forward_cache" Kind::Duration(0, 3_600), "5s", "How long its yes holds for the same cookies, authorization and host; 0: it is asked each time.";
    "access.handoff" Kind::Choice(&["pass", "strip"]), "pass", "Whether a URL's token goes on to the dev server or is stripped.";
    "access.grant_life" Kind::Duration(60, 30 * DAY), "8h", "How long a browser stays in without using it.";
    "access.exempt" Kind::List, "", "Paths of web app manifests and their icons that need no credential, e.g. /manifest.json; needs {id} in public_url_template.";
    "access.app_origins" Kind::List, "", "Origins of the agent's app: they may embed and call previews.";
    "api.listen" Kind::OptionalText, "", "Address and port for the API over TCP, e.g. 127.0.0.1:9460; needs api.keys_file.";
    "api.hosts" Kind::List, "", "Further host names the API answers to over TCP.";
    "api.origins" Kind::List, "", "Origins whose pages may call the API.";
    "api.keys_file" Kind::OptionalText, "", "The file of bearer keys.";
    "api.edge_group" Kind::OptionalText, "", "The group that may open edge.sock and public.sock.";
    "api.verify_group" Kind::OptionalText, "", "The group that may open verify.sock.";
    "api.verify_peers" Kind::List, "unix", "Who may ask /auth/verify with X-Forwarded-*: unix, or addresses.";
    "audit.keep" Kind::Number(1_000, 100_000_000), "100000", "Entries of the audit trail that are kept.";
    "audit.keep_for" Kind::Duration(DAY, 3_650 * DAY), "17520h", "How long an entry of the audit trail is kept.";
    "edge.http" Kind::OptionalText, "localhost:8080", "Where plain HTTP is served; localhost is both loopbacks.";
    "edge.https" Kind::OptionalText, "", "Where HTTPS is served.";
    "edge.redirect_http" Kind::Flag, "true", "Whether plain HTTP is sent to HTTPS where that is on.";
    "edge.mode" Kind::Choice(&["daemon", "static"]), "daemon", "Routes from the daemon, or the port in the host name (needs access.mode open or forward).";
    "edge.daemon" Kind::Text, "unix", "Where the daemon is: unix (edge.sock of this host), or the path of its edge.sock.";
    "edge.daemon_host" Kind::OptionalText, "", "The host name under which the daemon's API is reached through the edge.";
    "edge.state_dir" Kind::OptionalText, "", "The edge's own state; null: edge below state_dir.";
    "edge.threads" Kind::Number(0, 1_024), "0", "Threads that serve; 0: one for each core.";
    "edge.tls.mode" Kind::Choice(&["self_signed", "files", "acme"]), "self_signed", "Where certificates come from.";
    "edge.tls.cert" Kind::OptionalText, "", "The certificate chain, PEM.";
    "edge.tls.key" Kind::OptionalText, "", "The private key, PEM.";
    "edge.tls.folder" Kind::OptionalText, "", "A folder of pairs that others renew (certbot's live folder, a secret's mount), instead of cert and key.";
    "edge.tls.until_first" Kind::Choice(&["refuse", "self_signed"]), "refuse", "What HTTPS shows before the first certificate by ACME: nothing, or one that nobody trusts.";
    "edge.acme.directory" Kind::Text, "letsencrypt", "The certificate authority: letsencrypt, letsencrypt-staging, zerossl, google, or a directory's URL.";
    "edge.acme.contact" Kind::OptionalText, "", "Where the authority may write to, as mailto:ADDRESS.";
    "edge.acme.accept_tos" Kind::Flag, "false", "Whether you agree to the authority's terms of service.";
    "edge.acme.profile" Kind::Text, "auto", "The certificate profile: auto (tlsserver where the authority lists it), none, or its name.";
    "edge.acme.names" Kind::List, "", "Further names for the certificate, beside the template's and edge.daemon_host.";
    "edge.acme.staging_first" Kind::Flag, "true", "Whether the first issuance, and the next after a failed validation, rehearse at the staging authority.";
    "edge.acme.staging" Kind::OptionalText, "", "The directory to rehearse at; null: the authority's own, where it is known to have one.";
    "edge.acme.eab.kid" Kind::OptionalText, "", "Key id of the external account binding that the authority gave you.";
    "edge.acme.eab.hmac_file" Kind::OptionalText, "", "File with its HMAC key, base64url.";
    "edge.acme.fallback.directory" Kind::OptionalText, "", "The authority to turn to when the first has failed for a day.";
    "edge.acme.fallback.kid" Kind::OptionalText, "", "Key id of its external account binding.";
    "edge.acme.fallback.hmac_file" Kind::OptionalText, "", "File with its HMAC key, base64url.";
    "edge.acme.ca_roots_file" Kind::OptionalText, "", "Authorities to trust when talking to the directory, PEM; null: the system's.";
    "edge.acme.solver" Kind::Choice(&["builtin", "rfc2136", "exec", "httpreq", "acme-dns", "hosted"]), "builtin", "Who puts the challenge's TXT record into DNS.";
    "edge.acme.zone" Kind::OptionalText, "", "The DNS zone that records are written to; rfc2136 and hosted need it.";
    "edge.acme.alias" Kind::OptionalText, "", "The name that the CNAMEs of _acme-challenge lead to, if records are to be written there.";
    "edge.acme.resolvers" Kind::List, "", "Resolvers to ask, ADDRESS or ADDRESS:PORT; empty: the system's.";
    "edge.acme.propagation.timeout" Kind::Duration(1, 3_600), "120s", "How long a record may take to be seen.";
    "edge.acme.propagation.check" Kind::Choice(&["all", "resolver", "off"]), "all", "Who must show the record before the authority is told: every authoritative server, a resolver, nobody.";
    "edge.acme.allow_ephemeral_state" Kind::Flag, "false", "Whether certificates are ordered although the state folder lies in memory.";
    "edge.acme.dns.listen" Kind::List, "", "Where the built-in DNS server listens, ADDRESS or ADDRESS:PORT; needed by the solver builtin.";
    "edge.acme.dns.ns" Kind::List, "", "Host names of the edges that serve the zone; empty: acme-ns (challenge mode) or ns1 (zone mode) by the template's domain.";
    "edge.acme.dns.mode" Kind::Choice(&["challenge", "zone"]), "challenge", "What is delegated to the built-in DNS server: _acme-challenge alone, or the previews' whole zone.";
    "edge.acme.dns.a" Kind::List, "", "IPv4 addresses of the edges, for zone mode.";
    "edge.acme.dns.aaaa" Kind::List, "", "IPv6 addresses of the edges, for zone mode.";
    "edge.acme.dns.rate" Kind::Number(1, 1_000_000), "20", "Answers a second by UDP to one network (/24, /56).";
    "edge.acme.rfc2136.server" Kind::OptionalText, "", "The primary server that takes updates, ADDRESS or ADDRESS:PORT.";
    "edge.acme.rfc2136.key_name" Kind::OptionalText, "", "Name of the TSIG key.";
    "edge.acme.rfc2136.algorithm" Kind::Choice(&["hmac-sha256", "hmac-sha384", "hmac-sha512"]), "hmac-sha256", "Its algorithm.";
    "edge.acme.rfc2136.secret_file" Kind::OptionalText, "", "File with its secret, base64.";
    "edge.acme.exec.program" Kind::OptionalText, "", "Program that is called as PROGRAM present|cleanup FQDN VALUE.";
    "edge.acme.exec.mode" Kind::Choice(&["default", "raw"]), "default", "raw: as PROGRAM present|cleanup -- DOMAIN TOKEN KEY_AUTHORIZATION.";
    "edge.acme.exec.timeout" Kind::Duration(1, 3_600), "60s", "How long it may take.";
    "edge.acme.httpreq.endpoint" Kind::OptionalText, "", "URL below which /present and /cleanup are posted to.";
    "edge.acme.httpreq.mode" Kind::Choice(&["default", "raw"]), "default", "raw: domain, token and keyAuth instead of fqdn and value.";
    "edge.acme.httpreq.username" Kind::OptionalText, "", "User name of its basic authentication.";
    "edge.acme.httpreq.password_file" Kind::OptionalText, "", "File with its password.";
    "edge.acme.acme_dns.account_file" Kind::OptionalText, "", "File of acme-dns accounts by domain, as its clients keep it (JSON).";
    "edge.acme.hosted.provider" Kind::OptionalText, "", "The hosted DNS provider, e.g. cloudflare.";
    "edge.acme.hosted.credentials_file" Kind::OptionalText, "", "File with its credentials, KEY=VALUE lines.";
    "edge.trusted_proxies" Kind::List, "", "Networks of proxies in front whose X-Forwarded-* are read.";
    "edge.frame_ancestors" Kind::Choice(&["app_origins"]), "app_origins", "Who may frame previews; an empty access.app_origins: everybody.";
    "edge.limits.connections" Kind::Number(1, 10_000_000), "10000", "Connections in all.";
    "edge.limits.per_client" Kind::Number(1, 10_000_000), "256", "Connections of one client address.";
    "edge.limits.per_attachment" Kind::Number(1, 10_000_000), "256", "Upstream connections of one attachment.";
    "edge.limits.websockets" Kind::Number(1, 10_000_000), "64", "WebSockets of one attachment.";
    "edge.limits.requests_per_second" Kind::Number(1, 10_000_000), "2000", "Requests of one attachment a second.";
    "edge.limits.request_burst" Kind::Number(1, 10_000_000), "10000", "Requests of one attachment at once.";
    "edge.limits.misses_per_minute" Kind::Number(1, 10_000_000), "100", "Requests of one client address that were not let in.";
    "edge.limits.header_time" Kind::Duration(1, 3_600), "10s", "For a request's header, from its first byte or from accept.";
    "edge.limits.handshake_time" Kind::Duration(1, 3_600), "10s", "For a TLS handshake.";
    "edge.limits.keep_alive" Kind::Duration(1, DAY), "75s", "How long a connection without a request is kept.";
    "edge.limits.connect_time" Kind::Duration(1, 3_600), "2s", "For a connection to the dev server.";
    "edge.limits.first_byte_time" Kind::Duration(1, DAY), "60s", "For the first byte of its answer.";
    "edge.limits.tunnel_idle" Kind::Duration(1, 30 * DAY), "24h", "How long a silent WebSocket or stream is kept.";
    "edge.limits.drain" Kind::Duration(0, DAY), "30s", "How long requests under way may take after SIGTERM.";
    "edge.metrics.listen" Kind::OptionalText, "127.0.0.1:9465", "Where the edge serves /metrics, /health and /ready; null: nowhere.";
    "log.format" Kind::Choice(&["auto", "text", "json"]), "auto", "How logs are written; auto: text on a terminal, else JSON.";
    "log.level" Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", "What is logged.";
    "log.access" Kind::Flag, "true", "Whether the edge logs requests.";
}

impl Key {
    /// The key with this path.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The key whose path is most like this one, if any is.
    #[must_use]
    pub fn near(path: &str) -> Option<&'static str> {
        KEYS.iter()
            .map(|key| (strsim::damerau_levenshtein(key.path, path), key.path))
            .min()
            .filter(|(distance, near)| *distance <= 2.max(near.len() / 4))
            .map(|(_, near)| near)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Number(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Duration(least, most) => {
                let words = |secs: &u64| super::value::duration_words(Duration::from_secs(*secs));
                write!(f, "a duration from {} to {}, such as 15s, 30m or 8h", words(least), words(most))
            }
            Self::Text => f.write_str("text"),
            Self::OptionalText => f.write_str("text or null"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::List => f.write_str("a list of texts"),
        }
    }
}
