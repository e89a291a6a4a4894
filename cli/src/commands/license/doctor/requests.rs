//! What would be sent to the licensing server.

use std::{fmt::Write as _, path::Path};

use inspire_auth_core::{
    keys::Caller,
    license::{
        machine,
        online::{HttpRequest, activation_requests},
    },
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
    text::printable,
};

/// Prints the requests of an activation with this key, or else of the installed license's re-validation.
pub(super) fn show(context: &Context, key_file: Option<&Path>, reveals_key: bool) -> Result<Report> {
    let missing =
        || Failure::usage("no licensing server is named").advise("give --server URL, or set INSPIRE_AUTH_SERVER");
    let server = context.server()?.ok_or_else(missing)?;
    let (errand, requests) = match key_file {
        Some(path) => {
            let key = files::read_text(path)?;
            let product = context.globals.product.as_deref();
            let fingerprint = machine::fingerprint(context.machine_id()?.as_deref(), product)?.fingerprint;
            ("activation", activation_requests(&server, &key, &fingerprint, product, reveals_key)?)
        }
        None => {
            let auth = context.open(Opening::Existing)?;
            let requests = auth.license().revalidation_requests(reveals_key, &Caller::system());
            let activation = "for those of an activation give its license key with --key-file PATH";
            ("revalidation", requests.map_err(|error| Failure::from(error).advise(activation))?)
        }
    };
    let documents: Vec<Value> = requests.iter().map(document).collect();
    let text: Vec<String> = requests.iter().map(text).collect();
    Ok(Report::secret(json!({"errand": errand, "requests": documents}), Zeroizing::new(text.join("\n"))))
}

fn document(request: &HttpRequest) -> Value {
    let headers: Vec<Value> =
        request.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": String::from_utf8_lossy(&request.body),
    })
}

fn text(request: &HttpRequest) -> String {
    let mut text = format!("{} {}\n", request.method, printable(&request.url));
    for (name, value) in &request.headers {
        let _ = writeln!(text, "{name}: {}", printable(value));
    }
    if !request.body.is_empty() {
        let _ = write!(text, "\n{}\n", printable(&String::from_utf8_lossy(&request.body)));
    }
    text
}
