//! What an operator types: who is shut out, and who did what.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// `preview block`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Their previews are gone from every edge within a second, open sockets included, and nothing new
begins. Links work again once they are let in again (preview unblock). The reason is shown to
operators alone.

Examples:
  preview block user mallory --reason 'phishing, ticket 4711'
  preview block host preview-3001.example.com
  preview block --list")]
pub struct Block {
    /// Whom or what: user, session or host.
    #[arg(hide_possible_values = true, required_unless_present = "list", requires = "value")]
    pub kind: Option<Blockable>,
    /// User id, session id or host name.
    pub value: Option<String>,
    /// Why, for operators alone.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Say who is blocked, since when and why.
    #[arg(long, conflicts_with_all = ["kind", "value", "reason"])]
    pub list: bool,
}

/// `preview unblock`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Links work again within a second. Who is blocked says `preview block --list`.

Examples:
  preview unblock user mallory
  preview unblock host preview-3001.example.com")]
pub struct Unblock {
    /// Whom or what: user, session or host.
    #[arg(hide_possible_values = true)]
    pub kind: Blockable,
    /// User id, session id or host name.
    pub value: String,
}

/// What can be blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Blockable {
    /// All sessions of a user.
    User,
    /// One session.
    Session,
    /// One host name.
    Host,
}

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Print the newest entries: who did what, and who was refused.
    Tail(AuditTail),
    /// Walk the whole trail and say where it is broken first, if it is.
    Verify(AuditVerify),
}

/// `preview audit tail`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
--session and --user, where they are given, leave only what concerns them.

Examples:
  preview audit tail -n 100
  preview audit tail -f --user ada
  preview audit tail --action refused --json")]
pub struct AuditTail {
    /// Go on with what is yet to come.
    #[arg(long, short)]
    pub follow: bool,
    /// How many entries to begin with.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub lines: u32,
    /// Only of this kind, e.g. attached, blocked, refused.
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
}

/// `preview audit verify`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A broken trail ends it with 1. Whoever can write the daemon's files could make up a whole new
trail: note the head that is printed somewhere else, and give it later with --seen.

Examples:
  preview audit verify
  preview audit verify --seen 1734:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub struct AuditVerify {
    /// A head that was printed earlier: the trail must still lead through it.
    #[arg(long, value_name = "NUMBER:DIGEST")]
    pub seen: Option<String>,
}

impl Blockable {
    /// As the API calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Host => "host",
        }
    }
}
