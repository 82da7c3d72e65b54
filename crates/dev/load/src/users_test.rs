use super::users::{UsersError, from_csv, from_pattern};

fn shown(users: &[super::users::User]) -> Vec<(String, &str)> {
    users
        .iter()
        .map(|user| (user.jid.to_string(), user.password.as_str()))
        .collect()
}

#[test]
fn patterns_expand() {
    for (pattern, jids) in [
        ("a@b", &["a@b"][..]),
        ("u{1..3}@b", &["u1@b", "u2@b", "u3@b"]),
        ("u{09..11}@b", &["u09@b", "u10@b", "u11@b"]),
        ("u{0..1}@b", &["u0@b", "u1@b"]),
        ("u@d{7..7}.example", &["u@d7.example"]),
    ] {
        let users = from_pattern(pattern, "x").unwrap();
        let found: Vec<_> = users.iter().map(|user| user.jid.to_string()).collect();
        assert_eq!(found, jids, "{pattern}");
    }
}

#[test]
fn malformed_patterns_are_refused() {
    for pattern in [
        "u{1..@b",
        "u{1}@b",
        "u{..3}@b",
        "u{3..1}@b",
        "u{a..b}@b",
        "u{0..1000000}@b",
        "u{1..2}",
        "b",
        "@b",
    ] {
        assert!(from_pattern(pattern, "x").is_err(), "{pattern}");
    }
    for password in ["", "p\u{e4}ss", "tab\t"] {
        let refused = from_pattern("a@b", password);
        assert_eq!(refused.unwrap_err(), UsersError::Password("a@b".into()));
    }
}

#[test]
fn csv_with_and_without_header() {
    for (text, users) in [
        ("a@b,x\n", &[("a@b", "x")][..]),
        (
            "jid,password\r\na@b,x\r\n\r\nc@d,y\r\n",
            &[("a@b", "x"), ("c@d", "y")],
        ),
        ("name,password,jid\nAnna,x,a@b\n", &[("a@b", "x")]),
        ("jid,password,home,name\na@b,x,,Anna\n", &[("a@b", "x")]),
        ("a@b,\"x,\"\"y\"\"\"\n", &[("a@b", "x,\"y\"")]),
        ("a@b,  x \n", &[("a@b", "  x ")]),
    ] {
        let expected: Vec<_> = users
            .iter()
            .map(|(jid, pw)| (String::from(*jid), *pw))
            .collect();
        assert_eq!(shown(&from_csv(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn csv_problems_name_their_line() {
    for (text, line) in [
        ("a@b,x\nc@d\n", 2),
        ("jid,name\na@b,x\n", 1),
        ("a@b,\"x\n", 1),
        ("a@b,\"x\"y\n", 1),
        ("a@b,x\n\nb,x\n", 3),
        ("a@b,\n", 1),
    ] {
        match from_csv(text) {
            Err(UsersError::Line { line: found, .. }) => assert_eq!(found, line, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(from_csv("\n").unwrap_err(), UsersError::Empty);
}

#[test]
fn debug_shows_no_password() {
    let users = from_pattern("a@b", "secret").unwrap();
    assert_eq!(format!("{users:?}"), "[a@b ***]");
}
