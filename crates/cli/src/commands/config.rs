//! `config init|show|check`.

use std::path::Path;

use countersign_files::{self as files, Created};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Configuration, Json, LogFormat};
use crate::config::settings::{Mistake, Origin, Setting, mistakes, settings, template};
use crate::config::text_of;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, Shown, note, print_json, show};
use crate::system;

/// What was given to any command.
pub(crate) struct Given {
    pub(crate) is_home_typed: bool,
    pub(crate) log: Option<String>,
    pub(crate) is_log_typed: bool,
    pub(crate) log_format: LogFormat,
    pub(crate) is_log_format_typed: bool,
}

pub(crate) fn run(
    home: Option<&Path>,
    given: &Given,
    command: Configuration,
) -> Result<(), Failure> {
    match command {
        Configuration::Init(args) => init(home, &args),
        Configuration::Show(args) => print(home, given, &args),
        Configuration::Check(args) => check(home, &args),
    }
}

fn init(home: Option<&Path>, args: &Json) -> Result<(), Failure> {
    let path = Home::find(home)?.config();
    match files::create(&path, template().as_bytes(), &*system::random())? {
        Created::New if args.json => print_json(&json!({ "file": path })),
        Created::New => {
            note(&format!("wrote `{}`: every key is a comment", path.display()));
            Ok(())
        }
        Created::Existed => Err(Failure::usage(format!(
            "`{}` exists and is not overwritten\nhint: `countersign config show` prints what holds",
            path.display()
        ))),
    }
}

fn print(home: Option<&Path>, given: &Given, args: &Json) -> Result<(), Failure> {
    let place = Home::named(home)?;
    let text = text_of(&place.config())?;
    let variable = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut all = general(&place, home.is_some(), given);
    all.extend(settings(&text, variable));
    if args.json {
        return print_json(&all.iter().map(as_json).collect::<Vec<_>>());
    }
    let columns =
        [("key", Fit::Whole), ("value", Fit::End), ("unit", Fit::Whole), ("from", Fit::Whole)];
    let cells = |one: &Setting| {
        let line = one.line.map(|line| format!(", line {line}")).unwrap_or_default();
        [
            Cell::text(&one.name),
            Cell::some(one.value.as_deref()),
            Cell::some(one.unit),
            Cell::text(&format!("{}{line}", one.from.as_str())),
        ]
    };
    print_list(columns, all.iter().map(cells))?;
    match mistakes(&text).len() {
        0 => Ok(()),
        _ => Err(Failure::usage(format!(
            "`{}` has mistakes\nhint: `countersign config check` names them",
            place.config().display()
        ))),
    }
}

/// What is no key of the file.
fn general(place: &Home, is_home_given: bool, given: &Given) -> Vec<Setting> {
    let origin = |is_given: bool, is_typed: bool| match (is_given, is_typed) {
        (_, true) => Origin::Flag,
        (true, false) => Origin::Environment,
        (false, false) => Origin::Default,
    };
    let one = |name: &str, value: Option<String>, from| Setting {
        name: name.to_owned(),
        value,
        unit: None,
        from,
        line: None,
    };
    let is_format_given = std::env::var_os("COUNTERSIGN_LOG_FORMAT").is_some();
    vec![
        one(
            "--home",
            Some(place.path().display().to_string()),
            origin(is_home_given, given.is_home_typed),
        ),
        one("--log", given.log.clone(), origin(given.log.is_some(), given.is_log_typed)),
        one(
            "--log-format",
            Some(given.log_format.as_str().to_owned()),
            origin(is_format_given, given.is_log_format_typed),
        ),
    ]
}

fn as_json(one: &Setting) -> Value {
    json!({
        "key": one.name,
        "value": one.value,
        "unit": one.unit,
        "from": one.from.as_str(),
        "line": one.line,
    })
}

/// What was found in a file.
struct Checked {
    path: String,
    mistakes: Vec<Mistake>,
}

impl Shown for Checked {
    fn text(&self) -> String {
        if self.mistakes.is_empty() {
            return format!("{}: no mistakes\n", self.path);
        }
        let line = |one: &Mistake| {
            let place = one.line.map(|line| format!(":{line}")).unwrap_or_default();
            let nearest = one.nearest.as_ref();
            let nearest = nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
            format!("{}{place}: {}{nearest}\n", self.path, one.what.replace('\n', "; "))
        };
        self.mistakes.iter().map(line).collect()
    }

    fn json(&self) -> impl Serialize {
        let mistake = |one: &Mistake| json!({ "line": one.line, "key": one.name, "what": one.what, "nearest": one.nearest });
        let all: Vec<_> = self.mistakes.iter().map(mistake).collect();
        json!({ "ok": all.is_empty(), "file": self.path, "mistakes": all })
    }
}

fn check(home: Option<&Path>, args: &Json) -> Result<(), Failure> {
    let path = Home::named(home)?.config();
    let mistakes = mistakes(&text_of(&path)?);
    let is_well = mistakes.is_empty();
    show(&Checked { path: path.display().to_string(), mistakes }, args.json)?;
    if is_well { Ok(()) } else { Err(Failure::silent(Exit::Usage)) }
}
