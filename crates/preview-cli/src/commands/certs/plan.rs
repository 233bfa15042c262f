//! `preview certs plan`: the DNS records to set.

use std::net::IpAddr;

use preview_edge::certs::{self, Plan, Wanted};

use super::{config, told};
use crate::args::{CertsPlan, PlanFormat};
use crate::context::Context;
use crate::failure::Failure;

pub(super) fn run(context: &Context, args: &CertsPlan) -> Result<(), Failure> {
    let output = context.output;
    let mut plan = certs::plan(&config(context)?).map_err(|error| told(&error))?;
    if let Some(zone) = &args.zone {
        plan.zone = Some(zone.trim_end_matches('.').to_ascii_lowercase());
    }
    if output.is_json() {
        output.json(&plan);
        return Ok(());
    }
    match args.format {
        PlanFormat::Table => output.table(&["NAME", "TYPE", "TTL", "VALUE", "FOR"], &table(&plan)),
        PlanFormat::Bind => bind(&plan).into_iter().for_each(|line| output.line(line)),
        PlanFormat::Form => output.table(&["TYPE", "NAME", "VALUE", "TTL"], &form(&plan)),
    }
    for note in &plan.notes {
        output.note(note);
    }
    if args.format != PlanFormat::Table && plan.zone.is_none() {
        output.note("names are whole; say by --zone in which zone they shall stand");
    }
    Ok(())
}

fn table(plan: &Plan) -> Vec<Vec<String>> {
    let row = |it: &Wanted| {
        let purpose = if it.optional && it.kind != "CAA" { "if it has one" } else { it.purpose };
        vec![it.name.clone(), it.kind.to_owned(), it.ttl.to_string(), it.value.clone(), purpose.to_owned()]
    };
    plan.records.iter().map(row).collect()
}

/// Lines of a zone file (RFC 1035 §5); what can be left out, or is to be filled in, is commented out.
fn bind(plan: &Plan) -> Vec<String> {
    let mark = |it: &Wanted| if it.optional || !is_known(it) { ";" } else { "" };
    let zone = plan.zone.as_deref();
    let names: Vec<String> =
        plan.records.iter().map(|it| format!("{}{}", mark(it), written(&it.name, zone))).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let mut lines: Vec<String> = zone.map(|zone| format!("$ORIGIN {zone}.")).into_iter().collect();
    for (it, name) in plan.records.iter().zip(names) {
        let value = match it.kind {
            "NS" | "CNAME" => format!("{}.", it.value),
            _ => it.value.clone(),
        };
        lines.push(format!("{name:<width$} {:<4} IN {:<5} {value}", it.ttl, it.kind));
    }
    lines
}

/// Whether the value is one, and stands for no address that the operator has to know.
fn is_known(it: &Wanted) -> bool {
    !matches!(it.kind, "A" | "AAAA") || it.value.parse::<IpAddr>().is_ok()
}

/// The fields of a form: the name relative to the zone, `@` for the zone itself; whole where no zone was told.
fn form(plan: &Plan) -> Vec<Vec<String>> {
    let row = |it: &Wanted| {
        let name = relative(&it.name, plan.zone.as_deref()).unwrap_or(&it.name).to_owned();
        vec![it.kind.to_owned(), name, it.value.clone(), it.ttl.to_string()]
    };
    plan.records.iter().map(row).collect()
}

/// A name as a zone file has it: relative to its origin, or whole with its final dot.
fn written(name: &str, zone: Option<&str>) -> String {
    relative(name, zone).map_or_else(|| format!("{name}."), str::to_owned)
}

fn relative<'n>(name: &'n str, zone: Option<&str>) -> Option<&'n str> {
    let zone = zone?;
    if name == zone { Some("@") } else { name.strip_suffix(zone)?.strip_suffix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_zone_and_whole_outside_of_it() {
        let zone = Some("example.com");
        assert_eq!(written("*.preview.example.com", zone), "*.preview");
        assert_eq!(written("example.com", zone), "@");
        assert_eq!(written("badexample.com", zone), "badexample.com.");
        assert_eq!(written("acme.example.net", zone), "acme.example.net.");
        assert_eq!(written("example.co.uk", None), "example.co.uk.", "no zone is guessed");
    }
}
