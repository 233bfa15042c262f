//! Names of headers that the `http` crate has none for.

use http::HeaderName;

/// Tells our own edges a request that has already passed one: a loop.
pub(crate) const HOP: HeaderName = HeaderName::from_static("preview-hop");
/// A token, from clients that keep no cookies.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("preview-token");
/// The session for which the daemon is asked to act.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("preview-session");
/// The user for whom the daemon is asked to act.
pub(crate) const USER: HeaderName = HeaderName::from_static("preview-user");
/// Marks our page that waits for a dev server, so that it knows itself when it polls.
pub(crate) const WAITING: HeaderName = HeaderName::from_static("preview-waiting");

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(crate) const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
pub(crate) const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
pub(crate) const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
pub(crate) const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
pub(crate) const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(crate) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(crate) const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

pub(crate) const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
pub(crate) const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
pub(crate) const FETCH_STORAGE_ACCESS: HeaderName = HeaderName::from_static("sec-fetch-storage-access");
pub(crate) const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
pub(crate) const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
pub(crate) const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
