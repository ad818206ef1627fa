//! What was written, as one tree: TOML values that know where they stand, and how layers merge.
//!
//! In: the text of a file, or a value for a path of keys (`env`). Out: [`Table`]. Not here: what
//! the keys mean (`read` and above). TOML v1.0.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use toml::de::{DeTable, DeValue};

use super::{origin::Origin, problem::Found};

/// Keys whose value is one unit, even where it is a table: a higher layer replaces it as a whole.
/// An access rule half from one file and half from another would let in people that neither names.
const UNITS: [&str; 4] = ["access", "password", "tls", "token"];

/// A table; `Cow` since nearly all keys and texts can be borrowed from the file.
pub(super) type Table<'t> = BTreeMap<Cow<'t, str>, Entry<'t>>;

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
    fn name(&self) -> Option<&str> {
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
    let at = |offset| Origin::File {
        file,
        offset: Some(offset),
    };
    let (root, errors) = DeTable::parse_recoverable(content);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        found.push(at(offset), format!("not TOML: {}", error.message()));
    }
    table(root.into_inner(), &at)
}

fn table<'t>(from: DeTable<'t>, at: &impl Fn(usize) -> Origin) -> Table<'t> {
    from.into_iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: at(key.span().start),
                node: node(at(value.span().start), value.into_inner(), at),
            };
            (key.into_inner(), entry)
        })
        .collect()
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
    for (key, entry) in over {
        match base.get_mut(&key) {
            Some(below) if UNITS.contains(&&*key) => *below = entry,
            Some(below) => merge_node(&mut below.node, entry.node),
            None => {
                base.insert(key, entry);
            }
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

/// Sets the value at a path of keys, making tables on the way. `Err` where a shorter path already
/// has a value, or a longer one made a table here.
pub(super) fn insert<'t>(
    mut table: &mut Table<'t>,
    path: &[Cow<'t, str>],
    node: Node<'t>,
) -> Result<(), ()> {
    let origin = node.origin;
    let Some((last, way)) = path.split_last() else {
        return Err(());
    };
    for key in way {
        let entry = table.entry(key.clone()).or_insert_with(|| Entry {
            key: origin,
            node: Node {
                value: Value::Table(Table::new()),
                origin,
            },
        });
        table = match &mut entry.node.value {
            Value::Table(table) => table,
            _ => return Err(()),
        };
    }
    let entry = Entry { key: origin, node };
    match table.insert(last.clone(), entry) {
        None => Ok(()),
        Some(_) => Err(()),
    }
}
