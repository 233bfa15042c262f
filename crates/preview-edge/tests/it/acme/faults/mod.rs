//! Every row of the table of failures (`docs/acme.md` §8): injected, and told with its code and hint.
//!
//! | row | where it is shown |
//! |-|-|
//! | no TXT, wrong value, 40 stale TXT | `dns` |
//! | bad TSIG key or name, clock or zone of the name server, name outside its policy | `dns` |
//! | DNS refused, DNS silent, wildcard CNAME, second name server stale, CAA found by ourselves | `dns` |
//! | CA down, hangs, HTML 502, 503, 429 with `Retry-After`, paused, nonces refused | `authority` |
//! | blocklist, no account binding, bad binding, terms, contact, unknown profile | `account` |
//! | authority restarted (account lost) | `account` |
//! | `alreadyReplaced`, renewal information 404 or 500 | `renewal` |
//! | order invalid, CAA found by the authority, other key's chain | `authority` |
//! | killed anywhere, records swept | [`super::kills`] |
//! | no space for the certificate, state in memory | [`super::folders`] |
//! | our own clock | [`super::clocks`] |
//! | port 53 taken, hook hangs or fails | `host` |

mod dns;
mod authority;
mod account;
mod renewal;
mod host;

use std::path::Path;

use preview_edge::Cause;
use serde_json::{Value, json};

use super::edges::{Scaled, cause, cause_in_full};
use super::world::World;

/// The cause that an edge tells which gets no certificate in this world.
fn fails(world: &World, config: &Value, code: &str) -> Cause {
    let (_edge, cause) = failing(world, config, code);
    cause
}

/// The same, and the edge, which goes on trying.
fn failing(world: &World, config: &Value, code: &str) -> (Scaled, Cause) {
    let mut config = config.clone();
    // What an earlier edge of this world remembers would be told as well.
    let folders = (0..).map(|number| world.scratch.join(format!("edge-{number}")));
    config["edge"]["state_dir"] = json!(folders.into_iter().find(|it| !it.exists()));
    let edge = Scaled::start(&config);
    cause(&edge.doors, code);
    let folder = config["edge"]["state_dir"].as_str().expect("a folder");
    let cause = cause_in_full(Path::new(folder), code);
    assert!(edge.doors.shown(&world.issuing_root()).is_none(), "{cause:?}");
    (edge, cause)
}

/// That an edge that fails in this way gets its certificate once the cause is gone.
fn fails_until_mended(world: &World, config: &Value, code: &str) -> Cause {
    let (edge, cause) = failing(world, config, code);
    world.front.clear();
    edge.doors.certificate(&world.issuing_root());
    assert_eq!(world.left(), [""; 0]);
    cause
}
