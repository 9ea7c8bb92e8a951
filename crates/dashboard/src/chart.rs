//! Charts as SVG text: pure functions, drawn by classes, so that the style sheet gives
//! them colours in light, dark and on paper. Nothing is told by colour alone: series
//! have patterns or dashes, a legend, and the same numbers as a table.

mod scale;
mod small;
mod timeline;

use std::fmt::Write as _;

use countersign_text::grouped;
use scale::{Scale, WIDTH, short};

use crate::text::escaped;

pub use small::{bar, share, sparkline};
pub use timeline::{Mark, timeline};

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Unique on its page: letters, digits, dashes.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// The same in a sentence, with what is most to be seen.
    pub description: String,
    /// What the labels are, for the head of the table.
    pub axis: &'static str,
    /// One for each point, from left to right.
    pub labels: Vec<Label>,
    /// The lowest first.
    pub series: Vec<Series>,
}

/// What a point is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Below the drawing.
    pub short: String,
    /// In the table.
    pub full: String,
}

/// One row of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Class that gives the colour, and the pattern's number.
    pub look: Look,
    /// One for each label; a missing one is zero.
    pub values: Vec<u64>,
}

/// Colour and pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// That of a severity, 0 to 5.
    Severity(u8),
    /// For what comes in.
    Warm,
    /// For what goes out.
    Cool,
}

impl Look {
    /// The class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Severity(0) => "s0",
            Self::Severity(1) => "s1",
            Self::Severity(2) => "s2",
            Self::Severity(3) => "s3",
            Self::Severity(4) => "s4",
            Self::Severity(_) => "s5",
            Self::Warm => "warm",
            Self::Cool => "cool",
        }
    }

    /// The lines and dots of the pattern; none for a plain one.
    fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Severity(4) => Some("M-2 2 2 -2M0 8 8 0M6 10 10 6"),
            Self::Severity(3) => Some("M2 2h.1M6 6h.1"),
            Self::Severity(2) => Some("M0 2h8M0 6h8"),
            Self::Severity(1) => Some("M-2 6 2 10M0 0 8 8M6 -2 10 2"),
            Self::Severity(0) | Self::Cool => Some("M2 0v8M6 0v8"),
            Self::Severity(_) | Self::Warm => None,
        }
    }
}

/// How the values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Areas on top of each other.
    Stacked,
    /// Bars beside each other.
    Bars,
    /// Lines.
    Lines,
}

const HEIGHT: f64 = 230.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
const MAX_LABELS: usize = 5;

/// The chart with its legend and its table.
pub fn figure(chart: &Chart, shape: Shape) -> String {
    let mut html = String::with_capacity(8192);
    let _ = write!(html, "<figure class=\"chart\">{}", svg(chart, shape));
    html.push_str("<figcaption><ul class=\"legend\">");
    for series in as_they_lie(chart, shape) {
        let _ = write!(html, "<li>{} {}</li>", swatch(chart, series.look), escaped(&series.name));
    }
    html.push_str("</ul></figcaption>");
    let _ = write!(
        html,
        "<details><summary>As a table<span class=\"hidden\">: {}</span></summary>{}</details></figure>",
        escaped(&chart.title),
        table(chart, shape)
    );
    html
}

/// In a stack the highest first, else from left to right.
fn as_they_lie(chart: &Chart, shape: Shape) -> Vec<&Series> {
    match shape {
        Shape::Stacked => chart.series.iter().rev().collect(),
        Shape::Bars | Shape::Lines => chart.series.iter().collect(),
    }
}

fn swatch(chart: &Chart, look: Look) -> String {
    let class = look.class();
    let pattern = match look.pattern() {
        Some(_) => {
            format!("<rect width=\"14\" height=\"14\" fill=\"url(#{}-{class})\"/>", chart.id)
        }
        None => String::new(),
    };
    format!(
        "<svg class=\"swatch\" width=\"14\" height=\"14\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"14\" height=\"14\"/>{pattern}</svg>"
    )
}

/// The numbers, the newest first.
pub fn table(chart: &Chart, shape: Shape) -> String {
    let series = as_they_lie(chart, shape);
    let mut html = String::with_capacity(4096);
    let title = escaped(&chart.title);
    let _ = write!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{title}, as a table\"><table><caption class=\"hidden\">{title}</caption><thead><tr><th scope=\"col\">{}</th>",
        escaped(chart.axis)
    );
    for series in &series {
        let _ = write!(html, "<th scope=\"col\" class=\"number\">{}</th>", escaped(&series.name));
    }
    html.push_str("</tr></thead><tbody>");
    for (at, label) in chart.labels.iter().enumerate().rev() {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(&label.full));
        for series in &series {
            let value = series.values.get(at).copied().unwrap_or_default();
            let _ = write!(html, "<td class=\"number\">{}</td>", grouped(value));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// The drawing alone.
pub fn svg(chart: &Chart, shape: Shape) -> String {
    let count = chart.labels.len();
    let value = |series: &Series, at: usize| series.values.get(at).copied().unwrap_or_default();
    let highest = match shape {
        Shape::Stacked => (0..count)
            .map(|at| chart.series.iter().map(|series| value(series, at) as f64).sum::<f64>())
            .fold(0.0, f64::max),
        Shape::Bars | Shape::Lines => chart
            .series
            .iter()
            .flat_map(|series| series.values.iter().take(count))
            .fold(0.0, |most: f64, value| most.max(*value as f64)),
    };
    let scale = Scale::to(highest);
    let mut svg = String::with_capacity(8192);
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc><defs>",
        escaped(&chart.title),
        escaped(&chart.description),
        id = chart.id
    );
    for look in chart.series.iter().map(|series| series.look) {
        if let Some(path) = look.pattern() {
            let _ = write!(
                svg,
                "<pattern id=\"{}-{}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"{path}\"/></pattern>",
                chart.id,
                look.class()
            );
        }
    }
    svg.push_str("</defs>");
    let y = |value: f64| HEIGHT - BOTTOM - value / scale.top * (HEIGHT - TOP - BOTTOM);
    for tick in scale.ticks() {
        let at = y(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(tick)
        );
    }
    let slots = Slots { count, shape };
    labels(&mut svg, &chart.labels, &slots);
    match shape {
        Shape::Stacked => stacked(&mut svg, chart, &slots, &y),
        Shape::Bars => bars(&mut svg, chart, &slots, &y),
        Shape::Lines => lines(&mut svg, chart, &slots, &y),
    }
    svg.push_str("</svg>");
    svg
}

/// Where points lie from left to right.
struct Slots {
    count: usize,
    shape: Shape,
}

impl Slots {
    fn width(&self) -> f64 {
        WIDTH - LEFT - RIGHT
    }

    /// Of the slot that a bar may fill.
    fn slot(&self) -> f64 {
        self.width() / self.count.max(1) as f64
    }

    fn x(&self, at: usize) -> f64 {
        match self.shape {
            Shape::Stacked | Shape::Lines if self.count > 1 => {
                LEFT + self.width() * at as f64 / (self.count - 1) as f64
            }
            _ => LEFT + self.slot() * (at as f64 + 0.5),
        }
    }
}

fn labels(svg: &mut String, labels: &[Label], slots: &Slots) {
    let every = labels.len().div_ceil(MAX_LABELS).max(1);
    // Counted from the right: the newest has its label.
    let last = labels.len().saturating_sub(1);
    for (at, label) in labels.iter().enumerate().filter(|(at, _)| (last - at).is_multiple_of(every))
    {
        let x = slots.x(at);
        let anchor = match x {
            x if x > WIDTH - RIGHT - 24.0 => " end",
            x if x < LEFT + 24.0 => "",
            _ => " middle",
        };
        let _ = write!(
            svg,
            "<text class=\"tick{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            HEIGHT - 8.0,
            escaped(&label.short)
        );
    }
}

fn drawn(svg: &mut String, chart: &Chart, look: Look, path: &str) {
    let class = look.class();
    let _ = write!(svg, "<path class=\"area {class}\" d=\"{path}\"/>");
    if look.pattern().is_some() {
        let _ = write!(svg, "<path d=\"{path}\" fill=\"url(#{}-{class})\"/>", chart.id);
    }
}

fn stacked(svg: &mut String, chart: &Chart, slots: &Slots, y: &dyn Fn(f64) -> f64) {
    let mut floor = vec![0.0; slots.count];
    for series in &chart.series {
        let ceiling: Vec<f64> = (0..slots.count)
            .map(|at| floor[at] + series.values.get(at).copied().unwrap_or_default() as f64)
            .collect();
        if ceiling != floor {
            let point = |at: usize, value: f64| format!("{:.1} {:.1}", slots.x(at), y(value));
            let path = match slots.count {
                // A point has no width: it becomes a bar.
                1 => block(slots.x(0) - 20.0, 40.0, y(ceiling[0]), y(floor[0])),
                _ => {
                    let up = ceiling.iter().enumerate().map(|(at, value)| point(at, *value));
                    let down = floor.iter().enumerate().rev().map(|(at, value)| point(at, *value));
                    format!("M{}Z", up.chain(down).collect::<Vec<_>>().join("L"))
                }
            };
            drawn(svg, chart, series.look, &path);
        }
        floor = ceiling;
    }
}

fn bars(svg: &mut String, chart: &Chart, slots: &Slots, y: &dyn Fn(f64) -> f64) {
    let width = (slots.slot() * 0.8 / chart.series.len().max(1) as f64).min(40.0);
    let all = width * chart.series.len() as f64;
    for (number, series) in chart.series.iter().enumerate() {
        for (at, value) in series.values.iter().take(slots.count).enumerate() {
            if *value > 0 {
                let x = slots.x(at) - all / 2.0 + width * number as f64;
                drawn(svg, chart, series.look, &block(x, width, y(*value as f64), y(0.0)));
            }
        }
    }
}

fn block(x: f64, width: f64, top: f64, bottom: f64) -> String {
    // A little is not nothing.
    let top = top.min(bottom - 1.0);
    format!("M{x:.1} {bottom:.1}V{top:.1}h{width:.1}V{bottom:.1}Z")
}

fn lines(svg: &mut String, chart: &Chart, slots: &Slots, y: &dyn Fn(f64) -> f64) {
    for series in &chart.series {
        let points: Vec<_> = (0..slots.count)
            .map(|at| {
                let value = series.values.get(at).copied().unwrap_or_default();
                (slots.x(at), y(value as f64))
            })
            .collect();
        let class = series.look.class();
        if let [(x, y)] = points[..] {
            let _ = write!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
            continue;
        }
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, "<polyline class=\"line {class}\" points=\"{}\"/>", points.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[&[u64]]) -> Chart {
        let count = values.iter().map(|values| values.len()).max().unwrap_or_default();
        Chart {
            id: "c",
            title: "Open <findings>".into(),
            description: "A & B".into(),
            axis: "Day",
            labels: (0..count)
                .map(|at| Label { short: at.to_string(), full: format!("day {at}") })
                .collect(),
            series: values
                .iter()
                .enumerate()
                .map(|(at, values)| Series {
                    name: format!("series {at}"),
                    look: Look::Severity(u8::try_from(at).unwrap()),
                    values: values.to_vec(),
                })
                .collect(),
        }
    }

    /// Every number in the drawing is a number, and inside it.
    fn check(svg: &str) {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for path in svg.split(" d=\"M").skip(1).filter(|path| !path.starts_with('-')) {
            let path = path.split('"').next().unwrap();
            let numbers = path.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
            for number in numbers.filter(|number| !number.is_empty()) {
                let number: f64 = number.parse().unwrap();
                assert!((-0.1..=WIDTH + 0.1).contains(&number), "{number} in {path}");
            }
        }
    }

    #[test]
    fn nothing_one_point_and_huge_numbers() {
        for shape in [Shape::Stacked, Shape::Bars, Shape::Lines] {
            for values in [
                &[][..],
                &[&[][..]],
                &[&[0][..], &[0]],
                &[&[7][..], &[3]],
                &[&[0, 0, 0][..], &[0, 0, 0]],
                &[&[u64::MAX, 1][..], &[u64::MAX, 0]],
                &[&[1, 2, 3][..], &[1]],
                &[&[5; 400][..]],
            ] {
                let svg = svg(&chart(values), shape);
                check(&svg);
                assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
                assert!(svg.matches("class=\"tick").count() <= 6 + MAX_LABELS, "{svg}");
            }
        }
    }

    #[test]
    fn a_stack_reaches_the_sum() {
        let svg = svg(&chart(&[&[6, 0], &[4, 5]]), Shape::Stacked);
        // The scale ends at ten: the sum touches the top.
        assert!(svg.contains(&format!("M{LEFT:.1} {TOP:.1}L")), "{svg}");
        assert!(svg.contains(">10</text>"));
    }

    #[test]
    fn words_are_inert_and_the_table_has_all_numbers() {
        let html = figure(&chart(&[&[1234, 5], &[6, 7]]), Shape::Bars);
        assert!(html.contains("Open &lt;findings&gt;") && !html.contains("<findings>"));
        assert!(html.contains("<desc id=\"c-desc\">A &amp; B</desc>"));
        for cell in ["1,234", ">5<", ">6<", ">7<"] {
            assert!(html.contains(cell), "{cell}");
        }
        // Each look but the plain one has its pattern, in drawing and legend.
        assert_eq!(html.matches("<pattern id=\"c-s0\"").count(), 1);
        assert!(html.matches("url(#c-s0)").count() >= 2);
    }
}
