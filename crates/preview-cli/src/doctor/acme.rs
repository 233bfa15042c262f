//! `tls.acme`: how the certificate that this host's edge orders, or is given, stands.

use preview_edge::certs;

use super::finding::Finding;
use crate::commands::certs::moment;
use crate::context::Context;
use crate::embedded::edge_config;

const CHECK: &str = "tls.acme";

/// `None` where no certificate is wanted, or one is made here.
pub(super) async fn certificate(context: &Context) -> Option<Finding> {
    let settings = &context.settings;
    if settings.text("edge.tls.mode") == Some("self_signed") || settings.text("edge.https").is_none() {
        return None;
    }
    let config = edge_config(settings).ok()?;
    let report = match certs::list(&config).await {
        Ok(listed) => listed.report,
        Err(error) => {
            let finding = Finding::fail(CHECK, error.to_string(), error.hint());
            return Some(finding.with_code(Some(error.code())));
        }
    };
    let until = report.not_after.map_or_else(|| "none yet".to_owned(), |at| format!("until {}", moment(at)));
    let told = format!("{} · {} · {until}", report.names.join(", "), report.state);
    let Some(cause) = report.cause else { return Some(Finding::ok(CHECK, told)) };
    let told = format!("{told} · {}", cause.message);
    let has_one = report.not_after.is_some() && report.state != "expired";
    let finding =
        if has_one { Finding::warn(CHECK, told, cause.hint) } else { Finding::fail(CHECK, told, cause.hint) };
    Some(finding.with_code(cause.code.parse().ok()))
}
