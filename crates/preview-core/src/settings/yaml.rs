//! Reading the file: our section of it, flattened to keys with their places.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::keys::{KEYS, Key};
use super::{Origin, SECTION, SettingsError, SettingsProblem, unknown};

/// A YAML node of no known type yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map,
}

/// The keys of our section with their nodes and places, in the file's order.
pub(super) fn settings(path: &str, text: &str) -> Result<Vec<(&'static Key, Node, Origin)>, SettingsError> {
    let place = |line, column| Origin::File { path: path.to_owned(), line, column };
    let syntax = |origin, message: &str| {
        let problem = SettingsProblem::Syntax(message.to_owned());
        SettingsError { origin, problem }
    };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let top: Tree = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        syntax(place(line, column), &error.to_string())
    })?;
    let Tree::Map(entries) = top else {
        return Err(syntax(place(1, 1), &format!("the file must be a map with the key `{SECTION}`")));
    };
    let mut found = Vec::new();
    for (key, tree) in entries {
        // Other top-level keys are another program's (seed).
        if key.value == SECTION {
            flatten(
                "",
                tree,
                &|at: &Spanned<String>| place(at.referenced.line(), at.referenced.column()),
                &key,
                &mut found,
            )?;
        }
    }
    Ok(found)
}

fn flatten(
    path: &str,
    tree: Tree,
    place: &impl Fn(&Spanned<String>) -> Origin,
    at: &Spanned<String>,
    found: &mut Vec<(&'static Key, Node, Origin)>,
) -> Result<(), SettingsError> {
    let is_section = KEYS
        .iter()
        .any(|key| path.is_empty() || key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    match (Key::find(path), tree) {
        (Some(key), tree) => found.push((key, tree.into_node(), place(at))),
        (None, Tree::Map(entries)) if is_section => {
            for (key, tree) in entries {
                let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                flatten(&path, tree, place, &key, found)?;
            }
        }
        (None, Tree::Node(Node::Null)) if is_section => {}
        (None, _) if is_section => {
            let name = if path.is_empty() { SECTION } else { path };
            let problem = SettingsProblem::Syntax(format!("`{name}` must be a map of further keys"));
            return Err(SettingsError { origin: place(at), problem });
        }
        (None, _) => return Err(unknown(path, &place(at))),
    }
    Ok(())
}

impl Node {
    /// The text of a scalar; `None` for a list, a map or null.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Self::Null | Self::List(_) | Self::Map => None,
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Whole(number) => Some(number.to_string()),
            Self::Real(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::List(_) => f.write_str("a list"),
            Self::Map => f.write_str("a map"),
            scalar => write!(f, "{:?}", scalar.scalar().unwrap_or_default()),
        }
    }
}

/// A node, or a map whose keys know their places.
enum Tree {
    Node(Node),
    List(Vec<Tree>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    fn into_node(self) -> Node {
        match self {
            Self::Node(node) => node,
            Self::List(items) => Node::List(items.into_iter().map(Self::into_node).collect()),
            Self::Map(_) => Node::Map,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Flag(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Whole(number.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Whole(number.into())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Real(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Node(Node::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
