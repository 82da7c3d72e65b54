//! Bar charts as SVG, without anything that changes from one drawing to the next.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 44.0;
const BAR: f64 = 16.0;
const GAP: f64 = 12.0;
const COLOURS: [&str; 2] = ["#7fb2d6", "#1b6ca8"];

/// What was measured several times.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of some values; `None` of none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0
        } else {
            *values.get(middle)?
        };
        Some(Self {
            least: *values.first()?,
            median,
            most: *values.last()?,
        })
    }
}

/// A row of the chart: a name, and a bar for each kind.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bars: [Option<Spread>; 2],
}

/// Rows of bars over one axis from 0.
pub(crate) struct Bars {
    pub(crate) title: String,
    /// What the two bars of a row are.
    pub(crate) kinds: [&'static str; 2],
    pub(crate) rows: Vec<Row>,
    /// What each kind should reach.
    pub(crate) goals: [Option<f64>; 2],
}

impl Bars {
    /// The picture. The bar is the median; the line across its end goes from the least to the most.
    pub(crate) fn draw(&self) -> String {
        let all = self.rows.iter().flat_map(|row| row.bars).flatten();
        let goals = self.goals.iter().flatten().copied();
        let longest = all
            .map(|spread| spread.most)
            .chain(goals)
            .fold(0.0, f64::max);
        let scale = (WIDTH - LEFT - RIGHT) / longest.max(f64::MIN_POSITIVE);
        let step = 2.0 * BAR + GAP;
        let bottom = TOP + step * self.rows.len() as f64;
        let height = bottom + 8.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"8\" y=\"20\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        self.legend(&mut svg);
        for (number, row) in self.rows.iter().enumerate() {
            let top = TOP + step * number as f64;
            let middle = top + BAR + 4.0;
            // Writing to a text does not fail.
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                row.name
            )
            .ok();
            for (kind, spread) in row.bars.iter().enumerate() {
                let top = top + BAR * kind as f64;
                match spread {
                    Some(spread) => bar(&mut svg, spread, scale, top, COLOURS[kind]),
                    None => {
                        let (x, y) = (LEFT + 4.0, top + 12.0);
                        writeln!(
                            svg,
                            "<text x=\"{x}\" y=\"{y}\" fill=\"#888\">not measured</text>"
                        )
                        .ok();
                    }
                }
            }
        }
        for (goal, colour) in self.goals.iter().zip(COLOURS) {
            if let Some(goal) = goal {
                let x = round(LEFT + goal * scale);
                writeln!(
                    svg,
                    "<path d=\"M{x} {TOP}V{bottom}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\"/>"
                )
                .ok();
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        for (kind, (name, colour)) in self.kinds.iter().zip(COLOURS).enumerate() {
            let x = LEFT + 150.0 * kind as f64;
            let goal = self.goals[kind]
                .map_or_else(String::new, |goal| format!(" (goal {})", short(goal)));
            writeln!(
                svg,
                "<rect x=\"{x}\" y=\"28\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"37\">{name}{goal}</text>",
                x + 15.0
            )
            .ok();
        }
    }
}

fn bar(svg: &mut String, spread: &Spread, scale: f64, top: f64, colour: &str) {
    let at = |value: f64| round(LEFT + value * scale);
    let (height, middle) = (BAR - 2.0, top + BAR / 2.0 - 1.0);
    let width = round(spread.median * scale).max(1.0);
    writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>\
         <path d=\"M{} {middle}H{}\" stroke=\"#222\" stroke-width=\"1.5\"/>\
         <text x=\"{}\" y=\"{}\">{}</text>",
        at(spread.least),
        at(spread.most),
        at(spread.most.max(spread.median)) + 6.0,
        top + 11.0,
        short(spread.median)
    )
    .ok();
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A number with three digits that count, and commas in large ones.
pub(crate) fn short(value: f64) -> String {
    let places = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.places$}");
    if places > 0 {
        return text;
    }
    let mut grouped = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{Bars, Row, Spread, short};

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some((3.0, 3.0, 3.0))),
            (vec![4.0, 1.0], Some((1.0, 2.5, 4.0))),
            (vec![9.0, 1.0, 2.0], Some((1.0, 2.0, 9.0))),
        ] {
            let found = Spread::of(values).map(|s| (s.least, s.median, s.most));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (9.999, "10.0"),
            (45.67, "45.7"),
            (99.96, "100"),
            (1234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn bars_end_where_the_axis_says() {
        let spread = |value| Spread::of(vec![value]);
        let svg = Bars {
            title: "t".to_owned(),
            kinds: ["plain", "TLS"],
            rows: vec![
                Row {
                    name: "a",
                    bars: [spread(10.0), spread(20.0)],
                },
                Row {
                    name: "b",
                    bars: [spread(5.0), None],
                },
            ],
            goals: [Some(10.0), None],
        }
        .draw();
        for part in [
            "width=\"205\"",
            "width=\"410\"",
            "width=\"102.5\"",
            "not measured",
            "M315 44V132",
            "goal 10.0",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
