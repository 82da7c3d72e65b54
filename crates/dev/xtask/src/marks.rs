//! Parts of a page that a command writes, between two marks.

use anyhow::{Result, bail};

/// One such part.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// The page, for people.
    pub(crate) page: &'static str,
    /// Its name, unique on the page.
    pub(crate) name: &'static str,
    /// What writes it.
    pub(crate) command: &'static str,
}

impl Part {
    /// The page with this in place of what the part was.
    ///
    /// # Errors
    /// Names the marks when they are not there.
    pub(crate) fn put(self, page: &str, text: &str) -> Result<String> {
        let (begin, end) = self.marks();
        let (Some(from), Some(to)) = (page.find(&begin), page.find(&end)) else {
            bail!(
                "{}: the place of the figures, {begin:?} to {end:?}, is not there",
                self.page
            );
        };
        let before = page.get(..from + begin.len()).unwrap_or_default();
        Ok(format!("{before}{text}{}", &page[to..]))
    }

    fn marks(self) -> (String, String) {
        (
            format!("<!-- {}: written by `{}` -->\n", self.name, self.command),
            format!("<!-- end of {} -->", self.name),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn figures_take_the_place_of_older_ones() {
        let part = Part {
            page: "p",
            name: "part",
            command: "c",
        };
        let page = "before\n<!-- part: written by `c` -->\nold\n<!-- end of part -->\nafter\n";
        let new = part.put(page, "new\n").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert_eq!(part.put(&new, "new\n").unwrap(), new);
        let other = Part {
            name: "other",
            ..part
        };
        assert!(other.put(&new, "new").is_err());
    }
}
