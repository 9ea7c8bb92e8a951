//! A GitHub that a test looks into.

use std::sync::{Arc, Mutex};

use countersign_deliveries::wire::{Answer, Lost, Method};
use serde_json::{Value, json};

use crate::fake::{Asked, Fake, json as answer};

/// What it holds, and what goes wrong there.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) issues: Vec<Value>,
    pub(crate) comments: Vec<Value>,
    /// Labels and assignees are left out without a word.
    pub(crate) drops: bool,
    /// Lists show the first so many issues alone.
    pub(crate) lists: Option<usize>,
    /// The token is that of an App.
    pub(crate) is_app: bool,
    /// The repository is not visible any more.
    pub(crate) is_hidden: bool,
    /// The next write is done, and its answer does not come.
    pub(crate) loses: bool,
    /// What is answered to the next write instead.
    pub(crate) refuses: Option<Answer>,
    pub(crate) now: u32,
}

pub(crate) const US: &str = "countersign-bot";

#[derive(Clone, Default)]
pub(crate) struct Hub(pub(crate) Arc<Mutex<State>>);

impl Hub {
    pub(crate) fn fake(&self) -> Fake {
        let hub = self.clone();
        Fake::new(move |asked| hub.answer(asked))
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn issues(&self) -> Vec<Value> {
        self.0.lock().unwrap().issues.clone()
    }

    pub(crate) fn comments(&self) -> Vec<Value> {
        self.0.lock().unwrap().comments.clone()
    }

    /// Somebody changes an issue.
    pub(crate) fn edit(&self, number: usize, change: impl FnOnce(&mut Value)) {
        self.set(|state| change(&mut state.issues[number - 1]));
    }

    fn answer(&self, asked: &Asked) -> Result<Answer, Lost> {
        let state = &mut *self.0.lock().unwrap();
        assert_eq!(asked.header("authorization"), Some("Bearer ghp_secret"));
        assert_eq!(asked.header("x-github-api-version"), Some("2022-11-28"));
        state.now += 1;
        if asked.method != Method::Get
            && let Some(refusal) = state.refuses.take()
        {
            return Ok(refusal);
        }
        let answered = state.answer(asked);
        match asked.method != Method::Get && std::mem::take(&mut state.loses) {
            true => Err(Lost::Unsure("the connection was reset".into())),
            false => answered,
        }
    }
}

impl State {
    fn at(&self) -> String {
        format!("2026-06-01T00:{:02}:{:02}Z", self.now / 60, self.now % 60)
    }

    fn answer(&mut self, asked: &Asked) -> Result<Answer, Lost> {
        let target = asked.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let missing = || answer(404, json!({"message": "Not Found"}));
        if parts == ["user"] {
            return match self.is_app {
                true => answer(403, json!({"message": "Resource not accessible by integration"})),
                false => answer(200, json!({"login": US})),
            };
        }
        if self.is_hidden || parts.get(1..3) != Some(&["octo", "shop"]) {
            return missing();
        }
        let issue = parts.get(4).and_then(|number| number.parse::<usize>().ok());
        let known = issue.filter(|number| *number <= self.issues.len());
        match (asked.method, &parts[3..], known) {
            (Method::Get, [], _) => answer(
                200,
                json!({"full_name": "octo/shop", "has_issues": true,
                "default_branch": "main",
                "open_issues_count": self.issues.iter().filter(|one| one["state"] == "open").count(),
                "permissions": {"push": !self.drops}, "html_url": "https://github.com/octo/shop"}),
            ),
            (Method::Get, ["issues"], _) => self.list(query),
            (Method::Post, ["issues"], _) => self.make(&asked.json()),
            (Method::Get, ["issues", _], Some(at)) if self.issues[at - 1].is_null() => {
                answer(410, json!({"message": "This issue was deleted"}))
            }
            (Method::Get, ["issues", _], Some(at)) => answer(200, self.issues[at - 1].clone()),
            (Method::Patch, ["issues", _], Some(at)) => self.change(at, &asked.json()),
            (Method::Get, ["issues", _, "comments"], Some(_)) => answer(200, json!(self.comments)),
            (Method::Post, ["issues", _, "comments"], Some(_)) => {
                let made = json!({"id": self.comments.len(), "body": asked.json()["body"]});
                self.comments.push(made.clone());
                answer(201, made)
            }
            (Method::Post, ["issues", _, "labels"], Some(at)) => {
                for name in asked.json()["labels"].as_array().unwrap() {
                    let labels = self.issues[at - 1]["labels"].as_array_mut().unwrap();
                    labels.push(json!({"name": name}));
                }
                answer(200, self.issues[at - 1]["labels"].clone())
            }
            (Method::Delete, ["issues", _, "labels", name], Some(at)) => {
                let name = name.replace("%20", " ");
                let labels = self.issues[at - 1]["labels"].as_array_mut().unwrap();
                labels.retain(|label| label["name"] != name);
                answer(200, json!(labels))
            }
            _ => missing(),
        }
    }

    fn list(&self, query: &str) -> Result<Answer, Lost> {
        let asked: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value =
            |name: &str| asked.iter().find(|(held, _)| held == name).map(|(_, value)| &**value);
        let is_asked = |issue: &&Value| {
            let has_label = |label: &str| {
                issue["labels"].as_array().unwrap().iter().any(|one| one["name"] == label)
            };
            let is = |name: &str, held: &Value| value(name).is_none_or(|value| value == held);
            !issue.is_null()
                && value("labels").is_none_or(has_label)
                && is("creator", &issue["user"]["login"])
                && (value("state") == Some("all") || is("state", &issue["state"]))
                && value("since").is_none_or(|since| issue["updated_at"].as_str().unwrap() >= since)
        };
        let shown = &self.issues[..self.lists.unwrap_or(self.issues.len())];
        let mut found: Vec<_> = shown.iter().filter(is_asked).cloned().collect();
        let key = if value("sort") == Some("updated") { "updated_at" } else { "created_at" };
        found.sort_by_key(|issue| issue[key].as_str().unwrap().to_owned());
        if value("direction") != Some("asc") {
            found.reverse();
        }
        let per_page: usize = value("per_page").unwrap().parse().unwrap();
        let page: usize = value("page").unwrap().parse().unwrap();
        let all = found.len();
        let part: Vec<_> = found.into_iter().skip((page - 1) * per_page).take(per_page).collect();
        let mut answered = answer(200, json!(part))?;
        if all > page * per_page {
            answered.headers.push(("link".into(), "<https://x>; rel=\"next\"".into()));
        }
        Ok(answered)
    }

    fn make(&mut self, asked: &Value) -> Result<Answer, Lost> {
        assert!(asked["body"].as_str().unwrap().encode_utf16().count() <= 65_536);
        assert!(asked["title"].as_str().unwrap().encode_utf16().count() <= 256);
        let people = asked["assignees"].as_array().cloned().unwrap_or_default();
        if people.contains(&json!("nobody")) {
            return answer(
                422,
                json!({"message": "Validation Failed",
                "errors": [{"resource": "Issue", "field": "assignees", "code": "invalid"}]}),
            );
        }
        let of = |names: &Value, key: &str| -> Vec<_> {
            let names = names.as_array().cloned().unwrap_or_default();
            names.iter().filter(|_| !self.drops).map(|name| json!({key: name})).collect()
        };
        let user = if self.is_app { "shop[bot]" } else { US };
        let number = self.issues.len() + 1;
        let made = json!({"number": number, "title": asked["title"], "body": asked["body"],
            "labels": of(&asked["labels"], "name"), "assignees": of(&asked["assignees"], "login"),
            "user": {"login": user}, "state": "open", "state_reason": null, "closed_by": null,
            "locked": false, "created_at": self.at(), "updated_at": self.at(),
            "html_url": format!("https://github.com/octo/shop/issues/{number}")});
        self.issues.push(made.clone());
        answer(201, made)
    }

    fn change(&mut self, at: usize, asked: &Value) -> Result<Answer, Lost> {
        let (now, user) = (self.at(), if self.is_app { "shop[bot]" } else { US });
        let issue = &mut self.issues[at - 1];
        for name in ["body", "state", "state_reason"] {
            if let Some(value) = asked.get(name) {
                issue[name] = value.clone();
            }
        }
        if let Some(state) = asked["state"].as_str() {
            issue["closed_by"] =
                if state == "closed" { json!({"login": user}) } else { Value::Null };
        }
        issue["updated_at"] = json!(now);
        answer(200, issue.clone())
    }
}
