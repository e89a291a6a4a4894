//! The operations on route tables.

use inspire_auth_core::routes::Routes;
use serde_json::json;

use crate::{
    Answer,
    arguments::{Arguments, unreadable},
    authenticate::named,
    handles::Handles,
    success,
};

pub(crate) fn parse(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let text = arguments.text("json")?;
    arguments.end()?;
    let routes = Routes::parse(&text)?;
    let count = routes.rules().len();
    success([("routes", handles.keep_routes(routes).into()), ("count", count.into())])
}

pub(crate) fn would_allow(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let routes = handles.routes_or_none(arguments)?.ok_or_else(unreadable)?;
    let key = arguments.text_or_none("key")?;
    let (method, path) = (arguments.text("method")?, arguments.bytes("path")?);
    let channel = named(arguments.text_or_none("channel")?.as_deref().unwrap_or("plain"))?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    let found = auth.would_allow(&routes, key.as_deref(), &method, &path, channel, now)?;
    let rule = found.rule.map(|(prefix, methods)| json!({"prefix": prefix, "methods": methods}));
    success([("code", found.code.name().into()), ("rule", rule.into()), ("missing", found.missing.into())])
}
