use super::*;
use crate::expressions;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../deploy")
        .join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap()
}

/// With `UPDATE=1` the file is written instead.
#[test]
fn the_alert_rules_are_up_to_date() {
    let file = "prometheus/muster.rules.yml";
    if env::var_os("UPDATE").is_some() {
        fs::write(deploy(file), yaml()).unwrap();
    }
    let there = fs::read_to_string(deploy(file)).unwrap_or_default();
    assert_eq!(there, yaml(), "deploy/{file} is old: run `cargo xtask fix`");
}

#[test]
fn each_rule_has_a_name_of_its_own_and_says_what_to_do() {
    let mut names: BTreeSet<_> = alarms::table().iter().map(|alarm| alarm.name).collect();
    for rule in outside() {
        assert!(names.insert(rule.name), "{} twice", rule.name);
        assert!(rule.description.contains("What to do: "), "{}", rule.name);
        assert!(!rule.summary.ends_with('.'), "{}", rule.name);
    }
}

/// promtool runs the tests; this is that there is one for each rule: `{{alertname="X", …}` is only where X fires.
#[test]
fn each_rule_is_tested_where_it_fires() {
    let tests = read("prometheus/muster.rules.test.yml");
    let alarms = alarms::table().iter().map(|alarm| alert(alarm.name));
    for name in alarms.chain(outside().iter().map(Rule::alert)) {
        let fires = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"");
        assert!(tests.contains(&fires), "no test in which {name} fires");
    }
}

#[test]
fn rules_name_only_metrics_labels_and_values_that_exist() {
    for rule in outside() {
        assert_eq!(
            expressions::problems(rule.expr),
            [""; 0],
            "{}: {}",
            rule.name,
            rule.expr
        );
    }
    for alarm in alarms::table() {
        let expr = standing(alarm);
        assert_eq!(expressions::problems(&expr), [""; 0], "{expr}");
    }
}

#[test]
fn the_dashboard_names_only_metrics_labels_and_values_that_exist() {
    let dashboard: Value = serde_json::from_str(&read("grafana/muster.json")).unwrap();
    let mut seen = 0;
    walk(&dashboard, &mut |holder| {
        let Some(expr) = holder.get("expr").and_then(Value::as_str) else {
            return;
        };
        seen += 1;
        assert_eq!(expressions::problems(expr), [""; 0], "{expr}");
        let legend = holder.get("legendFormat").and_then(Value::as_str);
        let problems = expressions::legend_problems(legend.unwrap_or_default(), expr);
        assert_eq!(problems, [""; 0], "{legend:?} of {expr}");
    });
    assert!(seen > 20, "only {seen} expressions were found");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for variable in variables.iter().filter(|one| one["type"] == "query") {
        let query = variable["query"]["query"].as_str().unwrap();
        assert_eq!(expressions::variable_problems(query), [""; 0], "{query}");
    }
}

/// A panel without a unit, or without words on what it shows, is not understood at three in the night.
#[test]
fn each_panel_of_the_dashboard_says_what_it_shows() {
    let dashboard: Value = serde_json::from_str(&read("grafana/muster.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(description.len() > 20, "{title} has no description");
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
        for target in panel["targets"].as_array().unwrap() {
            let table = target["format"] == "table";
            assert!(
                table || target["legendFormat"].is_string(),
                "{title} has no legend"
            );
        }
    }
}

fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|inner| walk(inner, visit));
        }
        Value::Array(list) => list.iter().for_each(|inner| walk(inner, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
