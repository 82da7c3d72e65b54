use super::{Function, functions};

fn function(name: &str, lines: usize, test: bool) -> Function {
    Function {
        name: name.to_owned(),
        lines,
        test,
    }
}

#[test]
fn finds_functions_and_counts_their_lines() {
    let cases: &[(&str, &str, Vec<Function>)] = &[
        ("one line", "fn a() {}", vec![function("a", 1, false)]),
        (
            "three lines",
            "pub(crate) fn a(x: [u8; 4]) -> u8\n{\n}",
            vec![function("a", 3, false)],
        ),
        (
            "a declaration has no body",
            "trait T { fn a(&self); fn b(&self) {} }",
            vec![function("b", 1, false)],
        ),
        (
            "nested",
            "fn a() {\n fn b() {\n }\n}",
            vec![function("a", 4, false), function("b", 2, false)],
        ),
        (
            "a brace in a string",
            "fn a() {\n \"}\"; r#\"}\"\"#; b\"}\";\n}",
            vec![function("a", 3, false)],
        ),
        (
            "a brace in a character",
            "fn a<'x>() {\n '}'; '\\''; b'{';\n}",
            vec![function("a", 3, false)],
        ),
        (
            "a brace in a comment",
            "fn a() {\n // }\n /* } /* } */ } */\n}",
            vec![function("a", 4, false)],
        ),
        ("a function in a comment", "// fn a() {}\n", vec![]),
        ("a test", "#[test]\nfn a() {}", vec![function("a", 1, true)]),
        (
            "an async test",
            "#[tokio::test(start_paused = true)]\nasync fn a() {}",
            vec![function("a", 1, true)],
        ),
        (
            "a test's neighbour",
            "#[test]\nfn a() {}\nfn b() {}",
            vec![function("a", 1, true), function("b", 1, false)],
        ),
        (
            "not the word fn",
            "let often = 1; type F = fn(u8) -> u8;",
            vec![],
        ),
    ];
    for (what, source, expected) in cases {
        assert_eq!(&functions(source), expected, "{what}");
    }
}
