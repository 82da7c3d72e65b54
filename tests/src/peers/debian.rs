//! Prosody and ejabberd from Debian's packages: each our own process, as the package's unprivileged user, in a folder of its
//! own, on loopback, with the configuration in `benches/peers`. The system's own instances are never touched.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use muster_testkit::{Process, Signal, root, signal, until, write_certificate};

use super::folder::{Place, give_to};
use super::load::PASSWORD;
use super::server::{Kind, Reach, Server};
use super::work::Crowd;

const DOMAIN: &str = "example.com";
const READY: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(60);
/// For 5,000 accounts and 100,000 contacts.
const IMPORT: Duration = Duration::from_secs(600);

struct Debian {
    process: Process,
    reach: Reach,
    /// Where Prosody keeps rosters.
    rosters: Option<PathBuf>,
    owner: Option<&'static str>,
}

/// Starts one and waits until it takes connections.
pub(crate) fn start(kind: Kind, place: &Place, crowds: &[Crowd]) -> Result<Box<dyn Server>> {
    for folder in ["data", "cert"] {
        fs::create_dir_all(place.path.join(folder))?;
    }
    let cert = place.path.join("cert");
    if !cert.join("ca.pem").exists() {
        write_certificate(&cert, DOMAIN)?;
    }
    let (user, config) = match kind {
        Kind::Prosody => ("prosody", "prosody.cfg.lua"),
        _ => ("ejabberd", "ejabberd.yml"),
    };
    let config = configure(place, config)?;
    let owner = if is_root() { Some(user) } else { None };
    if let Some(user) = owner {
        give_to(&place.path, user)?;
    }
    if kind == Kind::Prosody {
        check(owner, &config)?;
    } else {
        import(owner, &config, place, crowds)?;
    }
    let log = File::create(place.path.join("output.log"))?;
    let mut command = match kind {
        Kind::Prosody => prosody(owner, &config),
        _ => ejabberd(owner, &config, place),
    };
    command
        .current_dir(&place.path)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut process = Process::start(&mut command)?;
    let address = format!("127.0.0.1:{}", place.port);
    until(&format!("{} takes connections", kind.name()), READY, || {
        if let Some(code) = process.ended()? {
            bail!(
                "{} ended with {code:?}; what it said is in {}",
                kind.name(),
                place.path.display()
            );
        }
        Ok(TcpStream::connect(&address).is_ok().then_some(()))
    })?;
    let reach = Reach {
        plain: vec![address.clone()],
        tls: vec![address],
        tls_kind: "starttls",
        ca: cert.join("ca.pem"),
        pids: vec![process.pid()],
    };
    let rosters = (kind == Kind::Prosody).then(|| place.path.join("data/example%2ecom/roster"));
    Ok(Box::new(Debian {
        process,
        reach,
        rosters,
        owner,
    }))
}

/// Fills in the places that the committed configuration leaves open.
fn configure(place: &Place, name: &str) -> Result<PathBuf> {
    let source = root().join("benches/peers").join(name);
    let text =
        fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    let path = place.path.join(name);
    fs::write(&path, fill(&text, place))?;
    Ok(path)
}

fn fill(text: &str, place: &Place) -> String {
    text.replace("@DIR@", &place.path.display().to_string())
        .replace("@CERT@", &place.file("cert"))
        .replace("@PORT@", &place.port.to_string())
}

/// `setpriv` becomes the program, so its pid is the server's.
fn as_user(user: Option<&str>, program: &str) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(program);
    command
}

fn prosody(user: Option<&str>, config: &Path) -> Command {
    let mut command = as_user(user, "prosody");
    command.arg("--config").arg(config).arg("-F");
    command
}

/// Prosody's own opinion of the configuration. ejabberd refuses a wrong one when it starts.
fn check(user: Option<&str>, config: &Path) -> Result<()> {
    let mut command = as_user(user, "prosodyctl");
    command
        .arg("--config")
        .arg(config)
        .args(["check", "config"]);
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("starting prosodyctl")?;
    if !output.status.success() {
        bail!(
            "prosodyctl refuses {}: {}",
            config.display(),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}

/// As `ejabberdctl foreground` does it, but without a name on the network of Erlang nodes, so no `epmd` is left behind.
fn ejabberd(user: Option<&str>, config: &Path, place: &Place) -> Command {
    let mut command = as_user(user, "erl");
    let data = format!("\"{}\"", place.file("data"));
    // Debian's values: kernel polling, 250,000 processes, and as many ports as files may be open.
    command.args(["+K", "true", "+P", "250000", "-noinput"]);
    // An idle scheduler spins a while before it sleeps; here that would count as work.
    command.args(["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]);
    command.args(["-mnesia", "dir", &data, "-s", "ejabberd"]);
    command
        .env("HOME", &place.path)
        .env("EJABBERD_CONFIG_PATH", config)
        .env("EJABBERD_LOG_PATH", place.file("ejabberd.log"))
        .env("ERL_CRASH_DUMP", place.file("crash.dump"))
        .env("ERL_MAX_PORTS", "32000")
        .env("ERL_LIBS", "/usr/lib/x86_64-linux-gnu");
    command
}

/// Accounts and rosters for ejabberd, which makes subscriptions at a hundred a second and imports them (XEP-0227) at a
/// hundred times that: an own start that ends when it is done.
fn import(user: Option<&str>, config: &Path, place: &Place, crowds: &[Crowd]) -> Result<()> {
    for crowd in crowds.iter().filter(|crowd| !place.has(crowd.name)) {
        eprintln!("importing {} accounts", crowd.users);
        let file = place.file("import.xml");
        fs::write(&file, portable(*crowd)).with_context(|| format!("writing {file}"))?;
        let script = format!("ok = ejabberd_piefxis:import_file(<<\"{file}\">>), init:stop().");
        let mut command = ejabberd(user, config, place);
        command.args(["-eval", &script]).current_dir(&place.path);
        let log = File::create(place.path.join("import.log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let ended = Process::start(&mut command)?.wait(IMPORT)?;
        if ended != Some(0) {
            bail!("ejabberd's import ended with {ended:?}; what it said is in import.log there");
        }
        place.note(crowd.name)?;
    }
    Ok(())
}

/// A crowd in the portable format.
fn portable(crowd: Crowd) -> String {
    let mut xml = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'><host jid='{DOMAIN}'>\n"
    );
    for number in 1..=crowd.users {
        let jid = crowd.jid(number);
        let name = jid.split('@').next().unwrap_or_default();
        // Writing to a text does not fail.
        write!(
            xml,
            "<user name='{name}' password='{PASSWORD}'><query xmlns='jabber:iq:roster'>"
        )
        .ok();
        for contact in crowd.contacts_of(number) {
            write!(
                xml,
                "<item jid='{}' subscription='both'/>",
                crowd.jid(contact)
            )
            .ok();
        }
        xml.push_str("</query></user>\n");
    }
    xml + "</host></server-data>\n"
}

/// One roster as Prosody stores it; its own way of making them takes 10 ms a subscription.
fn stored(crowd: Crowd, number: usize) -> String {
    let mut lua = "return {\n\t[false] = { [\"version\"] = 1; [\"pending\"] = {}; };\n".to_owned();
    for contact in crowd.contacts_of(number) {
        let jid = crowd.jid(contact);
        // Writing to a text does not fail.
        writeln!(
            lua,
            "\t[\"{jid}\"] = {{ [\"subscription\"] = \"both\"; [\"groups\"] = {{}}; }};"
        )
        .ok();
    }
    lua + "};\n"
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

impl Server for Debian {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn befriend(&self, crowd: Crowd) -> Option<Result<()>> {
        let folder = self.rosters.as_ref()?;
        let write = || {
            fs::create_dir_all(folder)?;
            for number in 1..=crowd.users {
                let jid = crowd.jid(number);
                let name = jid.split('@').next().unwrap_or_default();
                fs::write(folder.join(format!("{name}.dat")), stored(crowd, number))?;
            }
            self.owner.map_or(Ok(()), |user| give_to(folder, user))
        };
        Some(write())
    }

    fn end(mut self: Box<Self>) -> Result<()> {
        signal(self.process.pid(), Signal::Term)?;
        self.process.wait(END).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::work::crowd;

    #[test]
    fn rosters_are_written_as_the_servers_read_them() {
        let crowd = crowd("u", 3, 2);
        assert!(stored(crowd, 1).contains(
            "\n\t[\"u2@example.com\"] = { [\"subscription\"] = \"both\"; [\"groups\"] = {}; };\n"
        ));
        assert!(portable(crowd).contains(
            "<user name='u3' password='the same for all'><query xmlns='jabber:iq:roster'>\
             <item jid='u1@example.com' subscription='both'/><item jid='u2@example.com' subscription='both'/>"
        ));
    }

    #[test]
    fn nothing_is_left_open_in_a_configuration() {
        let place = Place {
            path: "/somewhere".into(),
            port: 7,
        };
        for name in ["prosody.cfg.lua", "ejabberd.yml"] {
            let source = root().join("benches/peers").join(name);
            let text = fill(&fs::read_to_string(source).unwrap(), &place);
            let settings = text
                .lines()
                .filter(|line| !line.trim_start().starts_with(['#', '-']) || line.contains('"'));
            let open: Vec<_> = settings.filter(|line| line.contains('@')).collect();
            assert!(open.is_empty(), "{name}: {open:?}");
            assert!(text.contains("/somewhere/cert/example.com.key"), "{name}");
        }
    }
}
