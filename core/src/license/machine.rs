//! Which machine this is, as files name it.
//!
//! The fingerprint is what the host says; else a MAC of the operating system's machine id with the product id, so that
//! the id itself, which `machine-id(5)` calls confidential, goes nowhere, and two products see two fingerprints. Never a
//! MAC address, an IP address or a host name: they change, and are not secret.

use std::{fmt, path::PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use inspire_auth_platform::machine as os;
use sha2::Sha256;

use super::hex;
use crate::error::{Code, Error, Result};

/// This machine, as a machine file names it. Its `Debug` does not show the fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct MachineIdentity {
    /// What a machine file for this machine must hold.
    pub fingerprint: String,
    /// Where it comes from.
    pub source: Source,
    /// The kind of container that this process seems to run in. There, the operating system's machine id may be gone
    /// with the next start: give the fingerprint as an option, from a file in a volume.
    pub container: Option<&'static str>,
}

impl fmt::Debug for MachineIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineIdentity")
            .field("source", &self.source)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

/// Where a fingerprint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The `machine_id` option.
    Option,
    /// The operating system's machine id.
    MachineId,
}

impl Source {
    /// `machine_id option` or `machine id`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Option => "machine_id option",
            Self::MachineId => "operating system's machine id",
        }
    }
}

/// One thing that goes into a fingerprint, or says something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// What was found; never the machine id itself.
    pub found: String,
}

/// This machine's identity, from the `machine_id` option if it is given, else from the operating system and the
/// product id.
///
/// # Errors
/// `FINGERPRINT_UNAVAILABLE` when nothing is given and the operating system has no readable machine id.
pub fn fingerprint(machine_id: Option<&str>, product: Option<&str>) -> Result<MachineIdentity> {
    Machine::new(machine_id, product).identity()
}

/// What [`fingerprint`] looked at, for people who wonder why it changed or is not there.
#[must_use]
pub fn explain(machine_id: Option<&str>, product: Option<&str>) -> Vec<Part> {
    Machine::new(machine_id, product).explain()
}

/// Where this process looks for its machine's identity.
#[derive(Clone)]
pub(super) struct Machine {
    machine_id: Option<String>,
    product: Option<String>,
    root: PathBuf,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("product", &self.product).finish_non_exhaustive()
    }
}

impl Machine {
    pub(super) fn new(machine_id: Option<&str>, product: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self { machine_id: owned(machine_id), product: owned(product), root: PathBuf::from("/") }
    }

    /// The same on another system's files.
    #[cfg(test)]
    pub(super) fn rooted(self, root: &std::path::Path) -> Self {
        Self { root: root.to_owned(), ..self }
    }

    /// Read anew each time: it is asked only when a license is read, and a file in a volume may come late.
    pub(super) fn identity(&self) -> Result<MachineIdentity> {
        let container = os::container_in(&self.root);
        if let Some(given) = &self.machine_id {
            return Ok(MachineIdentity { fingerprint: given.clone(), source: Source::Option, container });
        }
        let unavailable = || Error::new(Code::FingerprintUnavailable);
        let id = os::machine_id_in(&self.root).map_err(|error| unavailable().caused_by(error))?;
        let id = id.ok_or_else(unavailable)?;
        let mac = Hmac::<Sha256>::new_from_slice(id.as_bytes()).map_err(|_| unavailable())?;
        let mac = mac.chain_update(self.product.as_deref().unwrap_or_default()).finalize().into_bytes();
        Ok(MachineIdentity { fingerprint: hex::encode(&mac), source: Source::MachineId, container })
    }

    fn explain(&self) -> Vec<Part> {
        let part = |name, found: &str| Part { name, found: found.to_owned() };
        let readable = match os::machine_id_in(&self.root) {
            Ok(Some(_)) => "readable",
            Ok(None) => "none",
            Err(_) => "there, but not readable by this user",
        };
        let identity = self.identity();
        let source = identity.as_ref().map_or("nothing", |identity| identity.source.as_str());
        let fingerprint = identity.as_ref().map_or("unavailable", |identity| identity.fingerprint.as_str());
        vec![
            part("machine_id option", if self.machine_id.is_some() { "given" } else { "not given" }),
            part("operating system's machine id", readable),
            part("product", self.product.as_deref().unwrap_or("none")),
            part("container", os::container_in(&self.root).unwrap_or("none seen")),
            part("taken from", source),
            part("fingerprint", fingerprint),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            issue::{LicenseDescription, SigningKey, sign_machine_file},
            state::tests::{Fake, half},
        },
        *,
    };

    const ID: &str = "4c2f0a6d1b7e4f58a3c9d0e1f2a3b4c5";

    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (place, text) in files {
            let path = root.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn what_the_host_says_wins() {
        let root = system(&[("etc/machine-id", ID)]);
        let identity = Machine::new(Some("given"), Some("p")).rooted(root.path()).identity().unwrap();
        assert_eq!((identity.fingerprint.as_str(), identity.source), ("given", Source::Option));
    }

    #[test]
    fn the_fingerprint_is_a_mac_of_the_machine_id_with_the_product() {
        let root = system(&[("etc/machine-id", &format!("{ID}\n")), (".dockerenv", "")]);
        let of = |product| Machine::new(None, product).rooted(root.path()).identity().unwrap();
        // From an independent program: HMAC-SHA-256 under the 32 characters of the id.
        assert_eq!(of(None).fingerprint, "16314642233e401449e5e9ee7caee729dc836fbb9160b8fbe01325401f3824a6");
        assert_eq!(of(Some("gateway")).fingerprint, "b2c096c43e2d4505131e02f4441741016d6d65aa12e9d0ae6b63ffca64f7e39a");
        assert_eq!(of(Some("gateway")), of(Some("gateway")));
        assert_eq!((of(None).source, of(None).container), (Source::MachineId, Some("docker")));
    }

    /// A machine without an identity has none: an empty text, or a constant, would match on every such machine.
    #[test]
    fn nothing_readable_is_never_a_match() {
        for files in [&[][..], &[("etc/machine-id", "")], &[("etc/machine-id", "uninitialized\n")]] {
            let root = system(files);
            let nowhere = Machine::new(None, None).rooted(root.path());
            assert_eq!(nowhere.identity().unwrap_err().code(), Code::FingerprintUnavailable);
            assert!(nowhere.explain().iter().any(|part| part.name == "fingerprint" && part.found == "unavailable"));

            // An installed machine file, plain so that it can be read without a fingerprint, stays refused.
            let signer = SigningKey::from_seed(&[7; 32]);
            let mut license = LicenseDescription::new("l1", "KEY");
            license.entitlements = Some(vec!["OFFLINE_LICENSING".into(), "MFA".into()]);
            for fingerprint in ["unavailable", "0", "machine-id"] {
                license.fingerprint = Some(fingerprint.into());
                let file = sign_machine_file(&signer, &license, false, Some(1_800_000_000)).unwrap();
                let half = half(|_| (), Some(nowhere.clone()));
                half.reload(&Fake::installed(&file)).unwrap();
                assert_eq!(half.gate("MFA", 1_800_000_001), Err(Code::FingerprintUnavailable));
            }
        }
    }

    #[test]
    fn parts_are_explained_and_the_id_is_not_shown() {
        let root = system(&[("etc/machine-id", ID)]);
        let machine = Machine::new(None, Some("gateway")).rooted(root.path());
        let parts = machine.explain();
        assert!(parts.iter().any(|part| part.found == machine.identity().unwrap().fingerprint));
        assert!(parts.iter().any(|part| part.name == "operating system's machine id" && part.found == "readable"));
        assert!(!format!("{parts:?} {machine:?} {:?}", machine.identity()).contains(ID));
    }
}
