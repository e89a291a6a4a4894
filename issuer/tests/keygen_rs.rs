//! Somebody else's client: the crate `keygen-rs`, which checks every answer's signature.
//!
//! It signs `host:port` where Keygen signs the host alone, so the server has to have HTTP's own port. Where that is not
//! to be had (it is root's), this says so and shows nothing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use std::io::Write as _;

use inspire_auth_core::license::{
    Kind,
    issue::{LicenseDescription, sign},
};
use inspire_auth_issuer::{Options, Running, Server, Store};
use keygen_rs::{
    KeygenClient,
    config::{KeygenConfig, set_config},
    errors::Error,
    license::{LicenseCheckoutOpts, LicenseValidationRequest},
    license_file::LicenseFile,
    machine::MachineCheckoutOpts,
    machine_file::MachineFile,
};
use support::{ACCOUNT, signer, system_now};

fn server() -> Option<Running> {
    let mut options = Options::new(Store::in_memory().unwrap(), signer());
    options.listen = "127.0.0.1:80".parse().unwrap();
    options.account = Some(ACCOUNT.to_owned());
    match Server::start(options) {
        Ok(server) => Some(server),
        Err(error) => {
            // Past the test's own capture.
            writeln!(std::io::stderr(), "SKIPPED: keygen-rs needs a server on port 80: {error}").unwrap();
            None
        }
    }
}

#[test]
fn keygens_rust_client_reads_our_files_and_is_served() {
    // One test: its configuration is the process's.
    reads_what_is_signed_here();
    let Some(server) = server() else { return };
    let new = inspire_auth_issuer::NewLicense {
        name: Some("Plant 3".to_owned()),
        product: Some("gateway".to_owned()),
        expires_at: Some(system_now() + 86_400),
        max_machines: Some(1),
        limits: [("MAX_DISPLAYS".to_owned(), 4)].into(),
        entitlements: vec!["MFA".to_owned(), "AI".to_owned()],
        ..Default::default()
    };
    let license = server.store().create(&new, system_now()).unwrap();
    let config = KeygenConfig {
        api_url: "http://127.0.0.1".to_owned(),
        account: ACCOUNT.to_owned(),
        product: "gateway".to_owned(),
        license_key: Some(license.key.clone()),
        public_key: Some(signer().public().to_hex()),
        ..KeygenConfig::default()
    };
    // Some of its verifications know the configuration of the process only.
    set_config(config.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(round(&server, config, &license));
}

async fn round(server: &Running, config: KeygenConfig, ours: &inspire_auth_issuer::License) {
    let client = KeygenClient::new(config).unwrap();
    let here = LicenseValidationRequest::for_fingerprint("fp".to_owned());
    assert_eq!(client.service_info().await.unwrap().api_version.as_deref(), Some("1.7"));

    let before = client.validate(&here).await.unwrap();
    assert_eq!((before.meta.code.as_str(), before.meta.valid), ("NO_MACHINE", false));
    let license = before.license.unwrap();
    assert_eq!((license.id.as_str(), license.max_machines), (ours.id.as_str(), Some(1)));
    assert_eq!(license.metadata["maxDisplays"], 4);

    let machine = license.activate("fp", &[]).await.unwrap();
    assert_eq!(machine.license_id.as_deref(), Some(ours.id.as_str()));
    let taken = license.activate("fp", &[]).await.unwrap_err();
    assert!(matches!(&taken, Error::Api(document) if document.status() == 422), "{taken:?}");
    let license = client.validate(&here).await.unwrap().into_license().unwrap();
    assert_eq!(license.validate(&here).await.unwrap().meta.code, "VALID");
    assert_eq!(license.machine(&machine.id).await.unwrap().fingerprint, "fp");
    assert_eq!(license.machines(None).await.unwrap().data.len(), 1);
    let granted = license.entitlements(None).await.unwrap().data;
    assert_eq!(granted.iter().map(|entitlement| entitlement.code.as_str()).collect::<Vec<_>>(), ["AI", "MFA"]);

    let file = machine.checkout(&MachineCheckoutOpts::with_ttl(7200)).await.unwrap();
    file.verify().unwrap();
    let opened = file.decrypt(&format!("{}fp", ours.key)).unwrap();
    assert_eq!((opened.machine.id, opened.license.id, opened.ttl), (machine.id.clone(), ours.id.clone(), 7200));
    assert_eq!(file.entitlements(&format!("{}fp", ours.key)).unwrap().len(), 2);
    let file = license.checkout(&LicenseCheckoutOpts::with_ttl(3600).with_encrypt(true)).await.unwrap();
    file.verify().unwrap();
    assert_eq!(file.decrypt(&ours.key).unwrap().license.id, ours.id);

    machine.ping().await.unwrap();
    machine.deactivate().await.unwrap();
    assert_eq!(client.validate(&here).await.unwrap().meta.code, "NO_MACHINE");
    server.store().suspend(&ours.id, system_now()).unwrap();
    let refused = client.validate(&here).await.unwrap_err();
    assert!(matches!(&refused, Error::Api(document) if document.status() == 403), "{refused:?}");
}

/// The files that `issuer sign` makes, without any server.
fn reads_what_is_signed_here() {
    let public_key = signer().public().to_hex();
    set_config(KeygenConfig { public_key: Some(public_key.clone()), ..KeygenConfig::default() }).unwrap();
    let mut description = LicenseDescription::new("5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01", "KEY-1");
    description.name = Some("Plant 3".to_owned());
    description.ttl = Some(3600);
    description.limits.insert("MAX_DISPLAYS".to_owned(), 25);
    description.entitlements = Some(vec!["MFA".to_owned(), "OFFLINE_LICENSING".to_owned()]);
    let file = sign(&signer(), &description, Kind::License, true, Some(system_now())).unwrap();
    let read = LicenseFile::from_cert("KEY-1", &file).unwrap();
    read.verify_with_key(&public_key).unwrap();
    let license = read.decrypt("KEY-1").unwrap().license;
    assert_eq!((license.id.as_str(), license.name.as_deref()), (description.id.as_str(), Some("Plant 3")));
    assert_eq!(license.metadata["maxDisplays"], 25);
    assert_eq!(read.entitlements("KEY-1").unwrap().len(), 2);

    description.fingerprint = Some("fp".to_owned());
    let file = sign(&signer(), &description, Kind::Machine, true, Some(system_now())).unwrap();
    let read = MachineFile::from_cert("KEY-1fp", &file).unwrap();
    read.verify().unwrap();
    let opened = read.decrypt("KEY-1fp").unwrap();
    assert_eq!((opened.machine.fingerprint.as_str(), opened.license.id), ("fp", description.id));
    assert_eq!(read.entitlements("KEY-1fp").unwrap().len(), 2);
}
