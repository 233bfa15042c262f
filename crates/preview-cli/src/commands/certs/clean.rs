//! `preview certs clean`: removes what attempts left in DNS.

use preview_edge::certs;

use super::{config, told};
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let cleaned = certs::clean(&config(context)?).await.map_err(|error| told(&error))?;
    if output.is_json() {
        output.json(&cleaned);
    } else {
        output.row(&["removed", &cleaned.removed.to_string()]);
        output.row(&["left", &cleaned.left.to_string()]);
        for foreign in &cleaned.foreign {
            output.warn(format_args!("{foreign}: not written by this edge, so it is left alone"));
        }
    }
    match &cleaned.cause {
        Some(cause) if cleaned.left > 0 => {
            let code = cause.code.parse().unwrap_or(preview_core::refusal::Code::CertUpdateRefused);
            Err(Failure::found(code, &cause.message, &cause.hint))
        }
        _ => Ok(()),
    }
}
