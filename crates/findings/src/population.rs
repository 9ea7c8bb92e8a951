//! Which findings a number counts.
//!
//! A store holds findings of sandboxes, of applications that the account no longer sees, and
//! in every state. A number that leaves some of them out is another number, so every one that
//! is shown is made by a population: its filter selects the findings, the same filter is in
//! the link behind the number, and its name is beside it.

use std::fmt;

use crate::filter::{Expression, Field, Filter, Operator, Value, is_like};
use crate::finding::State;

/// Which contexts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contexts {
    /// The policy context.
    Policy,
    /// Sandboxes.
    Sandboxes,
    /// Both.
    All,
}

/// Whose findings are counted, by what the account of the integration sees now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// Of applications that it sees.
    Visible,
    /// Of applications that it no longer sees.
    Gone,
    /// Of both.
    All,
}

/// Which findings are counted. Written out, its name: `open, policy context, visible
/// applications`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Population {
    /// In the order of [`State::ALL`].
    states: [bool; State::ALL.len()],
    /// In which contexts.
    pub contexts: Contexts,
    /// Of which applications.
    pub sight: Sight,
}

/// What the place of a finding is called in filters: its context and its application.
const PLACE: [Field; 2] = [Field::Context, Field::Visible];
const POLICY: &str = "policy";
/// What the names of all sandboxes begin with.
const SANDBOX: &str = "sandbox:";

impl Population {
    /// Everything that is stored.
    pub const STORED: Self =
        Self { states: [true; State::ALL.len()], contexts: Contexts::All, sight: Sight::All };
    /// What is counted unless something else is asked for, in any state: a flaw of a sandbox
    /// is in the policy context as well or not for production, and nobody can act on an
    /// application that is no longer there.
    pub const USUAL: Self =
        Self { contexts: Contexts::Policy, sight: Sight::Visible, ..Self::STORED };
    /// The open ones of these: what lists begin with.
    pub const OPEN: Self = Self::USUAL.only(State::Open);

    /// What is counted of a filter that leaves it open: whoever names a state, a context or
    /// whether an application is visible gets it, and what is not named is as in
    /// [`Self::OPEN`]. None where nothing is left open: all of it is named, or one finding.
    pub fn usual(filter: &Expression) -> Option<Self> {
        let names_state = filter.asks_for(&[Field::State, Field::Status]);
        let names_place = filter.asks_for(&PLACE);
        match (names_state, names_place) {
            _ if filter.asks_for(&[Field::Id]) => None,
            (true, true) => None,
            (true, false) => Some(Self::USUAL),
            (false, true) => Some(Self::STORED.only(State::Open)),
            (false, false) => Some(Self::OPEN),
        }
    }

    /// Those of these that are in one state.
    pub const fn only(self, state: State) -> Self {
        let mut states = [false; State::ALL.len()];
        states[state as usize] = self.states[state as usize];
        Self { states, ..self }
    }

    /// The same in these contexts.
    pub const fn in_contexts(self, contexts: Contexts) -> Self {
        Self { contexts, ..self }
    }

    /// The same of these applications.
    pub const fn in_sight(self, sight: Sight) -> Self {
        Self { sight, ..self }
    }

    /// The same in any state.
    pub const fn in_any_state(self) -> Self {
        Self { states: Self::STORED.states, ..self }
    }

    /// Whether findings in this state are among them.
    pub const fn holds(self, state: State) -> bool {
        self.states[state as usize]
    }

    /// What selects them.
    pub fn filter(self) -> Expression {
        let is = |field, operator, value| Expression::Is(Filter::new(field, operator, value));
        let text = |text: &str| Value::Text(text.to_owned());
        let states: Vec<_> = self.states().map(|state| text(state.as_str())).collect();
        let mut parts = Vec::new();
        match states.len() {
            count if count == State::ALL.len() => {}
            1 => parts.extend(states.into_iter().map(|one| is(Field::State, Operator::Eq, one))),
            _ => parts.push(Expression::Is(Filter {
                field: Field::State,
                operator: Operator::In,
                values: states,
            })),
        }
        match self.contexts {
            Contexts::Policy => parts.push(is(Field::Context, Operator::Eq, text(POLICY))),
            Contexts::Sandboxes => parts.push(is(Field::Context, Operator::Ne, text(POLICY))),
            Contexts::All => {}
        }
        match self.sight {
            Sight::Visible => parts.push(is(Field::Visible, Operator::Eq, Value::Integer(1))),
            Sight::Gone => parts.push(is(Field::Visible, Operator::Eq, Value::Integer(0))),
            Sight::All => {}
        }
        Expression::all(parts)
    }

    /// The findings that a filter leaves, as far as it asks for state, context and
    /// visibility; none where it contradicts itself.
    pub fn of(filter: &Expression) -> Option<Self> {
        let mut states = [false; State::ALL.len()];
        let mut contexts = [false; 2];
        let mut sights = [false; 2];
        for state in State::ALL {
            for is_policy in [true, false] {
                for is_visible in [true, false] {
                    if may_match(filter, state, is_policy, is_visible) {
                        states[state as usize] = true;
                        contexts[usize::from(is_policy)] = true;
                        sights[usize::from(is_visible)] = true;
                    }
                }
            }
        }
        let contexts = match contexts {
            [false, true] => Contexts::Policy,
            [true, false] => Contexts::Sandboxes,
            [true, true] => Contexts::All,
            [false, false] => return None,
        };
        let sight = match sights {
            [false, true] => Sight::Visible,
            [true, false] => Sight::Gone,
            _ => Sight::All,
        };
        Some(Self { states, contexts, sight })
    }

    /// The findings of a filter in the contexts and applications of this population, instead
    /// of those that the filter asks for.
    pub fn within(self, filter: &Expression) -> Expression {
        let is_place =
            |part: &&Expression| matches!(part, Expression::Is(one) if PLACE.contains(&one.field));
        let rest = filter.conjuncts().iter().filter(|part| !is_place(part)).cloned();
        Expression::all(rest.chain([self.in_any_state().filter()]))
    }

    /// The name without the states: `policy context, visible applications`.
    pub fn place(self) -> String {
        let contexts = match self.contexts {
            Contexts::Policy => "policy context",
            Contexts::Sandboxes => "sandboxes",
            Contexts::All => "policy context and sandboxes",
        };
        let applications = match self.sight {
            Sight::Visible => "visible applications",
            Sight::Gone => "applications no longer visible",
            Sight::All => "applications visible or not",
        };
        format!("{contexts}, {applications}")
    }

    fn states(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| self.holds(*state))
    }
}

/// What lists begin with.
impl Default for Population {
    fn default() -> Self {
        Self::OPEN
    }
}

impl fmt::Display for Population {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states: Vec<_> = self.states().map(|state| state.as_str().replace('_', " ")).collect();
        let states = match states.len() {
            count if count == State::ALL.len() => "any state".to_owned(),
            _ => states.join(" or "),
        };
        write!(f, "{states}, {}", self.place())
    }
}

/// Whether a finding of this kind can match, whatever else it is.
fn may_match(filter: &Expression, state: State, is_policy: bool, is_visible: bool) -> bool {
    let known = |one: &Filter| match one.field {
        Field::State => Some(one.holds(&Value::Text(state.as_str().to_owned()))),
        Field::Context if is_policy => Some(one.holds(&Value::Text(POLICY.to_owned()))),
        Field::Context => of_sandboxes(one),
        Field::Visible => Some(one.holds(&Value::Integer(is_visible.into()))),
        _ => None,
    };
    filter.decided(&known) != Some(false)
}

/// Whether a comparison of contexts holds for every sandbox, or for none.
fn of_sandboxes(filter: &Filter) -> Option<bool> {
    let mut texts = filter.values.iter().filter_map(Value::as_text);
    match filter.operator {
        Operator::Eq | Operator::In => match texts.any(|text| text.starts_with(SANDBOX)) {
            true => None,
            false => Some(false),
        },
        Operator::Ne => match texts.any(|text| text.starts_with(SANDBOX)) {
            true => None,
            false => Some(true),
        },
        Operator::Like => {
            let is_all = |text: &str| !text.contains('*') && is_like(SANDBOX, text);
            texts.next().filter(|text| is_all(text)).map(|_| true)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let filter: Expression =
            if text.is_empty() { Expression::default() } else { text.parse().unwrap() };
        Population::of(&filter).map_or_else(|| "nothing".to_owned(), |one| one.to_string())
    }

    #[test]
    fn a_filter_says_which_findings_it_leaves() {
        for (text, name) in [
            ("", "any state, policy context and sandboxes, applications visible or not"),
            (
                "severity[gte]4 and state[eq]open",
                "open, policy context and sandboxes, applications visible or not",
            ),
            (
                "state[eq]open and context[eq]policy and visible[eq]true",
                "open, policy context, visible applications",
            ),
            (
                "state[ne]open and context[ne]policy and visible[eq]false",
                "fixed or mitigated or false positive, sandboxes, applications no longer visible",
            ),
            (
                "not (context[like]sandbox or visible[ne]true)",
                "any state, policy context, visible applications",
            ),
            ("context[eq]sandbox:7c1b0a52", "any state, sandboxes, applications visible or not"),
            (
                "context[in]policy,sandbox:7c1b0a52 and state[in]mitigated,false_positive",
                "mitigated or false positive, policy context and sandboxes, applications visible or not",
            ),
            (
                "(state[eq]open and context[eq]policy) or (state[eq]fixed and context[eq]policy)",
                "open or fixed, policy context, applications visible or not",
            ),
            ("context[eq]policy and context[ne]policy", "nothing"),
            ("visible[eq]true and not visible[gte]true", "nothing"),
        ] {
            assert_eq!(of(text), name, "{text}");
        }
    }

    #[test]
    fn each_population_is_what_its_filter_leaves() {
        for contexts in [Contexts::Policy, Contexts::Sandboxes, Contexts::All] {
            for sight in [Sight::Visible, Sight::Gone, Sight::All] {
                let any = Population { contexts, sight, ..Population::STORED };
                let states = State::ALL.map(|state| any.only(state));
                for one in states.into_iter().chain([any]) {
                    assert_eq!(Population::of(&one.filter()), Some(one), "{one}");
                    let text = one.filter().to_string();
                    assert!(
                        one == Population::STORED || text.parse() == Ok(one.filter()),
                        "{text}"
                    );
                }
            }
        }
        assert!(Population::STORED.filter().is_everything());
        assert_eq!(
            Population::OPEN.filter().to_string(),
            "state[eq]open and context[eq]policy and visible[eq]true"
        );
    }

    #[test]
    fn what_a_filter_leaves_open_is_the_usual() {
        for (text, usual) in [
            ("severity[gte]4", Some(Population::OPEN)),
            ("state[eq]fixed", Some(Population::USUAL)),
            ("not (status[eq]OPEN or cwe[eq]79)", Some(Population::USUAL)),
            ("context[ne]policy", Some(Population::STORED.only(State::Open))),
            ("visible[eq]false and cwe[eq]79", Some(Population::STORED.only(State::Open))),
            ("state[eq]fixed and context[ne]policy", None),
            ("id[eq]0a1b2c3d", None),
        ] {
            assert_eq!(Population::usual(&text.parse().unwrap()), usual, "{text}");
        }
    }

    #[test]
    fn another_place_keeps_what_else_is_asked() {
        let filter: Expression =
            "cwe[eq]79 and context[ne]policy and state[eq]open and visible[eq]true"
                .parse()
                .unwrap();
        let everywhere = Population::STORED.within(&filter);
        assert_eq!(everywhere.to_string(), "cwe[eq]79 and state[eq]open");
        let usual = Population::OPEN.within(&everywhere);
        assert_eq!(
            usual.to_string(),
            "cwe[eq]79 and state[eq]open and context[eq]policy and visible[eq]true"
        );
        assert_eq!(Population::USUAL.within(&usual), usual);
    }
}
