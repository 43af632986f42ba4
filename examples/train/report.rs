//! What a run leaves behind: the table, the same as CSV, and the loss curves as SVG.

use crate::method::Method;
use crate::trainer::Run;
use plotters::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// One line of the table.
#[derive(Debug)]
struct Row {
    method: Method,
    loss: f64,
    /// To the dense run's loss, if there was one.
    gap: Option<f64>,
    seconds: f64,
    /// To the dense run's time.
    ratio: Option<f64>,
    prune_share: Option<f64>,
}

impl Row {
    fn perplexity(&self) -> f64 {
        self.loss.exp()
    }
}

/// The table of all runs.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(runs: &[Run]) -> Self {
        let seconds = |run: &Run| run.times.total.as_secs_f64();
        let dense = runs.iter().find(|run| run.method == Method::Dense);
        let row = |run: &Run| Row {
            method: run.method,
            loss: run.loss(),
            gap: dense.map(|dense| run.loss() - dense.loss()),
            seconds: seconds(run),
            ratio: dense.map(|dense| seconds(run) / seconds(dense)),
            prune_share: run.times.prune_share(),
        };
        Self { rows: runs.iter().map(row).collect() }
    }

    /// For people.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        writeln!(
            out,
            "{:<12} {:>10} {:>11} {:>9} {:>16} {:>9} {:>6}",
            "", "validation", "", "gap to", "weight-gradient", "ratio to", "prune"
        )?;
        writeln!(
            out,
            "{:<12} {:>10} {:>11} {:>9} {:>16} {:>9} {:>6}",
            "method", "loss", "perplexity", "dense", "products", "dense", "share"
        )?;
        for row in &self.rows {
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            writeln!(
                out,
                "{:<12} {:>10.4} {:>11.2} {:>9} {:>16} {:>9} {:>6}",
                row.method,
                row.loss,
                row.perplexity(),
                or_dash(row.gap.map(|gap| format!("{gap:+.4}"))),
                format!("{:.2} s", row.seconds),
                or_dash(row.ratio.map(|ratio| format!("{ratio:.2}"))),
                or_dash(row.prune_share.map(|share| format!("{:.0} %", 100.0 * share))),
            )?;
        }
        Ok(out)
    }

    /// For programs.
    pub(crate) fn csv(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::from(
            "method,validation_loss,perplexity,gap_to_dense,weight_gradient_seconds,\
             ratio_to_dense,prune_share\n",
        );
        for row in &self.rows {
            let or_empty = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
            writeln!(
                out,
                "{},{},{},{},{},{},{}",
                row.method,
                row.loss,
                row.perplexity(),
                or_empty(row.gap),
                row.seconds,
                or_empty(row.ratio),
                or_empty(row.prune_share),
            )?;
        }
        Ok(out)
    }
}

/// Draws the validation losses over the steps.
pub(crate) fn draw(path: &Path, runs: &[Run]) -> Result<(), Box<dyn Error>> {
    let mut svg = String::new();
    let steps = runs.iter().filter_map(|run| run.curve.last()).map(|p| p.0).max().unwrap_or(1);
    // The first steps, from the loss of a guess down, would squeeze everything else together.
    let shown = |run: &Run| -> Vec<(usize, f64)> {
        run.curve
            .iter()
            .copied()
            .filter(|&(step, loss)| step * 16 >= steps && loss.is_finite())
            .collect()
    };
    let losses = || runs.iter().flat_map(shown).map(|(_, loss)| loss);
    let low = losses().reduce(f64::min).unwrap_or(0.0);
    let high = losses().reduce(f64::max).unwrap_or(1.0);
    {
        let area = SVGBackend::with_string(&mut svg, (960, 600)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Validation loss, by the method of the weight gradients", ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(0..steps, low - 0.05..high + 0.05)?;
        chart
            .configure_mesh()
            .x_desc("SGD steps")
            .y_desc("nats per token")
            .y_label_formatter(&|y| format!("{y:.1}"))
            .label_style(("sans-serif", 15))
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()?;
        for run in runs {
            let style = style(run.method);
            chart
                .draw_series(LineSeries::new(shown(run), style))?
                .label(format!("{}  {:.3}", run.method, run.loss()))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .legend_area_size(32)
            .label_font(("sans-serif", 15))
            .background_style(WHITE)
            .border_style(RGBColor(180, 180, 180))
            .draw()?;
        area.present()?;
    }
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(())
}

/// Dense is broad and pale, so that the curves that lie upon it can be seen; the other colours are
/// Okabe and Ito's, which colour-blind readers can tell apart.
fn style(method: Method) -> ShapeStyle {
    let (color, width) = match method {
        Method::Dense => (RGBColor(190, 190, 190), 9),
        Method::Mvue(pattern) => match (pattern.n(), pattern.m()) {
            (1, 2) => (RGBColor(0, 114, 178), 4),
            (2, 4) => (RGBColor(86, 180, 233), 2),
            _ => (RGBColor(0, 158, 115), 2),
        },
        Method::Greedy(pattern) => match (pattern.n(), pattern.m()) {
            (1, 2) => (RGBColor(213, 94, 0), 2),
            _ => (RGBColor(230, 159, 0), 2),
        },
        Method::Uniform => (RGBColor(204, 121, 167), 2),
    };
    color.stroke_width(width)
}
