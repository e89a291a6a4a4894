//! License and machine files, signed here: whole ones, and ones with anything wrong in them.

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::Aead as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{DAY, NOW, secrets::seed};

/// The license's id, key and name in every file, unless a test says otherwise.
pub(super) const LICENSE_ID: &str = "5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01";
pub(super) const KEY: &str = "A1B2-C3D4-E5F6-7890";
pub(super) const NAME: &str = "Acme Plant 7";
/// The machine that files are made for.
pub(super) const MACHINE: &str = "machine-7f3c9a";
/// The product that files are made for.
pub(super) const PRODUCT: &str = "9c1b7f5e-0b7a-4b57-8f0e-2f4f4a7c1d10";
const MACHINE_PRODUCT: &str = "3b2a1f00-8f0e-4b57-9c1b-2f4f4a7c1d11";

/// The two kinds of file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    License,
    Machine,
}

impl Kind {
    const fn armour(self) -> &'static str {
        match self {
            Self::License => "LICENSE FILE",
            Self::Machine => "MACHINE FILE",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::License => "license/",
            Self::Machine => "machine/",
        }
    }
}

/// What a file says about entitlements.
#[derive(Clone)]
pub(super) enum Entitlements {
    /// Named in `included` and in the license's relationships.
    Granted(Vec<&'static str>),
    /// Named in `included` only.
    IncludedOnly(Vec<&'static str>),
    /// Not a word.
    NotIncluded,
}

/// Everything that a file can vary in.
#[derive(Clone)]
pub(super) struct Document {
    pub kind: Kind,
    pub id: &'static str,
    pub key: Value,
    pub status: Value,
    pub suspended: bool,
    pub license_expiry: Option<i64>,
    pub metadata: Value,
    pub entitlements: Entitlements,
    pub product: Option<&'static str>,
    pub machine_product: bool,
    pub include_license: bool,
    pub issued: Value,
    pub file_expiry: Option<i64>,
    pub fingerprint: &'static str,
    pub encrypted: bool,
}

impl Document {
    /// A machine file, encrypted, signed [`NOW`], that ends in 300 days, of a license that ends in 365.
    pub(super) fn machine() -> Self {
        Self {
            kind: Kind::Machine,
            id: LICENSE_ID,
            key: json!(KEY),
            status: json!("ACTIVE"),
            suspended: false,
            license_expiry: Some(NOW + 365 * DAY),
            metadata: json!({"maxDisplays": 25, "maxAgiles": 4, "aiCreditsMonthly": -1}),
            entitlements: Entitlements::Granted(vec!["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"]),
            product: Some(PRODUCT),
            machine_product: true,
            include_license: true,
            issued: json!(time(NOW)),
            file_expiry: Some(NOW + 300 * DAY),
            fingerprint: MACHINE,
            encrypted: true,
        }
    }

    /// The same as a license file, which names no machine.
    pub(super) fn license() -> Self {
        Self { kind: Kind::License, ..Self::machine() }
    }

    /// Not encrypted.
    pub(super) fn plain(self) -> Self {
        Self { encrypted: false, ..self }
    }

    /// The JSON:API document.
    pub(super) fn payload(&self) -> Value {
        let mut included = Vec::new();
        let license = self.license_resource();
        let data = if self.kind == Kind::License {
            license
        } else {
            if self.include_license {
                included.push(license);
            }
            let product = if self.machine_product {
                json!({"data": {"type": "products", "id": MACHINE_PRODUCT}})
            } else {
                json!({})
            };
            json!({
                "id": "41cae89c-a869-419e-a639-5e6ea00f0086",
                "type": "machines",
                "attributes": {"fingerprint": self.fingerprint, "requireHeartbeat": false, "name": null, "metadata": {}},
                "relationships": {"license": {"data": {"type": "licenses", "id": self.id}}, "product": product},
            })
        };
        if let Entitlements::Granted(codes) | Entitlements::IncludedOnly(codes) = &self.entitlements {
            included.extend(codes.iter().map(|code| {
                json!({"id": format!("ent-{code}"), "type": "entitlements", "attributes": {"name": code, "code": code, "metadata": {}}})
            }));
        }
        let expiry = self.file_expiry.map(time);
        let ttl = self.file_expiry.map(|end| end - NOW);
        json!({"data": data, "included": included, "meta": {"issued": self.issued, "expiry": expiry, "ttl": ttl}})
    }

    fn license_resource(&self) -> Value {
        let mut relationships =
            json!({"policy": {"data": {"type": "policies", "id": "29d9d8d3-bf1d-44d1-a1b9-820440d422ff"}}});
        if let Some(product) = self.product {
            super::model::merge(&mut relationships, &json!({"product": {"data": {"type": "products", "id": product}}}));
        }
        if let Entitlements::Granted(codes) = &self.entitlements {
            let list: Vec<Value> =
                codes.iter().map(|code| json!({"type": "entitlements", "id": format!("ent-{code}")})).collect();
            super::model::merge(&mut relationships, &json!({"entitlements": {"data": list}}));
        }
        json!({
            "id": self.id,
            "type": "licenses",
            "attributes": {
                "name": NAME, "key": self.key, "status": self.status, "suspended": self.suspended,
                "expiry": self.license_expiry.map(time), "metadata": self.metadata, "uses": 0, "floating": false,
            },
            "relationships": relationships,
        })
    }

    /// The finished file.
    pub(super) fn sign(&self) -> String {
        self.sign_payload(&text(&self.payload()))
    }

    /// The file around a payload of one's own.
    pub(super) fn sign_payload(&self, payload: &str) -> String {
        if self.encrypted {
            let secret = match self.kind {
                Kind::License => KEY.to_owned(),
                Kind::Machine => format!("{KEY}{}", self.fingerprint),
            };
            let enc = encrypt(payload.as_bytes(), &secret).map(|part| STANDARD.encode(part)).join(".");
            seal(self.kind, &enc, "aes-256-gcm+ed25519", &vendor())
        } else {
            seal(self.kind, &STANDARD.encode(payload), "base64+ed25519", &vendor())
        }
    }
}

/// The file that most tests install.
pub(super) fn machine_file() -> String {
    Document::machine().sign()
}

/// The vendor's signing key.
pub(super) fn vendor() -> SigningKey {
    SigningKey::from_bytes(&seed("vendor's signing key"))
}

/// Somebody else's.
pub(super) fn stranger() -> SigningKey {
    SigningKey::from_bytes(&seed("stranger's signing key"))
}

/// A public key as `trusted_keys` takes it.
pub(super) fn trusted(id: &str, key: &SigningKey) -> Value {
    json!({"id": id, "public_key": hex(&key.verifying_key().to_bytes())})
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ciphertext, IV and tag. The IV depends on what is encrypted, so that a second run writes the same.
pub(super) fn encrypt(payload: &[u8], secret: &str) -> [Vec<u8>; 3] {
    let key: [u8; 32] = Sha256::digest(secret).into();
    let iv: Vec<u8> = Sha256::digest([b"iv", payload].concat()).into_iter().take(12).collect();
    let nonce: [u8; 12] = iv.clone().try_into().unwrap_or_default();
    let sealed = Aes256Gcm::new(&key.into()).encrypt(&nonce.into(), payload).unwrap_or_default();
    let (ciphertext, tag) = sealed.split_at(sealed.len().saturating_sub(16));
    [ciphertext.to_vec(), iv, tag.to_vec()]
}

/// Signs an `enc` as it is, and puts both into armour.
pub(super) fn seal(kind: Kind, enc: &str, alg: &str, key: &SigningKey) -> String {
    let signature = key.sign(format!("{}{enc}", kind.prefix()).as_bytes());
    armour(kind, &envelope(enc, &STANDARD.encode(signature.to_bytes()), alg))
}

/// The envelope's JSON, in Keygen's order.
pub(super) fn envelope(enc: &str, sig: &str, alg: &str) -> String {
    format!("{{\"enc\":{},\"sig\":{},\"alg\":{}}}", json!(enc), json!(sig), json!(alg))
}

/// Header, base64 in lines of 60, footer.
pub(super) fn armour(kind: Kind, envelope: &str) -> String {
    armour_lines(kind, envelope, 60, "\n")
}

/// As [`armour`], with lines of another length and ending.
pub(super) fn armour_lines(kind: Kind, envelope: &str, width: usize, end: &str) -> String {
    let body = STANDARD.encode(envelope);
    let mut file = format!("-----BEGIN {}-----{end}", kind.armour());
    for line in body.as_bytes().chunks(width) {
        file.push_str(&String::from_utf8_lossy(line));
        file.push_str(end);
    }
    file + &format!("-----END {}-----{end}", kind.armour())
}

/// The envelope of a file, read back: its members as they are.
pub(super) fn opened(file: &str) -> Value {
    let body: String = file.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The file with members of its envelope replaced, and nothing signed again.
pub(super) fn with_envelope(kind: Kind, file: &str, members: &Value) -> String {
    let mut envelope = opened(file);
    super::model::merge(&mut envelope, members);
    armour(kind, &text(&envelope))
}

/// The file with one character of `enc` replaced, and nothing signed again.
pub(super) fn with_changed_enc(kind: Kind, file: &str) -> String {
    let envelope = opened(file);
    let enc = envelope.get("enc").and_then(Value::as_str).unwrap_or_default();
    let (head, tail) = enc.split_at(20);
    let changed = if tail.starts_with('A') { "B" } else { "A" };
    with_envelope(kind, file, &json!({"enc": format!("{head}{changed}{}", tail.get(1..).unwrap_or_default())}))
}

/// JSON with its members by name: the same whatever map serde_json was built with.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let member = |name: &&String| {
                format!("{}:{}", json!(name), members.get(name.as_str()).map_or_else(String::new, text))
            };
            format!("{{{}}}", names.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Unix seconds as RFC 3339 with milliseconds, as Keygen writes it.
pub(super) fn time(seconds: i64) -> String {
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Howard Hinnant's `civil_from_days`, for days after 1970.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_keygen_writes_them() {
        assert_eq!(time(NOW), "2027-01-15T08:00:00.000Z");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_file_reads_back() {
        let file = machine_file();
        let envelope = opened(&file);
        assert_eq!(envelope["alg"], "aes-256-gcm+ed25519");
        assert_eq!(envelope["sig"].as_str().unwrap().len(), 88);
        assert_eq!(envelope["enc"].as_str().unwrap().split('.').count(), 3);
    }
}
