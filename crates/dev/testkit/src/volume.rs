//! A disk of its own for a folder: it can be filled, and it can hang. Needs root.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A mounted file system. Dropped, it works again and is taken away once nobody uses it.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    image: Option<PathBuf>,
}

impl Volume {
    /// Puts a file system of its own below a folder that nobody uses now; what is in the folder stays. It can be frozen.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn on_image(folder: &Path, megabytes: u32) -> Result<Self> {
        let image = folder.with_extension("img");
        File::create(&image)?.set_len(u64::from(megabytes) << 20)?;
        run("mkfs.ext4", &["-q", &text(&image)?])?;
        Self::mount(folder, &["-o", "loop", &text(&image)?], Some(image.clone()))
    }

    /// The same in memory: small, to be filled.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn in_memory(folder: &Path, megabytes: u32) -> Result<Self> {
        let size = format!("size={megabytes}m,mode=0700");
        Self::mount(folder, &["-t", "tmpfs", "-o", &size, "tmpfs"], None)
    }

    fn mount(folder: &Path, arguments: &[&str], image: Option<PathBuf>) -> Result<Self> {
        let before = folder.with_extension("before");
        fs::rename(folder, &before)?;
        fs::create_dir(folder)?;
        let mut arguments = arguments.to_vec();
        let place = text(folder)?;
        arguments.push(&place);
        run("mount", &arguments)?;
        let volume = Self {
            folder: folder.to_owned(),
            image,
        };
        run("chmod", &["700", &place])?;
        run("cp", &["-a", &format!("{}/.", text(&before)?), &place])?;
        Ok(volume)
    }

    /// From here on every write hangs.
    ///
    /// # Errors
    /// Fails when the file system cannot be frozen.
    pub fn freeze(&self) -> Result<()> {
        run("fsfreeze", &["-f", &text(&self.folder)?])
    }

    /// Undoes [`Volume::freeze`].
    ///
    /// # Errors
    /// Fails when it is not frozen.
    pub fn thaw(&self) -> Result<()> {
        run("fsfreeze", &["-u", &text(&self.folder)?])
    }

    /// Leaves no room on it.
    ///
    /// # Errors
    /// Fails when it cannot be written for another reason.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        let block = vec![1; 4096];
        loop {
            match file.write(&block) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }

    /// Undoes [`Volume::fill`].
    ///
    /// # Errors
    /// Fails when it is not full.
    pub fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Whoever hangs in a write could not even be killed.
        self.thaw().ok();
        if let Ok(folder) = text(&self.folder) {
            run("umount", &["-l", &folder]).ok();
        }
        if let Some(image) = &self.image {
            fs::remove_file(image).ok();
        }
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the path is not UTF-8")?.to_owned())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
