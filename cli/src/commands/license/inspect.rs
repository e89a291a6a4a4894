//! `license inspect`: a file or a signed license key, and every check of it.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::{
    Code,
    license::{self, InspectOptions, Inspection, Kind, SignedKey, is_signed, machine},
};
use serde_json::{Value, json};

use super::status::limit_text;
use crate::{
    context::Context,
    failure::{Failure, Result, exit_of},
    files,
    report::Report,
    table::{Facts, Page, Table},
    time,
};

/// `license inspect FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license inspect site.lic --trusted-keys-file vendor.pub
  inspire-auth license inspect site.lic --trusted-key acme=e8601e48... --key-file license.key --this-machine --offline
  inspire-auth license inspect license.key --trusted-keys-file vendor.pub

A license key that is signed itself (`key/...`) is checked as it stands. What it says is as old as the key: a renewal or
a suspension is not in it.

Installs nothing and needs no store. The list goes to standard output; the exit code is that of the first check that
fails: 3 for a file that can't be read or believed, 4 for one that can't be used.")]
pub(crate) struct Inspect {
    /// The license file, or a file with a signed license key; - is standard input
    file: PathBuf,
    /// A file with the license key: decrypts the file, and must be the one in it
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// Whether it was made for this machine
    #[arg(long)]
    this_machine: bool,
    /// Whether it is fit for an offline activation
    #[arg(long)]
    offline: bool,
    /// As of this time instead of now: 2030-01-31T12:00:00Z, or from now: 90d
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
}

pub(super) fn inspect(context: &Context, arguments: &Inspect) -> Result<Report> {
    let file = files::read(&arguments.file)?;
    let trusted_keys = context.trusted_keys()?;
    let license_key = arguments.key_file.as_deref().map(files::read_text).transpose()?;
    let product = context.globals.product.as_deref();
    let mut machine_id = context.machine_id()?;
    if arguments.this_machine {
        machine_id = Some(machine::fingerprint(machine_id.as_deref(), product)?.fingerprint);
    }
    let now = arguments.at.as_deref().map(time::moment).transpose()?;
    if trusted_keys.is_empty() {
        context.note("note: no trusted keys were given, so that no signature can be believed");
    }
    let options = InspectOptions {
        trusted_keys: &trusted_keys,
        license_key: license_key.as_ref().map(|key| key.as_str()),
        machine_id: machine_id.as_deref(),
        product,
        now,
        offline: arguments.offline,
    };
    let of_files = arguments.key_file.is_some() || arguments.this_machine || arguments.offline;
    if of_files && signed_key(&file).is_some() {
        let what = Failure::usage("this is a signed license key, and no file");
        return Err(what
            .about(files::name(&arguments.file))
            .advise("leave out --key-file, --this-machine and --offline"));
    }
    Ok(inspected(&file, &options, context.page))
}

/// The license key in a file that holds nothing else, if it is a signed one.
fn signed_key(file: &[u8]) -> Option<&str> {
    std::str::from_utf8(file).ok().map(str::trim).filter(|text| is_signed(text))
}

/// Every check of a file, or of a signed license key.
pub(in crate::commands) fn inspected(file: &[u8], options: &InspectOptions<'_>, page: Page) -> Report {
    match signed_key(file) {
        Some(key) => key_report(key, options, page),
        None => report(&license::inspect(file, options), options, page),
    }
}

/// One line of the list of checks.
struct Check {
    name: &'static str,
    /// Which codes say that it failed.
    codes: &'static [Code],
    /// Whether nothing after it is looked at when it fails.
    stops: bool,
    /// Whether it was asked for.
    asked: bool,
}

/// In the order of checking.
fn checks(inspection: &Inspection, options: &InspectOptions<'_>) -> Vec<Check> {
    let machine = inspection.kind == Some(Kind::Machine);
    let stop = |name, codes| Check { name, codes, stops: true, asked: true };
    let check = |name, codes, asked| Check { name, codes, stops: false, asked };
    let included = !inspection.failures.contains(&Code::LicenseNotIncluded);
    vec![
        stop("the file can be read", &[Code::LicenseMalformed]),
        stop("its algorithm is supported", &[Code::LicenseUnsupportedAlgorithm]),
        stop("a trusted key signed it", &[Code::LicenseSignatureInvalid]),
        stop(
            "it can be decrypted, where it is encrypted",
            &[Code::LicenseKeyRequired, Code::LicenseKeyOrMachineMismatch],
        ),
        check("it carries the license", &[Code::LicenseNotIncluded], true),
        check("it is for this product", &[Code::LicenseProductMismatch], options.product.is_some()),
        check("it was signed before now", &[Code::ClockRollback], true),
        check("the file has not expired", &[Code::LicenseFileExpired], true),
        check("the license is not suspended", &[Code::LicenseSuspended], included),
        check("the license has not expired", &[Code::LicenseExpired], included),
        check("the license key belongs to it", &[Code::LicenseKeyMismatch], included && options.license_key.is_some()),
        check("it was made for this machine", &[Code::MachineMismatch], machine && options.machine_id.is_some()),
        check(
            "it allows offline activation",
            &[Code::OfflineNotEntitled, Code::EntitlementsNotIncluded],
            included && options.offline,
        ),
    ]
}

/// In the order of checking, of a signed license key.
fn checks_of_key(key: Option<&SignedKey>, options: &InspectOptions<'_>) -> Vec<Check> {
    let stop = |name, codes| Check { name, codes, stops: true, asked: true };
    // A product stands only where Keygen put it.
    let names_product = options.product.is_some() && key.is_some_and(|key| key.license.is_some());
    vec![
        stop("the license key can be read", &[Code::LicenseMalformed]),
        stop("its algorithm is supported", &[Code::LicenseUnsupportedAlgorithm]),
        stop("a trusted key signed it", &[Code::LicenseSignatureInvalid]),
        Check {
            name: "it is for this product",
            codes: &[Code::LicenseProductMismatch],
            stops: false,
            asked: names_product,
        },
    ]
}

/// A check's name, its outcome (passed, failed, not asked for, not reached), and the code that it failed with.
type Row = (&'static str, &'static str, Option<Code>);

fn outcomes(checks: Vec<Check>, failures: &[Code]) -> Vec<Row> {
    let mut stopped = false;
    let mut rows = Vec::new();
    for check in checks {
        let failure = failures.iter().find(|code| check.codes.contains(code)).copied();
        let outcome = match failure {
            Some(_) => "FAIL",
            None if stopped => "not reached",
            None if check.asked => "pass",
            None => "not asked",
        };
        stopped |= failure.is_some() && check.stops;
        rows.push((check.name, outcome, failure));
    }
    rows
}

/// The list of checks, for programs and for people.
fn list(rows: &[Row], page: Page) -> (Value, String) {
    let document = rows
        .iter()
        .map(|(name, outcome, code)| {
            json!({"check": name, "outcome": outcome.to_lowercase(), "code": code.map(Code::name)})
        })
        .collect();
    let mut table = Table::new(&["CHECK", "OUTCOME", "WHAT IS WRONG"]);
    for (name, outcome, code) in rows {
        let wrong = code.map_or_else(String::new, |code| format!("{} ({})", code.entry().message, code.name()));
        table.row(vec![(*name).into(), (*outcome).into(), wrong.into()]);
    }
    (document, table.render(page))
}

/// What a signed license key says, and the list of its checks.
fn key_report(key: &str, options: &InspectOptions<'_>, page: Page) -> Report {
    let read = SignedKey::read(key, options.trusted_keys, options.now);
    let (key, mut failures) = match read {
        Ok(key) => (Some(key), Vec::new()),
        Err(error) => (None, vec![error.code()]),
    };
    let differs = |key: &SignedKey| key.license.is_some() && key.product.as_deref() != options.product;
    if options.product.is_some() && key.as_ref().is_some_and(differs) {
        failures.push(Code::LicenseProductMismatch);
    }
    let rows = outcomes(checks_of_key(key.as_ref(), options), &failures);
    let result = failures.first().copied().unwrap_or(Code::Ok);
    let (checks, table) = list(&rows, page);
    let dataset = key.as_ref().and_then(|key| std::str::from_utf8(&key.dataset).ok());
    let document = json!({
        "result": result.name(),
        "failures": failures.iter().map(|code| code.name()).collect::<Vec<_>>(),
        "checks": checks,
        "kind": "license key",
        "license_key": key.as_ref().map(|key| json!({
            "signed_by": key.key_id,
            "license": key.license,
            "product": key.product,
            "created_at": key.created,
            "expires_at": key.expires,
            "dataset": dataset,
        })),
    });
    let now = time::now();
    let mut facts = Facts::new();
    facts.add("File", "signed license key");
    if let Some(key) = &key {
        facts.add("Signed by", &key.key_id);
        match &key.license {
            Some(license) => {
                facts
                    .add("License", license)
                    .add("Product", key.product.as_deref().unwrap_or("none"))
                    .add("Created", time::shown_or(key.created, "not told", now))
                    .add("Expires", time::shown_or(key.expires, "Never, or not told", now));
            }
            None => drop(facts.add("Says", dataset.unwrap_or("bytes that are no text"))),
        }
    }
    Report::new(document, format!("{}\n{table}", facts.render(page))).verdict(exit_of(result))
}

/// The list of checks, and what the file says.
fn report(inspection: &Inspection, options: &InspectOptions<'_>, page: Page) -> Report {
    let rows = outcomes(checks(inspection, options), &inspection.failures);
    let (checks, table) = list(&rows, page);
    let failures: Vec<&str> = inspection.failures.iter().map(|code| code.name()).collect();
    let document = json!({
        "result": inspection.result().name(),
        "failures": failures,
        "checks": checks,
        "kind": kind(inspection),
        "issued_at": inspection.issued_at,
        "file_expires_at": inspection.file_expires_at,
        "machine_fingerprint": inspection.machine_fingerprint,
        "license": inspection.license.as_ref().map(|license| json!({
            "id": license.id,
            "key": license.key.as_deref().map(masked),
            "name": license.name,
            "status": license.status,
            "expires_at": license.expires_at,
            "limits": license.limits,
            "entitlements": license.entitlements,
            "metadata": license.metadata,
        })),
    });
    let text = format!("{}\n{table}", contents(inspection, page));
    Report::new(document, text).verdict(exit_of(inspection.result()))
}

fn kind(inspection: &Inspection) -> Option<&'static str> {
    inspection.kind.map(|kind| match kind {
        Kind::License => "license",
        Kind::Machine => "machine",
    })
}

/// What the file says, as far as it could be read.
fn contents(inspection: &Inspection, page: Page) -> String {
    let now = time::now();
    let mut facts = Facts::new();
    facts.add("File", kind(inspection).map_or_else(|| "not a license file".to_owned(), |kind| format!("{kind} file")));
    if let Some(issued) = inspection.issued_at {
        facts
            .add("Issued", time::shown(issued, now))
            .add("File ends", time::shown_or(inspection.file_expires_at, "Never", now));
    }
    if let Some(fingerprint) = &inspection.machine_fingerprint {
        facts.add("Machine", fingerprint);
    }
    if let Some(license) = &inspection.license {
        facts
            .add("License", &license.id)
            .add("Name", license.name.as_deref().unwrap_or("none"))
            .add("License key", license.key.as_deref().map_or_else(|| "none".to_owned(), masked))
            .add("Status", license.status.as_deref().unwrap_or("none"))
            .add("Expires", time::shown_or(license.expires_at, "Never", now));
        let limits: Vec<String> =
            license.limits.iter().map(|(name, limit)| format!("{name} {}", limit_text(*limit))).collect();
        facts.add_all("Limits", &limits, "none").add_all("Entitlements", &license.entitlements, "none");
    }
    facts.render(page)
}

/// As the status page shows it: the last 4 characters, and nothing of a short one.
fn masked(key: &str) -> String {
    let length = key.chars().count();
    let shown: String = if length > 8 { key.chars().skip(length.saturating_sub(4)).collect() } else { String::new() };
    format!("********{shown}")
}
