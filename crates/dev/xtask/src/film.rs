//! `cargo xtask film`: draws a recording of a terminal (asciicast v2) as an SVG that moves, for a page that can show
//! pictures only. Each line of the screen is one text for as long as it stays the same.

use std::fmt::Write as _;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;
use vt100::{Cell, Color, Parser, Screen};

/// How often the screen is looked at, in milliseconds.
const STEP: u64 = 250;
/// How long the end is shown before it begins again.
const REST: u64 = 4_000;
/// The size of a place on the screen.
const PLACE: (f32, f32) = (7.825, 17.0);
const EDGE: f32 = 12.0;
/// Black to white, as they are readable on dark.
const COLOURS: [&str; 8] = [
    "#6e7681", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#e6edf3",
];

/// What to draw.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The recording.
    cast: PathBuf,
    /// The picture; written anew.
    svg: PathBuf,
}

#[derive(Deserialize)]
struct Header {
    width: NonZero<u16>,
    height: NonZero<u16>,
}

/// What one line of the screen was for a while.
struct Shown {
    row: u16,
    text: String,
    from: u64,
    to: u64,
}

/// Draws it.
pub(crate) fn draw(options: &Options) -> Result<bool> {
    let cast = fs::read_to_string(&options.cast)
        .with_context(|| format!("reading {}", options.cast.display()))?;
    let mut lines = cast.lines();
    let header: Header = serde_json::from_str(lines.next().context("it is empty")?)?;
    let (shown, end) = play(&header, lines)?;
    fs::write(&options.svg, svg(&header, &shown, end))
        .with_context(|| format!("writing {}", options.svg.display()))?;
    Ok(true)
}

/// Looks at the screen again and again while the recording goes on; returns when it is over, too.
fn play<'a>(header: &Header, events: impl Iterator<Item = &'a str>) -> Result<(Vec<Shown>, u64)> {
    let mut parser = Parser::new(header.height, header.width, 0);
    let (mut shown, mut now) = (Vec::new(), 0);
    let mut current = vec![(0, String::new()); header.height.get().into()];
    for event in events {
        let (seconds, kind, text): (f64, String, String) = serde_json::from_str(event)?;
        let at = std::time::Duration::from_secs_f64(seconds).as_millis() as u64;
        if at >= now + STEP {
            now = at;
            look(parser.screen(), at, &mut current, &mut shown);
        }
        if kind == "o" {
            parser.process(text.as_bytes());
        }
    }
    look(parser.screen(), now + STEP, &mut current, &mut shown);
    let end = now + STEP + REST;
    for (row, (from, text)) in (0..).zip(current) {
        shown.push(Shown {
            row,
            text,
            from,
            to: end,
        });
    }
    shown.retain(|line| !line.text.is_empty());
    Ok((shown, end))
}

/// What has changed is over, and something else begins.
fn look(screen: &Screen, at: u64, current: &mut [(u64, String)], shown: &mut Vec<Shown>) {
    for (row, line) in (0..).zip(current) {
        let text = spans(screen, row);
        if text != line.1 {
            let (from, text) = std::mem::replace(line, (at, text));
            shown.push(Shown {
                row,
                text,
                from,
                to: at,
            });
        }
    }
}

/// A line of the screen: a span for each stretch that looks the same.
fn spans(screen: &Screen, row: u16) -> String {
    let (_, width) = screen.size();
    let mut spans: Vec<(u16, String, String)> = Vec::new();
    for column in 0..width.get() {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        let (look, place) = (look_of(cell), cell.contents());
        let place = if place.is_empty() { " " } else { place };
        match spans.last_mut() {
            Some((_, last, text)) if *last == look => text.push_str(place),
            _ => spans.push((column, look, place.to_owned())),
        }
    }
    let mut svg = String::new();
    for (column, look, text) in spans {
        let text = text.trim_end();
        if !text.is_empty() {
            let x = EDGE + f32::from(column) * PLACE.0;
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            // Writing to a text does not fail.
            write!(svg, "<tspan x=\"{x}\"{look}>{text}</tspan>").ok();
        }
    }
    svg
}

fn look_of(cell: &Cell) -> String {
    let mut look = String::new();
    if let Color::Idx(colour) = cell.fgcolor()
        && let Some(colour) = COLOURS.get(usize::from(colour))
    {
        write!(look, " fill=\"{colour}\"").ok();
    } else if cell.dim() {
        look.push_str(" fill=\"#8b949e\"");
    }
    if cell.bold() {
        look.push_str(" font-weight=\"bold\"");
    }
    look
}

fn svg(header: &Header, shown: &[Shown], end: u64) -> String {
    let width = f32::from(header.width.get()) * PLACE.0 + 2.0 * EDGE;
    let height = f32::from(header.height.get()) * PLACE.1 + 2.0 * EDGE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" \
         font-size=\"13\" fill=\"#e6edf3\">\n<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#0d1117\"/>\n"
    );
    // Where nothing moves, a moment after the beginning stands for all of it.
    let still = end / 5;
    for line in shown {
        let y = EDGE + f32::from(line.row + 1) * PLACE.1 - 4.0;
        let visible = (line.from..line.to).contains(&still);
        let first = if visible { "visible" } else { "hidden" };
        let [from, to] = [line.from, line.to].map(|at| at as f64 / end as f64);
        writeln!(
            svg,
            "<text y=\"{y}\" xml:space=\"preserve\" visibility=\"{first}\">{}<animate attributeName=\"visibility\" \
             values=\"hidden;visible;hidden\" keyTimes=\"0;{from:.4};{to:.4}\" calcMode=\"discrete\" \
             dur=\"{end}ms\" repeatCount=\"indefinite\"/></text>",
            line.text
        )
        .ok();
    }
    svg.push_str("</svg>\n");
    svg
}
