//! The license key itself, which is masked everywhere else.

use zeroize::Zeroizing;

use super::License;
use crate::{
    audit::Mutation,
    error::{Code, Error, Result},
    keys::{Caller, Need},
};

impl License<'_> {
    /// The license key as it was entered, for an administrator who has to see it: [`Status::key`](super::Status::key) is
    /// masked. Who saw it is recorded (`license.key_revealed`).
    ///
    /// # Errors
    /// `UNLICENSED`; `PERMISSION_DENIED` unless the caller satisfies the admin requirement; a `STORE_*` code;
    /// `AUDIT_UNAVAILABLE`.
    pub fn reveal_key(&self, caller: &Caller<'_>) -> Result<Zeroizing<String>> {
        let mutation = Mutation { event: "license.key_revealed", subject: "", need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| {
            let row = change.tx.license()?.ok_or(Error::new(Code::Unlicensed))?;
            Ok(Zeroizing::new(row.license_key))
        })
    }
}
