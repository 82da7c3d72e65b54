//! What the kernel keeps for connections, from `/proc`: it is in no process's memory.

use std::fs;

use anyhow::{Context, Result};
use rustix::param::page_size;

use super::process::bytes;

/// The kernel's memory on the whole machine, whoever it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kernel {
    /// Its objects, those for sockets, descriptors and polling among them: `Slab` of `/proc/meminfo`, which is
    /// `SReclaimable` and `SUnreclaim`. What it remembers of files that were read is there too.
    pub(crate) slab_bytes: u64,
    /// What is booked for what waits in TCP sockets: `mem` of `/proc/net/sockstat`, in pages there. Each processor may have
    /// some 1 MB that is not booked yet.
    pub(crate) sockets_bytes: u64,
}

impl Kernel {
    /// Reads it now.
    ///
    /// # Errors
    /// When the files are not there or say something else.
    pub(crate) fn now() -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("reading {path}"));
        let slab_bytes = bytes(&read("/proc/meminfo")?, "Slab:")
            .context("/proc/meminfo does not tell the kernel's objects")?;
        let pages = socket_pages(&read("/proc/net/sockstat")?)
            .context("/proc/net/sockstat does not tell the memory of sockets")?;
        Ok(Self {
            slab_bytes,
            sockets_bytes: pages * page_size() as u64,
        })
    }

    /// Both.
    pub(crate) const fn all_bytes(&self) -> u64 {
        self.slab_bytes + self.sockets_bytes
    }
}

/// `mem` of the line of TCP.
fn socket_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat
        .lines()
        .find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_its_objects_and_what_waits_in_sockets() {
        let meminfo = "MemTotal:       24684096 kB\nSlab:             649244 kB\nSReclaimable:     563660 kB\n";
        assert_eq!(bytes(meminfo, "Slab:"), Some(649_244 * 1024));
        let tcp = "TCP: inuse 2002 orphan 0 tw 2978 alloc 2002 mem 558";
        for (sockstat, pages) in [
            (
                format!("sockets: used 2016\n{tcp}\nUDP: inuse 1 mem 7\n"),
                Some(558),
            ),
            ("sockets: used 2016\nUDP: inuse 1 mem 7\n".to_owned(), None),
            ("TCP: inuse 2 mem\n".to_owned(), None),
            ("TCP: inuse 2 mem many\n".to_owned(), None),
            ("TCP: inuse 2\n".to_owned(), None),
        ] {
            assert_eq!(socket_pages(&sockstat), pages, "{sockstat}");
        }
    }

    #[test]
    fn the_kernel_of_this_machine_keeps_something() {
        let kernel = Kernel::now().unwrap();
        assert!(kernel.slab_bytes > 0);
        assert_eq!(kernel.all_bytes(), kernel.slab_bytes + kernel.sockets_bytes);
    }
}
