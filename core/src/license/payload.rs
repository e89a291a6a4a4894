//! The document inside a file, as far as it decides something.
//!
//! Its shape follows the API version of the account that issued it, so nearly everything is optional and unknown
//! members are ignored. But a member that decides something and has the wrong type is a malformed document, never an
//! absent member.

use std::collections::BTreeMap;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    armour::{Kind, malformed},
    json::{self, Json, Members},
    limits,
    open::Opened,
    time,
};
use crate::error::Result;

/// What a file says. Everything in it is signed.
pub(super) struct Payload {
    pub(super) kind: Kind,
    /// `meta.issued`, Unix seconds.
    pub(super) issued: i64,
    /// `meta.expiry`, Unix seconds: the end of the file, not of the license.
    pub(super) file_expires: Option<i64>,
    /// The machine of a machine file.
    pub(super) machine: Option<Machine>,
    /// The license; a machine file may have been checked out without it.
    pub(super) license: Option<LicenseDocument>,
}

/// The machine that a file was made for.
pub(super) struct Machine {
    /// Its id on the licensing server.
    pub(super) id: String,
    pub(super) fingerprint: Option<String>,
    pub(super) product: Option<String>,
    /// Whether the licensing server takes it off its license when it falls silent.
    pub(super) requires_heartbeat: bool,
}

/// The license itself.
pub(super) struct LicenseDocument {
    pub(super) id: String,
    pub(super) key: Option<Zeroizing<String>>,
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    pub(super) suspended: bool,
    /// Unix seconds.
    pub(super) expires_at: Option<i64>,
    pub(super) product: Option<String>,
    pub(super) metadata: Value,
    pub(super) limits: BTreeMap<String, i64>,
    /// Upper-cased, byte-sorted, unique; `None` when they were not included, which is not the same as none granted.
    pub(super) entitlements: Option<Vec<String>>,
}

impl LicenseDocument {
    /// The granted codes; none when they were not included.
    pub(super) fn entitlements(&self) -> &[String] {
        self.entitlements.as_deref().unwrap_or_default()
    }
}

impl Opened {
    /// Reads the document: row 5 of the checks.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`.
    pub(super) fn payload(&self) -> Result<Payload> {
        let Some(Json::Object(document)) = json::read(&self.plaintext) else {
            return Err(malformed("the payload is not a JSON object, or a member stands twice"));
        };
        let data = object(&document, "data")?.ok_or_else(|| malformed("data is missing"))?;
        if text(data, "type")? != Some(self.kind.document_type()) {
            return Err(malformed("data.type does not agree with the header"));
        }
        let meta = object(&document, "meta")?.ok_or_else(|| malformed("meta is missing"))?;
        let included = included(&document)?;
        let (machine, license) = match self.kind {
            Kind::License => (None, Some(license(data, &included)?)),
            Kind::Machine => (Some(machine(data)?), included_license(data, &included)?),
        };
        Ok(Payload {
            kind: self.kind,
            issued: moment(meta, "issued")?.ok_or_else(|| malformed("meta.issued is missing"))?,
            file_expires: moment(meta, "expiry")?,
            machine,
            license,
        })
    }
}

/// A resource of `included`, with its type and identity.
struct Resource<'a> {
    kind: &'a str,
    id: Option<&'a str>,
    members: &'a Members<'a>,
}

fn included<'a>(document: &'a Members<'a>) -> Result<Vec<Resource<'a>>> {
    let resources = match document.get("included") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::List(resources)) => resources,
        Some(_) => return Err(malformed("included is not a list")),
    };
    resources
        .iter()
        .map(|resource| {
            let Json::Object(members) = resource else {
                return Err(malformed("a resource of included is not an object"));
            };
            let kind = text(members, "type")?.ok_or_else(|| malformed("a resource of included has no type"))?;
            Ok(Resource { kind, id: text(members, "id")?, members })
        })
        .collect()
}

fn machine(data: &Members<'_>) -> Result<Machine> {
    let id = identity(data)?.to_owned();
    let attributes = object(data, "attributes")?;
    let fingerprint = match attributes {
        Some(attributes) => text(attributes, "fingerprint")?.map(str::to_owned),
        None => None,
    };
    let heartbeat = attributes.and_then(|attributes| attributes.get("requireHeartbeat"));
    let requires_heartbeat = matches!(heartbeat, Some(Json::Bool(true)));
    Ok(Machine { id, fingerprint, product: related(data, "product")?.map(str::to_owned), requires_heartbeat })
}

/// The license of a machine file: the one that the machine names; where it names none, the only one.
fn included_license(data: &Members<'_>, included: &[Resource<'_>]) -> Result<Option<LicenseDocument>> {
    let wanted = related(data, "license")?;
    let mut licenses = included
        .iter()
        .filter(|resource| resource.kind == Kind::License.document_type())
        .filter(|resource| wanted.is_none() || resource.id == wanted);
    match (licenses.next(), licenses.next()) {
        (Some(resource), None) => license(resource.members, included).map(Some),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("more than one license is included")),
    }
}

fn license(resource: &Members<'_>, included: &[Resource<'_>]) -> Result<LicenseDocument> {
    let id = identity(resource)?.to_owned();
    let none = Members::default();
    let attributes = object(resource, "attributes")?.unwrap_or(&none);
    let metadata = object(attributes, "metadata")?.unwrap_or(&none).to_map();
    let suspended = match attributes.get("suspended") {
        None | Some(Json::Null) => false,
        Some(Json::Bool(suspended)) => *suspended,
        Some(_) => return Err(malformed("suspended is neither true nor false")),
    };
    Ok(LicenseDocument {
        id,
        key: text(attributes, "key")?.map(|key| Zeroizing::new(key.to_owned())),
        name: text(attributes, "name")?.map(str::to_owned),
        status: text(attributes, "status")?.map(str::to_owned),
        suspended,
        expires_at: moment(attributes, "expiry")?,
        product: related(resource, "product")?.map(str::to_owned),
        limits: limits::from_metadata(&metadata)
            .ok_or_else(|| malformed("two keys of the metadata are one name in two spellings"))?,
        metadata: Value::Object(metadata),
        entitlements: entitlements(resource, included)?,
    })
}

fn entitlements(license: &Members<'_>, included: &[Resource<'_>]) -> Result<Option<Vec<String>>> {
    let mut are_included = matches!(relationship(license, "entitlements")?, Some(Json::List(_)));
    let mut codes = Vec::new();
    for resource in included.iter().filter(|resource| resource.kind == "entitlements") {
        are_included = true;
        if let Some(attributes) = object(resource.members, "attributes")? {
            codes.extend(text(attributes, "code")?.map(str::to_ascii_uppercase));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(are_included.then_some(codes))
}

/// The `data` of a relationship.
fn relationship<'a>(resource: &'a Members<'a>, name: &str) -> Result<Option<&'a Json<'a>>> {
    let Some(relationships) = object(resource, "relationships")? else { return Ok(None) };
    Ok(object(relationships, name)?.and_then(|relationship| relationship.get("data")))
}

/// The id of what a to-one relationship points to.
fn related<'a>(resource: &'a Members<'a>, name: &str) -> Result<Option<&'a str>> {
    match relationship(resource, name)? {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(linkage)) => text(linkage, "id"),
        Some(_) => Err(malformed("the data of a relationship is not one resource")),
    }
}

fn identity<'a>(resource: &'a Members<'a>) -> Result<&'a str> {
    match text(resource, "id")? {
        Some(id) if !id.is_empty() => Ok(id),
        _ => Err(malformed("a resource has no id")),
    }
}

fn object<'a>(members: &'a Members<'a>, name: &str) -> Result<Option<&'a Members<'a>>> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(malformed("a member that should be an object is none")),
    }
}

fn text<'a>(members: &'a Members<'a>, name: &str) -> Result<Option<&'a str>> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("a member that should be a text is none")),
    }
}

fn moment(members: &Members<'_>, name: &str) -> Result<Option<i64>> {
    text(members, name)?.map(|text| time::parse(text).ok_or_else(|| malformed("a time is not RFC 3339"))).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::Code;

    fn read(kind: Kind, document: &Value) -> Result<Payload> {
        Opened { kind, plaintext: Zeroizing::new(document.to_string().into_bytes()) }.payload()
    }

    fn license_file() -> Value {
        json!({
            "data": {"id": "l1", "type": "licenses", "attributes": {"key": "K"}},
            "meta": {"issued": "2025-01-01T00:00:00.999Z"},
        })
    }

    fn machine_file() -> Value {
        json!({
            "data": {
                "id": "m1", "type": "machines", "attributes": {"fingerprint": "fp"},
                "relationships": {"product": {"data": {"type": "products", "id": "p1"}},
                                  "license": {"data": {"type": "licenses", "id": "l1"}}},
            },
            "included": [{"id": "l1", "type": "licenses", "attributes": {"key": "K"}}],
            "meta": {"issued": "2025-01-01T00:00:00Z", "expiry": null, "ttl": null},
        })
    }

    #[test]
    fn the_least_that_is_needed() {
        let payload = read(Kind::License, &license_file()).unwrap();
        assert_eq!((payload.issued, payload.file_expires), (1_735_689_600, None));
        let license = payload.license.unwrap();
        assert_eq!((license.id.as_str(), license.name, license.status, license.expires_at), ("l1", None, None, None));
        assert!(!license.suspended && license.entitlements.is_none() && license.limits.is_empty());
        let mut bare = license_file();
        bare["data"].as_object_mut().unwrap().remove("attributes");
        assert!(read(Kind::License, &bare).unwrap().license.unwrap().key.is_none());
        let payload = read(Kind::Machine, &machine_file()).unwrap();
        let machine = payload.machine.unwrap();
        assert_eq!((machine.fingerprint.as_deref(), machine.product.as_deref()), (Some("fp"), Some("p1")));
        assert_eq!(payload.license.unwrap().key.unwrap().as_str(), "K");
    }

    #[test]
    fn wrong_types_are_malformed_and_never_absent() {
        let cases: &[(&str, Value)] = &[
            ("/data", json!([])),
            ("/data/id", json!(7)),
            ("/data/id", json!("")),
            ("/data/type", json!("users")),
            ("/data/type", json!("machines")),
            ("/data/attributes", json!("x")),
            ("/data/attributes/key", json!(["K"])),
            ("/data/attributes/name", json!(1)),
            ("/data/attributes/status", json!(true)),
            ("/data/attributes/suspended", json!("true")),
            ("/data/attributes/suspended", json!(0)),
            ("/data/attributes/expiry", json!(1)),
            ("/data/attributes/expiry", json!("tomorrow")),
            ("/data/attributes/metadata", json!([])),
            ("/data/attributes/metadata", json!({"maxDisplays": 1, "max_displays": 1})),
            ("/data/relationships", json!([])),
            ("/data/relationships", json!({"product": "p"})),
            ("/data/relationships", json!({"product": {"data": []}})),
            ("/data/relationships", json!({"product": {"data": {"id": 1}}})),
            ("/data/relationships", json!({"entitlements": [1]})),
            ("/meta", json!(null)),
            ("/meta/issued", json!(null)),
            ("/meta/issued", json!(1_735_689_600)),
            ("/meta/expiry", json!("")),
            ("/included", json!({})),
            ("/included", json!([null])),
            ("/included", json!([{}])),
            ("/included", json!([{"type": "entitlements", "attributes": {"code": 1}}])),
        ];
        for (path, value) in cases {
            let mut document = license_file();
            let (parent, member) = path.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[member] = value.clone();
            let error = read(Kind::License, &document).err().unwrap_or_else(|| panic!("{path} {value}"));
            assert_eq!(error.code(), Code::LicenseMalformed);
        }
        for document in [json!([]), json!({}), json!("x"), json!(null)] {
            assert!(read(Kind::License, &document).is_err());
        }
    }

    #[test]
    fn unknown_members_are_ignored() {
        let mut document = license_file();
        document["data"]["attributes"]["shoeSize"] = json!({"deep": [1, {"er": null}]});
        document["data"]["relationships"] = json!({"owner": {"data": [7]}, "product": {"links": {}}});
        document["jsonapi"] = json!({"version": "1.0"});
        document["included"] = json!([{"type": "users", "id": "u", "attributes": 5}]);
        assert!(read(Kind::License, &document).is_ok());
    }

    #[test]
    fn not_included_is_not_the_same_as_none() {
        let entitlements = |relationships: Value, included: Value| {
            let mut document = license_file();
            document["data"]["relationships"] = relationships;
            document["included"] = included;
            read(Kind::License, &document).unwrap().license.unwrap().entitlements
        };
        let links = json!({"entitlements": {"links": {"related": "x"}}});
        assert_eq!(entitlements(links.clone(), json!([])), None);
        assert_eq!(entitlements(json!({"entitlements": {"data": null}}), json!([])), None);
        assert_eq!(entitlements(json!({"entitlements": {"data": []}}), json!([])), Some(vec![]));
        let included = json!([
            {"type": "entitlements", "attributes": {"code": "mfa"}},
            {"type": "entitlements", "attributes": {"code": "A"}},
            {"type": "entitlements", "attributes": {"code": "MFA"}},
            {"type": "entitlements"},
            {"type": "products", "attributes": {"code": "P"}},
        ]);
        assert_eq!(entitlements(links, included), Some(vec!["A".to_owned(), "MFA".to_owned()]));
    }

    #[test]
    fn a_machine_files_license_is_the_one_it_names() {
        let license = |change: &dyn Fn(&mut Value)| {
            let mut document = machine_file();
            change(&mut document);
            read(Kind::Machine, &document).map(|payload| payload.license.map(|license| license.id))
        };
        assert_eq!(license(&|_| ()).unwrap().as_deref(), Some("l1"));
        let named_other = |d: &mut Value| d["included"][0]["id"] = json!("l2");
        assert_eq!(license(&named_other).unwrap(), None);
        let unnamed = |d: &mut Value| d["data"]["relationships"] = json!({});
        assert_eq!(license(&unnamed).unwrap().as_deref(), Some("l1"));
        let absent = |d: &mut Value| d["included"] = json!(null);
        assert_eq!(license(&absent).unwrap(), None);
        let second = |d: &mut Value| {
            let mut other = d["included"][0].clone();
            other["id"] = json!("l2");
            d["included"].as_array_mut().unwrap().push(other);
        };
        assert_eq!(license(&second).unwrap().as_deref(), Some("l1"));
        let ambiguous = |d: &mut Value| {
            second(d);
            unnamed(d);
        };
        assert_eq!(license(&ambiguous).unwrap_err().code(), Code::LicenseMalformed);
        let twice = |d: &mut Value| {
            let same = d["included"][0].clone();
            d["included"].as_array_mut().unwrap().push(same);
        };
        assert_eq!(license(&twice).unwrap_err().code(), Code::LicenseMalformed);
    }

    #[test]
    fn duplicates_and_nul_are_refused_in_the_payload_too() {
        let read = |text: &str| {
            Opened { kind: Kind::License, plaintext: Zeroizing::new(text.as_bytes().to_vec()) }.payload().is_ok()
        };
        let good = license_file().to_string();
        assert!(read(&good));
        assert!(!read(&good.replace(r#""key":"K""#, r#""key":"K","key":"K""#)));
        assert!(!read(&good.replace(r#""key":"K""#, r#""key":"K","metadata":{"a":{"b":1,"b":2}}"#)));
        assert!(!read(&good.replace(r#""K""#, r#""K\u0000""#)));
        assert!(!read(&good.replace(r#""K""#, &"[".repeat(100))));
        assert!(!read(&format!("{good} x")));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Opened { kind: Kind::Machine, plaintext: Zeroizing::new(bytes) }.payload();
        }
    }
}
