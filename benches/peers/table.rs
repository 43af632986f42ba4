//! The table, as Markdown and as CSV.

use crate::race::Spread;
use crate::targets::{self, Bound, Target};
use std::fmt::{self, Write as _};

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// 10^9 floating-point operations a second, those that the pattern saves included.
    Flops(f64),
    /// 10^9 entries of the dense matrix a second.
    Entries(f64),
    Bytes(usize),
}

impl Value {
    const fn unit(self) -> &'static str {
        match self {
            Self::Flops(_) => "GFLOP/s",
            Self::Entries(_) => "G entries/s",
            Self::Bytes(_) => "bytes",
        }
    }

    fn number(self) -> String {
        match self {
            Self::Flops(value) => format!("{value:.3}"),
            Self::Entries(value) => format!("{value:.4}"),
            Self::Bytes(value) => value.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flops(value) => write!(f, "{value:.1} GFLOP/s"),
            Self::Entries(value) => write!(f, "{value:.2} G entries/s"),
            Self::Bytes(value) => write!(f, "{} KiB", value.div_ceil(1024)),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(value) => write!(f, "{value}x"),
            Self::Entries(value) => write!(f, "{value} G entries/s"),
            Self::Bytes(value) => write!(f, "{} KiB", value / 1024),
        }
    }
}

/// One line.
#[derive(Debug)]
pub(crate) struct Row {
    /// None where no target was set.
    pub(crate) target: Option<&'static Target>,
    pub(crate) what: String,
    pub(crate) shape: String,
    pub(crate) ours: Value,
    pub(crate) peer: Option<(String, Value)>,
    pub(crate) ratio: Option<Spread>,
}

impl Row {
    fn at_least(&self) -> Option<Bound> {
        self.target.and_then(|target| target.at_least)
    }

    fn goal(&self) -> Option<Bound> {
        self.target.and_then(|target| target.goal)
    }

    fn meets(&self, bound: Bound) -> bool {
        match (bound, self.ours) {
            (Bound::Ratio(bound), _) => self.ratio.is_some_and(|ratio| ratio.median >= bound),
            (Bound::Entries(bound), Value::Entries(rate)) => rate >= bound,
            (Bound::Bytes(bound), Value::Bytes(bytes)) => bytes <= bound,
            _ => false,
        }
    }

    /// What it reached of its target.
    fn reached(&self) -> &'static str {
        let meets = |bound: Option<Bound>| bound.map(|bound| self.meets(bound));
        match (meets(self.at_least()), meets(self.goal())) {
            (None, None) => "-",
            (_, Some(true)) => "goal",
            (Some(true), Some(false)) => "at least",
            (Some(true), None) => "yes",
            (None, Some(false)) => "not the goal",
            (Some(false), _) => "**less**",
        }
    }
}

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".into(), |text| text.to_string())
}

/// Columns of equal width, so that it reads well as text too.
pub(crate) fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        for (cell, &width) in cells.zip(&widths) {
            let _ = write!(out, "| {cell:<width$} ");
        }
        out.push_str("|\n");
    };
    line(&mut head.iter().map(ToString::to_string));
    line(&mut widths.iter().map(|&width| "-".repeat(width)));
    for row in rows {
        line(&mut row.iter().cloned());
    }
    out
}

/// All rows.
pub(crate) fn rows(rows: &[Row]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![
                row.what.clone(),
                row.shape.clone(),
                row.ours.to_string(),
                or_dash(row.peer.as_ref().map(|(name, value)| format!("{name} {value}"))),
                or_dash(row.ratio.map(|Spread { low, median, high }| {
                    format!("{median:.2} ({low:.2} to {high:.2})")
                })),
                or_dash(row.at_least()),
                or_dash(row.goal()),
                row.reached().to_owned(),
            ]
        })
        .collect();
    let head =
        ["what", "shape", "ours", "best peer", "ratio (quartiles)", "at least", "goal", "reached"];
    markdown(&head, &cells)
}

/// One line a target: the least and the largest of its rows.
pub(crate) fn summary(rows: &[Row]) -> String {
    let cells: Vec<_> = targets::ALL
        .iter()
        .map(|&target| {
            let of: Vec<_> = rows
                .iter()
                .filter(|row| row.target.is_some_and(|own| std::ptr::eq(own, target)))
                .collect();
            let meet = |bound: Option<Bound>| match bound {
                Some(bound) if !of.is_empty() => {
                    let met = of.iter().filter(|row| row.meets(bound)).count();
                    format!("{bound}: {met} of {}", of.len())
                }
                bound => or_dash(bound),
            };
            vec![target.what.to_owned(), range(&of), meet(target.at_least), meet(target.goal)]
        })
        .collect();
    markdown(&["target", "measured", "at least", "goal"], &cells)
}

/// From the least to the largest, of what the target is about.
fn range(rows: &[&Row]) -> String {
    let shown = |row: &Row| match (row.target.and_then(|target| target.goal), row.ratio, row.ours) {
        (Some(Bound::Ratio(_)) | None, Some(ratio), _) => {
            (ratio.median, format!("{:.2}x", ratio.median))
        }
        (_, _, Value::Flops(value) | Value::Entries(value)) => (value, row.ours.to_string()),
        (_, _, Value::Bytes(bytes)) => (bytes as f64, row.ours.to_string()),
    };
    let mut shown: Vec<_> = rows.iter().map(|row| shown(row)).collect();
    shown.sort_by(|a, b| a.0.total_cmp(&b.0));
    match &shown[..] {
        [] => "not measured".into(),
        [(_, only)] => only.clone(),
        [(_, least), .., (_, most)] => format!("{least} to {most}"),
    }
}

/// All rows, for programs.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut out = String::from(
        "target,what,shape,ours,unit,best_peer,peer,ratio_median,ratio_q1,ratio_q3,at_least,goal,reached\n",
    );
    for row in rows {
        let empty = |text: Option<String>| text.unwrap_or_default();
        let ratio = |pick: fn(&Spread) -> f64| {
            empty(row.ratio.as_ref().map(|ratio| format!("{:.4}", pick(ratio))))
        };
        let cells = [
            empty(row.target.map(|target| target.what.to_owned())),
            row.what.clone(),
            row.shape.clone(),
            row.ours.number(),
            row.ours.unit().to_owned(),
            empty(row.peer.as_ref().map(|(name, _)| name.clone())),
            empty(row.peer.as_ref().map(|(_, value)| value.number())),
            ratio(|spread| spread.median),
            ratio(|spread| spread.low),
            ratio(|spread| spread.high),
            empty(row.at_least().map(|bound| bound.to_string())),
            empty(row.goal().map(|bound| bound.to_string())),
            row.reached().trim_matches('*').to_owned(),
        ];
        out.push_str(&csv_line(&cells));
    }
    out
}

/// One line of CSV.
pub(crate) fn csv_line(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
