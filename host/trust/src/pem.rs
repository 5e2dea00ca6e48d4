//! Keys as text: PEM around the fixed DER of RFC 8410.
//!
//! Neither structure has a part that may vary, so that the key is what follows a fixed beginning.

use pem_rfc7468::LineEnding;

/// The label and the DER before the 32 bytes of a key.
pub(crate) struct Form {
    label: &'static str,
    beginning: &'static [u8],
}

/// SubjectPublicKeyInfo of ed25519.
pub(crate) const PUBLIC: Form = Form {
    label: "PUBLIC KEY",
    beginning: &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
};

/// PKCS#8 of ed25519, version 1, without attributes: what `openssl genpkey` writes.
pub(crate) const SECRET: Form = Form {
    label: "PRIVATE KEY",
    beginning: &[
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ],
};

/// Room for either form in DER, and for it as text.
const DER: usize = 48;
const TEXT: usize = 160;

impl Form {
    /// The key as PEM.
    pub(crate) fn write(&self, key: &[u8; 32]) -> String {
        let der = [self.beginning, key].concat();
        let mut room = [0; TEXT];
        pem_rfc7468::encode(self.label, LineEnding::LF, &der, &mut room)
            .map(str::to_owned)
            .unwrap_or_default()
    }

    /// The key in one PEM block; before it may stand anything.
    pub(crate) fn read(&self, text: &str) -> Result<[u8; 32], String> {
        let mut room = [0; DER];
        let (label, der) = pem_rfc7468::decode(text.as_bytes(), &mut room)
            .map_err(|error| format!("it is not PEM ({error})"))?;
        if label != self.label {
            return Err(format!("it holds a {label}, and not a {}", self.label));
        }
        der.strip_prefix(self.beginning)
            .and_then(|key| key.try_into().ok())
            .ok_or_else(|| "the key is none of ed25519".to_owned())
    }

    /// The PEM blocks of a file, each with what stands before it. White space at the end is none.
    pub(crate) fn blocks<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let end = format!("-----END {}-----", self.label);
        let mut blocks: Vec<&str> = text.split_inclusive(end.as_str()).collect();
        if blocks.last().is_some_and(|rest| rest.trim().is_empty()) {
            blocks.pop();
        }
        blocks
    }
}
