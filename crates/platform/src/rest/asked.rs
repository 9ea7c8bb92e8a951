//! A request to a resource, taken apart once for all handlers.

use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use countersign_tenant::annotations::Rights;
use countersign_tenant::users::User;
use countersign_tenant::{Change, Noted, View};
use countersign_web::body::Unread;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{json, no_content};
use super::error::Refusal;
use super::query::Query;
use crate::caller::{Caller, Grant, Needs, Signed};
use crate::state::AppState;

/// What a resource asks of whoever calls it.
pub(crate) trait Access: FromRequestParts<AppState, Rejection = Refusal> {
    fn into_caller(self) -> Caller;
}

impl Access for Caller {
    fn into_caller(self) -> Caller {
        self
    }
}

impl Access for Signed {
    fn into_caller(self) -> Caller {
        self.0
    }
}

impl<P: Needs> Access for Grant<P> {
    fn into_caller(self) -> Caller {
        self.caller
    }
}

/// A caller that may write annotations of some kind.
pub(crate) struct Annotator(Caller);

impl FromRequestParts<AppState> for Annotator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Rights::of(&caller.user)?;
        Ok(Self(caller))
    }
}

impl Access for Annotator {
    fn into_caller(self) -> Caller {
        self.0
    }
}

/// A request of a caller that was let in by `A`: for the resource of this path, with this
/// query.
pub(crate) struct Asked<A, T = ()> {
    pub(crate) caller: Caller,
    pub(crate) path: T,
    pub(crate) query: Query,
    state: AppState,
    access: PhantomData<fn() -> A>,
}

impl<A: Access, T: DeserializeOwned + Send> FromRequestParts<AppState> for Asked<A, T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let access = A::from_request_parts(parts, state).await;
        let caller = access.map_err(IntoResponse::into_response)?.into_caller();
        let path = Path::<T>::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(IntoResponse::into_response)?;
        let query = Query::parse(parts.uri.query());
        Ok(Self { caller, path, query, state: state.clone(), access: PhantomData })
    }
}

impl<A: 'static, T: Send + 'static> Asked<A, T> {
    pub(crate) fn user(&self) -> &User {
        &self.caller.user
    }

    /// `https://` and the host, for links.
    pub(crate) fn base(&self) -> &str {
        &self.caller.base
    }

    pub(crate) async fn look(
        self,
        ask: impl FnOnce(&View<'_>, &Self) -> Result<Response, Refusal> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let state = self.state.clone();
        state.look(move |view| ask(view, &self)).await
    }

    /// A change that is answered with what there is now. Where that cannot be written,
    /// nothing is changed.
    pub(crate) async fn change<R: Serialize, E: Into<Refusal>>(
        self,
        make: impl FnOnce(&Change<'_>, &Self) -> Result<Noted<R>, E> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let (state, act) = (self.state.clone(), self.caller.act());
        let make = move |change: &Change<'_>| {
            make(change, &self).map_err(Into::into)?.try_map(|now| json(&now))
        };
        state.change(act, make).await
    }

    /// A change after which there is nothing to say.
    pub(crate) async fn remove<E: Into<Refusal>>(
        self,
        make: impl FnOnce(&Change<'_>, &Self) -> Result<Noted<()>, E> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let (state, act) = (self.state.clone(), self.caller.act());
        let make = move |change: &Change<'_>| make(change, &self).map_err(Into::into);
        state.change::<_, Refusal>(act, make).await?;
        Ok(no_content())
    }
}

/// A body that may be empty, as JSON; unknown and null members do not matter.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<AppState> for Input<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await;
        let body =
            body.map_err(|error: BytesRejection| Refusal::unread(Unread::because(&error)))?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        let value = serde_json::from_slice(&body);
        value.map(Self).map_err(|error| Refusal::gateway(400, &format!("malformed JSON: {error}")))
    }
}
