//! The file of administrative acts: `audit.jsonl` in the data folder, a line each, on the disk before the answer goes out.
//! Full, it becomes `audit.1.jsonl`, and so on; the oldest goes.

use muster_admin::Act;
use muster_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes after which a new file is begun: tens of thousands of acts.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Files that are kept.
const FILES: usize = 8;

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    at: u64,
    by: String,
    call: String,
    about: String,
    outcome: String,
}

/// The trail of one node.
#[derive(Debug)]
pub(crate) struct Audit {
    folder: PathBuf,
    /// One writes, or reads, at a time.
    turn: Mutex<()>,
}

impl Audit {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            turn: Mutex::default(),
        }
    }

    fn file(&self, age: usize) -> PathBuf {
        self.folder.join(match age {
            0 => "audit.jsonl".to_owned(),
            age => format!("audit.{age}.jsonl"),
        })
    }

    /// Adds an act; it is on the disk when this returns. Blocks.
    pub(crate) fn keep(&self, act: Act) -> io::Result<()> {
        let line = Line {
            at: act.at.0,
            by: act.by,
            call: act.call,
            about: act.about,
            outcome: act.outcome,
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.file(0);
        if fs::metadata(&newest).is_ok_and(|file| file.len() >= FILE_BYTES_MAX) {
            for age in (1..FILES).rev() {
                if self.file(age - 1).exists() {
                    fs::rename(self.file(age - 1), self.file(age))?;
                }
            }
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&newest)?;
        if is_cut_off(&file)? {
            text.insert(0, b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()
    }

    /// The newest, the oldest of them first. Blocks.
    pub(crate) fn newest(&self, most: usize) -> io::Result<Vec<Act>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Act> = Vec::new();
        for age in 0..FILES {
            if found.len() >= most {
                break;
            }
            // A rotation that was cut off leaves a gap.
            if !self.file(age).exists() {
                continue;
            }
            let mut older = read(&self.file(age))?;
            older.append(&mut found);
            found = older;
        }
        let more = found.len().saturating_sub(most);
        Ok(found.split_off(more))
    }
}

/// Whether the last line has no end: the process that wrote it was killed.
fn is_cut_off(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last != [b'\n'])
}

/// A line that was cut off by the end of the process is left out.
fn read(path: &Path) -> io::Result<Vec<Act>> {
    let mut acts = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        if let Ok(line) = serde_json::from_slice::<Line>(&line?) {
            acts.push(Act {
                at: Timestamp(line.at),
                by: line.by,
                call: line.call,
                about: line.about,
                outcome: line.outcome,
            });
        }
    }
    Ok(acts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn act(number: u64) -> Act {
        Act {
            at: Timestamp(number),
            by: "operator \"ops\"".to_owned(),
            call: "UserRemove".to_owned(),
            about: "alice@example.com\nbob".to_owned(),
            outcome: "ok".to_owned(),
        }
    }

    #[test]
    fn the_newest_acts_are_read_back_over_files_and_half_a_line_is_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::new(folder.path());
        assert_eq!(audit.newest(10).unwrap(), []);
        audit.keep(act(1)).unwrap();
        let newest = folder.path().join("audit.jsonl");
        assert_eq!(
            fs::metadata(&newest).unwrap().permissions().mode() & 0o777,
            0o600
        );
        // As if it were full.
        let file = OpenOptions::new().append(true).open(&newest).unwrap();
        file.set_len(FILE_BYTES_MAX).unwrap();
        for number in 2..5 {
            audit.keep(act(number)).unwrap();
        }
        assert!(folder.path().join("audit.1.jsonl").exists());
        let mut file = OpenOptions::new().append(true).open(&newest).unwrap();
        file.write_all(b"{\"at\":9,").unwrap();
        audit.keep(act(5)).unwrap();
        assert_eq!(audit.newest(10).unwrap(), [1, 2, 3, 4, 5].map(act));
        assert_eq!(audit.newest(2).unwrap(), [4, 5].map(act));
    }
}
