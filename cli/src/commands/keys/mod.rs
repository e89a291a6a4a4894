//! `keys ...`: what can be asked about API keys.

mod change;
mod import;
mod import_all;
mod read;
mod secret;
mod verify;
mod view;

use clap::{Args, Subcommand};
use inspire_auth_core::keys::NewKey;

use crate::{context::Context, failure::Result, report::Report, time};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key; its secret is shown this one time
    Create(secret::Create),
    /// All keys, or those that a level lets through
    List(read::List),
    /// Everything about one key but its secret
    Show(read::Show),
    /// Change description, levels, secure channel or expiry
    Edit(change::Edit),
    /// Give a key another name; its secret stays, the old name is unknown at once
    Rename(change::Rename),
    /// Make a key with all settings of another, a new name and a new secret
    Duplicate(secret::Duplicate),
    /// Give a key a new secret; the old one is refused at once, or after an overlap
    Rotate(secret::Rotate),
    /// Let a disabled key be used again
    Enable(change::Switch),
    /// Refuse a key from now on, without deleting it
    Disable(change::Switch),
    /// Revoke keys for good, at once, for everything that uses them
    Delete(change::Delete),
    /// Add a key whose secret was made elsewhere, by its hash
    Import(import::Import),
    /// Add many keys whose secrets were made elsewhere, by their hashes: all of them, or none
    ImportAll(import_all::ImportAll),
    /// All keys as JSON, without secrets or hashes
    Export(read::Export),
    /// Try a credential, as a host would
    Verify(verify::Verify),
}

/// What `create` and `import` have in common.
#[derive(Debug, Args)]
struct Settings {
    /// What the key is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// A security level to grant, such as Authenticated/Ops/Read; may be repeated
    #[arg(long = "level", value_name = "LEVEL")]
    levels: Vec<String>,
    /// Accept the key over connections that are not secure, too
    #[arg(long)]
    allow_insecure: bool,
    /// Make it disabled
    #[arg(long)]
    disabled: bool,
    /// When it expires: 2030-01-31T12:00:00Z, or from now: 90d, 12h, 30m
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

impl Settings {
    fn key(&self, context: &Context, name: &str) -> Result<NewKey> {
        let expires_at = self.expires.as_deref().map(time::moment).transpose()?;
        if expires_at.is_some_and(|end| end <= time::now()) {
            context.note("warning: it has expired already");
        }
        Ok(NewKey {
            name: name.to_owned(),
            description: self.description.clone(),
            levels: self.levels.clone(),
            require_secure: !self.allow_insecure,
            enabled: !self.disabled,
            expires_at,
        })
    }
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Create(arguments) => secret::create(context, &arguments),
        Command::List(arguments) => read::list(context, &arguments),
        Command::Show(arguments) => read::show(context, &arguments),
        Command::Edit(arguments) => change::edit(context, &arguments),
        Command::Rename(arguments) => change::rename(context, &arguments),
        Command::Duplicate(arguments) => secret::duplicate(context, &arguments),
        Command::Rotate(arguments) => secret::rotate(context, &arguments),
        Command::Enable(arguments) => change::switch(context, &arguments, true),
        Command::Disable(arguments) => change::switch(context, &arguments, false),
        Command::Delete(arguments) => change::delete(context, &arguments),
        Command::Import(arguments) => import::import(context, &arguments),
        Command::ImportAll(arguments) => import_all::import_all(context, &arguments),
        Command::Export(arguments) => read::export(context, &arguments),
        Command::Verify(arguments) => verify::verify(context, &arguments),
    }
}
