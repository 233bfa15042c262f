//! Links in Markdown lead somewhere.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{File, Finding, Tree};

const RULE: &str = "links";

/// Every relative link and image names a file, every anchor a heading.
pub(super) fn markdown(tree: &Tree) -> Vec<Finding> {
    let pages = tree.files().filter(|file| file.is("md"));
    pages
        .flat_map(|page| {
            let links = links(&page.text).into_iter();
            links.filter_map(|link| {
                let advice = broken(tree, page, &link.to)?;
                Some(Finding::new(&page.path, link.line, RULE, advice))
            })
        })
        .collect()
}

struct Link {
    to: String,
    line: usize,
}

/// What is wrong with the link, if anything.
fn broken(tree: &Tree, page: &File, to: &str) -> Option<String> {
    if to.contains("://") || to.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = to.split_once('#').unwrap_or((to, ""));
    let Some(path) = resolve(&page.path, path) else {
        return Some(format!("`{to}` leads out of the tree: link to a file in it"));
    };
    if !tree.holds(&path) {
        return Some(format!("`{to}`: there is no `{path}`"));
    }
    let target = tree.file(&path).filter(|file| file.is("md"))?;
    let missing = !anchor.is_empty() && !anchors(&target.text).iter().any(|known| known == anchor);
    missing.then(|| format!("`{to}`: no heading of `{path}` makes `#{anchor}`"))
}

/// The path from the root that a link means; `None` above the root.
fn resolve(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" if link.starts_with('/') => return None,
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Links, images, and the `src`, `srcset` and `href` of raw HTML.
fn links(text: &str) -> Vec<Link> {
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let mut links = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::all()).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(Link { to: dest_url.to_string(), line: line(range.start) });
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let values = ["src", "srcset", "href"].into_iter().flat_map(|name| attributes(&html, name));
                links.extend(values.map(|to| Link { to, line: line(range.start) }));
            }
            _ => {}
        }
    }
    links
}

/// What a reader's browser may be sent to: GitHub's names of the headings, and explicit ids.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let numbered = (1..).map(|n| format!("{slug}-{n}"));
                let mut names = std::iter::once(slug.clone()).chain(numbered);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                anchors.extend(["id", "name"].into_iter().flat_map(|name| attributes(&html, name)));
            }
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn attributes(html: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    html.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_missing_file_a_missing_heading_and_a_way_out_are_found() {
        let text = "[a](gone.md)\n\n[b](README.md#nowhere)\n\n[c](../../etc)\n\n<img src=\"gone.svg\">\n";
        let tree = Tree::of(&[("docs/a.md", text), ("docs/README.md", "# Here\n")]);
        assert_eq!(places(&markdown(&tree)), [1, 3, 5, 7].map(|line| format!("docs/a.md:{line}")));
    }

    #[test]
    fn files_folders_headings_and_the_web_are_reached() {
        let text = "# `run` & go\n# Twice\n# Twice\n[a](#run--go) [b](#twice-1) [c](../crates) [d](b.svg)\n\
                    [e](https://example.com/x) <a id=\"z\"></a> [f](#z)\n\n```\n[g](in-code.md)\n```\n";
        let tree = Tree::of(&[("docs/a.md", text), ("docs/b.svg", ""), ("crates/a/Cargo.toml", "")]);
        assert_eq!(markdown(&tree), []);
    }
}
