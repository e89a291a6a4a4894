//! Check-outs: signed files, made by the core.

use inspire_auth_core::{
    Code,
    license::{Kind, issue},
};
use serde_json::{Map, Value};

use super::{Answer, Api, Call, Problem, documents, machines};
use crate::store::{License, Machine};

const PLAIN: &str = "base64+ed25519";
const ENCRYPTED: &str = "aes-256-gcm+ed25519";
/// Keygen's month, for who does not say how long.
const MONTH: u64 = 2_629_746;
/// Keygen's least.
const HOUR: u64 = 3600;
/// Some clients read 31 bits.
const LONGEST: u64 = 0x7fff_ffff;

/// What a license file may be asked to include, and a machine file.
const OF_LICENSE: [&str; 7] = ["entitlements", "environment", "product", "policy", "group", "owner", "users"];
const OF_MACHINE: [&str; 11] = [
    "license",
    "license.entitlements",
    "license.product",
    "license.policy",
    "license.owner",
    "license.users",
    "components",
    "processes",
    "environment",
    "group",
    "owner",
];

/// `POST licenses/{id}/actions/check-out`.
pub(super) fn license(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    Order::read(Kind::License, call)?.document(api, &license, None)
}

/// `GET licenses/{id}/actions/check-out`: the file itself.
pub(super) fn license_text(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    let file = Order::read(Kind::License, call)?.file(api, &license, None, api.now())?;
    Ok(Answer::file(&format!("{}.lic", license.id), file))
}

/// `POST machines/{id}/actions/check-out`.
pub(super) fn machine(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (license, machine) = machines::named(api, call)?;
    Order::read(Kind::Machine, call)?.document(api, &license, Some(&machine))
}

/// `GET machines/{id}/actions/check-out`: the file itself.
pub(super) fn machine_text(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (license, machine) = machines::named(api, call)?;
    let file = Order::read(Kind::Machine, call)?.file(api, &license, Some(&machine), api.now())?;
    Ok(Answer::file(&format!("{}.lic", machine.id), file))
}

/// What file is asked for.
struct Order {
    kind: Kind,
    is_encrypted: bool,
    /// Seconds; `None` is as long as the license.
    ttl: Option<u64>,
    includes: Vec<&'static str>,
}

impl Order {
    /// Reads the query, and `meta` of the body, which comes first.
    ///
    /// # Errors
    /// 400 for what no file can be.
    fn read(kind: Kind, call: &Call) -> Result<Self, Problem> {
        let meta = call.meta()?;
        let asked = Asked { meta: &meta, call };
        Ok(Self { kind, is_encrypted: asked.is_encrypted()?, ttl: asked.ttl()?, includes: asked.includes(kind)? })
    }

    const fn algorithm(&self) -> &'static str {
        if self.is_encrypted { ENCRYPTED } else { PLAIN }
    }

    fn file(&self, api: &Api, license: &License, machine: Option<&Machine>, now: i64) -> Result<String, Problem> {
        let mut description = documents::description(license, machine, now);
        description.ttl = self.ttl;
        let entitlements = if self.kind == Kind::Machine { "license.entitlements" } else { "entitlements" };
        if !self.includes.contains(&entitlements) {
            description.entitlements = None;
        }
        issue::sign(&api.key, &description, self.kind, self.is_encrypted, Some(now)).map_err(|error| {
            match error.code() {
                Code::InvalidArgument => Problem::new(422, "CHECKOUT_INVALID", "no file can hold this license"),
                _ => error.into(),
            }
        })
    }

    fn document(&self, api: &Api, license: &License, machine: Option<&Machine>) -> Result<Answer, Problem> {
        let now = api.now();
        let file = self.file(api, license, machine, now)?;
        let document = documents::check_out(self.kind, &file, self.algorithm(), &self.includes, self.ttl, now)?;
        Ok(Answer::ok(&document))
    }
}

/// Where a request says what it asks for.
struct Asked<'a> {
    meta: &'a Map<String, Value>,
    call: &'a Call,
}

impl Asked<'_> {
    fn is_encrypted(&self) -> Result<bool, Problem> {
        let wrong = || Problem::bad("CHECKOUT_ALGORITHM_INVALID", "invalid algorithm").query("algorithm");
        let algorithm = match self.meta.get("algorithm") {
            None | Some(Value::Null) => self.call.query("algorithm"),
            Some(Value::String(algorithm)) => Some(algorithm.as_str()),
            Some(_) => return Err(wrong()),
        };
        match algorithm {
            Some(PLAIN) => Ok(false),
            Some(ENCRYPTED) => Ok(true),
            Some(_) => Err(wrong()),
            None => self.encrypt(),
        }
    }

    fn encrypt(&self) -> Result<bool, Problem> {
        match (self.meta.get("encrypt"), self.call.query("encrypt")) {
            (Some(Value::Bool(encrypt)), _) => Ok(*encrypt),
            (Some(Value::Null) | None, None | Some("" | "0" | "false")) => Ok(false),
            (Some(Value::Null) | None, Some("1" | "true")) => Ok(true),
            _ => Err(Problem::bad("PARAMETERS_INVALID", "must be a boolean").query("encrypt")),
        }
    }

    /// Not given is a month, and nothing is for ever.
    fn ttl(&self) -> Result<Option<u64>, Problem> {
        let given = match (self.meta.get("ttl"), self.call.query("ttl")) {
            (Some(Value::Null), _) | (None, Some("" | "null")) => return Ok(None),
            (Some(ttl), _) => ttl.as_u64(),
            (None, Some(ttl)) => ttl.parse().ok(),
            (None, None) => Some(MONTH),
        };
        match given {
            Some(ttl @ HOUR..=LONGEST) => Ok(Some(ttl)),
            _ => {
                let detail = "must be greater than or equal to 3600 (1 hour), and at most 2147483647";
                Err(Problem::bad("CHECKOUT_TTL_INVALID", detail).query("ttl"))
            }
        }
    }

    fn includes(&self, kind: Kind) -> Result<Vec<&'static str>, Problem> {
        let wrong = || Problem::bad("CHECKOUT_INCLUDE_INVALID", "invalid includes").query("include");
        let named: Vec<&str> = match self.meta.get("include") {
            None | Some(Value::Null) => self.call.query("include").unwrap_or_default().split(',').collect(),
            Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        };
        let known: &[&'static str] = if kind == Kind::Machine { &OF_MACHINE } else { &OF_LICENSE };
        let given = named.into_iter().map(str::trim).filter(|name| !name.is_empty());
        given.map(|name| known.iter().find(|known| **known == name).copied().ok_or_else(wrong)).collect()
    }
}
