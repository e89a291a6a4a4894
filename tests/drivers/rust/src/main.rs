//! The conformance driver over the Rust API: JSON lines in, JSON lines out, in order, until end of input.
//!
//! It is a thin shell: what it decides itself is only whether the arguments could be read. Every answer names all the
//! fields of its operation; those that there is nothing to say for are null.

mod arguments;
mod audit;
mod authenticate;
mod handles;
mod keys;
mod license;
mod online;
mod routes;

use std::{
    io::{self, BufRead, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use inspire_auth_core::{ABI_VERSION, Code, Error, TABLE, VERSION};
use serde_json::{Map, Value, json};

use arguments::Arguments;
use handles::Handles;

/// The members of an answer besides `id` and `result`.
type Fields = Map<String, Value>;
/// What an operation answers: a code and its fields. `Err` is for failures with nothing more to say.
type Answer = Result<(Code, Fields), Error>;

/// An operation: its name, the fields of its answer, and what it does.
type Operation = (&'static str, &'static [&'static str], fn(&mut Handles, &mut Arguments) -> Answer);

const OPERATIONS: &[Operation] = &[
    ("version", &["version", "abi"], version),
    ("errors", &["errors"], errors),
    ("open", &["handle"], handles::open),
    ("close", &[], handles::close),
    ("keys.create", &["record", "key"], keys::create),
    ("keys.get", &["record"], keys::get),
    ("keys.list", &["records"], keys::list),
    ("keys.update", &["record"], keys::update),
    ("keys.rename", &["record"], keys::rename),
    ("keys.duplicate", &["record", "key"], keys::duplicate),
    ("keys.rotate", &["record", "key"], keys::rotate),
    ("keys.delete", &[], keys::delete),
    ("keys.import", &["record"], keys::import),
    ("keys.import_all", &["count"], keys::import_all),
    ("authenticate", &["http", "challenge", "principal"], authenticate::authenticate),
    ("channel", &["channel"], authenticate::channel),
    ("audit", &["events"], audit::events),
    ("metrics", &["families", "verifications"], audit::metrics),
    ("routes.parse", &["routes", "count"], routes::parse),
    ("routes.would_allow", &["code", "rule", "missing"], routes::would_allow),
    (
        "license.inspect",
        &["failures", "kind", "license", "issued_at", "file_expires_at", "machine_fingerprint"],
        license::inspect,
    ),
    ("license.activate_offline", &["status"], license::activate_offline),
    ("license.status", &["status"], license::status),
    ("license.has", &["value"], license::has),
    ("license.limit", &["value"], license::limit),
    ("license.revalidate", &["status"], license::revalidate),
    ("license.deactivate", &["status"], license::deactivate),
    ("license.activate", &["status"], online::activate),
    ("license.refresh", &["status"], online::refresh),
    ("license.request", &["value"], online::request),
    ("license.reveal_key", &["value"], online::reveal_key),
    ("license.deactivate_with", &["status", "release", "problem", "receipt"], online::deactivate_with),
    ("license.release_pending", &["value"], online::release_pending),
    ("license.tick", &["next", "problem"], online::tick),
    ("license.last_attempt", &["attempt"], online::last_attempt),
    ("license.consume", &["balance"], online::consume),
    ("license.refund", &["balance"], online::refund),
    ("license.balance", &["balance"], online::balance),
    ("license.tenant_limit", &[], online::tenant_limit),
    (
        "license.inspect_key",
        &["key_id", "dataset", "license", "product", "created_at", "expires_at"],
        online::inspect_key,
    ),
];

fn main() -> io::Result<()> {
    // A panic becomes an answer; its message would only disturb whoever reads standard error.
    std::panic::set_hook(Box::new(|_| {}));
    let mut handles = Handles::default();
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        serde_json::to_writer(&mut output, &answer(&mut handles, &line))?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

/// The answer to one line, whatever the line is.
fn answer(handles: &mut Handles, line: &[u8]) -> Value {
    let Ok(Value::Object(mut request)) = serde_json::from_slice(line) else {
        return json!({"id": null, "result": Code::InvalidArgument.name()});
    };
    let id = request.remove("id").unwrap_or(Value::Null);
    let mut arguments = Arguments::new(request);
    let Ok(op) = arguments.text("op") else {
        return json!({"id": id, "result": Code::InvalidArgument.name()});
    };
    let Some((_, names, operation)) = OPERATIONS.iter().find(|(name, ..)| *name == op) else {
        return json!({"id": id, "result": "UNKNOWN_OP"});
    };
    let done = catch_unwind(AssertUnwindSafe(|| operation(handles, &mut arguments)));
    let (code, fields) = match done {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => (error.code(), Fields::new()),
        Err(_) => (Code::Internal, Fields::new()),
    };
    let mut answer = Fields::new();
    answer.insert("id".to_owned(), id);
    answer.insert("result".to_owned(), code.name().into());
    answer.extend(names.iter().map(|name| ((*name).to_owned(), Value::Null)));
    answer.extend(fields);
    Value::Object(answer)
}

/// The answer of an operation that succeeded.
fn success<const N: usize>(fields: [(&str, Value); N]) -> Answer {
    Ok((Code::Ok, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn version(_: &mut Handles, arguments: &mut Arguments) -> Answer {
    arguments.end()?;
    success([("version", VERSION.into()), ("abi", ABI_VERSION.into())])
}

fn errors(_: &mut Handles, arguments: &mut Arguments) -> Answer {
    arguments.end()?;
    let table: Vec<Value> = TABLE
        .iter()
        .map(|entry| {
            json!({"code": entry.name, "number": entry.number, "http": entry.http, "vector": entry.proof.is_none()})
        })
        .collect();
    success([("errors", table.into())])
}
