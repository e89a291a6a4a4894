//! What a request means: Keygen's API, as far as a client of a license needs it.
//!
//! A handler is a plain function from a [`Call`] to an [`Answer`] or a [`Problem`]; [`routes`] says which. What happens
//! between the socket and a handler is `server`'s.

mod answer;
mod authentication;
mod call;
mod check_out;
mod documents;
mod licenses;
mod machines;
mod scope;
mod verdict;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::Response,
    routing::{self, MethodFilter, MethodRouter},
};
use inspire_auth_core::license::issue::SigningKey;

use crate::{server::Clock, store::Store};

pub(crate) use answer::{Answer, Note, Problem};
pub(crate) use call::{Call, RequestId};

/// The most bytes of a request's body.
const MAX_BODY: usize = 64 << 10;
/// Keygen's versions whose documents are these; the first is spoken where a request names none.
pub(crate) const VERSIONS: [&str; 2] = ["1.7", "1.8"];

/// What every handler works with.
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) key: Arc<SigningKey>,
    /// The one account there is; `None` answers to any.
    pub(crate) account: Option<String>,
    pub(crate) clock: Clock,
}

impl Api {
    fn now(&self) -> i64 {
        (self.clock)()
    }
}

type Handler = fn(&Api, &Call) -> Result<Answer, Problem>;

/// Every route, below `/v1` and below `/v1/accounts/{account}`.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let nothing: Handler = |_, _| Err(Problem::not_found());
    Router::new()
        .nest("/v1", routes())
        .nest("/v1/accounts/{account}", routes())
        .fallback(move |state: State<Arc<Api>>, call: Call| run(nothing, state, call))
        .method_not_allowed_fallback(move |state: State<Arc<Api>>, call: Call| run(nothing, state, call))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

fn routes() -> Router<Arc<Api>> {
    let machine = on(MethodFilter::GET, machines::show).merge(on(MethodFilter::DELETE, machines::remove));
    Router::new()
        .route("/ping", on(MethodFilter::GET, ping))
        .route("/health", on(MethodFilter::GET, ping))
        .route("/me", on(MethodFilter::GET, licenses::me))
        .route("/licenses/actions/validate-key", on(MethodFilter::POST, licenses::validate_key))
        .route("/licenses/{license}", on(MethodFilter::GET, licenses::show))
        .route(
            "/licenses/{license}/actions/validate",
            on(MethodFilter::POST, licenses::validate).merge(on(MethodFilter::GET, licenses::validate_quickly)),
        )
        .route(
            "/licenses/{license}/actions/check-out",
            on(MethodFilter::POST, check_out::license).merge(on(MethodFilter::GET, check_out::license_text)),
        )
        .route("/licenses/{license}/entitlements", on(MethodFilter::GET, licenses::entitlements))
        .route("/licenses/{license}/machines", on(MethodFilter::GET, machines::list))
        .route("/machines", on(MethodFilter::POST, machines::register))
        .route("/machines/{machine}", machine)
        .route("/machines/{machine}/actions/ping", on(MethodFilter::POST, machines::ping))
        .route(
            "/machines/{machine}/actions/check-out",
            on(MethodFilter::POST, check_out::machine).merge(on(MethodFilter::GET, check_out::machine_text)),
        )
}

/// A handler for requests of this method.
fn on(method: MethodFilter, handler: Handler) -> MethodRouter<Arc<Api>> {
    routing::on(method, move |state: State<Arc<Api>>, call: Call| run(handler, state, call))
}

fn ping(_: &Api, _: &Call) -> Result<Answer, Problem> {
    Ok(Answer::text("text/plain", "pong\n"))
}

/// Runs a handler on a thread that may wait for the disk.
async fn run(handler: Handler, State(api): State<Arc<Api>>, call: Call) -> Response {
    let (id, route) = (call.id.clone(), call.route.clone());
    let done = tokio::task::spawn_blocking(move || {
        call.check(&api)?;
        handler(&api, &call)
    });
    // Should a handler panic, only its own request ends.
    let answer = done.await.unwrap_or_else(|_| Err(Problem::internal()));
    let mut response = answer.unwrap_or_else(|problem| problem.answer(&id)).into_response();
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}
