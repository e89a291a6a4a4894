//! What passes between an administrator, a vendor and a licensing server, while the gateway runs.

use std::{ffi::OsString, fs, path::PathBuf};

use serde_json::Value;

use super::{checks::Table, gateway::Gateway, kept::Kept, site::Site};
use crate::Outcome;

const WALLS: &str = "POST /video-walls";
/// Another machine of the customer's.
const SPARE: &str = "spare-machine";

/// Does everything, prints the table as the answers come; returns how many were wrong.
pub(super) fn run(site: &Site, gateway: &Gateway) -> Outcome<usize> {
    let mut vendor = Vendor::new(site, &["--max-machines", "1", "--entitle", "MFA"])?;
    let mut table = Table::new(gateway);
    let writer = ("Authorization", format!("Bearer {}", site.writer));
    let walls = |table: &mut Table<'_>, what: &str, expected: &str| {
        table.row(what, WALLS, std::slice::from_ref(&writer), expected)
    };
    let admin = |table: &mut Table<'_>, vendor: &Vendor, what: &str, verb: &str, expected: &str| -> Outcome {
        let got = vendor.installation(None, verb)?;
        table.compare(what, &format!("license {verb}"), expected, &got);
        Ok(())
    };

    table.heading("Activation");
    walls(&mut table, "no license", "403 UNLICENSED")?;
    admin(&mut table, &vendor, "the administrator activates online", "activate", "active, online")?;
    table.compare("the vendor sees the machine", "issuer license show", "1 machine", &vendor.machines()?);
    walls(&mut table, "a license without VIDEO_WALL_SYNC", "403 NOT_ENTITLED")?;
    let got = vendor.installation(Some(SPARE), "activate")?;
    table.compare("a second machine, of one allowed", "license activate", "MACHINE_LIMIT_REACHED", &got);

    table.heading("A renewal");
    vendor.change(&["entitle", "--add", "VIDEO_WALL_SYNC"])?;
    walls(&mut table, "the vendor adds it: not heard of yet", "403 NOT_ENTITLED")?;
    admin(&mut table, &vendor, "the administrator re-validates", "revalidate", "active, online")?;
    walls(&mut table, "a license with it", "200")?;

    table.heading("The server is out of reach");
    vendor.stop()?;
    admin(&mut table, &vendor, "the administrator re-validates", "revalidate", "NETWORK_CONNECT")?;
    walls(&mut table, "the lease holds", "200")?;
    let status = site.ask(&["license", "status"])?;
    let attempt = status.pointer("/status/last_attempt/code").and_then(Value::as_str).unwrap_or("none");
    table.compare("the status page says so", "license status", "NETWORK_CONNECT", attempt);
    vendor.start()?;

    table.heading("A suspension");
    vendor.change(&["suspend"])?;
    admin(&mut table, &vendor, "the administrator re-validates", "revalidate", "LICENSE_SUSPENDED")?;
    walls(&mut table, "the gateway refuses at once", "403 LICENSE_SUSPENDED")?;
    vendor.change(&["reinstate"])?;
    vendor.change(&["renew", "--expires", "365d"])?;
    admin(&mut table, &vendor, "renewed, and re-validated", "revalidate", "active, online")?;
    walls(&mut table, "the gateway grants", "200")?;

    table.heading("Moving to another machine");
    admin(&mut table, &vendor, "the administrator deactivates", "deactivate", "unlicensed, server")?;
    walls(&mut table, "the gateway refuses at once", "403 UNLICENSED")?;
    table.compare("the seat is free again", "issuer license show", "0 machines", &vendor.machines()?);
    let got = vendor.installation(Some(SPARE), "activate")?;
    table.compare("the other machine takes it", "license activate", "active, online", &got);
    vendor.stop()?;
    Ok(table.wrong)
}

/// The vendor: a licensing server, and a license on it.
pub(super) struct Vendor<'a> {
    site: &'a Site,
    server: Option<Kept>,
    pub(super) url: String,
    pub(super) id: String,
    pub(super) key: PathBuf,
}

impl<'a> Vendor<'a> {
    /// `terms`: what the license includes, as the command line says it.
    pub(super) fn new(site: &'a Site, terms: &[&str]) -> Outcome<Self> {
        let db = site.path("licenses.db");
        let mut command = vec!["issuer", "license", "create", "--db", &db, "--name", "Demonstration"];
        command.extend(terms);
        let made = site.ask(&command)?;
        let text =
            |name: &str| made.pointer(&format!("/license/{name}")).or_else(|| made.get(name)).and_then(Value::as_str);
        let (Some(id), Some(key)) = (text("id"), text("key")) else { return Err("no license was made".into()) };
        let mut vendor = Self {
            site,
            server: None,
            url: String::new(),
            id: id.to_owned(),
            key: PathBuf::from(site.path("online.key")),
        };
        fs::write(&vendor.key, key)?;
        vendor.start()?;
        Ok(vendor)
    }

    /// Starts the server; where it was before, if it was.
    fn start(&mut self) -> Outcome {
        let listen = match self.url.strip_prefix("http://").and_then(|rest| rest.split('/').next()) {
            Some(address) => address.to_owned(),
            None => "127.0.0.1:0".to_owned(),
        };
        let (db, key) = (self.site.path("licenses.db"), self.site.signing_key());
        let mut command = vec![OsString::from(self.site.cli())];
        let arguments = ["--json", "issuer", "serve", "--db", &db, "--key", &key, "--listen", &listen];
        command.extend(arguments.map(OsString::from));
        let mut server = Kept::start(&command, &self.site.folder().join("server.log"))?;
        let announced = server.line()?.and_then(|line| serde_json::from_str::<Value>(&line).ok());
        let url = announced.and_then(|said| said.get("url")?.as_str().map(str::to_owned));
        let Some(url) = url else { return Err(format!("the server did not start ({})", server.why()?).into()) };
        self.url = if url.ends_with("/v1") { url } else { format!("{url}/v1") };
        self.server = Some(server);
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Outcome {
        match self.server.take() {
            Some(mut server) => server.stop().map(drop),
            None => Ok(()),
        }
    }

    /// Changes the license, in a process of its own while the server runs.
    fn change(&self, words: &[&str]) -> Outcome {
        let (verb, rest) = words.split_first().ok_or("there is nothing to change")?;
        let db = self.site.path("licenses.db");
        let mut arguments = vec!["issuer", "license", verb, "--db", &db, &self.id];
        arguments.extend(rest);
        self.site.ask(&arguments).map(drop)
    }

    /// How many machines use the license.
    fn machines(&self) -> Outcome<String> {
        let shown = self.site.ask(&["issuer", "license", "show", "--db", &self.site.path("licenses.db"), &self.id])?;
        let machines = shown.pointer("/license/machines").or_else(|| shown.get("machines")).and_then(Value::as_array);
        Ok(match machines.map_or(0, Vec::len) {
            1 => "1 machine".to_owned(),
            count => format!("{count} machines"),
        })
    }

    /// What an administrator does on a machine, in few words: state and mode, or the code that it failed with.
    fn installation(&self, machine: Option<&str>, verb: &str) -> Outcome<String> {
        let key = self.key.display().to_string();
        let mut arguments = vec!["license", verb, "--server", &self.url];
        match verb {
            "activate" => arguments.extend(["--key-file", &key]),
            "deactivate" => arguments.push("--yes"),
            _ => {}
        }
        Ok(match self.site.try_on(machine, &arguments)? {
            Err(code) => code,
            Ok(document) => {
                let text = |path: &str| document.pointer(path).and_then(Value::as_str);
                let second = text("/status/mode").or_else(|| text("/release")).unwrap_or("nothing");
                format!("{}, {second}", text("/status/state").unwrap_or("no state"))
            }
        })
    }
}
