//! What somebody tries who is not let in, or not so far: each attack with the answer it must get, by HTTP/1.1 and,
//! where it can be said there, by HTTP/2. Whatever is refused, no dev server gets one byte of.

mod scene;
mod run;
mod tokens;
mod parameters;
mod cookies;
mod headers;
mod hosts;
mod origins;
mod methods;
mod pages;
mod answers;

use std::collections::HashSet;

/// A request, and what must become of it.
#[derive(Clone, Copy, Debug)]
struct Attack {
    name: &'static str,
    by: By,
    /// Lines end as they must on the wire; `$WORDS` are the scene's.
    request: &'static str,
    fate: Fate,
}

/// By which version of HTTP it can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Http1,
    Http2,
    Both,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// This status and this code (empty: no body), and nobody hears of it.
    Refused(u16, &'static str),
    /// It arrives at this server and no other, with this beginning of its first line, and each of these headers
    /// once and with this value; an empty value: not at all.
    Arrives(&'static str, &'static str, &'static [(&'static str, &'static str)]),
}

const TABLES: [&[Attack]; 8] = [
    tokens::ATTACKS,
    parameters::ATTACKS,
    cookies::ATTACKS,
    headers::ATTACKS,
    hosts::ATTACKS,
    origins::ATTACKS,
    methods::ATTACKS,
    pages::ATTACKS,
];

#[test]
fn by_http1_each_attack_gets_the_answer_it_must() {
    run::by_http1(&all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_http2_each_attack_that_can_be_said_there_gets_the_answer_it_must() {
    run::by_http2(&all()).await;
}

#[test]
fn the_table_is_long_and_says_nothing_twice() {
    let names: HashSet<&str> = all().iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), all().len(), "two attacks of one name");
    let requests: HashSet<(&str, bool)> =
        all().iter().map(|attack| (attack.request, attack.by == By::Http2)).collect();
    assert_eq!(requests.len(), all().len(), "one attack under two names");
    let refused = all().iter().filter(|attack| matches!(attack.fate, Fate::Refused(..))).count();
    assert!(refused >= 60, "{refused} refusals");
    assert!(all().iter().filter(|attack| attack.by != By::Http1).count() >= 60);
}

fn all() -> Vec<Attack> {
    TABLES.concat()
}

const fn http1(name: &'static str, request: &'static str, fate: Fate) -> Attack {
    Attack { name, by: By::Http1, request, fate }
}

const fn http2(name: &'static str, request: &'static str, fate: Fate) -> Attack {
    Attack { name, by: By::Http2, request, fate }
}

const fn both(name: &'static str, request: &'static str, fate: Fate) -> Attack {
    Attack { name, by: By::Both, request, fate }
}

/// What a stranger is told, whatever there is.
const UNKNOWN: Fate = Fate::Refused(502, "upstream_down");
/// Who was let in before may know that it has ended.
const ENDED: Fate = Fate::Refused(401, "grant_expired");
const OTHER_PAGE: Fate = Fate::Refused(403, "origin_refused");
const MALFORMED: Fate = Fate::Refused(400, "request_invalid");
/// Malformed, and found so before anything of it could be read.
const UNREADABLE: Fate = Fate::Refused(400, "");
