use super::report::{Report, per_second};
use std::time::Duration;

fn example() -> Report {
    Report::default()
        .with("command", "login")
        .with("users", 3_usize)
        .with("rate_per_s", 1.0 / 3.0)
        .with("cpu_ms", None::<f64>)
        .with("latency_ms", Report::default().with("p50", 1.5))
        .with("rounds", vec![Report::default().with("gap", 1_u64)])
}

#[test]
fn json_keeps_order_and_nests() {
    assert_eq!(
        serde_json::to_string(&example()).unwrap(),
        r#"{"command":"login","users":3,"rate_per_s":0.333,"cpu_ms":null,"latency_ms":{"p50":1.5},"rounds":[{"gap":1}]}"#
    );
}

#[test]
fn the_table_has_a_line_for_each_figure() {
    assert_eq!(
        example().table(),
        "command         login\n\
         users           3\n\
         rate_per_s      0.333\n\
         cpu_ms          -\n\
         latency_ms.p50  1.5\n\
         rounds[0].gap   1\n"
    );
}

#[test]
fn no_time_is_no_rate() {
    assert_eq!(per_second(5, Duration::ZERO), 0.0);
    assert_eq!(per_second(5, Duration::from_millis(500)), 10.0);
}
