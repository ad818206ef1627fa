//! Tables in tables, for the reader.
//!
//! In: a key of a [`Section`]. Out: what a function reads from the table or tables there.

use std::mem;

use super::{
    form::mismatch,
    origin::Origin,
    read::{Label, Section},
    tree::{Node, Value},
};

impl<'t> Section<'_, 't> {
    /// A table under its own header, `[key]`; read with defaults when nobody wrote it.
    pub(super) fn section<R>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> R {
        let node = self.find(key);
        let table = match node.map(|node| &node.value) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        };
        if let (Some(node), None) = (node, table) {
            self.problem(node.origin, key, mismatch("a table", node));
        }
        let origin = node.map_or(self.origin, |node| node.origin);
        self.reader.record.table(&format!("{}{key}", self.label));
        let label = Label::Table(&self.label, key);
        self.reader.table(table, origin, label, "", read)
    }

    /// A table that is one value of this one, `key = { … }`; `prefix` is what `config show` puts
    /// before its keys. `None`: nobody wrote it, or it is no table.
    pub(super) fn unit<R>(
        &mut self,
        key: &'static str,
        prefix: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> Option<R> {
        let node = self.find(key)?;
        self.inner(key, node, prefix, read)
    }

    /// Reads a node of this table as a table of its own, without writing down what it says.
    pub(super) fn unrecorded<R>(
        &mut self,
        key: &str,
        node: &'t Node<'t>,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> Option<R> {
        let record = mem::take(&mut self.reader.record);
        let result = self.inner(key, node, "", read);
        self.reader.record = record;
        result
    }

    fn inner<R>(
        &mut self,
        key: &str,
        node: &'t Node<'t>,
        prefix: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> Option<R> {
        let Value::Table(table) = &node.value else {
            self.problem(node.origin, key, mismatch("a table", node));
            return None;
        };
        let label = Label::Table(&self.label, key);
        let table = self
            .reader
            .table(Some(table), node.origin, label, prefix, read);
        Some(table)
    }

    /// An array of tables, `[[key]]`, each read in turn. `path` is the whole name of the array.
    pub(super) fn tables<R>(
        &mut self,
        key: &'static str,
        path: &'static str,
        mut read: impl FnMut(&mut Section<'_, 't>) -> R,
    ) -> Vec<R> {
        let Some(node) = self.find(key) else {
            return Vec::new();
        };
        let Value::Array(items) = &node.value else {
            self.no_tables(key, node);
            return Vec::new();
        };
        let mut results = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let Value::Table(table) = &node.value else {
                self.problem(node.origin, key, mismatch("a table", node));
                continue;
            };
            let label = Label::Element(key, node.name(), index);
            self.reader.record.element(path);
            results.push(
                self.reader
                    .table(Some(table), node.origin, label, "", &mut read),
            );
        }
        results
    }

    /// One element of `[[path]]` that nobody wrote.
    pub(super) fn default_table<R>(
        &mut self,
        path: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> R {
        self.reader.record.element(path);
        let label = Label::Element(path, None, 0);
        self.reader.table(None, Origin::Default, label, "", read)
    }

    /// Something else stands where `[[key]]` belongs; every variable that did so is named.
    fn no_tables(&mut self, key: &'static str, node: &Node<'t>) {
        match (&node.value, node.origin) {
            (Value::Table(table), Origin::Environment(_)) => {
                for (_, entry) in table.iter() {
                    self.no_tables(key, &entry.node);
                }
            }
            (_, Origin::Environment(_)) => self.problem(
                node.origin,
                key,
                "a variable sets values in tables, not in arrays; use a file in the overrides folder",
            ),
            _ => self.problem(node.origin, key, mismatch("an array of tables", node)),
        }
    }
}
