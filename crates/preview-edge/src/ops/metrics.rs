//! Metrics in the text format of `OpenMetrics`. They are made of what is known at the moment they are asked for: nothing is
//! counted twice, and nothing on the way of a request.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::Facts;
use crate::cert::{Board, Report};
use crate::dns::{Answered, Counts};

/// What [`Report::state`] may say of certificates that the edge orders.
const STATES: [&str; 12] = [
    "empty",
    "valid",
    "due",
    "keyed",
    "ordered",
    "presented",
    "seen",
    "validating",
    "ready",
    "finalized",
    "backoff",
    "parked",
];

type Labels = Vec<(&'static str, String)>;
type Moments = Gauge<i64, AtomicI64>;

pub(super) fn text(facts: &Facts) -> String {
    let mut registry = Registry::default();
    let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION")), ("program", "preview-edge")]);
    registry.register("preview_build", "What runs here", build);
    let edge = registry.sub_registry_with_prefix("preview_edge");
    if let Some(board) = &facts.board {
        certificate(edge, &board.report());
        attempts(edge, board);
        if let Some(counts) = board.dns() {
            dns(edge, counts);
        }
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

fn certificate(registry: &mut Registry, report: &Report) {
    let source = || vec![("source", report.source.clone())];
    for (name, help, value) in [
        ("cert_not_before_seconds", "From when the certificate is good, since 1970", report.not_before),
        ("cert_not_after_seconds", "Until when the certificate is good, since 1970", report.not_after),
        ("cert_renew_at_seconds", "When the certificate will be renewed, since 1970", report.renew_at),
    ] {
        // A moment that is not known has no sample: 0 would read as 1970.
        let family = Family::<Labels, Moments>::default();
        if let Some(value) = value {
            family.get_or_create(&source()).set(value.cast_signed());
        }
        registry.register(name, help, family);
    }
    if report.source != "acme" {
        return;
    }
    let states = Family::<Labels, Moments>::default();
    for state in STATES {
        states.get_or_create(&vec![("state", state.to_owned())]).set(i64::from(state == report.state));
    }
    registry.register("acme_state", "Where the certificate stands: 1 for the state it is in", states);
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = Moments::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("acme_consecutive_failures", "Failed attempts in a row", report.failures.into());
    gauge(
        "acme_txt_leftover",
        "TXT records that could not be removed yet",
        i64::try_from(report.txt_leftover).unwrap_or(i64::MAX),
    );
    if let Some(next) = report.next_attempt {
        let help = "When the next attempt after a failure is due, since 1970";
        gauge("acme_next_attempt_seconds", help, next.cast_signed());
    }
    if let Some(left) = report.budget_left {
        gauge("acme_budget_left", "Certificates that may still be ordered within the budget", left.into());
    }
}

fn attempts(registry: &mut Registry, board: &Board) {
    let steps = Family::<Labels, Counter>::default();
    for ((ca, step, result), count) in board.steps() {
        let labels = vec![("ca", ca), ("step", step.to_owned()), ("result", result)];
        steps.get_or_create(&labels).inc_by(count);
    }
    registry.register("acme_attempts", "Steps of attempts at an authority; result is ok or a code", steps);
}

fn dns(registry: &mut Registry, counts: &Counts) {
    let queries = Family::<Labels, Counter>::default();
    for Answered { kind, rcode, proto, count } in counts.answered() {
        let labels = [("type", kind), ("rcode", rcode), ("proto", proto)];
        queries.get_or_create(&labels.map(|(name, value)| (name, value.to_owned())).into()).inc_by(count);
    }
    registry.register("dns_queries", "Questions that the built-in DNS server has answered", queries);
    let limited = Counter::<u64>::default();
    limited.inc_by(counts.limited());
    registry.register("dns_limited", "Questions by UDP over the rate of their network", limited);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::cert::Failure;
    use crate::dns::Proto;

    #[test]
    fn an_ordered_certificate_has_every_metric_of_the_specification() {
        let board = Board::default();
        board.tell(Report {
            source: "acme".to_owned(),
            state: "backoff".to_owned(),
            not_before: Some(1),
            not_after: Some(2),
            renew_at: Some(3),
            next_attempt: Some(4),
            failures: 5,
            budget_left: Some(6),
            txt_leftover: 7,
            ..Report::default()
        });
        board.count("letsencrypt", "order", Ok(()));
        board.count("letsencrypt", "order", Ok(()));
        board.count("letsencrypt", "validate", Err(&Failure::BadNonce));
        let text = text(&Facts { board: Some(Arc::new(board)) });
        for line in [
            "preview_edge_cert_not_before_seconds{source=\"acme\"} 1",
            "preview_edge_cert_not_after_seconds{source=\"acme\"} 2",
            "preview_edge_cert_renew_at_seconds{source=\"acme\"} 3",
            "preview_edge_acme_state{state=\"backoff\"} 1",
            "preview_edge_acme_state{state=\"valid\"} 0",
            "preview_edge_acme_next_attempt_seconds 4",
            "preview_edge_acme_consecutive_failures 5",
            "preview_edge_acme_budget_left 6",
            "preview_edge_acme_txt_leftover 7",
            "preview_edge_acme_attempts_total{ca=\"letsencrypt\",step=\"order\",result=\"ok\"} 2",
            "preview_edge_acme_attempts_total{ca=\"letsencrypt\",step=\"validate\",result=\"cert_bad_nonce\"} 1",
            "preview_build_info{version=\"0.1.0\",program=\"preview-edge\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_built_in_dns_server_is_counted_where_it_serves() {
        let counts = Arc::new(Counts::default());
        counts.answer(Some(RecordType::TXT), ResponseCode::NoError, Proto::Udp);
        counts.answer(Some(RecordType::Unknown(4_711)), ResponseCode::Refused, Proto::Tcp);
        counts.limit();
        let board = Board::default();
        board.tell_dns(counts);
        let text = text(&Facts { board: Some(Arc::new(board)) });
        for line in [
            "preview_edge_dns_queries_total{type=\"TXT\",rcode=\"NOERROR\",proto=\"udp\"} 1",
            "preview_edge_dns_queries_total{type=\"other\",rcode=\"REFUSED\",proto=\"tcp\"} 1",
            "preview_edge_dns_limited_total 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let board = Board::default();
        board.tell(Report { source: "files".to_owned(), ..Report::default() });
        let told = text(&Facts { board: Some(Arc::new(board)) });
        assert!(!told.lines().any(|line| line.starts_with("preview_edge_cert")), "{told}");
        assert!(!told.contains("acme_state"), "{told}");
        assert!(!text(&Facts { board: None }).contains("preview_edge"));
    }

    #[test]
    fn the_operators_guide_names_no_metric_that_is_not_there() {
        let board = Board::default();
        board.tell(Report {
            source: "acme".to_owned(),
            not_before: Some(1),
            not_after: Some(1),
            renew_at: Some(1),
            next_attempt: Some(1),
            budget_left: Some(1),
            ..Report::default()
        });
        board.count("letsencrypt", "order", Ok(()));
        let counts = Arc::new(Counts::default());
        counts.answer(None, ResponseCode::NoError, Proto::Udp);
        board.tell_dns(counts);
        let told = text(&Facts { board: Some(Arc::new(board)) });
        let guide = include_str!("../../../../docs/certificates.md");
        let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let mut names: Vec<&str> = guide
            .match_indices("preview_edge_")
            .map(|(at, _)| guide[at..].split(|c| !is_of_name(c)).next().unwrap_or_default())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() > 9, "{names:?}");
        for name in names {
            let family = name.strip_suffix("_total").unwrap_or(name);
            assert!(told.contains(&format!("# TYPE {family} ")), "{name} is not in\n{told}");
        }
    }
}
