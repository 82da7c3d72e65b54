//! What commands print.

use crate::table::{Column, table};
use crate::yaml::yaml;
use clap::ValueEnum;
use serde_json::Value;
use std::io::{self, Write};

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// A result: for people, and as data.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    text: String,
    value: Value,
}

impl Answer {
    /// A sentence, and the same as data.
    pub(crate) fn new(text: impl Into<String>, value: Value) -> Self {
        Self {
            text: text.into(),
            value,
        }
    }

    /// Something was done.
    pub(crate) fn done(text: impl Into<String>) -> Self {
        let text = text.into();
        let value = serde_json::json!({ "done": text });
        Self { text, value }
    }

    /// A list of objects, with the columns that people see.
    pub(crate) fn list(columns: &[Column], objects: Vec<Value>) -> Self {
        Self {
            text: table(columns, &objects),
            value: Value::Array(objects),
        }
    }

    /// One object with all its fields.
    pub(crate) fn object(object: Value) -> Self {
        Self {
            text: crate::table::fields(&object),
            value: object,
        }
    }

    /// Several objects with all their fields.
    pub(crate) fn objects(objects: Vec<Value>) -> Self {
        let texts: Vec<_> = objects.iter().map(crate::table::fields).collect();
        Self {
            text: texts.join("\n"),
            value: Value::Array(objects),
        }
    }

    /// The lines to print, each ended.
    pub(crate) fn format(&self, format: Format) -> String {
        let mut text = match format {
            Format::Table => self.text.clone(),
            Format::Json => format!("{:#}", self.value),
            Format::Yaml => yaml(&self.value),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// Prints it.
    pub(crate) fn print(&self, format: Format) -> io::Result<()> {
        print(self.format(format).as_bytes())
    }
}

/// Writes to standard output. Whoever closes the pipe has read enough.
pub(crate) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Text from outside with nothing in it that moves the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Tells people how far something is, on standard error.
pub(crate) fn progress(text: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
#[path = "output_test.rs"]
mod output_test;
