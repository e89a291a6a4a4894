//! The platform example beside a licensing server, for a person with a browser.

use std::{ffi::OsString, fs};

use super::{
    build_cli,
    kept::Kept,
    online::Vendor,
    site::{LICENSE_KEY, Site},
};
use crate::{
    Outcome,
    need::{self, Tool},
    platform,
    run::say,
};

/// What the license on the server includes.
const TERMS: [&str; 12] = [
    "--max-machines",
    "2",
    "--entitle",
    "VIDEO_WALL_SYNC",
    "--entitle",
    "OFFLINE_LICENSING",
    "--limit",
    "MAX_DISPLAYS=25",
    "--limit",
    "MAX_AGILES=-1",
    "--limit",
    "AI_CREDITS_MONTHLY=1000",
];

/// Runs until it is told to end.
pub(super) fn run() -> Outcome {
    need::all(&[Tool::C, Tool::Node])?;
    build_cli()?;
    say("building the Node package and the pages");
    let folder = platform::built()?;
    say("making a store, keys, a vendor's signing key, a machine file and a licensing server");
    let site = Site::new()?;
    let admin = site
        .key("admin", &["Authenticated/Platform/Admin", "Authenticated/Gateway/Read", "Authenticated/Gateway/Write"])?;
    let mut vendor = Vendor::new(&site, &TERMS)?;
    let mut command: Vec<OsString> = vec!["node".into(), folder.join("server/main.mjs").into()];
    command.extend(["--store".into(), site.store().into()]);
    command.extend(["--trusted-key", &site.trusted, "--server", &vendor.url].map(OsString::from));
    if let Some(machine_id) = &site.machine_id {
        command.extend(["--machine-id", machine_id].map(OsString::from));
    }
    let mut host = Kept::start(&command, &site.folder().join("platform.log"))?;
    let line = host.line()?.unwrap_or_default();
    let Some(url) = line.strip_prefix("listening on ") else {
        return Err(format!("the platform did not start ({})", host.why()?).into());
    };
    invite(&site, &vendor, &admin, url)?;
    while let Some(line) = host.line()? {
        println!("{line}");
    }
    vendor.stop()?;
    Err(format!("the platform ended by itself ({})", host.why()?).into())
}

/// What there is to try. All of it ends with the demonstration.
fn invite(site: &Site, vendor: &Vendor<'_>, admin: &str, url: &str) -> Outcome {
    let (cli, store, id) = (site.cli().display().to_string(), site.store().display().to_string(), &vendor.id);
    println!(
        "\nOpen      {url}\nSign in   {admin}\n\n\
         Platform > Licensing, Activate:\n  \
         online    license key {key}\n  \
         offline   license key {LICENSE_KEY}, and the file {file}\n\n\
         What the vendor can do meanwhile (then Re-validate):\n  \
         {cli} issuer license suspend --db {db} {id}\n  \
         {cli} issuer license reinstate --db {db} {id}\n  \
         {cli} issuer license renew --db {db} --expires 5d {id}\n\n\
         Another process on the same store; what it changes counts with the next request:\n  \
         {cli} --store {store} keys list\n  \
         curl -i -H 'Authorization: Bearer {reader}' {url}/data/api/v1/resources\n  \
         {cli} --store {store} keys delete reader --yes\n\n\
         The keys are throw-away ones. Ctrl-C ends it, and leaves nothing behind.",
        key = fs::read_to_string(&vendor.key)?,
        file = site.path("walls.lic"),
        db = site.path("licenses.db"),
        reader = site.reader,
    );
    Ok(())
}
