//! Metrics as text: OpenMetrics 1.0, which Prometheus reads, and what the textfile collector
//! of its node exporter reads of it.

use std::fmt::{self, Write as _};

use crate::line;

/// The type of an answer that holds an [`Exposition`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the numbers of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows until the program starts again.
    Counter,
    /// Any number.
    Gauge,
    /// How many were at most so much.
    Histogram,
    /// Words.
    Info,
}

impl Kind {
    /// The word after `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What the name of a sample has after that of its family.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// Units that end the names of families.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// The unit in the name of a family.
pub fn unit_of(name: &str) -> Option<&'static str> {
    let end = name.rsplit('_').next().unwrap_or_default();
    UNITS.into_iter().find(|unit| *unit == end)
}

/// Families with their samples, in the order in which they were written.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family; `name` is without the suffix of its kind.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Samples<'_> {
        let text = &mut self.0;
        let _ = writeln!(text, "# TYPE {name} {}", kind.as_str());
        if let Some(unit) = unit_of(name) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {}", escaped(help));
        Samples { text, name: name.to_owned(), kind }
    }

    /// The whole text.
    pub fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Samples<'e> {
    text: &'e mut String,
    name: String,
    kind: Kind,
}

impl Samples<'_> {
    /// One number.
    pub fn put(&mut self, labels: &[(&str, &str)], value: impl fmt::Display) -> &mut Self {
        let suffix = self.kind.suffix();
        self.sample(suffix, labels, &value)
    }

    /// How many were at most so much: `within` are the bounds, in the unit of the family,
    /// each with all that were at most that; `count` and `sum` are of all.
    pub fn put_distribution(
        &mut self,
        labels: &[(&str, &str)],
        within: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) -> &mut Self {
        for (bound, counted) in within {
            // With a point, as the standard writes them: 1.0.
            let bound = format!("{bound:?}");
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), counted);
        }
        self.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), &count);
        self.sample("_count", labels, &count);
        self.sample("_sum", labels, &sum)
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: &dyn fmt::Display,
    ) -> &mut Self {
        let name = &self.name;
        let _ = write!(self.text, "{name}{suffix}");
        for (at, (label, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
        self
    }
}

fn escaped(text: &str) -> String {
    line(text).to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_their_suffix_and_their_unit() {
        let mut all = Exposition::default();
        all.family("x_syncs", Kind::Counter, "Syncs").put(&[("outcome", "complete")], 3);
        all.family("x_age_seconds", Kind::Gauge, "Age").put(&[], 1.5);
        all.family("x_build", Kind::Info, "Build").put(&[("version", "1")], 1);
        let wanted = "# TYPE x_syncs counter\n# HELP x_syncs Syncs\n\
            x_syncs_total{outcome=\"complete\"} 3\n\
            # TYPE x_age_seconds gauge\n# UNIT x_age_seconds seconds\n# HELP x_age_seconds Age\n\
            x_age_seconds 1.5\n\
            # TYPE x_build info\n# HELP x_build Build\nx_build_info{version=\"1\"} 1\n# EOF\n";
        assert_eq!(all.end(), wanted);
    }

    #[test]
    fn a_distribution_ends_with_everything() {
        let mut all = Exposition::default();
        let within = [(1.0, 2), (60.0, 5)];
        all.family("d_seconds", Kind::Histogram, "D").put_distribution(&[], &within, 6, 99.5);
        let text = all.end();
        for line in [
            "d_seconds_bucket{le=\"1.0\"} 2\n",
            "d_seconds_bucket{le=\"60.0\"} 5\n",
            "d_seconds_bucket{le=\"+Inf\"} 6\n",
            "d_seconds_count 6\n",
            "d_seconds_sum 99.5\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_word_from_elsewhere_ends_nothing() {
        let mut all = Exposition::default();
        let name = "a\"} 1\nforged 2\\\u{1b}[2J";
        all.family("x", Kind::Gauge, "X").put(&[("name", name)], 1);
        let text = all.end();
        assert!(text.contains("x{name=\"a\\\"} 1 forged 2\\\\<U+001B>[2J\"} 1\n"), "{text}");
    }
}
