//! `X-Whisperer-Signature`: proves that the sender of a body has the secret. Our deliveries have it, and webhooks
//! pushed to us may have it.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The header.
pub const HEADER: &str = "x-whisperer-signature";

/// The header's value for a body.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut text = String::from("sha256=");
    for byte in mac(secret, body).finalize().into_bytes() {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// True if a header's value is the signature of this body. The comparison takes constant time.
#[must_use]
pub fn is_valid(secret: &str, body: &[u8], signature: &str) -> bool {
    let Some(digits) = signature.strip_prefix("sha256=") else { return false };
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.is_some_and(|bytes| mac(secret, body).verify_slice(&bytes).is_ok())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(secret: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_its_body_and_secret() {
        // RFC 4231, test case 2.
        let body = b"what do ya want for nothing?";
        let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", body), signature);
        assert!(is_valid("Jefe", body, signature));
        for wrong in ["", "sha256=", "5bdc", "sha256=5bdc", &signature.replace('5', "6"), &format!("{signature}0")] {
            assert!(!is_valid("Jefe", body, wrong), "{wrong}");
        }
        // A key longer than a block.
        let long = sign(&"a".repeat(124), "Kadıköy".as_bytes());
        assert_eq!(long, "sha256=deb5be93b28f4a243093f59c9a52c5d882c7033f1b2a0bf3287c3f93cfba6a88");
        assert!(!is_valid("Jefe", b"another body", signature));
        assert!(!is_valid("another secret", body, signature));
    }
}
