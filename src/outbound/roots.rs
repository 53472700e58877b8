//! The authorities whose certificates are believed: those that this machine knows. Where it knows none (a bare image, a
//! `SSL_CERT_FILE` that leads nowhere), Mozilla's list, which travels in the binary: a server must not fail to start for want
//! of a file that its work may not even need. The list does not stand beside a machine's own: whoever keeps that short means
//! it.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{RootCertStore, pki_types::CertificateDer};

/// The certificates, read once.
static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    let roots = Roots::choose(found.certs);
    if roots.are_ours {
        let errors = (!found.errors.is_empty()).then(|| format!("{:?}", found.errors));
        tracing::warn!(
            errors,
            "this machine has no certificates of authorities (ca-certificates, SSL_CERT_FILE); those that came with oms are \
             used"
        );
    }
    roots
});

struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    /// They came with the binary.
    are_ours: bool,
}

impl Roots {
    fn choose(of_the_machine: Vec<CertificateDer<'static>>) -> Self {
        // One that cannot be used would end every attempt to make a client.
        let is_usable = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
        let certificates: Vec<_> = of_the_machine.into_iter().filter(is_usable).collect();
        if certificates.is_empty() {
            return Self { certificates: webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec(), are_ours: true };
        }
        Self { certificates, are_ours: false }
    }

    fn pem(&self) -> String {
        let mut text = String::new();
        for certificate in &self.certificates {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            let base64 = STANDARD.encode(certificate);
            for line in base64.as_bytes().chunks(64) {
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            }
            text.push_str("-----END CERTIFICATE-----\n");
        }
        text
    }
}

/// Those for HTTP.
pub(super) fn for_http() -> impl Iterator<Item = reqwest::Certificate> {
    ROOTS.certificates.iter().filter_map(|certificate| reqwest::Certificate::from_der(certificate).ok())
}

/// Those for Postgres, as PEM; none where it reads the machine's own.
pub(crate) fn for_postgres() -> Option<String> {
    ROOTS.are_ours.then(|| ROOTS.pem())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn a_machine_without_certificates_has_those_that_travel_along_and_another_its_own_alone() {
        let ours = Roots::choose(Vec::new());
        assert!(ours.are_ours && ours.certificates.len() > 100, "{}", ours.certificates.len());
        let pem = ours.pem();
        let read: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("PEM");
        assert_eq!(read, ours.certificates);
        let one = vec![CertificateDer::from(b"nonsense".to_vec()), ours.certificates[0].clone()];
        let its_own = Roots::choose(one);
        assert!(!its_own.are_ours);
        assert_eq!(its_own.certificates, [ours.certificates[0].clone()]);
    }
}
