//! From zero to a round number, in few steps.

/// Of every picture, in its own units.
pub(super) const WIDTH: f64 = 560.0;

/// An axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) top: f64,
    step: f64,
}

impl Scale {
    /// One that reaches `highest`; counts have no halves.
    pub(super) fn to(highest: f64) -> Self {
        let highest = highest.max(1.0);
        let rough = highest / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough && (*step >= 10.0 || step.fract() == 0.0))
            .unwrap_or(10.0 * power)
            .max(1.0);
        Self { top: (highest / step).ceil() * step, step }
    }

    pub(super) fn ticks(self) -> impl Iterator<Item = f64> {
        let count = (self.top / self.step).round() as u32;
        (0..=count).map(move |at| f64::from(at) * self.step)
    }
}

/// `1500` as `1.5k`.
pub(super) fn short(value: f64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let mut value = value;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{text}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_short() {
        for (highest, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (3.0, 3.0),
            (5.0, 6.0),
            (7.0, 8.0),
            (10.0, 10.0),
            (99.0, 100.0),
            (101.0, 150.0),
            (4407.0, 6000.0),
        ] {
            assert_eq!(Scale::to(highest).top, top, "{highest}");
        }
        for highest in [0.0, 1.0, 2.0, 17.0, 4407.0, 1e9, u64::MAX as f64, 2e19] {
            let scale = Scale::to(highest);
            let ticks: Vec<_> = scale.ticks().collect();
            assert!((2..=6).contains(&ticks.len()), "{highest}: {ticks:?}");
            assert!(scale.top >= highest && ticks[0] == 0.0);
            assert!(ticks.iter().all(|tick| tick.fract() == 0.0), "{ticks:?}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1500.0, "1.5k"), (2e6, "2M"), (1.8e19, "18E")]
        {
            assert_eq!(short(value), text);
        }
    }
}
