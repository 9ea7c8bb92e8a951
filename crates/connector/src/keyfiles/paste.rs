//! A pair as people paste it: with blanks, line breaks, quotes and characters that
//! nobody sees, and sometimes the wrong way round.

use std::fmt;

use countersign_signing::Pair;
use countersign_text::is_odd;
use zeroize::Zeroizing;

/// A pair, and what was taken out of it.
pub struct Entered {
    /// The pair.
    pub pair: Pair,
    /// Each half that held something more, and what.
    pub removed: Vec<(&'static str, String)>,
}

/// Why two texts are no pair.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each is what the other should be.
    Swapped,
    /// The one is the other.
    Twice,
    /// One of them is nothing that the service issues.
    Form(countersign_signing::Error),
}

impl Fault {
    /// What is wrong.
    pub fn cause(&self) -> String {
        match self {
            Self::Swapped => "these look swapped: the API ID is as long as a Secret Key, and the \
                              Secret Key as short as an API ID"
                .into(),
            Self::Twice => "API ID and Secret Key are the same".into(),
            Self::Form(error) => error.to_string(),
        }
    }

    /// What to do.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Swapped => {
                "give the 32 hex digits as API ID (Client ID) and the 128 as Secret Key (Client \
                 Secret); a Secret Key that stood on a command line is in the shell's history: \
                 delete it there"
            }
            Self::Twice | Self::Form(_) => "copy both again from where they were generated",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.cause(), self.fix())
    }
}

/// The pair in two texts, however they were pasted.
pub fn enter(id: &str, secret: &str) -> Result<Entered, Fault> {
    let (id, of_id) = clean(id);
    let (secret, of_secret) = clean(secret);
    if is_swapped(&id, &secret) {
        return Err(Fault::Swapped);
    }
    if *id == *secret {
        return Err(Fault::Twice);
    }
    let pair = Pair::parse(&id, &secret).map_err(Fault::Form)?;
    let removed = [("API ID", of_id), ("Secret Key", of_secret)]
        .into_iter()
        .filter_map(|(half, counts)| Some((half, counts.told()?)));
    Ok(Entered { pair, removed: removed.collect() })
}

/// How many characters of each kind a text had too many.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    blanks: usize,
    line_breaks: usize,
    quotes: usize,
    invisible: usize,
}

impl Counts {
    fn told(&self) -> Option<String> {
        let kinds = [
            (self.blanks, "blank"),
            (self.line_breaks, "line break"),
            (self.quotes, "quotation mark"),
            (self.invisible, "invisible character"),
        ];
        let told: Vec<_> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// Everything else stays, to be refused by whoever parses it.
fn clean(text: &str) -> (Zeroizing<String>, Counts) {
    // A line piped in ends like every line.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let text = text.replace("\r\n", "\n");
    let mut counts = Counts::default();
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    for c in Zeroizing::new(text).chars() {
        let count = match c {
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                &mut counts.line_breaks
            }
            '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' => &mut counts.quotes,
            c if c.is_whitespace() => &mut counts.blanks,
            c if is_odd(c) => &mut counts.invisible,
            c => {
                kept.push(c);
                continue;
            }
        };
        *count += 1;
    }
    (kept, counts)
}

/// By the kind letter of a prefix, else by length: an API ID has 32 hex digits, a
/// Secret Key 128.
fn is_swapped(id: &str, secret: &str) -> bool {
    let kind = |text: &str| match text.split_once('-') {
        Some((prefix, _)) if prefix.len() == 8 => prefix.chars().last(),
        _ => None,
    };
    if let (Some(of_id), Some(of_secret)) = (kind(id), kind(secret)) {
        return of_id.eq_ignore_ascii_case(&'s') && of_secret.eq_ignore_ascii_case(&'i');
    }
    let digits = |text: &str| {
        let proper = text.rsplit('-').next().unwrap_or_default();
        proper.bytes().all(|b| b.is_ascii_hexdigit()).then_some(proper.len())
    };
    digits(id).is_some_and(|id| id >= 128) && digits(secret).is_some_and(|s| (32..128).contains(&s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "0123456789abcdef".repeat(2)
    }

    fn secret() -> String {
        "fedcba9876543210".repeat(8)
    }

    #[test]
    fn a_swapped_pair_is_called_one() {
        let (id, secret) = (id(), secret());
        for (first, second) in [
            (secret.clone(), id.clone()),
            (format!("  {secret}\n"), format!("\"{id}\"")),
            (format!("vera01es-{secret}"), format!("vera01ei-{id}")),
            (format!("vera01es-{secret}"), id.clone()),
        ] {
            let fault = enter(&first, &second).map(|_| ()).unwrap_err();
            let told = fault.to_string();
            assert!(told.contains("these look swapped") && told.contains("\nhint: "), "{told}");
            assert!(!told.contains(&secret) && !told.contains(&id), "{told}");
        }
        for half in [&id, &secret] {
            assert_eq!(enter(half, half).map(|_| ()).unwrap_err(), Fault::Twice);
        }
    }

    #[test]
    fn what_is_pasted_with_a_pair_is_taken_out_and_told() {
        let (id, secret) = (id(), secret());
        let plain = enter(&id, &format!("{secret}\r\n")).unwrap();
        assert!(plain.removed.is_empty(), "{:?}", plain.removed);
        let (head, tail) = secret.split_at(40);
        for (pasted, told) in [
            (format!(" {secret} "), "2 blanks"),
            (format!("{head} {tail}"), "1 blank"),
            (format!("{head}\u{a0}\u{202f}{tail}"), "2 blanks"),
            (format!("{head}\r\n{tail}\n\n"), "2 line breaks"),
            (format!("\u{201c}{secret}\u{201d}"), "2 quotation marks"),
            (
                format!("'{head}\u{200b}{tail}\u{feff}'"),
                "2 quotation marks, 2 invisible characters",
            ),
        ] {
            let entered = enter(&id, &pasted).unwrap();
            assert_eq!(entered.pair, plain.pair, "{told}");
            assert_eq!(entered.removed, [("Secret Key", told.to_owned())]);
        }
        let entered = enter(&format!("{id}\u{2060}"), &secret).unwrap();
        assert_eq!(entered.removed, [("API ID", "1 invisible character".to_owned())]);
    }

    #[test]
    fn what_is_no_part_of_a_paste_is_refused() {
        for wrong in ["x", "é", "\u{2013}", "-", ":"] {
            let mut pasted = secret();
            pasted.insert_str(10, wrong);
            assert!(matches!(enter(&id(), &pasted), Err(Fault::Form(_))), "{wrong}");
        }
    }
}
