//! Verifying the chain of an audit file.

use std::path::{Path, PathBuf};

use inspire_auth_core::{
    Result,
    audit::{Verified, verify, verify_with_head},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{read_or_default, text},
    boundary::{run, start},
    handle::number,
};

/// What else an audit file must show.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyAuditOptions {
    /// The `head` of an earlier verification, which must still be there: only so does anybody notice that the newest lines
    /// were cut off.
    pub head: Option<String>,
}

/// A place in an audit file.
#[napi(object, object_from_js = false)]
pub struct AuditPlace {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: f64,
}

/// What the chain of an audit file comes to.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct VerifiedAudit {
    /// How many lines were read.
    pub lines: f64,
    /// The files that they are in, oldest first.
    pub files: Vec<String>,
    /// The SHA-256 of the last line, in hexadecimal. Kept elsewhere, it shows later that nothing was cut off.
    pub head: String,
    /// Whether the first line is the first that was ever written; else older files are gone, as {@link AuditFile.keep} has
    /// it.
    pub from_the_beginning: bool,
    /// Lines at the beginning from before there was a chain, which nothing vouches for.
    pub unchained: f64,
    /// Pieces of lines that a crash has left; the chain goes on after them.
    pub torn: f64,
    /// Where the first of them is; `null` when there is none.
    pub first_torn: Option<AuditPlace>,
}

impl From<Verified> for VerifiedAudit {
    fn from(found: Verified) -> Self {
        let shown = |path: &PathBuf| path.to_string_lossy().into_owned();
        Self {
            lines: number(found.lines),
            files: found.files.iter().map(shown).collect(),
            head: found.head,
            from_the_beginning: found.from_the_beginning,
            unchained: number(found.unchained),
            torn: number(found.torn),
            first_torn: found.first_torn.map(|(file, line)| AuditPlace { file: shown(&file), line: number(line) }),
        }
    }
}

fn verifying(env: &Env, path: Unknown<'_>, options: Unknown<'_>) -> Result<work!(VerifiedAudit)> {
    let path = text(env, path, "path")?;
    let VerifyAuditOptions { head } = read_or_default(env, options, "options")?;
    Ok(move || {
        let path = Path::new(&path);
        let found = head.map_or_else(|| verify(path), |head| verify_with_head(path, &head))?;
        Ok(VerifiedAudit::from(found))
    })
}

/// Checks the chain of an audit file ({@link AuditFile.chain}), and of the files that it was renamed to, oldest first. Needs
/// no handle, and may run while others write.
///
/// @throws InspireAuthError `CONFLICT` when something was changed, removed or inserted, with the file and line in its
/// detail; `INVALID_ARGUMENT` for a file without a chain, or a `head` that is none; `AUDIT_UNAVAILABLE` when it can't be
/// read
/// @example
/// const { lines, head } = await verifyAudit('/var/log/service/audit.jsonl');
#[napi(ts_args_type = "path: string, options?: VerifyAuditOptions | null", ts_return_type = "Promise<VerifiedAudit>")]
pub fn verify_audit<'e>(env: &'e Env, path: Unknown<'e>, options: Unknown<'e>) -> napi::Result<Unknown<'e>> {
    start(env, || verifying(env, path, options))
}

/// {@link verifyAudit}, blocking for as long as reading takes.
///
/// @throws InspireAuthError as {@link verifyAudit}
#[napi(ts_args_type = "path: string, options?: VerifyAuditOptions | null")]
pub fn verify_audit_sync(env: &Env, path: Unknown<'_>, options: Unknown<'_>) -> napi::Result<VerifiedAudit> {
    run(env, || verifying(env, path, options)?())
}
