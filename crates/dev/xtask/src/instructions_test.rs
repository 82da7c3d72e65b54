use super::{Figures, Line, Machine, Verdict, compare, note, percent, processor, total};

fn machine() -> Machine {
    Machine {
        processor: "x86_64 with AVX2".to_owned(),
        compiler: "rustc 1.95.0".to_owned(),
        valgrind: "valgrind-3.19.0".to_owned(),
    }
}

fn figures(instructions: &[(&str, u64)]) -> Figures {
    let owned = |(name, count): &(&str, u64)| ((*name).to_owned(), *count);
    Figures {
        machine: machine(),
        instructions: instructions.iter().map(owned).collect(),
    }
}

#[test]
fn the_total_is_read_from_what_callgrind_wrote() {
    let profile = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\ncmd: muster-bench framer 100\npart: 1\n\
                   positions: line\nevents: Ir\nsummary: 1234567\n\nfn=(1) totals: 5\n12 34\n\ntotals: 1234569\n";
    let cut_off = profile.rsplit_once("totals").map(|(before, _)| before);
    for (text, expected) in [
        (profile, Some(1_234_569)),
        (cut_off.unwrap(), None),
        ("totals: many\n", None),
        ("", None),
    ] {
        assert_eq!(total(text), expected, "{text}");
    }
}

#[test]
fn a_regression_over_10_percent_fails_and_says_how_to_accept_it() {
    let kept = figures(&[("framer", 1000)]);
    for (counted, verdict, holds) in [
        (1000, Verdict::Same, true),
        (1100, Verdict::Same, true),
        (1101, Verdict::More, false),
        (9000, Verdict::More, false),
        (900, Verdict::Same, true),
        (899, Verdict::Less, true),
    ] {
        let lines = compare(&kept, &figures(&[("framer", counted)]));
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(line.verdict(), verdict, "{counted}");
        assert_eq!(line.verdict().holds(), holds, "{counted}");
        let text = line.to_string();
        assert_eq!(text.contains("FAILED"), !holds, "{text}");
        let change = format!("{:+.1} %", percent(1000, counted));
        assert!(text.contains(&change), "{text}");
    }
    assert!(super::REMEDY.contains("cargo xtask count --accept"));
}

#[test]
fn a_workload_without_a_figure_and_a_figure_without_a_workload_fail() {
    let (kept, counted) = (
        figures(&[("gone", 5), ("kept", 7)]),
        figures(&[("kept", 7), ("new", 9)]),
    );
    let verdicts: Vec<_> = compare(&kept, &counted)
        .iter()
        .map(|line: &Line| (line.name.clone(), line.verdict(), line.to_string()))
        .collect();
    let expected = [
        ("gone", Verdict::Gone),
        ("kept", Verdict::Same),
        ("new", Verdict::New),
    ];
    assert_eq!(verdicts.len(), expected.len());
    for ((name, verdict, text), expected) in verdicts.iter().zip(expected) {
        assert_eq!((name.as_str(), *verdict), expected);
        assert_eq!(verdict.holds(), name == "kept");
        assert_eq!(text.contains("--accept"), name != "kept", "{text}");
    }
}

#[test]
fn the_file_is_read_as_it_was_written() {
    let written = figures(&[("compose-plain", 12), ("framer", 3456)]);
    let text = written.text().unwrap();
    assert!(text.contains("\nframer = 3456\n"), "a line each: {text}");
    assert_eq!(Figures::read(&text).unwrap(), written);
    assert!(Figures::read(&text.replace("framer", "# framer")).is_ok());
    for damaged in ["", "[instructions]\nframer = 1\n", "framer"] {
        assert!(Figures::read(damaged).is_err(), "{damaged}");
    }
}

#[test]
fn another_machine_or_compiler_is_named() {
    assert_eq!(note(&machine(), &machine()), None);
    let newer = Machine {
        compiler: "rustc 1.96.0".to_owned(),
        ..machine()
    };
    let said = note(&machine(), &newer).unwrap();
    assert!(said.contains("rustc 1.95.0, here: rustc 1.96.0"), "{said}");
    assert!(!said.contains("valgrind"), "{said}");
    for (about, expected) in [
        (
            "model\t: 1\nflags\t\t: fpu avx avx2 bmi\n",
            "x86_64 with AVX2",
        ),
        ("flags\t\t: fpu avx avx512\nbugs\t: avx2\n", "x86_64"),
        ("", "x86_64"),
    ] {
        assert_eq!(processor("x86_64", about), expected, "{about}");
    }
}
