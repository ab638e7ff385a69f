//! The certificate authorities that are trusted: those of `AWS_CA_BUNDLE`, or of the profile's
//! `ca_bundle`, or else the system's.

use std::fs;

use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::profile::Profile;
use crate::settings::{SdkVariables, SettingsError};

/// What ends each certificate of a bundle.
const END: &str = "-----END CERTIFICATE-----";

/// The system's authorities.
pub(super) fn system() -> TrustStore {
    TrustStore::default()
}

/// The authorities that the operator names, which are then the only ones, or else the system's.
///
/// # Errors
///
/// The bundle cannot be read, or holds no certificate.
pub(super) fn authorities(
    variables: &SdkVariables,
    profile: &Profile,
) -> Result<TrustStore, SettingsError> {
    match (variables.get("AWS_CA_BUNDLE"), profile.get("ca_bundle")) {
        (Some(path), _) => bundle("AWS_CA_BUNDLE", path),
        (None, Some(path)) => {
            bundle(&format!("ca_bundle of the profile {}", profile.place()), path)
        }
        (None, None) => Ok(system()),
    }
}

fn bundle(name: &str, path: &str) -> Result<TrustStore, SettingsError> {
    let text = fs::read_to_string(path).map_err(|error| {
        SettingsError::text(name, path, format!("cannot read this file: {error}"))
    })?;
    let mut store = TrustStore::empty();
    let mut count = 0;
    // The SDK panics at a certificate that rustls does not take, and bundles do have such ones.
    for certificate in text.split_inclusive(END).filter(|text| is_usable(text)) {
        store.add_pem_certificate(certificate);
        count += 1;
    }
    if count > 0 {
        return Ok(store);
    }
    let remedy = "this file holds no certificate; give one that has certificates in PEM";
    Err(SettingsError::text(name, path, remedy))
}

fn is_usable(text: &str) -> bool {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes());
    certificate.is_ok_and(|certificate| RootCertStore::empty().add(certificate).is_ok())
}
