//! A handle as a host has it: a key, three credentials for it, and a license.

use inspire_auth_core::{
    InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
    license::{
        issue::{LicenseDescription, SigningKey, sign_license_file},
        keys::TrustedKey,
    },
};

pub(crate) struct Host {
    pub(crate) auth: InspireAuth,
    required: Requirement,
    pub(crate) right: String,
    pub(crate) wrong: String,
    pub(crate) unknown: String,
}

impl Host {
    pub(crate) fn new(location: StoreLocation) -> Self {
        let signer = SigningKey::from_seed(&[7; 32]);
        let mut license = LicenseDescription::new("5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01", "KEY-1");
        license.entitlements = Some(["MFA", "OFFLINE_LICENSING", "VIDEO_WALL_SYNC", "AI"].map(str::to_owned).to_vec());
        let file = sign_license_file(&signer, &license, false, None).expect("a file");

        let mut options = Options::new(location);
        // Only the first use of a key pays for its hash, which a profiler makes fifty times slower.
        options.hash.memory_kib = 8;
        options.hash.iterations = 1;
        options.trusted_keys = vec![TrustedKey::new("vendor", signer.public()).expect("a key")];
        options.allow_unbound = true;
        let auth = InspireAuth::open(options).expect("a store");
        auth.license().activate_offline("KEY-1", file.as_bytes(), false, &Caller::system()).expect("a license");
        let mut key = NewKey::named("gateway-client-7");
        key.levels = vec!["Authenticated/Ops/Write".to_owned()];
        let created = auth.keys().create(&key, &Caller::system()).expect("a key");
        let required =
            auth.requirement(&"any(Authenticated/Ops/Write)".parse().expect("a requirement")).expect("a requirement");
        let other = auth.keys().create(&NewKey::named("another"), &Caller::system()).expect("a key");
        Self {
            auth,
            required,
            right: format!("Bearer {}", created.credential().as_str()),
            wrong: format!("Bearer gateway-client-7:{}", other.key.as_str()),
            unknown: format!("Bearer gateway-client-8:{}", other.key.as_str()),
        }
    }

    /// A value that is granted, one with a wrong secret, and one of a name that there is not.
    pub(crate) fn values(&self) -> [&str; 3] {
        [&self.right, &self.wrong, &self.unknown]
    }

    pub(crate) fn request<'a>(&'a self, authorization: &'a str) -> Request<'a> {
        let mut request = Request::new(Presented::Authorization(authorization.as_bytes()), &self.required);
        request.channel = Channel::Secure;
        request
    }
}
