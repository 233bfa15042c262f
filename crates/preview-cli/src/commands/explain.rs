//! `preview explain`: cause and cure of a code, offline.

use preview_core::refusal::Code;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Output, STRONG};

/// How alike codes must be for one to be meant by the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

pub(super) fn run(output: Output, code: Option<&str>) -> Result<(), Failure> {
    let Some(text) = code else {
        let rows: Vec<_> = Code::ALL.iter().map(|it| vec![it.to_string(), it.cause().to_owned()]).collect();
        if output.is_json() {
            for code in Code::ALL {
                output.json(&object(*code));
            }
        } else {
            output.table(&["CODE", "MEANS"], &rows);
        }
        return Ok(());
    };
    let code: Code = text.parse().map_err(|_| unknown(text))?;
    if output.is_json() {
        output.json(&object(code));
        return Ok(());
    }
    output.line(format_args!("{STRONG}{code}{STRONG:#}  HTTP {}", code.status()));
    output.line(format_args!("  {}", code.cause()));
    output.line(format_args!("  {STRONG}help:{STRONG:#} {}", code.cure()));
    Ok(())
}

fn object(code: Code) -> serde_json::Value {
    let text = code.as_str();
    json!({ "code": text, "status": code.status(), "cause": code.cause(), "cure": code.cure() })
}

fn unknown(text: &str) -> Failure {
    let near = Code::ALL
        .iter()
        .map(|code| (strsim::jaro_winkler(code.as_str(), text), code))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((_, code)) => format!("did you mean {code}?"),
        None => "`preview explain` lists them".to_owned(),
    };
    Failure::found(Code::NotFound, format!("no such code: {text}"), hint)
}
