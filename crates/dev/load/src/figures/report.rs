//! Named figures in order, as a table or as JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Figures by name, in the order they were added.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Report(Vec<(String, Figure)>);

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Figure {
    /// Not measured.
    Absent,
    Count(u64),
    /// Rounded to thousandths when it is printed.
    Real(f64),
    Text(String),
    Group(Report),
    List(Vec<Report>),
}

impl Report {
    /// Adds a figure. Names end with their unit.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, figure: impl Into<Figure>) -> Self {
        self.0.push((name.to_owned(), figure.into()));
        self
    }

    /// Prints it on stdout.
    ///
    /// # Errors
    /// When stdout is closed.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let text = if json {
            serde_json::to_string(self).map_err(io::Error::other)?
        } else {
            self.table()
        };
        writeln!(io::stdout(), "{}", text.trim_end())
    }

    /// One line for each figure; those of a group have its name before theirs.
    pub(crate) fn table(&self) -> String {
        let mut lines = Vec::new();
        self.collect_lines("", &mut lines);
        let width = lines
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        lines
            .iter()
            .map(|(name, value)| format!("{name:width$}  {value}\n"))
            .collect()
    }

    fn collect_lines(&self, prefix: &str, lines: &mut Vec<(String, String)>) {
        for (name, figure) in &self.0 {
            let name = format!("{prefix}{name}");
            let value = match figure {
                Figure::Absent => "-".to_owned(),
                Figure::Count(count) => count.to_string(),
                Figure::Real(real) => thousandths(*real).to_string(),
                Figure::Text(text) => text.clone(),
                Figure::Group(group) => {
                    group.collect_lines(&format!("{name}."), lines);
                    continue;
                }
                Figure::List(list) => {
                    for (at, item) in list.iter().enumerate() {
                        item.collect_lines(&format!("{name}[{at}]."), lines);
                    }
                    continue;
                }
            };
            lines.push((name, value));
        }
    }
}

/// Rounds to three places.
fn thousandths(real: f64) -> f64 {
    (real * 1000.0).round() / 1000.0
}

/// How many a second; 0 when there was no time.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, figure) in &self.0 {
            map.serialize_entry(name, figure)?;
        }
        map.end()
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Real(real) => serializer.serialize_f64(thousandths(*real)),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Group(group) => group.serialize(serializer),
            Self::List(list) => {
                let mut items = serializer.serialize_seq(Some(list.len()))?;
                for item in list {
                    items.serialize_element(item)?;
                }
                items.end()
            }
        }
    }
}

impl From<u64> for Figure {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Figure {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for Figure {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<&str> for Figure {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Report> for Figure {
    fn from(group: Report) -> Self {
        Self::Group(group)
    }
}

impl From<Vec<Report>> for Figure {
    fn from(list: Vec<Report>) -> Self {
        Self::List(list)
    }
}

impl<T: Into<Self>> From<Option<T>> for Figure {
    fn from(figure: Option<T>) -> Self {
        figure.map_or(Self::Absent, Into::into)
    }
}
