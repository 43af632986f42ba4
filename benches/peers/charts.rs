//! The charts, as SVG.

use crate::common::matrix::Storage;
use crate::passes::{MEMCPY, compress_of};
use crate::plan::Case;
use crate::products::{GEMM, PRUNE_GEMM};
use crate::race::{Ours, Race, Who};
use crate::report::{Crossing, crossings, cubes};
use crate::run::{PATTERNS, Run};
use crate::{libraries, machine};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use spnm::{Isa, Pattern};
use std::error::Error;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Outcome<T> = Result<T, Box<dyn Error>>;

const FONT: &str = "sans-serif";
const GRID: RGBColor = RGBColor(225, 225, 225);
const INK: RGBColor = RGBColor(60, 60, 60);

/// The charts for which anything was measured: name and content.
pub(crate) fn draw(run: &Run, note: &str) -> Outcome<Vec<(&'static str, String)>> {
    let mut charts = Vec::new();
    if run.gemm.iter().any(|(case, _)| run.shows(case)) || !run.step.is_empty() {
        charts.push(("products.svg", products(run, note)?));
    }
    if cubes(run).len() > 1 {
        charts.push(("speed.svg", speed(run, note)?));
    }
    if run.compress.len() > 1 {
        charts.push(("rate.svg", rate(run, note)?));
    }
    Ok(charts)
}

/// Ours in blues and greens by pattern, paler on lower levels; peers in warm colours and greys.
/// Neighbours differ in lightness too, so that they can be told apart without colours.
fn color(who: Who, best: Isa) -> RGBColor {
    match who {
        Who::Ours(ours) => {
            let strong = match (ours.op, ours.pattern) {
                (PRUNE_GEMM, Pattern::N2M4) => RGBColor(106, 61, 154),
                (PRUNE_GEMM, Pattern::N1M2) => RGBColor(150, 110, 190),
                (PRUNE_GEMM, _) => RGBColor(200, 170, 225),
                (_, Pattern::N2M4) => RGBColor(0, 60, 130),
                (_, Pattern::N1M2) => RGBColor(30, 120, 190),
                _ => RGBColor(110, 180, 230),
            };
            let green = match ours.pattern {
                Pattern::N2M4 => RGBColor(0, 95, 75),
                Pattern::N1M2 => RGBColor(40, 150, 115),
                _ => RGBColor(140, 205, 175),
            };
            if ours.isa == best { strong } else { green }
        }
        Who::Peer(libraries::GEMM_CRATE) => RGBColor(213, 94, 0),
        Who::Peer("OpenBLAS") => RGBColor(240, 170, 40),
        Who::Peer("BLIS") => RGBColor(170, 40, 30),
        Who::Peer("oneDNN") => RGBColor(235, 130, 140),
        Who::Peer("MKL") => RGBColor(90, 70, 60),
        Who::Peer(_) => RGBColor(150, 150, 150),
    }
}

fn text(size: i32) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(&INK)
}

fn centred(size: i32, vertical: VPos) -> TextStyle<'static> {
    text(size).pos(Pos::new(HPos::Center, vertical))
}

/// What a legend shows before a name.
#[derive(Clone, Copy)]
enum Mark {
    Box,
    Line(u32),
    Dashes,
}

/// The machine and the day, in the lower right corner.
fn sign(area: &Area<'_>, note: &str) -> Outcome<()> {
    let (width, height) = area.dim_in_pixel();
    let at = (i32::try_from(width)? - 10, i32::try_from(height)? - 6);
    let style = text(12).pos(Pos::new(HPos::Right, VPos::Bottom));
    Ok(area.draw(&Text::new(note.to_owned(), at, style))?)
}

/// Names down the right side.
fn legend(area: &Area<'_>, entries: &[(String, RGBColor, Mark)]) -> Outcome<()> {
    for (i, (name, color, mark)) in (0..).zip(entries) {
        let y = 64 + 24 * i;
        match mark {
            Mark::Box => {
                area.draw(&Rectangle::new([(8, y - 7), (24, y + 7)], color.filled()))?;
            }
            Mark::Line(width) => {
                area.draw(&PathElement::new([(2, y), (26, y)], color.stroke_width(*width)))?;
            }
            Mark::Dashes => {
                for ends in [[(2, y), (11, y)], [(17, y), (26, y)]] {
                    area.draw(&PathElement::new(ends, color.stroke_width(2)))?;
                }
            }
        }
        area.draw(&Text::new(
            name.clone(),
            (32, y),
            text(14).pos(Pos::new(HPos::Left, VPos::Center)),
        ))?;
    }
    Ok(())
}

/// GFLOP/s of everyone, shape by shape.
fn products(run: &Run, note: &str) -> Outcome<String> {
    // The other sizes of the second chart would only crowd this one.
    let gemm = run.gemm.iter().filter(|(case, _)| run.shows(case)).collect::<Vec<_>>();
    let panels: Vec<(&str, Vec<&(Case, Race)>)> = [
        ("gemm: A compressed beforehand", gemm),
        (
            "prune_gemm, the training step: A pruned, compressed and multiplied",
            run.step.iter().collect(),
        ),
    ]
    .into_iter()
    .filter(|(_, races)| !races.is_empty())
    .collect();
    let mut svg = String::new();
    {
        let height = 480 * u32::try_from(panels.len())?;
        let root = SVGBackend::with_string(&mut svg, (1280, height)).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, (title, races)) in root.split_evenly((panels.len(), 1)).iter().zip(&panels) {
            bars(run, area, title, races)?;
        }
        sign(&root, note)?;
        root.present()?;
    }
    Ok(svg)
}

fn bars(run: &Run, area: &Area<'_>, title: &str, shapes: &[&(Case, Race)]) -> Outcome<()> {
    let speed = |case: &Case, race: &Race, who| {
        race.time(who).map(|time| case.shape.flops() / time.median / 1e9)
    };
    let mut names: Vec<Who> = Vec::new();
    for who in shapes.iter().flat_map(|(_, race)| &race.times).map(|times| times.who) {
        if !names.contains(&who) {
            names.push(who);
        }
    }
    let peaks: Vec<(Isa, f64)> =
        run.levels.iter().rev().filter_map(|&isa| Some((isa, run.peak(isa)?.registers))).collect();
    let top = shapes
        .iter()
        .flat_map(|(case, race)| names.iter().filter_map(|&who| speed(case, race, who)))
        .chain(peaks.iter().map(|(_, peak)| *peak))
        .fold(1.0, f64::max);

    let (left, right) = area.split_horizontally(1280 - 230);
    let mut chart = ChartBuilder::on(&left)
        .caption(title, text(20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..shapes.len() as f64, 0.0..top * 1.06)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_desc("GFLOP/s, dense-equivalent")
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(text(14))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .draw()?;
    let width = 0.86 / names.len() as f64;
    for (group, (case, race)) in shapes.iter().enumerate() {
        // Who did not take part leaves no gap.
        let present = names.iter().filter_map(|&who| Some((who, speed(case, race, who)?)));
        for (place, (who, speed)) in present.enumerate() {
            let x = group as f64 + 0.07 + place as f64 * width;
            let corners = [(x + width * 0.06, 0.0), (x + width * 0.94, speed)];
            chart.draw_series([Rectangle::new(corners, color(who, run.best()).filled())])?;
        }
        let (x, y) = chart.backend_coord(&(group as f64 + 0.5, 0.0));
        let (x, y) = (x - left.get_pixel_range().0.start, y - left.get_pixel_range().1.start);
        left.draw(&Text::new(case.to_string(), (x, y + 10), centred(14, VPos::Top)))?;
    }
    let mut entries: Vec<_> =
        names.iter().map(|&who| (who.to_string(), color(who, run.best()), Mark::Box)).collect();
    for (isa, peak) in peaks {
        let tone = if isa == run.best() { BLACK } else { RGBColor(120, 120, 120) };
        chart.draw_series(DashedLineSeries::new(
            [(0.0, peak), (shapes.len() as f64, peak)],
            8,
            5,
            tone.stroke_width(2),
        ))?;
        entries.push((format!("FMA peak {} {peak:.0}", isa.name()), tone, Mark::Dashes));
    }
    legend(&right, &entries)
}

/// GFLOP/s over the size of cubes.
fn speed(run: &Run, note: &str) -> Outcome<String> {
    let best = run.best();
    let cubes = cubes(run);
    let line = |who: Who| -> Vec<(f64, f64)> {
        let point = |&(size, flops, race): &(f64, f64, &Race)| {
            Some((size, flops / race.time(who)?.median / 1e9))
        };
        cubes.iter().filter_map(point).collect()
    };
    let mut names: Vec<(Who, u32)> =
        PATTERNS.map(|pattern| (Who::Ours(Ours::new(GEMM, pattern, best)), 3)).to_vec();
    names.push((Who::Ours(Ours::new(PRUNE_GEMM, Pattern::N2M4, best)), 3));
    for &isa in run.levels.iter().filter(|&&isa| isa != best) {
        names.push((Who::Ours(Ours::new(GEMM, Pattern::N2M4, isa)), 3));
    }
    names.extend(run.peers.found.iter().map(|peer| (Who::Peer(peer.name()), 2)));

    let points = || names.iter().flat_map(|&(who, _)| line(who));
    let top = points().map(|(_, y)| y).fold(1.0, f64::max) * 1.06;
    let sizes = (cubes[0].0 * 0.93, cubes[cubes.len() - 1].0 * 1.07);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (1180, 640)).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(1180 - 230);
        let mut chart = ChartBuilder::on(&left)
            .caption("Speed over size: cubes, one thread", text(20))
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d((sizes.0..sizes.1).log_scale(), 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_label_formatter(&|_| String::new())
            .set_tick_mark_size(LabelAreaPosition::Bottom, 0)
            .y_desc("GFLOP/s, dense-equivalent")
            .y_label_formatter(&|y| format!("{y:.0}"))
            .label_style(text(14))
            .axis_style(INK)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .draw()?;
        let ticks: Vec<_> = cubes.iter().map(|&(size, ..)| (size, format!("{size:.0}"))).collect();
        x_ticks(&left, &mut chart, &ticks, (0.0, top), "rows = inner = cols")?;
        let mut entries = Vec::new();
        for &(who, width) in &names {
            let points = line(who);
            if points.is_empty() {
                continue;
            }
            let tone = color(who, best);
            chart.draw_series(LineSeries::new(points.clone(), tone.stroke_width(width)))?;
            chart.draw_series(points.iter().map(|&at| Circle::new(at, width, tone.filled())))?;
            entries.push((who.to_string(), tone, Mark::Line(width)));
        }
        if let Some(peak) = run.peak(best).map(|peak| peak.registers) {
            let ends = [(sizes.0, peak), (sizes.1, peak)];
            chart.draw_series(DashedLineSeries::new(ends, 8, 5, BLACK.stroke_width(2)))?;
            entries.push((format!("FMA peak {} {peak:.0}", best.name()), BLACK, Mark::Dashes));
        }
        let mut notes = Vec::new();
        for (who, crossing) in crossings(run) {
            if let Crossing::At { size, gflops } = crossing {
                let ring = color(who, best).stroke_width(2);
                chart.draw_series([Circle::new((size, gflops), 9, ring)])?;
                let (x, y) = chart.backend_coord(&(size, gflops));
                let name = Text::new(format!("{size:.0}"), (x, y - 12), centred(13, VPos::Bottom));
                left.draw(&name)?;
            }
            notes.push((who.to_string(), crossing.to_string()));
        }
        legend(&right, &entries)?;
        let start = 64 + 24 * i32::try_from(entries.len())? + 16;
        let heading = "Beside the best dense (rings):";
        right.draw(&Text::new(heading, (2, start), text(14)))?;
        for (i, (who, crossing)) in (0..).zip(notes) {
            let y = start + 26 + 42 * i;
            right.draw(&Text::new(who, (2, y), text(13)))?;
            right.draw(&Text::new(crossing, (12, y + 17), text(13)))?;
        }
        sign(&root, note)?;
        root.present()?;
    }
    Ok(svg)
}

/// Ticks where something was measured; the mesh of a logarithmic axis knows powers of ten alone.
fn x_ticks<'b, Y: Ranged<ValueType = f64>>(
    area: &Area<'b>,
    chart: &mut ChartContext<'_, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, Y>>,
    ticks: &[(f64, String)],
    (bottom, top): (f64, f64),
    description: &str,
) -> Outcome<()> {
    let (left, above) = (area.get_pixel_range().0.start, area.get_pixel_range().1.start);
    let mut free = i32::MIN;
    let (mut first, mut last, mut axis) = (i32::MAX, 0, 0);
    for (at, name) in ticks {
        chart.draw_series([PathElement::new([(*at, bottom), (*at, top)], GRID)])?;
        let (x, y) = chart.backend_coord(&(*at, bottom));
        let (x, y) = (x - left, y - above);
        (first, last, axis) = (first.min(x), last.max(x), y);
        // About as wide as it will be drawn.
        let half = 37 * i32::try_from(name.len())? / 10 + 3;
        if x - half >= free {
            area.draw(&Text::new(name.clone(), (x, y + 8), centred(14, VPos::Top)))?;
            free = x + half;
        }
    }
    let middle = (first + last) / 2;
    area.draw(&Text::new(description.to_owned(), (middle, axis + 28), centred(14, VPos::Top)))?;
    Ok(())
}

/// G entries/s of compress over the size of the matrix.
fn rate(run: &Run, note: &str) -> Outcome<String> {
    let best = run.best();
    let bytes = |rows: usize, cols: usize| (rows * cols * size_of::<f32>()) as f64;
    let line = |who: Who| -> Vec<(f64, f64)> {
        let mut points: Vec<_> = run
            .compress
            .iter()
            .filter_map(|(pass, race)| {
                let entries = (pass.rows * pass.cols) as f64;
                let time = race.time(who)?.median;
                Some((bytes(pass.rows, pass.cols), entries / time / 1e9))
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let mut names = Vec::new();
    for &isa in run.levels.iter().rev() {
        for storage in [Storage::Rows, Storage::Cols] {
            let who = Who::Ours(Ours::new(compress_of(storage), Pattern::N2M4, isa));
            let tone = match (isa == best, storage) {
                (true, Storage::Rows) => RGBColor(0, 60, 130),
                (true, Storage::Cols) => RGBColor(86, 160, 220),
                (false, Storage::Rows) => RGBColor(0, 95, 75),
                (false, Storage::Cols) => RGBColor(120, 195, 160),
            };
            names.push((who, tone));
        }
    }
    names.push((Who::Peer(MEMCPY), RGBColor(213, 94, 0)));
    let sizes: Vec<(f64, f64)> = line(Who::Peer(MEMCPY));
    let (least, most) = (sizes[0].0, sizes[sizes.len() - 1].0);
    let (least, most) = (least * 0.8, most * 1.25);
    let rates = || names.iter().flat_map(|&(who, _)| line(who)).map(|(_, y)| y);
    let top = rates().fold(0.1, f64::max) * 1.5;
    let bottom = rates().fold(top, f64::min) / 1.3;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (1180, 560)).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(1180 - 260);
        let mut chart = ChartBuilder::on(&left)
            .caption("Prune and compress 2:4 over the size of the matrix, one thread", text(20))
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d((least..most).log_scale(), (bottom..top).log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_label_formatter(&|_| String::new())
            .set_tick_mark_size(LabelAreaPosition::Bottom, 0)
            .y_desc("G entries/s of the dense matrix")
            .disable_y_mesh()
            .y_label_formatter(&|_| String::new())
            .set_tick_mark_size(LabelAreaPosition::Left, 0)
            .label_style(text(14))
            .axis_style(INK)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .draw()?;
        let ticks: Vec<_> = sizes.iter().map(|&(size, _)| (size, size_name(size))).collect();
        let description = "bytes of the dense matrix";
        x_ticks(&left, &mut chart, &ticks, (bottom, top), description)?;
        for rate in (-8..8).map(|power| f64::from(power).exp2()) {
            if (bottom..top).contains(&rate) {
                chart.draw_series([PathElement::new([(least, rate), (most, rate)], GRID)])?;
                let (x, y) = chart.backend_coord(&(least, rate));
                let style = text(14).pos(Pos::new(HPos::Right, VPos::Center));
                left.draw(&Text::new(rate.to_string(), (x - 8, y), style))?;
            }
        }
        for (name, size) in machine::caches() {
            let size = size as f64;
            if !(least..most).contains(&size) {
                continue;
            }
            let ends = [(size, bottom), (size, top)];
            chart.draw_series(DashedLineSeries::new(ends, 4, 4, INK.stroke_width(1)))?;
            let style = text(13).pos(Pos::new(HPos::Right, VPos::Top));
            let (x, y) = chart.backend_coord(&(size, top));
            left.draw(&Text::new(format!("{name} {}", size_name(size)), (x - 4, y + 4), style))?;
        }
        let mut entries = Vec::new();
        for (who, tone) in names {
            let points = line(who);
            if points.is_empty() {
                continue;
            }
            chart.draw_series(LineSeries::new(points.clone(), tone.stroke_width(3)))?;
            chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, tone.filled())))?;
            entries.push((who.to_string(), tone, Mark::Line(3)));
        }
        legend(&right, &entries)?;
        sign(&root, note)?;
        root.present()?;
    }
    Ok(svg)
}

/// KiB or MiB, where they are whole.
fn size_name(bytes: f64) -> String {
    if bytes >= 1048576.0 {
        format!("{:.0} MiB", bytes / 1048576.0)
    } else {
        format!("{:.0} KiB", bytes / 1024.0)
    }
}
