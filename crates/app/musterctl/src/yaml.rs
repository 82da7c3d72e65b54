//! JSON values as YAML 1.2, block style. Strings are quoted as JSON does, which YAML reads the same.

use serde_json::Value;

/// The document, ended by a line end.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Writes a value whose first line begins where the text ends.
fn write(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (at, (name, value)) in fields.iter().enumerate() {
                begin(text, at, indent);
                *text += &format!("{}:", key(name));
                nest(text, value, indent + 2);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (at, value) in values.iter().enumerate() {
                begin(text, at, indent);
                *text += "- ";
                write(text, value, indent + 2);
            }
        }
        // What is left is a scalar or empty, and YAML takes it as JSON writes it.
        scalar => *text += &format!("{scalar}\n"),
    }
}

/// The first field or item goes on the line that has begun.
fn begin(text: &mut String, at: usize, indent: usize) {
    if at > 0 {
        text.extend(std::iter::repeat_n(' ', indent));
    }
}

/// A field's value: a scalar on the same line, a block below.
fn nest(text: &mut String, value: &Value, indent: usize) {
    let block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if block {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent));
    } else {
        text.push(' ');
    }
    write(text, value, indent);
}

/// A field's name: ours need no quotes, those of events may.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphabetic() || c == '_';
    let word = !name.is_empty() && name.chars().all(plain);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && !reserved.contains(&name.to_ascii_lowercase().as_str()) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}
