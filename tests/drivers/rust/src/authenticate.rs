//! The decision about one request.

use inspire_auth_core::{
    InspireAuth, Result,
    keys::{Channel, Presented, Principal, Request, Requirement, RequirementSpec, TrustedProxies},
    routes::Routes,
};
use serde_json::{Value, json};

use crate::{
    Answer, Fields,
    arguments::{Arguments, bytes, list, unreadable},
    handles::Handles,
    success,
};

pub(crate) fn authenticate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let headers = headers(arguments)?;
    let channel = named(&arguments.text("channel")?)?;
    let demand = Demand::read(handles, arguments)?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let principal = match demand.ask(&auth, &headers, channel, now)? {
        Ok(principal) => principal,
        Err(error) => {
            let code = error.code();
            let http = auth.http(code);
            let mut fields = Fields::new();
            // A code that answers no request has no status.
            fields.insert("http".to_owned(), code.entry().http.map(|_| http.status).into());
            fields.insert("challenge".to_owned(), http.challenge.into());
            return Ok((code, fields));
        }
    };
    let levels = auth.principal_levels(&principal)?;
    let number = if principal.is_anonymous() { None } else { Some(handles.keep(principal)) };
    success([
        ("http", 200.into()),
        ("principal", json!({"name": principal.name(), "levels": levels, "handle": number})),
    ])
}

/// What a request needs: said by the request, or by a route table.
enum Demand {
    Said { require: RequirementSpec, entitlement: Option<String> },
    Routed { routes: Routes, method: String, path: Vec<u8> },
}

impl Demand {
    fn read(handles: &Handles, arguments: &mut Arguments) -> Result<Self> {
        // With a table, `require` and `entitlement` are members that nobody asks for.
        if let Some(routes) = handles.routes_or_none(arguments)? {
            return Ok(Self::Routed { routes, method: arguments.text("method")?, path: arguments.bytes("path")? });
        }
        let require = arguments.requirement_or_none("require")?;
        let require = require.unwrap_or_else(|| RequirementSpec::Any(vec!["Authenticated".to_owned()]));
        Ok(Self::Said { require, entitlement: arguments.text_or_none("entitlement")? })
    }

    /// The decision, or why none was asked for.
    fn ask(
        &self,
        auth: &InspireAuth,
        headers: &[(&[u8], &[u8])],
        channel: Channel,
        now: Option<i64>,
    ) -> Result<Result<Principal>> {
        let presented = Presented::Headers(headers);
        let ask = |requirement: &Requirement, entitlement: Option<&str>| {
            auth.authenticate(&Request { presented, channel, requirement, entitlement, now })
        };
        match self {
            Self::Said { require, entitlement } => Ok(ask(&auth.requirement(require)?, entitlement.as_deref())),
            Self::Routed { routes, method, path } => {
                Ok(auth.route(routes, method, path).and_then(|rule| ask(rule.requirement(), rule.entitlement())))
            }
        }
    }
}

/// The channel of a request that may have come through a proxy.
pub(crate) fn channel(_: &mut Handles, arguments: &mut Arguments) -> Answer {
    let proxies: TrustedProxies = arguments.text("proxies")?.parse()?;
    let peer = arguments.text("peer")?.parse().map_err(|_| unreadable())?;
    let direct = named(&arguments.text("direct")?)?;
    let headers = headers(arguments)?;
    arguments.end()?;
    let lines = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let channel = match proxies.channel(peer, direct, lines) {
        Channel::Plain => "plain",
        Channel::Secure => "secure",
        Channel::Local => "local",
    };
    success([("channel", channel.into())])
}

pub(crate) fn named(channel: &str) -> Result<Channel> {
    match channel {
        "plain" => Ok(Channel::Plain),
        "secure" => Ok(Channel::Secure),
        "local" => Ok(Channel::Local),
        _ => Err(unreadable()),
    }
}

/// Pairs of bytes, as received.
fn headers(arguments: &mut Arguments) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    arguments.list("headers")?.into_iter().map(header).collect()
}

fn header(pair: Value) -> Result<(Vec<u8>, Vec<u8>)> {
    let [name, value] = <[Value; 2]>::try_from(list(pair)?).map_err(|_| unreadable())?;
    Ok((bytes(name)?, bytes(value)?))
}
