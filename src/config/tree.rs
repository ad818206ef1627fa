//! What was written, as one tree: TOML values that know where they stand, and how layers merge.
//!
//! In: the text of a file, or a value for a path of keys (`env`). Out: [`Table`]. Not here: what
//! the keys mean (`read` and above). TOML v1.0.

use std::{borrow::Cow, collections::HashMap};

use toml::de::{DeTable, DeValue};

use super::{origin::Origin, problem::Found};

/// Keys whose value is one unit, even where it is a table: a higher layer replaces it as a whole.
/// An access rule half from one file and half from another would let in people that neither names.
const UNITS: [&str; 5] = ["access", "password", "request_headers", "tls", "token"];

/// A table, sorted by key: one allocation each, since there are many small ones. `Cow` since nearly
/// all keys and texts can be borrowed from the file.
#[derive(Debug, Default)]
pub(super) struct Table<'t>(Vec<(Cow<'t, str>, Entry<'t>)>);

impl<'t> Table<'t> {
    /// Sorts what a file's table gives.
    fn new(mut entries: Vec<(Cow<'t, str>, Entry<'t>)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(entries)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry<'t>> {
        if self.0.len() <= FEW {
            // Most keys differ in length already.
            let is = |(known, _): &&(Cow<'t, str>, _)| **known == *key;
            return self.0.iter().find(is).map(|(_, entry)| entry);
        }
        let index = self.find(key).ok()?;
        self.0.get(index).map(|(_, entry)| entry)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Entry<'t>> {
        let index = self.find(key).ok()?;
        self.0.get_mut(index).map(|(_, entry)| entry)
    }

    /// Adds a key that is not there yet.
    fn add(&mut self, key: Cow<'t, str>, entry: Entry<'t>) {
        if let Err(index) = self.find(&key) {
            self.0.insert(index, (key, entry));
        }
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Entry<'t>)> {
        self.0.iter().map(|(key, entry)| (&**key, entry))
    }
}

/// Entries that are sooner gone through than searched.
const FEW: usize = 12;

/// One key of a table.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    /// Where the key stands.
    pub(super) key: Origin,
    pub(super) node: Node<'t>,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) value: Value<'t>,
    pub(super) origin: Origin,
}

/// The TOML values that configuration uses.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Array(Vec<Node<'t>>),
    Boolean(bool),
    Integer(i64),
    /// A kind of value that no key takes.
    Other(&'static str),
    String(Cow<'t, str>),
    Table(Table<'t>),
}

impl Node<'_> {
    /// What it is, with its article.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Array(_) => "an array",
            Value::Boolean(_) => "true or false",
            Value::Integer(_) => "a number",
            Value::Other(kind) => kind,
            Value::String(_) => "a text",
            Value::Table(_) => "a table",
        }
    }

    /// The text of `name` in an element of an array of tables.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.value {
            Value::Table(table) => match &table.get("name")?.node.value {
                Value::String(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Parses one file. Syntax errors go to `found`; then the table is not the whole file.
pub(super) fn parse<'t>(content: &'t str, file: usize, found: &mut Found) -> Table<'t> {
    let at = |offset| Origin::in_file(file, offset);
    let (root, errors) = DeTable::parse_recoverable(content);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        found.push(at(offset), format!("not TOML: {}", error.message()));
    }
    table(root.into_inner(), &at)
}

fn table<'t>(from: DeTable<'t>, at: &impl Fn(usize) -> Origin) -> Table<'t> {
    let entries = from.into_iter().map(|(key, value)| {
        let entry = Entry {
            key: at(key.span().start),
            node: node(at(value.span().start), value.into_inner(), at),
        };
        (key.into_inner(), entry)
    });
    Table::new(entries.collect())
}

fn node<'t>(origin: Origin, from: DeValue<'t>, at: &impl Fn(usize) -> Origin) -> Node<'t> {
    let value = match from {
        DeValue::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| node(at(item.span().start), item.into_inner(), at))
                .collect(),
        ),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
            Ok(value) => Value::Integer(value),
            Err(_) => Value::Other("a number of more than 64 bits"),
        },
        DeValue::String(value) => Value::String(value),
        DeValue::Table(value) => Value::Table(table(value, at)),
    };
    Node { value, origin }
}

/// Lays `over` on `base`: tables merge key by key, arrays of tables by `name`, all else replaces.
pub(super) fn merge<'t>(base: &mut Table<'t>, over: Table<'t>) {
    for (key, entry) in over.0 {
        match base.get_mut(&key) {
            Some(below) if UNITS.contains(&&*key) => *below = entry,
            Some(below) => merge_node(&mut below.node, entry.node),
            None => base.add(key, entry),
        }
    }
}

fn merge_node<'t>(base: &mut Node<'t>, over: Node<'t>) {
    match (&mut base.value, over.value) {
        (Value::Table(base), Value::Table(over)) => merge(base, over),
        (Value::Array(base), Value::Array(over))
            if !over.is_empty() && over.iter().all(|item| item.name().is_some()) =>
        {
            merge_by_name(base, over);
        }
        (_, value) => {
            *base = Node {
                value,
                origin: over.origin,
            };
        }
    }
}

/// New names come after the known ones. A name that stands twice in one layer stays twice, for
/// validation to find.
fn merge_by_name<'t>(base: &mut Vec<Node<'t>>, over: Vec<Node<'t>>) {
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, item) in base.iter().enumerate() {
        if let Some(name) = item.name() {
            known.entry(name.to_owned()).or_insert(index);
        }
    }
    for item in over {
        let index = item.name().and_then(|name| known.remove(name));
        match index.and_then(|index| base.get_mut(index)) {
            Some(below) => merge_node(below, item),
            None => base.push(item),
        }
    }
}

/// Sets the value at a path of keys, making tables on the way. `None` where that path, or a shorter
/// or longer one, has a value already.
pub(super) fn insert<'t>(
    table: &mut Table<'t>,
    path: &[Cow<'t, str>],
    node: Node<'t>,
) -> Option<()> {
    let (key, rest) = path.split_first()?;
    let origin = node.origin;
    if rest.is_empty() {
        if table.get(key).is_some() {
            return None;
        }
        table.add(key.clone(), Entry { key: origin, node });
        return Some(());
    }
    if table.get(key).is_none() {
        let value = Value::Table(Table::default());
        let node = Node { value, origin };
        table.add(key.clone(), Entry { key: origin, node });
    }
    match &mut table.get_mut(key)?.node.value {
        Value::Table(table) => insert(table, rest, node),
        _ => None,
    }
}
