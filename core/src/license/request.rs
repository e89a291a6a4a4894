//! Asking a vendor for a file: what an administrator without a connection sends.

use serde_json::json;

use super::{
    License, hex,
    statement::{self, Subject},
    time,
};
use crate::{
    audit::Mutation,
    clock,
    error::Result,
    id::fill_random,
    keys::{Caller, Need},
};

impl License<'_> {
    /// A request for a machine file, for the vendor: this machine's fingerprint and what it is made of, the product, a
    /// nonce, and the public key of this installation, which signs it. With the license key, when it is given. Nothing is
    /// sent anywhere.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` unless the caller satisfies the admin requirement; `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code.
    pub fn request(&self, license_key: Option<&str>, caller: &Caller<'_>) -> Result<String> {
        let rules = self.inner.license.rules();
        let identity = self.machine()?;
        let mut nonce = [0; 16];
        fill_random(&mut nonce)?;
        let document = json!({
            "fingerprint": identity.fingerprint,
            "source": identity.source.as_str(),
            "container": identity.container,
            "product": rules.product,
            "license_key": license_key,
            "nonce": hex::encode(&nonce),
            "created": time::format(clock::resolve(caller.now)),
        });
        let mutation = Mutation { event: "license.requested", subject: "", need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| {
            let key = statement::installation_key(change.tx)?;
            Ok(statement::sign(Subject::Request, &key, &document))
        })
    }
}
