//! Results as plots.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::curves::Power;
use super::results::{Latency, Run};
use super::table::curves;

const SIZE: (u32, u32) = (900, 520);
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// A named line.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    dots: bool,
}

/// Draws all plots into the folder.
pub fn draw(runs: &[Run], folder: &Path) -> Result<()> {
    latencies(runs, &folder.join("latency.svg"))?;
    costs(runs, &folder.join("cost.svg"))?;
    memory(runs, &folder.join("memory.svg"))
}

/// Distributions of the largest run that has them, for operator and raw client.
fn latencies(runs: &[Run], file: &Path) -> Result<()> {
    let Some(run) = runs.iter().rfind(|run| run.rounds.len() == 3) else { return Ok(()) };
    let lines = |by: &str, index: usize| -> Vec<Line> {
        let job = &run.rounds[index];
        let line = |name: &str, latency: &Latency| Line {
            name: format!("{by}: {name}"),
            points: latency.percentiles.iter().enumerate().map(|(percent, ms)| (ms.max(0.1), percent as f64)).collect(),
            dots: false,
        };
        vec![line("annotated", &job.annotated), line("last template patched", &job.patched), line("Ready", &job.ready)]
    };
    let all: Vec<Line> = lines("operator", 1).into_iter().chain(lines("raw client", 0)).collect();
    let (least, most) = range(&all, |point| point.0);
    let title = format!("From the change of the spec, {} bindings at once: percentile reached within", run.bindings);
    chart(file, &title, ("milliseconds", "percentile"), (least..most).log_scale(), 0.0..100.0, &all)
}

/// Cost curves with their exponents.
fn costs(runs: &[Run], file: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for curve in curves(runs) {
        let Some(power) = Power::through(&curve.points) else { continue };
        let name = format!("{} ~ {}^{:.2}", curve.cost, curve.of, power.exponent);
        lines.push(Line { name, points: curve.points, dots: true });
    }
    if lines.is_empty() {
        return Ok(());
    }
    let (left, right) = range(&lines, |point| point.0);
    let (low, high) = range(&lines, |point| point.1);
    let (x, y) = ((left * 0.8..right * 1.25).log_scale(), (low * 0.7..high * 4.0).log_scale());
    chart(file, "Cost by size", ("bindings or pods", "seconds or MiB"), x, y, &lines)
}

/// The operator's memory over time, of the largest run.
fn memory(runs: &[Run], file: &Path) -> Result<()> {
    let Some(run) = runs.iter().rfind(|run| !run.memory.is_empty()) else { return Ok(()) };
    let mut lines: Vec<Line> = Vec::new();
    for sample in &run.memory {
        if lines.last().is_none_or(|line| line.name != sample.phase) {
            lines.push(Line { name: sample.phase.clone(), points: Vec::new(), dots: false });
        }
        if let Some(line) = lines.last_mut() {
            line.points.push((sample.seconds, sample.resident_kib as f64 / 1024.0));
        }
    }
    let (left, right) = range(&lines, |point| point.0);
    let (_, high) = range(&lines, |point| point.1);
    let title = format!("Resident memory of the operator, {} bindings, {} pods", run.bindings, run.pods);
    chart(file, &title, ("seconds", "MiB"), left..right.max(left + 1.0), 0.0..high * 1.3, &lines)
}

fn range(lines: &[Line], of: fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let values = lines.iter().flat_map(|line| &line.points).map(of);
    values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)))
}

fn chart<X, Y>(file: &Path, title: &str, axes: (&str, &str), x: X, y: Y, lines: &[Line]) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let area: DrawingArea<_, Shift> = SVGBackend::new(file, SIZE).into_drawing_area();
    let wrong = |error: DrawingAreaErrorKind<_>| anyhow!("cannot draw {}: {error}", file.display());
    area.fill(&WHITE).map_err(wrong)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .x_desc(axes.0)
        .y_desc(axes.1)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()
        .map_err(wrong)?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), style)).map_err(wrong)?;
        drawn.label(line.name.clone()).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        if line.dots {
            chart
                .draw_series(line.points.iter().map(|point| Circle::new(*point, 4, colour.filled())))
                .map_err(wrong)?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()
        .map_err(wrong)?;
    area.present().map_err(wrong)
}

/// Formats a number without needless digits.
#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that plotters calls
fn number(value: &f64) -> String {
    if *value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
