//! A request is decided: the value of its `Authorization` header is given, and whose it is comes back.

use std::collections::{HashMap, HashSet};

use api_keys_simplified::{ApiKeyManagerV0, Environment, ExposeSecret as _, KeyStatus, SecureString};
use inspire_auth_core::{
    InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
    license::issue::{LicenseDescription, SigningKey, sign_license_file},
    license::keys::TrustedKey,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use prefixed_api_key::{PrefixedApiKey, PrefixedApiKeyController, rand::rngs::OsRng, sha2::Sha256};
use serde::{Deserialize, Serialize};

use crate::measure::{Clock, candidate, interleaved};

/// How many keys a random look-up is among. A million is measured by `inspire-auth-bench million`.
const MANY: usize = 10_000;

pub(crate) fn run(rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Ours::new(StoreLocation::Memory);
    let sqlite = Ours::new(StoreLocation::Path(folder.path().join("keys.db")));
    let prefixed = Prefixed::new();
    let simplified = Simplified::new();
    let token = Token::new();
    let measure = |name, candidates| interleaved("rust", name, Clock::Thread, rounds, candidates);

    measure(
        "warm",
        vec![
            candidate("ours", || memory.decide(&memory.right, true)),
            candidate("ours, SQLite", || sqlite.decide(&sqlite.right, true)),
            candidate("prefixed-api-key", || prefixed.check(&prefixed.right).expect("granted")),
            candidate("jsonwebtoken HS256", || token.check(&token.right).expect("granted")),
            candidate("api-keys-simplified, checksum", || simplified.checksum(&simplified.right)),
            candidate("api-keys-simplified", || simplified.check(&simplified.right)),
        ],
    );
    let order = order();
    let (mut one, mut two) = (order.iter().cycle(), order.iter().cycle());
    measure(
        "many",
        vec![
            candidate("ours", || memory.decide(&memory.many[*one.next().expect("a cycle")], true)),
            candidate("prefixed-api-key", || {
                prefixed.check(&prefixed.many[*two.next().expect("a cycle")]).expect("granted")
            }),
        ],
    );
    measure(
        "refused",
        vec![
            candidate("ours, wrong secret, key in use", || memory.decide(&memory.wrong, false)),
            candidate("ours, wrong secret, key not used yet", || memory.decide(&memory.wrong_cold, false)),
            candidate("ours, unknown name", || memory.decide(&memory.unknown, false)),
            candidate("prefixed-api-key, wrong secret", || assert!(prefixed.check(&prefixed.wrong).is_none())),
            candidate("prefixed-api-key, unknown name", || assert!(prefixed.check(&prefixed.unknown).is_none())),
            candidate("jsonwebtoken HS256, wrong signature", || assert!(token.check(&token.wrong).is_none())),
            candidate("api-keys-simplified, wrong checksum", || simplified.refuse(&simplified.wrong)),
        ],
    );
    let granted: HashSet<String> = memory.entitlements.iter().cloned().collect();
    let license = memory.auth.license();
    measure(
        "entitled",
        vec![
            candidate("ours, has_entitlement", || assert!(license.has_entitlement("MFA", None).expect("a license"))),
            candidate("ours, has_entitlement, SQLite", || {
                assert!(sqlite.auth.license().has_entitlement("MFA", None).expect("a license"));
            }),
            candidate("ours, not entitled", || assert!(!license.has_entitlement("NOBODY_HAS_IT", None).expect("one"))),
            candidate("ours, limit", || assert_eq!(license.limit("MAX_DISPLAYS", None).expect("a license"), 25)),
            candidate("HashSet of the standard library", || {
                assert!(std::hint::black_box(&granted).contains(std::hint::black_box("MFA")));
            }),
        ],
    );
}

/// A shuffle that is the same each time.
fn order() -> Vec<usize> {
    let mut order: Vec<usize> = (0..MANY).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..MANY).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}

struct Ours {
    auth: InspireAuth,
    required: Requirement,
    right: String,
    many: Vec<String>,
    wrong: String,
    wrong_cold: String,
    unknown: String,
    entitlements: Vec<String>,
}

impl Ours {
    fn new(store: StoreLocation) -> Self {
        let signer = SigningKey::from_seed(&[7; 32]);
        let mut description = LicenseDescription::new("5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01", "KEY-1");
        description.limits.insert("MAX_DISPLAYS".to_owned(), 25);
        let entitlements = ["MFA", "OFFLINE_LICENSING", "VIDEO_WALL_SYNC", "AI"].map(str::to_owned).to_vec();
        description.entitlements = Some(entitlements.clone());
        let file = sign_license_file(&signer, &description, false, None).expect("a file");

        let many_keys = if matches!(store, StoreLocation::Memory) { MANY } else { 0 };
        let mut options = Options::new(store);
        // What a secret is hashed with says how long the first use of a key takes, not those that follow.
        options.hash.memory_kib = 8;
        options.hash.iterations = 1;
        options.trusted_keys = vec![TrustedKey::new("vendor", signer.public()).expect("a key")];
        options.allow_unbound = true;
        let auth = InspireAuth::open(options).expect("a store");
        auth.license().activate_offline("KEY-1", file.as_bytes(), false, &Caller::system()).expect("a license");
        let required = auth.requirement(&"any(Authenticated/Ops/Write)".parse().expect("one")).expect("a requirement");
        let create = |name: &str| {
            let mut key = NewKey::named(name);
            key.levels = vec!["Authenticated/Ops/Write".to_owned()];
            auth.keys().create(&key, &Caller::system()).expect("a key")
        };
        let right = create("gateway-client-7");
        let other = create("another");
        let _never_used = create("gateway-client-8");
        let bearer = |name: &str, key: &str| format!("Bearer {name}:{key}");
        let many = (0..many_keys)
            .map(|n| bearer(&format!("gateway-many-{n:04}"), create(&format!("gateway-many-{n:04}")).key.as_str()));
        let ours = Self {
            many: many.collect(),
            right: format!("Bearer {}", right.credential().as_str()),
            wrong: bearer("gateway-client-7", other.key.as_str()),
            wrong_cold: bearer("gateway-client-8", other.key.as_str()),
            unknown: bearer("gateway-client-9", other.key.as_str()),
            required,
            entitlements,
            auth,
        };
        ours.many.iter().for_each(|value| ours.decide(value, true));
        ours
    }

    fn decide(&self, value: &str, granted: bool) {
        let mut request = Request::new(Presented::Authorization(value.as_bytes()), &self.required);
        request.channel = Channel::Secure;
        assert_eq!(self.auth.authenticate(&request).is_ok(), granted);
    }
}

/// A key's short token finds a digest. What `prefixed-api-key` leaves to its user is a map here, and nothing more.
struct Prefixed {
    controller: PrefixedApiKeyController<OsRng, Sha256>,
    known: HashMap<String, (String, String)>,
    right: String,
    many: Vec<String>,
    wrong: String,
    unknown: String,
}

impl Prefixed {
    fn new() -> Self {
        let controller =
            PrefixedApiKeyController::configure().prefix("gateway".to_owned()).seam_defaults().finalize().expect("one");
        let mut known = HashMap::new();
        let mut create = |name: String| {
            let (key, hash) = controller.try_generate_key_and_hash().expect("a key");
            known.insert(key.short_token().to_owned(), (hash, name));
            key
        };
        let (right, other) = (create("gateway-client-7".to_owned()), create("another".to_owned()));
        let bearer = |short: &str, long: &str| format!("Bearer gateway_{short}_{long}");
        let many =
            (0..MANY).map(|n| format!("Bearer {}", create(format!("gateway-many-{n:04}")).to_string())).collect();
        Self {
            many,
            right: format!("Bearer {}", right.to_string()),
            wrong: bearer(right.short_token(), other.long_token()),
            unknown: bearer("nobody99", other.long_token()),
            controller,
            known,
        }
    }

    fn check(&self, value: &str) -> Option<&str> {
        let key = PrefixedApiKey::from_string(value.strip_prefix("Bearer ")?).ok()?;
        let (hash, name) = self.known.get(key.short_token())?;
        self.controller.check_hash(&key, hash).then_some(name)
    }
}

/// Its key names nobody: whoever uses it finds the hash by the digest of the key (`extract_key_id`) or otherwise. Here it is
/// at hand.
struct Simplified {
    manager: ApiKeyManagerV0,
    hash: String,
    right: String,
    wrong: String,
}

impl Simplified {
    fn new() -> Self {
        let manager = ApiKeyManagerV0::init_default_config("gateway").expect("a manager");
        let key = manager.generate(Environment::production()).expect("a key");
        let right = key.key().expose_secret().to_owned();
        let last = if right.ends_with('0') { '1' } else { '0' };
        let wrong = format!("{}{last}", &right[..right.len() - 1]);
        Self { manager, hash: key.expose_hash().hash().to_owned(), right, wrong }
    }

    fn check(&self, key: &str) {
        let status = self.manager.verify(&SecureString::from(key.to_owned()), &self.hash).expect("an answer");
        assert_eq!(status, KeyStatus::Valid);
    }

    fn refuse(&self, key: &str) {
        let status = self.manager.verify(&SecureString::from(key.to_owned()), &self.hash).expect("an answer");
        assert_eq!(status, KeyStatus::Invalid);
    }

    fn checksum(&self, key: &str) {
        assert!(self.manager.verify_checksum(&SecureString::from(key.to_owned())).expect("an answer"));
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    levels: Vec<String>,
}

struct Token {
    key: DecodingKey,
    validation: Validation,
    right: String,
    wrong: String,
}

impl Token {
    fn new() -> Self {
        let claims = Claims {
            sub: "gateway-client-7".to_owned(),
            exp: 4_000_000_000,
            levels: vec!["Authenticated/Ops/Write".to_owned()],
        };
        let sign = |secret: &[u8]| {
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret))
                .expect("one")
        };
        Self {
            key: DecodingKey::from_secret(&[7; 32]),
            validation: Validation::new(Algorithm::HS256),
            right: format!("Bearer {}", sign(&[7; 32])),
            wrong: format!("Bearer {}", sign(&[8; 32])),
        }
    }

    fn check(&self, value: &str) -> Option<String> {
        let token = value.strip_prefix("Bearer ")?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        claims.levels.iter().any(|level| level == "Authenticated/Ops/Write").then_some(claims.sub)
    }
}
