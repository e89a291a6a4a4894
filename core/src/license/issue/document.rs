//! The JSON:API document of a file, member by member as Keygen writes it: SDKs of that world read it, and some of them
//! need members that decide nothing here.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    super::{armour::Kind, catalogue::CATALOGUE, limits, time},
    describe::LicenseDescription,
};
use crate::error::{Code, Error, Result};

/// The payload of a file of this kind, issued at `now` unless the description says otherwise.
pub(super) fn write(license: &LicenseDescription, kind: Kind, now: i64) -> Result<Zeroizing<Vec<u8>>> {
    check(license)?;
    let issued = match &license.issued {
        Some(text) => time::parse(text).ok_or_else(|| invalid("issued is not an RFC 3339 time"))?,
        None => now,
    };
    let moments = Moments::of(license, issued)?;
    let metadata = metadata(license)?;
    let own = resource(license, &moments, &metadata);
    let entitlements = license.entitlements.iter().flatten().map(|code| entitlement(license, code, &moments.issued));
    let meta = Meta { issued: &moments.issued, expiry: moments.file_expires.as_deref(), ttl: license.ttl };
    let json = match kind {
        Kind::License => {
            let included: Vec<_> = entitlements.map(Resource::Entitlement).collect();
            to_json(&Document { data: Resource::License(own), included, meta })
        }
        Kind::Machine => {
            let data = Resource::Machine(machine(license, &moments.issued)?);
            let included =
                std::iter::once(Resource::License(own)).chain(entitlements.map(Resource::Entitlement)).collect();
            to_json(&Document { data, included, meta })
        }
    }?;
    Ok(json)
}

fn to_json(document: &Document<'_>) -> Result<Zeroizing<Vec<u8>>> {
    serde_json::to_vec(document).map(Zeroizing::new).map_err(|error| Error::new(Code::Internal).caused_by(error))
}

fn invalid(reason: &'static str) -> Error {
    Error::with(Code::InvalidArgument, reason)
}

fn check(license: &LicenseDescription) -> Result<()> {
    if license.key.is_empty() {
        return Err(invalid("key is empty"));
    }
    if license.ttl == Some(0) {
        return Err(invalid("ttl is at least one second"));
    }
    if license.entitlements.iter().flatten().any(|code| code.is_empty() || code.chars().count() > 255) {
        return Err(invalid("an entitlement's code has 1 to 255 characters"));
    }
    Ok(())
}

/// The moments of a file, as text.
struct Moments {
    issued: String,
    file_expires: Option<String>,
    license_expires: Option<String>,
}

impl Moments {
    fn of(license: &LicenseDescription, issued: i64) -> Result<Self> {
        let text = |seconds| time::format(seconds).ok_or_else(|| invalid("a time is outside the years 0 to 9999"));
        let expires = match &license.expiry {
            None => None,
            Some(given) => Some(time::parse(given).ok_or_else(|| invalid("expiry is not an RFC 3339 time"))?),
        };
        let ends = license.ttl.map(|ttl| issued.saturating_add_unsigned(ttl));
        Ok(Self {
            issued: text(issued)?,
            file_expires: ends.map(text).transpose()?,
            license_expires: expires.map(text).transpose()?,
        })
    }
}

/// The metadata with the limits in it. That no two keys are one name is checked when the document is read again.
fn metadata(license: &LicenseDescription) -> Result<Map<String, Value>> {
    let mut metadata = license.metadata.clone();
    for (name, limit) in &license.limits {
        if *limit < limits::UNLIMITED {
            return Err(invalid("a limit is -1 (unlimited), 0 or more"));
        }
        if metadata.insert(limits::metadata_key(name), (*limit).into()).is_some() {
            return Err(invalid("a limit is given twice, in limits or in metadata"));
        }
    }
    Ok(metadata)
}

fn resource<'a>(
    license: &'a LicenseDescription,
    moments: &'a Moments,
    metadata: &'a Map<String, Value>,
) -> LicenseResource<'a> {
    let path = format!("/v1/licenses/{}", license.id);
    let entitlements = license.entitlements.as_ref().map(|codes| {
        codes.iter().map(|code| Linkage { kind: "entitlements", id: entitlement_id(license, code) }).collect()
    });
    LicenseResource {
        id: &license.id,
        kind: "licenses",
        attributes: LicenseAttributes {
            name: license.name.as_deref(),
            key: &license.key,
            expiry: moments.license_expires.as_deref(),
            status: license.status.as_deref().unwrap_or("ACTIVE"),
            uses: 0,
            suspended: license.suspended,
            scheme: (),
            encrypted: false,
            strict: false,
            floating: false,
            protected: false,
            version: (),
            max_machines: (),
            max_processes: (),
            max_users: (),
            max_cores: (),
            max_memory: (),
            max_disk: (),
            max_uses: (),
            require_heartbeat: license.require_heartbeat,
            require_check_in: false,
            last_validated: (),
            last_check_in: (),
            next_check_in: (),
            last_check_out: &moments.issued,
            metadata,
            created: &moments.issued,
            updated: &moments.issued,
        },
        relationships: LicenseRelationships {
            product: to_one(&path, "product", "products", license.product.as_deref()),
            policy: to_one(&path, "policy", "policies", license.policy.as_deref()),
            entitlements: Relationship { links: related(&path, "entitlements"), data: entitlements },
        },
        links: SelfLink { this: path },
    }
}

fn machine<'a>(license: &'a LicenseDescription, issued: &'a str) -> Result<MachineResource<'a>> {
    let fingerprint = license
        .fingerprint
        .as_deref()
        .filter(|fingerprint| !fingerprint.is_empty())
        .ok_or_else(|| invalid("a machine file needs a fingerprint"))?;
    let id = license.machine.clone().unwrap_or_else(|| derived_id(&["machine", &license.id, fingerprint]));
    let path = format!("/v1/machines/{id}");
    Ok(MachineResource {
        id,
        kind: "machines",
        attributes: MachineAttributes {
            fingerprint,
            cores: (),
            memory: (),
            disk: (),
            ip: (),
            hostname: (),
            platform: (),
            name: (),
            require_heartbeat: license.require_heartbeat,
            heartbeat_status: "NOT_STARTED",
            heartbeat_duration: (),
            max_processes: (),
            last_check_out: issued,
            last_heartbeat: (),
            next_heartbeat: (),
            metadata: Map::new(),
            created: issued,
            updated: issued,
        },
        relationships: MachineRelationships {
            product: to_one(&path, "product", "products", license.product.as_deref()),
            license: to_one(&path, "license", "licenses", Some(&license.id)),
        },
        links: SelfLink { this: path },
    })
}

fn entitlement<'a>(license: &LicenseDescription, code: &'a str, issued: &'a str) -> EntitlementResource<'a> {
    let id = entitlement_id(license, code);
    let feature = CATALOGUE.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, feature)| feature);
    EntitlementResource {
        links: SelfLink { this: format!("/v1/entitlements/{id}") },
        id,
        kind: "entitlements",
        attributes: EntitlementAttributes {
            name: feature.unwrap_or(code),
            code,
            metadata: Map::new(),
            created: issued,
            updated: issued,
        },
        relationships: Map::new(),
    }
}

fn entitlement_id(license: &LicenseDescription, code: &str) -> String {
    derived_id(&["entitlement", license.product.as_deref().unwrap_or_default(), &code.to_ascii_uppercase()])
}

/// An id that follows from a name, in the form of a UUID of version 8 (RFC 9562, section 5.8): the same description
/// always makes the same file.
fn derived_id(name: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in name {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    for (byte, source) in bytes.iter_mut().zip(digest) {
        *byte = source;
    }
    let value = u128::from_be_bytes(bytes);
    let value = (value & !(0xf << 76)) | (0x8 << 76);
    let value = (value & !(0x3 << 62)) | (0x2 << 62);
    crate::id::Id::from_bytes(value.to_be_bytes()).to_string()
}

fn to_one(path: &str, name: &str, kind: &'static str, id: Option<&str>) -> Relationship<Linkage> {
    Relationship { links: related(path, name), data: id.map(|id| Linkage { kind, id: id.to_owned() }) }
}

fn related(path: &str, name: &str) -> RelatedLink {
    RelatedLink { related: format!("{path}/{name}") }
}

#[derive(Serialize)]
struct Document<'a> {
    data: Resource<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    included: Vec<Resource<'a>>,
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Meta<'a> {
    issued: &'a str,
    expiry: Option<&'a str>,
    ttl: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Resource<'a> {
    License(LicenseResource<'a>),
    Machine(MachineResource<'a>),
    Entitlement(EntitlementResource<'a>),
}

#[derive(Serialize)]
struct LicenseResource<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: LicenseAttributes<'a>,
    relationships: LicenseRelationships,
    links: SelfLink,
}

/// A member of type `()` is always `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "Keygen's attributes, in Keygen's order")]
struct LicenseAttributes<'a> {
    name: Option<&'a str>,
    key: &'a str,
    expiry: Option<&'a str>,
    status: &'a str,
    uses: u64,
    suspended: bool,
    scheme: (),
    encrypted: bool,
    strict: bool,
    floating: bool,
    protected: bool,
    version: (),
    max_machines: (),
    max_processes: (),
    max_users: (),
    max_cores: (),
    max_memory: (),
    max_disk: (),
    max_uses: (),
    require_heartbeat: bool,
    require_check_in: bool,
    last_validated: (),
    last_check_in: (),
    next_check_in: (),
    last_check_out: &'a str,
    metadata: &'a Map<String, Value>,
    created: &'a str,
    updated: &'a str,
}

#[derive(Serialize)]
struct LicenseRelationships {
    product: Relationship<Linkage>,
    policy: Relationship<Linkage>,
    entitlements: Relationship<Vec<Linkage>>,
}

#[derive(Serialize)]
struct MachineResource<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: MachineAttributes<'a>,
    relationships: MachineRelationships,
    links: SelfLink,
}

/// A member of type `()` is always `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineAttributes<'a> {
    fingerprint: &'a str,
    cores: (),
    memory: (),
    disk: (),
    ip: (),
    hostname: (),
    platform: (),
    name: (),
    require_heartbeat: bool,
    heartbeat_status: &'static str,
    heartbeat_duration: (),
    max_processes: (),
    last_check_out: &'a str,
    last_heartbeat: (),
    next_heartbeat: (),
    metadata: Map<String, Value>,
    created: &'a str,
    updated: &'a str,
}

#[derive(Serialize)]
struct MachineRelationships {
    product: Relationship<Linkage>,
    license: Relationship<Linkage>,
}

#[derive(Serialize)]
struct EntitlementResource<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: EntitlementAttributes<'a>,
    /// Empty, but there: an SDK drops resources without it.
    relationships: Map<String, Value>,
    links: SelfLink,
}

#[derive(Serialize)]
struct EntitlementAttributes<'a> {
    name: &'a str,
    code: &'a str,
    metadata: Map<String, Value>,
    created: &'a str,
    updated: &'a str,
}

/// `data` is left out where it is not known, and of a to-many relationship that was not included.
#[derive(Serialize)]
struct Relationship<T> {
    links: RelatedLink,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

#[derive(Serialize)]
struct Linkage {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

#[derive(Serialize)]
struct RelatedLink {
    related: String,
}

#[derive(Serialize)]
struct SelfLink {
    #[serde(rename = "self")]
    this: String,
}
