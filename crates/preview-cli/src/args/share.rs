//! `preview share` and `preview visibility`.

use std::time::Duration;

use clap::Args as ClapArgs;
use preview_core::share::{Label, Wish};

/// `preview share`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Who has the link needs nothing else, no login either. Withdrawn or ended, it and every browser
that came in by it are out within a second. With --read-only it lets look and listen; what would
change something is refused.

Examples:
  preview share shop --label Ada                 a link for an hour
  preview share shop --ttl 3days --read-only
  preview share shop --list
  preview share shop --withdraw 2")]
pub struct Share {
    /// Name or id.
    pub name: String,
    /// How long the link is good: 1m to 30 days, such as 90m, 8h or 3days.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
    /// Let only look.
    #[arg(long)]
    pub read_only: bool,
    /// Whom it is for, to tell it from others in the list.
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    pub label: String,
    /// List the links that have not ended.
    #[arg(long, conflicts_with_all = ["ttl", "read_only", "label"])]
    pub list: bool,
    /// Withdraw the link with this number.
    #[arg(long, value_name = "N", conflicts_with_all = ["ttl", "read_only", "label", "list"])]
    pub withdraw: Option<u32>,
}

/// `preview visibility`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  preview visibility shop public     everybody who knows the address
  preview visibility shop private    who was given a link")]
pub struct Visibility {
    /// Name or id.
    pub name: String,
    /// Who may see it: private or public.
    #[arg(value_name = "WHO", value_parser = ["private", "public"], hide_possible_values = true)]
    pub visibility: String,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let time =
        text.parse::<jiff::SignedDuration>().map_err(|_| "give a number with its unit, such as 90m or 8h")?;
    let time = Duration::try_from(time).unwrap_or_default();
    Wish::new(Label::default(), false, time).map(|_| time).map_err(|error| error.to_string())
}
