//! How a certificate stands, as people read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use preview_core::refusal::age_words;
use preview_edge::certs::Report;

/// One line for each thing that is known.
pub(super) fn facts(report: &Report, now: u64) -> Vec<(&'static str, String)> {
    let source = match report.source.as_str() {
        "self_signed" => "made here, trusted by nobody",
        "files" => "files that somebody else renews",
        other => other,
    };
    let moment = |at: Option<u64>| at.map(|at| told(at, now));
    let failures = (report.failures > 0).then(|| format!("{} in a row", report.failures));
    let leftover = (report.txt_leftover > 0)
        .then(|| format!("{} records, removed by `preview certs clean`", report.txt_leftover));
    let facts = [
        ("names", Some(report.names.join(", "))),
        ("state", Some(report.state.clone())),
        ("source", Some(source.to_owned())),
        ("authority", report.authority.clone()),
        ("issuer", report.issuer.clone()),
        ("good from", moment(report.not_before)),
        ("good until", moment(report.not_after)),
        ("renewal", moment(report.renew_at)),
        ("failures", failures),
        ("next try", moment(report.next_attempt)),
        ("budget", report.budget_left.map(|left| format!("{left} more within the week"))),
        ("left in dns", leftover),
        ("cause", report.cause.as_ref().map(|it| format!("{}: {}", it.code, it.message))),
        ("help", report.cause.as_ref().map(|it| it.hint.clone())),
        ("notice", report.notice.as_ref().map(|it| format!("{}: {}", it.code, it.message))),
    ];
    facts.into_iter().filter_map(|(what, value)| Some((what, value.filter(|it| !it.is_empty())?))).collect()
}

/// `2027-01-08 09:30 UTC, in 45 days`.
pub(super) fn told(at: u64, now: u64) -> String {
    let calendar = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
    let calendar =
        calendar.map_or_else(|| at.to_string(), |it| it.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let away = words(Duration::from_secs(at.abs_diff(now)));
    if at > now { format!("{calendar}, in {away}") } else { format!("{calendar}, {away} ago") }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn words(span: Duration) -> String {
    let days = span.as_secs() / 86_400;
    if days < 2 { age_words(span) } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_the_calendar_and_by_how_far_it_is() {
        let now = 1_800_000_000;
        assert_eq!(told(now + 45 * 86_400 + 60, now), "2027-03-01 08:01 UTC, in 45 days");
        assert_eq!(told(now - 7_200, now), "2027-01-15 06:00 UTC, 2h ago");
    }
}
