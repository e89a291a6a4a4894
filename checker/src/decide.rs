//! From a request's head to a decision.

use std::sync::Arc;

use hyper::{HeaderMap, http::request::Parts};
use inspire_auth_core::{
    Error, Result,
    keys::{Channel, Presented, Principal, Request, Requirement},
};

use crate::{Arrival, Guard, Options, gateway::only};

/// What a request came to.
#[derive(Debug)]
pub(crate) enum Decision {
    Granted(Grant),
    Refused(Error),
    /// The gateway did not say what it was asked: a mistake in its configuration.
    Unsaid,
}

/// Who a granted request comes from.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) principal: Principal,
    /// The key's levels, where they are wanted.
    pub(crate) levels: Option<Vec<String>>,
}

/// Decides a request: at once where its key is known, else on a thread that may wait.
pub(crate) async fn decide(options: &Arc<Options>, head: Parts) -> Decision {
    let asked = match Terms::of(options, &head) {
        Ok(Some(asked)) => asked,
        Ok(None) => return Decision::Unsaid,
        Err(error) => return Decision::Refused(error),
    };
    let warm = with_request(options, &head.headers, &asked, |request| options.auth.authenticate_warm(request));
    let decided = match warm {
        Some(decided) => decided,
        None => {
            let (options, headers) = (Arc::clone(options), head.headers);
            // How many hash at once, and what is `BUSY`, the handle decides.
            let waited = tokio::task::spawn_blocking(move || {
                with_request(&options, &headers, &asked, |request| options.auth.authenticate(request))
            });
            match waited.await {
                Ok(decided) => decided,
                Err(_) => Err(Error::from(inspire_auth_core::Code::Internal)),
            }
        }
    };
    let granted = decided.and_then(|principal| {
        let levels = options.levels.then(|| options.auth.principal_levels(&principal)).transpose()?;
        Ok(Grant { principal, levels })
    });
    granted.map_or_else(Decision::Refused, Decision::Granted)
}

/// What a request needs.
struct Terms {
    requirement: Requirement,
    entitlement: Option<String>,
    channel: Channel,
}

impl Terms {
    /// `None` when the gateway does not say what was asked for.
    fn of(options: &Options, head: &Parts) -> Result<Option<Self>> {
        let channel = channel(options.arrival, &head.headers);
        let (requirement, entitlement) = match &options.guard {
            Guard::All { requirement, entitlement } => (requirement.clone(), entitlement.clone()),
            Guard::Routes(routes) => {
                let Some(asked) = options.gateway.asked(&head.method, &head.uri, &head.headers) else {
                    return Ok(None);
                };
                let rule = options.auth.route(routes, asked.method, asked.path)?;
                (rule.requirement().clone(), rule.entitlement().map(str::to_owned))
            }
        };
        Ok(Some(Self { requirement, entitlement, channel }))
    }
}

/// How the client came. What is not said in one word is not secure.
fn channel(arrival: Arrival, headers: &HeaderMap) -> Channel {
    let is_secure = match arrival {
        Arrival::Plain => false,
        Arrival::Secure => true,
        Arrival::Forwarded => {
            only(headers, "x-forwarded-proto").is_some_and(|said| said.trim_ascii().eq_ignore_ascii_case(b"https"))
        }
    };
    if is_secure { Channel::Secure } else { Channel::Plain }
}

fn with_request<T>(options: &Options, headers: &HeaderMap, terms: &Terms, ask: impl FnOnce(&Request<'_>) -> T) -> T {
    let carries = |name: &str| options.auth.credential_headers().any(|known| known.eq_ignore_ascii_case(name));
    let lines: Vec<(&[u8], &[u8])> = headers
        .iter()
        .filter(|(name, _)| carries(name.as_str()))
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
        .collect();
    let mut request = Request::new(Presented::Headers(&lines), &terms.requirement);
    request.channel = terms.channel;
    request.entitlement = terms.entitlement.as_deref();
    ask(&request)
}
