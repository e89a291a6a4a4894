//! The decision about one request.

use inspire_auth_core::{
    Result,
    keys::{Channel, Presented, Request, RequirementSpec},
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
    let channel = match arguments.text("channel")?.as_str() {
        "plain" => Channel::Plain,
        "secure" => Channel::Secure,
        "local" => Channel::Local,
        _ => return Err(unreadable()),
    };
    let require = arguments.requirement_or_none("require")?;
    let entitlement = arguments.text_or_none("entitlement")?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;

    let requirement =
        auth.requirement(&require.unwrap_or_else(|| RequirementSpec::Any(vec!["Authenticated".to_owned()])))?;
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let request = Request {
        presented: Presented::Headers(&headers),
        channel,
        requirement: &requirement,
        entitlement: entitlement.as_deref(),
        now,
    };
    let principal = match auth.authenticate(&request) {
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

/// Pairs of bytes, as received.
fn headers(arguments: &mut Arguments) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    arguments.list("headers")?.into_iter().map(header).collect()
}

fn header(pair: Value) -> Result<(Vec<u8>, Vec<u8>)> {
    let [name, value] = <[Value; 2]>::try_from(list(pair)?).map_err(|_| unreadable())?;
    Ok((bytes(name)?, bytes(value)?))
}
