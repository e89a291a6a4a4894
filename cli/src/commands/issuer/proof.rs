//! `issuer accept-proof`: a customer's word that a license was taken out.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::{
    Code, Error,
    license::{
        issue::{Receipt, Request},
        keys::PublicKey,
    },
};
use serde_json::json;

use crate::{
    context::Context,
    failure::{Failure, Result},
    files,
    report::Report,
    table::Facts,
    time,
};

/// `issuer accept-proof FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer accept-proof receipt.txt
  inspire-auth issuer accept-proof receipt.txt --request site.req

The receipt is what `license deactivate --receipt-out` writes. Its signature holds under the key that stands in it: that
the key is your customer's says the request that came earlier, or what you noted of it (--key). It is evidence, not
proof: whoever owns a machine can copy its key.

Exits 0 when it holds, 3 when it does not.")]
pub(crate) struct AcceptProof {
    /// The receipt; - is standard input
    file: PathBuf,
    /// The installation must have this key (64 hex digits), as `issuer sign --request` told it
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// The installation must be the one that made this request
    #[arg(long, value_name = "FILE.req")]
    request: Option<PathBuf>,
}

pub(super) fn accept(context: &Context, arguments: &AcceptProof) -> Result<Report> {
    let about = |error: Error| Failure::from(error).about(files::name(&arguments.file));
    let expected = arguments.key.as_deref().map(PublicKey::parse).transpose();
    let expected = expected.map_err(|error| Failure::from(error).about("--key"))?;
    let request = arguments
        .request
        .as_ref()
        .map(|path| Request::read(&files::read(path)?).map_err(|error| Failure::from(error).about(files::name(path))));
    let asked = request.transpose()?.map(|request| request.installation);
    let receipt = Receipt::read(&files::read(&arguments.file)?).map_err(about)?;
    let is_compared = expected.is_some() || asked.is_some();
    if expected.into_iter().chain(asked).any(|key| key != receipt.installation) {
        let another = about(Error::with(Code::LicenseSignatureInvalid, "another installation signed this receipt"));
        return Err(another.advise(format!("ask the customer: this one has the key {}", receipt.installation.to_hex())));
    }
    if !is_compared {
        context.note("note: whose key it is was not compared; give --request or --key");
    }
    let now = time::now();
    let mut facts = Facts::new();
    facts
        .add("License", &receipt.license)
        .add("Machine", receipt.machine.as_deref().unwrap_or("none"))
        .add("Fingerprint", &receipt.fingerprint)
        .add("File of", time::shown(receipt.issued, now))
        .add("Deactivated", time::shown(receipt.deactivated, now))
        .add("Installation", receipt.installation.to_hex());
    let document = json!({"receipt": {
        "license": receipt.license,
        "machine": receipt.machine,
        "fingerprint": receipt.fingerprint,
        "issued_at": receipt.issued,
        "deactivated_at": receipt.deactivated,
        "installation": receipt.installation.to_hex(),
    }, "compared": is_compared});
    Ok(Report::new(document, facts.render(context.page)))
}
