//! What the scripts tell of a page.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What was to be seen at an address.
#[derive(Clone, Debug, Deserialize)]
pub struct Opened {
    /// Of the document; `None` when it came without a response.
    pub status: Option<u16>,
    /// The document's, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Where the document came from in the end.
    pub url: String,
    pub title: String,
    /// The visible text.
    pub text: String,
    /// `h2`, `http/1.1`.
    pub protocol: Option<String>,
    /// The local storage, or `error` where it is denied.
    pub storage: BTreeMap<String, String>,
    /// As Playwright lists them: `name`, `value`, `domain`, `partitionKey`, ….
    pub cookies: Vec<Value>,
    /// What the expression evaluated to.
    pub value: Value,
    pub record: Record,
}

/// How a visit to a dev server went.
#[derive(Clone, Debug, Deserialize)]
pub struct Visit {
    /// Of the document.
    pub status: u16,
    /// The document's, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// `h2`, `http/1.1`.
    pub protocol: Option<String>,
    /// The live-update socket, if that server has one.
    pub live: Option<Socket>,
    /// What the button counted after one click, if there is one: 1 when the page lives.
    pub count: Option<u64>,
    /// From the edit of the source until the page showed it.
    pub edit_ms: u64,
    /// Whether the page was loaded anew for the edit.
    pub reloaded: bool,
    /// The count after the edit: unchanged where the page's state survives.
    pub count_after: Option<u64>,
    /// The text of each paragraph by id, after the edit.
    pub words: BTreeMap<String, String>,
    /// What the page said after its form was sent, if there is one.
    pub done: Option<String>,
    /// The address at the end.
    pub url: String,
    pub cookies: Vec<Value>,
    pub record: Record,
}

/// What happened in all frames.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// WebSockets, in the order in which they were opened.
    pub sockets: Vec<Socket>,
    /// Errors and warnings of the console.
    pub console: Vec<String>,
    /// Exceptions nobody caught.
    pub errors: Vec<String>,
    /// Requests without a response: reason and address.
    pub failed: Vec<String>,
    /// Responses of 400 and more: status and address.
    pub refused: Vec<String>,
    /// Responses to POST: `url`, `status`, `headers`.
    pub posts: Vec<Value>,
    /// Every address that a frame showed.
    pub navigations: Vec<String>,
}

/// A WebSocket that a page opened.
#[derive(Clone, Debug, Deserialize)]
pub struct Socket {
    pub url: String,
    /// Whether it was asked for by extended CONNECT within HTTP/2 (RFC 8441) and not by Upgrade; known once
    /// the browser has ended.
    #[serde(default)]
    pub extended_connect: bool,
    /// Messages from the page.
    pub sent: u64,
    /// Messages to the page.
    pub received: u64,
    pub closed: bool,
    pub error: Option<String>,
}
