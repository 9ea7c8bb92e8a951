//! A wire that a test answers.

use std::sync::{Arc, Mutex};

use countersign_deliveries::receivers::Access;
use countersign_deliveries::wire::{Answer, Doing, Lost, Method, Request, Wire};
use serde_json::Value;
use zeroize::Zeroizing;

/// What was asked, to look at afterwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// Path and query.
    pub(crate) fn target(&self) -> String {
        let url = url::Url::parse(&self.url).unwrap();
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answering = dyn FnMut(&Asked) -> Result<Answer, Lost> + Send;

/// Answers by a function, and remembers what was asked.
#[derive(Clone)]
pub(crate) struct Fake {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<Box<Answering>>>,
}

impl Fake {
    pub(crate) fn new(answer: impl FnMut(&Asked) -> Result<Answer, Lost> + Send + 'static) -> Self {
        Self { asked: Arc::default(), answer: Arc::new(Mutex::new(Box::new(answer))) }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn access(&self, secret: &str) -> Access {
        Access {
            wire: Arc::new(self.clone()),
            secret: Arc::new(Zeroizing::new(secret.to_owned())),
            dashboard: None,
        }
    }
}

impl Wire for Fake {
    fn ask(&self, request: Request) -> Doing<'_, Result<Answer, Lost>> {
        Box::pin(async move {
            let headers = request.headers.iter().map(|(name, value)| (*name, value.to_string()));
            let asked = Asked {
                method: request.method,
                url: request.url.to_string(),
                headers: headers.collect(),
                body: request.body.clone(),
            };
            self.asked.lock().unwrap().push(asked.clone());
            let answer = &mut *self.answer.lock().unwrap();
            answer(&asked)
        })
    }
}

/// An answer of JSON.
pub(crate) fn json(status: u16, body: Value) -> Result<Answer, Lost> {
    Ok(Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into_bytes(),
    })
}
