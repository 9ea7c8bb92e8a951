//! Statements as PostgreSQL takes them. They are written for both engines; what is left is
//! different here: the marks of parameters, what tells SQLite which index to use, and lists of
//! values in one parameter.

/// A statement, and the names of its parameters in their order; none where they have none.
#[derive(Debug, PartialEq)]
pub(super) struct Translation {
    pub(super) sql: String,
    pub(super) names: Vec<String>,
}

pub(super) fn translate(sql: &str) -> Translation {
    let mut translation = Translation { sql: String::with_capacity(sql.len()), names: Vec::new() };
    let mut last = 0;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '"' => {
                let end = rest[1..].find(first).map_or(rest.len(), |at| at + 2);
                translation.sql.push_str(&rest[..end]);
                end
            }
            '?' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                let number = rest[1..=digits].parse().unwrap_or(last + 1);
                last = last.max(number);
                translation.sql.push_str(&format!("${number}"));
                1 + digits
            }
            ':' => {
                let end = 1 + rest[1..].bytes().take_while(|byte| is_of_name(*byte)).count();
                let number = translation.number(&rest[..end]);
                translation.sql.push_str(&format!("${number}"));
                end
            }
            first if first.is_ascii_alphabetic() || first == '_' => {
                let end = rest.bytes().take_while(|byte| is_of_name(*byte)).count();
                match hint(rest, end) {
                    Some(hint) => hint,
                    None => {
                        translation.sql.push_str(&rest[..end]);
                        end
                    }
                }
            }
            first => {
                translation.sql.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    translation.sql = lists(&translation.sql);
    translation
}

impl Translation {
    /// The number of a parameter with a name.
    fn number(&mut self, name: &str) -> usize {
        if let Some(at) = self.names.iter().position(|known| known == name) {
            return at + 1;
        }
        self.names.push(name.to_owned());
        self.names.len()
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How long `indexed by NAME` or `not indexed` is, where one of them begins.
fn hint(rest: &str, word: usize) -> Option<usize> {
    if rest.starts_with("not indexed") {
        return Some("not indexed".len());
    }
    let by = "indexed by ";
    (rest[..word] == *"indexed" && rest.starts_with(by))
        .then(|| by.len() + rest[by.len()..].bytes().take_while(|byte| is_of_name(*byte)).count())
}

/// The lists of [`numbers`](crate::sql::numbers) and [`texts`](crate::sql::texts).
fn lists(sql: &str) -> String {
    let numbers = "select unnest(cast(translate(cast(MARK as text), '[]', '{}') as bigint[]))";
    let texts =
        "select value as atom from json_array_elements_text(cast(cast(MARK as text) as json))";
    let sql = replaced(sql, "select value from json_each(", numbers);
    replaced(&sql, "select atom from json_each(", texts)
}

fn replaced(sql: &str, begin: &str, by: &str) -> String {
    let mut parts = sql.split(begin);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (mark, rest) = part.split_once(')').unwrap_or((part, ""));
        replaced.push_str(&by.replace("MARK", mark));
        replaced.push_str(rest);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        translate(text).sql
    }

    #[test]
    fn marks_have_numbers() {
        assert_eq!(sql("a = ? and b = ? or c = ?1"), "a = $1 and b = $2 or c = $1");
        assert_eq!(sql("?2, ?, ?1, ?"), "$2, $3, $1, $4");
        assert_eq!(sql("a = '?' and \"?\" = ? -- it's"), "a = '?' and \"?\" = $1 -- it's");
        let named = translate(":a, :b_1, :a");
        assert_eq!(
            (named.sql.as_str(), named.names),
            ("$1, $2, $1", vec![":a".into(), ":b_1".into()])
        );
    }

    #[test]
    fn hints_are_left_out_and_nothing_else() {
        assert_eq!(sql("from findings indexed by by_cwe where 1"), "from findings  where 1");
        assert_eq!(sql("from t not indexed join u"), "from t  join u");
        assert_eq!(sql("where not indexes and not_indexed"), "where not indexes and not_indexed");
    }

    #[test]
    fn lists_are_one_parameter() {
        let numbers = crate::sql::numbers("?");
        let expected = "select unnest(cast(translate(cast($1 as text), '[]', '{}') as bigint[]))";
        assert_eq!(sql(&numbers), expected);
        let texts = format!("a = ? and b in ({}) and c = ?", crate::sql::texts("?"));
        assert!(sql(&texts).contains("cast(cast($2 as text) as json))) and c = $3"), "{texts}");
    }
}
