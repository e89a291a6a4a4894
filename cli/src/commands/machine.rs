//! `machine ...`: what this machine is to a license.

use clap::{Args, Subcommand};
use inspire_auth_core::license::machine;
use serde_json::json;

use crate::{context::Context, failure::Result, report::Report, table::Facts};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The fingerprint that a machine file for this machine must hold
    Id(Id),
    /// What the fingerprint is made of, and what was found
    Explain(Explain),
}

/// `machine id`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth machine id
  inspire-auth machine id --product gateway
  inspire-auth machine id --machine-id-file /var/lib/gateway/machine-id

Send it to your vendor to get a license file for this machine. It depends on --product.")]
pub(crate) struct Id {}

/// `machine explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth machine explain
  inspire-auth machine explain --product gateway --json")]
pub(crate) struct Explain {}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    let given = context.machine_id()?;
    let product = context.globals.product.as_deref();
    match command {
        Command::Id(Id {}) => {
            let identity = machine::fingerprint(given.as_deref(), product)?;
            if let (Some(container), None) = (identity.container, &given) {
                context.note(&format!(
                    "warning: this is a container ({container}), whose machine id may be gone with its next start: keep \
                     one in a volume, and give it with --machine-id-file"
                ));
            }
            let document = json!({
                "fingerprint": identity.fingerprint,
                "source": identity.source.as_str(),
                "container": identity.container,
            });
            Ok(Report::new(document, format!("{}\n", identity.fingerprint)))
        }
        Command::Explain(Explain {}) => {
            let parts = machine::explain(given.as_deref(), product);
            let mut facts = Facts::new();
            for part in &parts {
                facts.add(part.name, &part.found);
            }
            let parts: Vec<_> = parts.iter().map(|part| json!({"name": part.name, "found": part.found})).collect();
            Ok(Report::new(json!({"parts": parts}), facts.render(context.page)))
        }
    }
}
