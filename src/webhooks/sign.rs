//! The signature by which a receiver knows that a delivery is ours.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// `sha256=<hex>`: the HMAC-SHA256 of the body's bytes under the subscription's secret.
#[must_use]
pub fn signature(secret_key: &str, body: &[u8]) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()) else { return String::new() };
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::from("sha256="), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231_and_of_a_key_longer_than_a_block() {
        let signed = signature("Jefe", b"what do ya want for nothing?");
        assert_eq!(signed, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let signed = signature(&"a".repeat(124), "Kadıköy".as_bytes());
        assert_eq!(signed, "sha256=deb5be93b28f4a243093f59c9a52c5d882c7033f1b2a0bf3287c3f93cfba6a88");
    }
}
