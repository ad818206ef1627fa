//! The reader: walks the merged tree, key by key, and collects every problem on the way.
//!
//! A key exists because a line reads it: `Section` remembers what it was asked for, so that what
//! nobody asked for is an unknown key, and writes down what it answered, for `config show`. To add a
//! key is to add that line (and the field it fills).
//! In: [`Table`]. Out: values; problems and warnings in [`Reader`]. Not here: tables in tables
//! (`nested`), what values look like (`form`) and which keys there are (`sections` and below).

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
    io,
    ops::RangeInclusive,
    path::Path,
};

use super::{
    form::{self, Form, mismatch},
    nearest,
    origin::{Origin, Texts},
    problem::Found,
    show::{Record, quote},
    tree::{Node, Table, Value},
};

/// What one reading of a configuration shares.
pub(super) struct Reader<'t> {
    pub(super) texts: &'t Texts,
    /// Reads files that secrets name.
    pub(super) read_file: &'t mut dyn FnMut(&Path) -> io::Result<String>,
    pub(super) problems: Found,
    pub(super) warnings: Found,
    pub(super) record: Record,
}

/// One table being read.
pub(super) struct Section<'r, 't> {
    pub(super) reader: &'r mut Reader<'t>,
    /// `None`: nobody wrote it, every key has its default.
    table: Option<&'t Table<'t>>,
    /// Where the table starts.
    pub(super) origin: Origin,
    pub(super) label: Label<'r>,
    /// Before each key in `config show`: `tls.`.
    prefix: &'static str,
    asked: Vec<&'static str>,
}

/// What stands before each key in messages; put together only when there is one.
pub(super) enum Label<'l> {
    /// `route "lab": `, or `route 3: ` where it has no name.
    Element(&'static str, Option<&'l str>, usize),
    Root,
    /// `limits.`, after what stands before `limits`.
    Table(&'l Label<'l>, &'l str),
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(key, Some(name), _) => write!(f, "{key} {}: ", quote(name)),
            Self::Element(key, None, index) => write!(f, "{key} {}: ", index + 1),
            Self::Root => Ok(()),
            Self::Table(parent, key) => write!(f, "{parent}{key}."),
        }
    }
}

impl<'t> Reader<'t> {
    /// Reads the table of everything.
    pub(super) fn root<R>(
        &mut self,
        table: &'t Table<'t>,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> R {
        self.table(Some(table), Origin::Default, Label::Root, "", read)
    }

    pub(super) fn table<'r, R>(
        &'r mut self,
        table: Option<&'t Table<'t>>,
        origin: Origin,
        label: Label<'r>,
        prefix: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> R {
        let mut section = Section {
            reader: self,
            table,
            origin,
            label,
            prefix,
            asked: Vec::with_capacity(MOST_KEYS),
        };
        let result = read(&mut section);
        section.refuse_unknown_keys();
        result
    }
}

impl<'t> Section<'_, 't> {
    /// The value of a key, or its default.
    pub(super) fn value<T: Form>(&mut self, key: &'static str, default: T) -> T {
        match self.find(key) {
            None => {
                self.record(key, Origin::Default, || default.show());
                default
            }
            Some(node) => self.read(key, node).unwrap_or(default),
        }
    }

    /// A key without a default.
    pub(super) fn optional<T: Form>(&mut self, key: &'static str) -> Option<T> {
        let node = self.find(key)?;
        self.read(key, node)
    }

    /// A key that has to be there. `None` is a problem, already told; `hint` says what to write.
    pub(super) fn required<T: Form>(&mut self, key: &'static str, hint: &str) -> Option<T> {
        let node = self.require(key, hint)?;
        self.read(key, node)
    }

    /// A text with rules of its own.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<String, String>,
    ) -> Option<String> {
        let node = self.find(key)?;
        self.take(key, node, form::text(node).and_then(parse))
    }

    /// A text with rules of its own and a default.
    pub(super) fn text_or(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<String, String>,
    ) -> String {
        if !self.has(key) {
            self.record(key, Origin::Default, || default.to_owned().show());
        }
        self.text(key, parse).unwrap_or_else(|| default.into())
    }

    /// The node of a key that has to be there.
    pub(super) fn require(&mut self, key: &'static str, hint: &str) -> Option<&'t Node<'t>> {
        let node = self.find(key);
        if node.is_none() {
            self.problem(self.origin, key, format!("is missing; {hint}"));
        }
        node
    }

    /// A value that may also be `"none"`.
    pub(super) fn limit<T: Form>(&mut self, key: &'static str, default: Option<T>) -> Option<T> {
        const NONE: &str = "none";
        match self.find(key) {
            None => {
                self.record(key, Origin::Default, || match &default {
                    Some(default) => default.show(),
                    None => NONE.to_owned().show(),
                });
                default
            }
            Some(node) if matches!(&node.value, Value::String(text) if text == NONE) => {
                self.record(key, node.origin, || NONE.to_owned().show());
                None
            }
            Some(node) => {
                let read = T::read(node);
                self.take(
                    key,
                    node,
                    read.map_err(|wrong| format!("{wrong}; {NONE:?} is no limit")),
                )
            }
        }
    }

    /// A value within a range, or its default.
    pub(super) fn within<T: Form + Clone + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let value = self.value(key, default);
        if !range.contains(&value) {
            let (low, high) = (range.start().show(), range.end().show());
            let origin = self.origin_of(key);
            self.problem(origin, key, format!("must be {low} to {high}"));
        }
        value
    }

    /// A list, empty by default. A variable lists values with commas between them.
    pub(super) fn list<T: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let (origin, list) = match self.find(key) {
            None => (Origin::Default, Vec::new()),
            Some(node) => (node.origin, self.items(key, node, parse)),
        };
        self.record(key, origin, || show_list(&list));
        list
    }

    fn items<T>(
        &mut self,
        key: &'static str,
        node: &Node<'t>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut list = Vec::new();
        let mut item = |origin, text: Result<&str, String>| match text.and_then(&parse) {
            Ok(value) => list.push(value),
            Err(message) => self.problem(origin, key, message),
        };
        match (&node.value, node.origin) {
            (Value::Array(items), _) => items.iter().for_each(|node| match &node.value {
                Value::String(text) => item(node.origin, Ok(text)),
                _ => item(node.origin, Err(mismatch("a list of texts", node))),
            }),
            (Value::String(text), Origin::Environment(_)) => text
                .split(',')
                .for_each(|text| item(node.origin, Ok(text.trim()))),
            _ => item(node.origin, Err(mismatch("a list of texts", node))),
        }
        list
    }

    /// Whether the key is written, as an empty list or text.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        match self.peek(key).map(|node| &node.value) {
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::String(text)) => text.is_empty(),
            _ => false,
        }
    }

    /// Where the value of a key stands; the table where nobody wrote it.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        self.peek(key).map_or(self.origin, |node| node.origin)
    }

    /// Whether somebody wrote the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.peek(key).is_some()
    }

    /// Tells a problem with the value of `key`.
    pub(super) fn problem(&mut self, origin: Origin, key: &str, message: impl fmt::Display) {
        self.reader
            .problems
            .push(origin, format!("{}{key}: {message}", self.label));
    }

    /// Warns about the value of `key`.
    pub(super) fn warn(&mut self, origin: Origin, key: &str, message: impl fmt::Display) {
        self.reader
            .warnings
            .push(origin, format!("{}{key}: {message}", self.label));
    }

    /// Tells a problem where `value` was met before in this map; `what` names it.
    pub(super) fn unique<K: Eq + Hash>(
        &mut self,
        key: &str,
        value: K,
        known: &mut HashMap<K, Origin>,
        what: impl FnOnce(&K) -> String,
    ) {
        let origin = self.origin_of(key);
        match known.entry(value) {
            Entry::Occupied(first) => {
                let place = self.reader.texts.place(*first.get()).origin();
                let what = what(first.key());
                self.problem(origin, key, format!("{what} is already taken at {place}"));
            }
            Entry::Vacant(free) => {
                free.insert(origin);
            }
        }
    }

    /// Reads a node in its form, tells a problem, and writes down what it says.
    fn read<T: Form>(&mut self, key: &'static str, node: &Node<'t>) -> Option<T> {
        self.take(key, node, T::read(node))
    }

    fn take<T: Form>(
        &mut self,
        key: &'static str,
        node: &Node<'t>,
        read: Result<T, String>,
    ) -> Option<T> {
        match read {
            Ok(value) => {
                self.record(key, node.origin, || value.show());
                Some(value)
            }
            Err(message) => {
                self.problem(node.origin, key, message);
                None
            }
        }
    }

    /// Writes down what is in force.
    pub(super) fn record(&mut self, key: &str, origin: Origin, show: impl FnOnce() -> String) {
        self.reader.record.value(self.prefix, key, origin, show);
    }

    /// The node of a key, which thereby is a known one.
    pub(super) fn find(&mut self, key: &'static str) -> Option<&'t Node<'t>> {
        self.asked.push(key);
        self.peek(key)
    }

    fn peek(&self, key: &str) -> Option<&'t Node<'t>> {
        Some(&self.table?.get(key)?.node)
    }

    fn refuse_unknown_keys(&mut self) {
        for (key, entry) in self.table.into_iter().flat_map(Table::iter) {
            if !self.asked.contains(&key) {
                let hint = nearest::hint(key, &self.asked);
                self.problem(entry.key, key, format!("unknown key; {hint}"));
            }
        }
    }
}

/// About as many as the largest table has; a guess only costs time.
const MOST_KEYS: usize = 24;

/// `["a", "b"]`.
pub(super) fn show_list<T: fmt::Display>(list: &[T]) -> String {
    let items: Vec<String> = list.iter().map(|item| item.to_string().show()).collect();
    format!("[{}]", items.join(", "))
}
