//! Objects as aligned text.

use crate::output::printable;
use crate::time;
use serde_json::Value;

/// A column: its header, and the field it shows.
pub(crate) type Column = (&'static str, &'static str);

/// One line for each object.
pub(crate) fn table(columns: &[Column], objects: &[Value]) -> String {
    let headers = columns
        .iter()
        .map(|(header, _)| (*header).to_owned())
        .collect();
    let mut lines: Vec<Vec<String>> = vec![headers];
    for object in objects {
        lines.push(
            columns
                .iter()
                .map(|(header, field)| cell(header, &object[*field]))
                .collect(),
        );
    }
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| width(&line[column]))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    lines.iter().map(|line| aligned(line, &widths)).collect()
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, wide) in cells.iter().zip(widths) {
        line += cell;
        line.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// All fields of one object, a line each.
pub(crate) fn fields(object: &Value) -> String {
    let Value::Object(fields) = object else {
        return cell("", object) + "\n";
    };
    let wide = fields.keys().map(|name| width(name)).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields {
        let space = " ".repeat(wide - width(name) + 2);
        text += &format!("{name}:{space}{}\n", cell("", value));
    }
    text
}

/// A value for people. In a column called AGE a time becomes an age.
fn cell(header: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) if header == "AGE" => {
            time::since(text, time::now()).unwrap_or_else(|| text.clone())
        }
        // Names and reasons come from outside.
        Value::String(text) => printable(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values
            .iter()
            .map(|value| cell("", value))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Object(_) => value.to_string(),
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}
