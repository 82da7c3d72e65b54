//! Line charts as SVG, without anything that changes from one drawing to the next.

use std::fmt::Write as _;

const WIDTH: u64 = 640;
const HEIGHT: u64 = 320;
const LEFT: u64 = 70;
const RIGHT: u64 = 20;
const TOP: u64 = 40;
const BOTTOM: u64 = 50;
const STEPS: u64 = 5;
const COLOURS: [&str; 3] = ["#1b6ca8", "#c0392b", "#2e8b57"];

/// One line.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// From left to right.
    pub(crate) points: Vec<(u64, u64)>,
}

/// Some lines over the same axes, both from 0.
pub(crate) struct Picture {
    pub(crate) title: &'static str,
    pub(crate) across: &'static str,
    pub(crate) up: &'static str,
    pub(crate) series: Vec<Series>,
}

impl Picture {
    pub(crate) fn draw(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let right = round_up(points().map(|(x, _)| *x).max().unwrap_or_default());
        let top = round_up(points().map(|(_, y)| *y).max().unwrap_or_default());
        let x = |value: u64| LEFT + value * (WIDTH - LEFT - RIGHT) / right;
        let y = |value: u64| HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) / top;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        let mut text = |at: (u64, u64), anchor: &str, words: &str| {
            let (x, y) = at;
            // Writing to a text does not fail.
            writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
            )
            .ok();
        };
        text((WIDTH / 2, 20), "middle", self.title);
        text((WIDTH / 2, HEIGHT - 10), "middle", self.across);
        text((8, TOP - 12), "start", self.up);
        for step in 0..=STEPS {
            let (across, up) = (right * step / STEPS, top * step / STEPS);
            text(
                (x(across), HEIGHT - BOTTOM + 18),
                "middle",
                &across.to_string(),
            );
            text((LEFT - 8, y(up) + 4), "end", &up.to_string());
        }
        for step in 0..=STEPS {
            let up = y(top * step / STEPS);
            let end = WIDTH - RIGHT;
            writeln!(svg, "<path d=\"M{LEFT} {up}H{end}\" stroke=\"#ddd\"/>").ok();
        }
        for (number, (series, colour)) in self.series.iter().zip(COLOURS).enumerate() {
            let line: Vec<_> = series
                .points
                .iter()
                .map(|(at, value)| format!("{},{}", x(*at), y(*value)))
                .collect();
            let line = line.join(" ");
            writeln!(
                svg,
                "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            )
            .ok();
            for (at, value) in &series.points {
                let (x, y) = (x(*at), y(*value));
                writeln!(
                    svg,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>"
                )
                .ok();
            }
            let (name, at) = (series.name, TOP - 12 + 16 * number as u64);
            let end = WIDTH - RIGHT;
            writeln!(
                svg,
                "<text x=\"{end}\" y=\"{at}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
            )
            .ok();
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The end of an axis: a number that is easily cut into steps.
fn round_up(value: u64) -> u64 {
    let mut unit = STEPS;
    while unit * 10 < value {
        unit *= 10;
    }
    value.max(1).div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::{Picture, Series, round_up};

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [
            (0, 5),
            (4, 5),
            (6, 10),
            (51, 100),
            (989, 1_000),
            (1_473, 1_500),
        ] {
            assert_eq!(round_up(value), end, "{value}");
        }
    }

    #[test]
    fn points_stand_where_the_axes_say() {
        let series = Series {
            name: "n",
            points: vec![(0, 0), (50, 5)],
        };
        let svg = Picture {
            title: "t",
            across: "a",
            up: "u",
            series: vec![series],
        }
        .draw();
        assert!(svg.contains("<polyline points=\"70,270 620,40\""), "{svg}");
        assert!(
            svg.ends_with("</svg>\n") && svg.contains(">50<") && svg.contains(">5<"),
            "{svg}"
        );
    }
}
