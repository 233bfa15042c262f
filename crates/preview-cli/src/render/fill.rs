//! Templates with `@NAME@` marks.

/// Fills in the marks of a template, in one pass: what is filled in is not looked at again.
///
/// A mark alone on its line takes any number of lines at its indent, or none; elsewhere it is replaced in its line.
/// More than one empty line in a row becomes one.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in template.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        match line
            .trim()
            .strip_prefix('@')
            .and_then(|it| it.strip_suffix('@'))
            .and_then(|it| value(values, it))
        {
            Some(block) => {
                lines.extend(block.lines().map(|line| format!("{indent}{line}").trim_end().to_owned()));
            }
            None => lines.push(inline(line, values)),
        }
    }
    lines.dedup_by(|next, before| next.is_empty() && before.is_empty());
    let text = lines.join("\n");
    format!("{}\n", text.trim_end())
}

fn inline(line: &str, values: &[(&str, &str)]) -> String {
    let mut parts = line.split('@');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut is_name = true;
    let mut rest = parts.peekable();
    while let Some(part) = rest.next() {
        match value(values, part).filter(|_| is_name && rest.peek().is_some()) {
            Some(found) => {
                text.push_str(found);
                is_name = false;
            }
            // The `@` after a mark belongs to it, any other is text.
            None if is_name => {
                text.push('@');
                text.push_str(part);
            }
            None => {
                text.push_str(part);
                is_name = true;
            }
        }
    }
    text
}

fn value<'v>(values: &[(&str, &'v str)], name: &str) -> Option<&'v str> {
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_alone_takes_lines_at_its_indent_and_none_leaves_no_line() {
        let filled = fill("a {\n    @B@\n    @C@\n}\n", &[("B", "x;\ny;"), ("C", "")]);
        assert_eq!(filled, "a {\n    x;\n    y;\n}\n");
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let filled = fill("x @A@@B@ @B@y root@host @C@", &[("A", "@B@"), ("B", "b")]);
        assert_eq!(filled, "x @B@b by root@host @C@\n");
    }
}
