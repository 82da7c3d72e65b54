//! Whether files are what they were.

use crate::config::Config;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a file was when it was looked at: another one, other content or other permissions make another stamp. `None`
/// where there is none.
type Stamp = Option<(u64, u64, i64, i64)>;

/// A configuration file and those that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps(BTreeMap<PathBuf, Stamp>);

impl Stamps {
    pub(super) fn of(file: &Path, config: &Config) -> Self {
        let mut stamps = Self(BTreeMap::new());
        stamps.0.insert(file.to_owned(), stamp(file));
        stamps.add(config);
        stamps
    }

    /// The files that `config` names too.
    pub(super) fn add(&mut self, config: &Config) {
        for certificate in &config.c2s.certificate {
            for path in [&certificate.chain, &certificate.key] {
                self.0.entry(path.clone()).or_insert_with(|| stamp(path));
            }
        }
    }

    /// The same files as they are now.
    pub(super) fn again(&self) -> Self {
        let now = |path: &PathBuf| (path.clone(), stamp(path));
        Self(self.0.keys().map(now).collect())
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn another_file_other_content_and_other_permissions_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = format!(
            "name = \"a\"\ndata_dir = \"/d\"\n[[c2s.certificate]]\ndomain = \"e.example\"\nchain = {:?}\nkey = {:?}\n",
            path("chain"),
            path("key")
        );
        let config: Config = toml::from_str(&text).unwrap();
        fs::write(path("musterd.toml"), &text).unwrap();
        fs::write(path("key"), "k").unwrap();
        let mut known = Stamps::of(&path("musterd.toml"), &config);
        assert_eq!(known.again(), known);
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(path("chain"), "c").unwrap(),
            &|| fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap(),
            &|| {
                fs::write(path("new"), "k").unwrap();
                fs::rename(path("new"), path("key")).unwrap();
            },
            &|| fs::remove_file(path("musterd.toml")).unwrap(),
        ];
        for (at, change) in changes.iter().enumerate() {
            // The kernel's clock of files goes in steps.
            change();
            while at < 2 && known.again() == known {
                change();
            }
            assert_ne!(known.again(), known, "change {at}");
            known = known.again();
        }
    }
}
