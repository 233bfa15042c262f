//! `preview config`: whether it can be used, and where each value comes from.

use preview_core::settings::{Origin, Settings, Value};
use serde_json::{Map, json};

use crate::args::ConfigVerb;
use crate::context::{Context, shorten};
use crate::embedded::{daemon_config, edge_config};
use crate::failure::Failure;
use crate::output::GOOD;

pub(super) fn run(context: &Context, verb: ConfigVerb) -> Result<(), Failure> {
    for warning in context.settings.warnings() {
        context.output.warn(warning);
    }
    match verb {
        ConfigVerb::Check => check(context),
        ConfigVerb::Show => {
            show(context);
            Ok(())
        }
    }
}

fn check(context: &Context) -> Result<(), Failure> {
    let (output, settings) = (context.output, &context.settings);
    context.template()?;
    daemon_config(settings)?;
    edge_config(settings)?;
    let file = context.file.as_deref().map_or_else(|| "no file".to_owned(), shorten);
    let set = settings.iter().filter(|(_, setting)| setting.origin != Origin::Default).count();
    if output.is_json() {
        output.json(&json!({ "file": context.file, "values_set": set, "warnings": settings.warnings() }));
    } else if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} {file}: good, {set} values set, the rest are defaults"));
    } else {
        output.row(&["ok", &file]);
    }
    Ok(())
}

fn show(context: &Context) {
    let (output, settings) = (context.output, &context.settings);
    if output.is_json() {
        output.json(&object(settings));
        return;
    }
    let row = |(key, setting): (&str, &preview_core::settings::Setting)| {
        vec![key.to_owned(), setting.value.to_string(), setting.origin.to_string()]
    };
    output.table(&["KEY", "VALUE", "FROM"], &settings.iter().map(row).collect::<Vec<_>>());
}

fn object(settings: &Settings) -> Map<String, serde_json::Value> {
    let value = |value: &Value| match value {
        Value::Null => serde_json::Value::Null,
        Value::Flag(flag) => json!(flag),
        Value::Number(number) => json!(number),
        Value::Duration(_) => json!(value.to_string()),
        Value::Text(text) => json!(text),
        Value::List(list) => json!(list),
    };
    let entry = |(key, setting): (&str, &preview_core::settings::Setting)| {
        (key.to_owned(), json!({ "value": value(&setting.value), "origin": setting.origin.to_string() }))
    };
    settings.iter().map(entry).collect()
}
