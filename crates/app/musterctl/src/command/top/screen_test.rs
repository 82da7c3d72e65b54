use super::*;
use pty_process::blocking::{Command, open};
use std::env;
use std::io::Read;

/// Set for the process that panics.
const PANIC: &str = "MUSTERCTL_TOP_TEST_PANICS";
const NAME: &str =
    "command::top::screen::screen_test::a_panic_gives_the_terminal_back_before_it_is_told";

/// The settings of the terminal in a line.
const LOOK_BEFORE_AND_AFTER: &str = "look() { stty -a | tr '\\n' ' '; echo; }; look; \"$@\"; look";

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    if env::var_os(PANIC).is_some() {
        let _screen = Screen::open().unwrap();
        panic!("something is wrong");
    }
    let (mut pty, pts) = open().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", LOOK_BEFORE_AND_AFTER, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(PANIC, "yes")
        .spawn(pts)
        .unwrap();
    let (mut printed, mut bytes) = (Vec::new(), [0; 1_024]);
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = pty.read(&mut bytes) {
        printed.extend_from_slice(&bytes[..count]);
    }
    child.wait().unwrap();
    let printed = String::from_utf8_lossy(&printed);
    let at = |words: &str| {
        let found = printed.find(words);
        found.unwrap_or_else(|| panic!("{words:?} is not in {printed:?}"))
    };
    let (begun, ended) = (at("\u{1b}[?1049h"), at("\u{1b}[?1049l"));
    assert!(
        begun < ended && ended < at("something is wrong"),
        "{printed:?}"
    );
    let settings = |line: Option<&str>| line.map(|line| line.trim().to_owned());
    let (before, after) = (printed.lines().next(), printed.lines().next_back());
    assert!(
        before.is_some_and(|line| line.contains(" icanon")),
        "{printed:?}"
    );
    assert_eq!(settings(before), settings(after), "{printed:?}");
}
