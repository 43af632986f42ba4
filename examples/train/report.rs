//! What a run leaves behind: the table, the same as CSV, and the loss curves as SVG.

use crate::method::Method;
use crate::products::Times;
use crate::recipe::Recipe;
use crate::trainer::Run;
use plotters::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// One line of the table.
#[derive(Debug)]
struct Row {
    label: String,
    loss: f64,
    /// To the dense run's loss, if there was one.
    gap: Option<f64>,
    times: Times,
    /// The dense run's times.
    dense: Option<Times>,
}

impl Row {
    fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    /// To the dense run's time of the same products.
    fn ratio(&self, products: fn(&Times) -> Duration) -> Option<f64> {
        self.dense.map(|dense| products(&self.times).as_secs_f64() / products(&dense).as_secs_f64())
    }

    fn gap_text(&self) -> String {
        or_dash(self.gap.map(|gap| format!("{gap:+.4}")))
    }
}

/// The table of all runs.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Whether products other than the updates are sparse in any run.
    all_products: bool,
}

impl Table {
    pub(crate) fn new(runs: &[Run]) -> Self {
        let dense = runs.iter().find(|run| run.method == Method::Dense);
        let row = |run: &Run| Row {
            label: run.label(),
            loss: run.loss(),
            gap: dense.map(|dense| run.loss() - dense.loss()),
            times: run.times,
            dense: dense.map(|dense| dense.times),
        };
        let all_products = runs.iter().any(|run| run.recipe != Recipe::Update);
        Self { rows: runs.iter().map(row).collect(), all_products }
    }

    /// For people: the columns that differ between the runs.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        if self.all_products { self.text_of_recipes() } else { self.text_of_methods() }
    }

    fn text_of_methods(&self) -> Result<String, std::fmt::Error> {
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
            let share = row.times.prune_share();
            writeln!(
                out,
                "{:<12} {:>10.4} {:>11.2} {:>9} {:>16} {:>9} {:>6}",
                row.label,
                row.loss,
                row.perplexity(),
                row.gap_text(),
                seconds(row.times.update),
                or_dash(row.ratio(|times| times.update).map(|ratio| format!("{ratio:.2}"))),
                or_dash(share.map(|share| format!("{:.0} %", 100.0 * share))),
            )?;
        }
        Ok(out)
    }

    fn text_of_recipes(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        writeln!(
            out,
            "{:<16} {:>10} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9}",
            "recipe and", "validation", "gap to", "", "input", "", "sparse", "", "ratio to"
        )?;
        writeln!(
            out,
            "{:<16} {:>10} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9}",
            "method", "loss", "dense", "forward", "gradient", "update", "weights", "sum", "dense"
        )?;
        for row in &self.rows {
            let times = &row.times;
            let made = (times.weights > Duration::ZERO).then(|| seconds(times.weights));
            writeln!(
                out,
                "{:<16} {:>10.4} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9}",
                row.label,
                row.loss,
                row.gap_text(),
                seconds(times.forward),
                seconds(times.input_gradient),
                seconds(times.update),
                or_dash(made),
                seconds(times.total()),
                or_dash(row.ratio(Times::total).map(|ratio| format!("{ratio:.2}"))),
            )?;
        }
        Ok(out)
    }

    /// For programs: every column, whatever the recipe.
    pub(crate) fn csv(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::from(
            "method,validation_loss,perplexity,gap_to_dense,weight_gradient_seconds,\
             ratio_to_dense,prune_share,forward_seconds,input_gradient_seconds,\
             sparse_weights_seconds\n",
        );
        for row in &self.rows {
            let or_empty = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
            let times = &row.times;
            writeln!(
                out,
                "{},{},{},{},{},{},{},{},{},{}",
                row.label,
                row.loss,
                row.perplexity(),
                or_empty(row.gap),
                times.update.as_secs_f64(),
                or_empty(row.ratio(|times| times.update)),
                or_empty(times.prune_share()),
                times.forward.as_secs_f64(),
                times.input_gradient.as_secs_f64(),
                times.weights.as_secs_f64(),
            )?;
        }
        Ok(out)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
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
            .caption("Validation loss, by recipe and method", ("sans-serif", 22))
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
            let style = style(run);
            chart
                .draw_series(LineSeries::new(shown(run), style))?
                .label(format!("{}  {:.3}", run.label(), run.loss()))
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
fn style(run: &Run) -> ShapeStyle {
    let (color, width) = match (run.recipe, run.method) {
        (Recipe::Full, _) => (RGBColor(213, 94, 0), 2),
        (Recipe::Sste, _) => (RGBColor(0, 158, 115), 2),
        (Recipe::Update, Method::Dense) => (RGBColor(190, 190, 190), 9),
        (Recipe::Update, Method::Mvue(pattern)) => match (pattern.n(), pattern.m()) {
            (1, 2) => (RGBColor(0, 114, 178), 4),
            (2, 4) => (RGBColor(86, 180, 233), 2),
            _ => (RGBColor(0, 158, 115), 2),
        },
        (Recipe::Update, Method::Greedy(pattern)) => match (pattern.n(), pattern.m()) {
            (1, 2) => (RGBColor(213, 94, 0), 2),
            _ => (RGBColor(230, 159, 0), 2),
        },
        (Recipe::Update, Method::Uniform) => (RGBColor(204, 121, 167), 2),
    };
    color.stroke_width(width)
}
