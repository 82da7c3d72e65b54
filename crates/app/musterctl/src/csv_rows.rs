//! Users in a CSV file: header `jid,password,home,name` in any order, the last two optional. A byte
//! order mark, CRLF and quoted fields are fine. A bad row is reported with its line; the others go on.

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator, Trim};
use muster_admin::proto::UserRow;
use std::io::{Chain, Read};

/// The known columns.
const COLUMNS: [&str; 4] = ["jid", "password", "home", "name"];

/// A row of the file: where it begins, and the user, or what is wrong with it.
pub(crate) type Row = (u64, Result<UserRow, String>);

/// Reads a file row by row.
pub(crate) struct Rows<R> {
    reader: Reader<Chain<R, &'static [u8]>>,
    /// Where each of [`COLUMNS`] is.
    places: [Option<usize>; 4],
    record: ByteRecord,
    over: bool,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn new(file: R) -> Result<Self, String> {
        // A row of the wrong length is a bad row, not the end. Only LF ends a line, and the last one
        // has one too: so lines can be counted. The CR before it is taken off by hand.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(file.chain(&b"\n"[..]));
        let header = reader
            .headers()
            .map_err(|error| format!("the header cannot be read: {error}"))?;
        let mut places = [None; 4];
        for (place, name) in header.iter().enumerate() {
            let known = COLUMNS.iter().position(|column| *column == name);
            let known = known.ok_or_else(|| {
                format!("{name:?} is no column: the header is {}", COLUMNS.join(","))
            })?;
            if places[known].replace(place).is_some() {
                return Err(format!("the column {name} is there twice"));
            }
        }
        for (column, place) in COLUMNS.iter().zip(places).take(2) {
            if place.is_none() {
                return Err(format!(
                    "the column {column} is missing: the header is {}",
                    COLUMNS.join(",")
                ));
            }
        }
        Ok(Self {
            reader,
            places,
            record: ByteRecord::new(),
            over: false,
        })
    }

    /// A line that holds nothing but its end.
    fn is_blank(&self) -> bool {
        self.record.len() == 1 && self.record.get(0) == Some(b"\r")
    }

    /// Where the record begins: the reader stands at the line after it.
    fn line(&self) -> u64 {
        let inner = self
            .record
            .as_slice()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let after = self.reader.position().line();
        after.saturating_sub(1 + u64::try_from(inner).unwrap_or_default())
    }

    fn row(&self) -> Result<UserRow, String> {
        let columns = self.places.iter().flatten().count();
        if self.record.len() != columns {
            return Err(format!(
                "{} fields, the header has {columns}",
                self.record.len()
            ));
        }
        let field = |column: usize| -> Result<String, String> {
            let place = self.places[column];
            let bytes = place
                .and_then(|place| self.record.get(place))
                .unwrap_or_default();
            let last = place == Some(columns - 1);
            let bytes = bytes.strip_suffix(b"\r").filter(|_| last).unwrap_or(bytes);
            let text = std::str::from_utf8(bytes);
            text.map(str::to_owned)
                .map_err(|_| format!("{} is not UTF-8", COLUMNS[column]))
        };
        let row = UserRow {
            jid: field(0)?.trim().to_owned(),
            password: field(1)?,
            home: field(2)?.trim().to_owned(),
            name: field(3)?,
        };
        if row.jid.is_empty() {
            return Err("the jid is empty".to_owned());
        }
        Ok(row)
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while !self.over {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) if self.is_blank() => {}
                Ok(true) => return Some((self.line(), self.row())),
                Ok(false) => self.over = true,
                Err(error) => {
                    self.over = true;
                    let line = self.reader.position().line();
                    return Some((line, Err(format!("the file cannot be read on: {error}"))));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as `line jid password home name`, or `line: reason`.
    fn read(file: &[u8]) -> Result<Vec<String>, String> {
        let rows = Rows::new(file)?;
        let text = |(line, row): Row| match row {
            Ok(row) => format!(
                "{line} {}|{}|{}|{}",
                row.jid, row.password, row.home, row.name
            ),
            Err(reason) => format!("{line}: {reason}"),
        };
        Ok(rows.map(text).collect())
    }

    #[test]
    fn files_are_read_row_by_row() {
        let table: &[(&[u8], &[&str])] = &[
            (b"jid,password,home,name\na@x,p,,\n", &["2 a@x|p||"]),
            (
                b"\xef\xbb\xbfjid,password,home,name\r\na@x,p,b,Ann\r\n",
                &["2 a@x|p|b|Ann"],
            ),
            (b"jid,password\na@x,p\nb@x,q", &["2 a@x|p||", "3 b@x|q||"]),
            (b"name, jid ,password\nAnn,a@x,p\n", &["2 a@x|p||Ann"]),
            (
                b"jid,password,home,name\na@x,\"p,\"\"q\",,\"Ann\nLee\"\nb@x,q,,\n",
                &["2 a@x|p,\"q||Ann\nLee", "4 b@x|q||"],
            ),
            (b"jid,password\na@x, p \n", &["2 a@x| p ||"]),
            (b"jid,password\n\n\na@x,p\n", &["4 a@x|p||"]),
            (
                b"jid,password\r\n\r\n\r\na@x,\"p\"\r\nb@x,q",
                &["4 a@x|p||", "5 b@x|q||"],
            ),
            (
                b"jid,password\na@x\nb@x,q,r\nc@x,s\n",
                &[
                    "2: 1 fields, the header has 2",
                    "3: 3 fields, the header has 2",
                    "4 c@x|s||",
                ],
            ),
            (
                b"jid,password\n\xff@x,p\nb@x,q\n",
                &["2: jid is not UTF-8", "3 b@x|q||"],
            ),
            (b"jid,password\n,p\n", &["2: the jid is empty"]),
            (b"jid,password\n", &[]),
        ];
        for (file, rows) in table {
            let read = read(file).unwrap();
            assert_eq!(read, *rows, "{}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        for (file, part) in [
            ("", "jid is missing"),
            ("jid,home\n", "password is missing"),
            ("jid,password,email\n", "\"email\" is no column"),
            ("jid,password,jid\n", "twice"),
            ("a@x,p,,\n", "is no column"),
        ] {
            let why = read(file.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{file}: {why}");
        }
    }
}
