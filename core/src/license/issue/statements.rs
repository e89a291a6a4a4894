//! What customers send: requests for files, and receipts of deactivations.

use std::fmt;

use super::{
    super::{
        keys::PublicKey,
        statement::{Statement, Subject},
        time,
    },
    LicenseDescription,
};
use crate::error::{Code, Error, Result};

/// An installation's request for a machine file.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The fingerprint that the file is to name.
    pub fingerprint: String,
    /// The product that the installation is of, where its host says so.
    pub product: Option<String>,
    /// The license key, where it was sent along.
    pub license_key: Option<String>,
    /// Random, so that two requests differ: 32 hexadecimal digits.
    pub nonce: String,
    /// Unix seconds, by the installation's clock.
    pub created: i64,
    /// The installation's own key, which signs its receipts too.
    pub installation: PublicKey,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The license key is a secret, and a fingerprint nobody's business.
        f.debug_struct("Request").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Request {
    /// Reads a request, and verifies that the key in it signed it.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`, `LICENSE_UNSUPPORTED_ALGORITHM`, `LICENSE_SIGNATURE_INVALID`.
    pub fn read(text: &[u8]) -> Result<Self> {
        let statement = of(Subject::Request, text)?;
        let optional = |name| statement.text(name).ok().map(str::to_owned);
        Ok(Self {
            fingerprint: statement.text("fingerprint")?.to_owned(),
            product: optional("product"),
            license_key: optional("license_key"),
            nonce: statement.text("nonce")?.to_owned(),
            created: moment(&statement, "created")?,
            installation: statement.key,
        })
    }

    /// Reads a description, and makes it the [answer](Request::answer) to this request: the license key, where it has none,
    /// is the request's.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, as [`LicenseDescription::parse`] and [`Request::answer`].
    pub fn describe(&self, text: &[u8]) -> Result<LicenseDescription> {
        let mut license = LicenseDescription::parse_with_key(text, self.license_key.as_deref())?;
        self.answer(&mut license)?;
        Ok(license)
    }

    /// Makes a description the one of a machine file for this request: its fingerprint, its product where the description
    /// names none, and in its metadata (`installation`, `request`) what ties the file to the installation that asked for it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the description is for another machine, product or license key.
    pub fn answer(&self, license: &mut LicenseDescription) -> Result<()> {
        let differs = |theirs: Option<&str>, ours: Option<&str>| matches!((theirs, ours), (Some(a), Some(b)) if a != b);
        for (is_another, what) in [
            (differs(Some(&self.fingerprint), license.fingerprint.as_deref()), "machine"),
            (differs(self.product.as_deref(), license.product.as_deref()), "product"),
            (differs(self.license_key.as_deref(), Some(&license.key)), "license key"),
        ] {
            if is_another {
                return Err(Error::with(Code::InvalidArgument, format!("the request is of another {what}")));
            }
        }
        license.fingerprint = Some(self.fingerprint.clone());
        license.product = license.product.take().or_else(|| self.product.clone());
        license.metadata.insert("installation".to_owned(), self.installation.to_hex().into());
        license.metadata.insert("request".to_owned(), self.nonce.clone().into());
        Ok(())
    }
}

/// An installation's word that it took a license out. Evidence, not proof: whoever owns a machine can copy its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The license's id.
    pub license: String,
    /// The machine's id on the licensing server; `None` for a license that named no machine.
    pub machine: Option<String>,
    /// The machine's fingerprint.
    pub fingerprint: String,
    /// When the file that was taken out had been issued, Unix seconds: it, and any before it, is refused there now.
    pub issued: i64,
    /// Unix seconds, by the installation's clock.
    pub deactivated: i64,
    /// The installation's own key: the same as in its request.
    pub installation: PublicKey,
}

impl Receipt {
    /// Reads a receipt, and verifies that the key in it signed it.
    ///
    /// # Errors
    /// As [`Request::read`].
    pub fn read(text: &[u8]) -> Result<Self> {
        let statement = of(Subject::Receipt, text)?;
        Ok(Self {
            license: statement.text("license")?.to_owned(),
            machine: statement.text("machine").ok().map(str::to_owned),
            fingerprint: statement.text("fingerprint")?.to_owned(),
            issued: moment(&statement, "issued")?,
            deactivated: moment(&statement, "deactivated")?,
            installation: statement.key,
        })
    }
}

fn of(subject: Subject, text: &[u8]) -> Result<Statement> {
    let statement = Statement::read(text)?;
    if statement.subject == subject {
        return Ok(statement);
    }
    Err(Error::with(Code::LicenseMalformed, "a request and a receipt are two things"))
}

fn moment(statement: &Statement, name: &'static str) -> Result<i64> {
    let moment = time::parse(statement.text(name)?);
    moment.ok_or_else(|| Error::with(Code::LicenseMalformed, format!("{name} is not an RFC 3339 time")))
}
