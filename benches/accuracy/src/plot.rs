//! Findings as pictures: one row for each mix, one mark for each of its figures.
//! They bring their own light background, and so look the same on any page.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::mix::MIXES;
use crate::study::{COVERAGE, Finding, MOST_BIAS};

const SIZE: (u32, u32) = (860, 620);
const PAPER: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(205, 205, 200);
const LIMITS: RGBColor = RGBColor(222, 240, 222);
/// Blue, orange, green and purple of Okabe and Ito: told apart by everyone.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(170, 80, 140),
];
const FIGURES: [&str; 4] = [
    "allocated objects",
    "allocated bytes",
    "in-use objects (or growth)",
    "in-use bytes (or growth)",
];

/// A value, and from where to where it may be.
struct Mark {
    value: f64,
    bar: Range<f64>,
}

/// The axis, and the limits that are drawn on it. All in percent.
struct Axis<'a> {
    title: &'a str,
    range: Range<f64>,
    limits: Range<f64>,
}

/// Bias, with two standard errors to either side.
///
/// # Errors
/// If the file cannot be written.
pub fn bias(findings: &[Finding], path: &Path) -> Result<(), Box<dyn Error>> {
    let axis = Axis {
        title: "mean error of a figure in percent, with 2 standard errors of that mean",
        range: -1.2..1.2,
        limits: -MOST_BIAS * 100.0..MOST_BIAS * 100.0,
    };
    draw(findings, path, &axis, |f| {
        let (bias, error) = (f.bias * 100.0, f.bias_error * 200.0);
        Some(Mark {
            value: bias,
            bar: bias - error..bias + error,
        })
    })
}

/// Coverage, with two standard errors to either side.
///
/// # Errors
/// If the file cannot be written.
pub fn coverage(findings: &[Finding], path: &Path) -> Result<(), Box<dyn Error>> {
    let axis = Axis {
        title: "95 % intervals that held the truth, in percent of all runs, with 2 standard errors",
        range: 90.0..100.5,
        limits: *COVERAGE.start() * 100.0..*COVERAGE.end() * 100.0,
    };
    draw(findings, path, &axis, |f| {
        let part = f.coverage?;
        let error = 200.0 * (part * (1.0 - part) / f.runs as f64).sqrt();
        let value = part * 100.0;
        Some(Mark {
            value,
            bar: value - error..value + error,
        })
    })
}

fn draw(
    findings: &[Finding],
    path: &Path,
    axis: &Axis<'_>,
    mark: impl Fn(&Finding) -> Option<Mark>,
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&PAPER)?;
    let rows = MIXES.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .margin_right(20)
        .margin_top(44)
        .margin_bottom(8)
        .set_label_area_size(LabelAreaPosition::Left, 190)
        .set_label_area_size(LabelAreaPosition::Bottom, 46)
        .build_cartesian_2d(axis.range.clone(), rows..0.0)?;
    let limits = [(axis.limits.start, 0.0), (axis.limits.end, rows)];
    chart.draw_series([Rectangle::new(limits, LIMITS.filled())])?;
    let text = ("sans-serif", 13).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text.clone())
        .x_desc(axis.title)
        .draw()?;
    let left = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
    for (row, mix) in MIXES.iter().enumerate() {
        let row = row as f64;
        let name = Text::new(mix.name, (-12, 0), left.clone());
        let at = EmptyElement::at((axis.range.start, row + 0.5));
        chart.draw_series([at + name])?;
        let line = [(axis.range.start, row), (axis.range.end, row)];
        chart.draw_series([PathElement::new(line, GRID)])?;
        let marks = findings.iter().filter(|f| f.mix == mix.name).map(&mark);
        for (index, mark) in marks.enumerate() {
            let Some(Mark { value, bar }) = mark else {
                continue;
            };
            let (y, colour) = (row + 0.2 * (index + 1) as f64, COLOURS[index % 4]);
            let (start, end) = (bar.start.max(axis.range.start), bar.end.min(axis.range.end));
            let bar = PathElement::new([(start, y), (end, y)], colour.stroke_width(2));
            chart.draw_series([bar])?;
            chart.draw_series([Circle::new((value, y), 3, colour.filled())])?;
        }
    }
    for (index, figure) in FIGURES.into_iter().enumerate() {
        let (x, colour) = (190 + 165 * index as i32, COLOURS[index]);
        area.draw(&Circle::new((x + 5, 24), 4, colour.filled()))?;
        let right = text.clone().pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(figure, (x + 14, 24), right))?;
    }
    area.present()?;
    Ok(())
}
