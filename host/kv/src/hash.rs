//! The hash by which routers know a block: of its tokens alone, whatever the engine hashes.
//!
//! Mirrors `compute_block_hash_for_seq` of `dynamo-kv-router` and `compute_salt_hash` of
//! `dynamo-kv-hashing` 1.6.1.

use xxhash_rust::xxh3::xxh3_64_with_seed;

const SEED: u64 = 1337;

/// What a block's hash depends on beside its tokens: blocks of one LoRA adapter, or of one tenant's
/// salt, are no other's.
pub fn seed(lora: Option<&str>, salt: Option<&str>) -> u64 {
    let part = |text: Option<&str>, seed| match text {
        Some(text) if !text.is_empty() => xxh3_64_with_seed(text.as_bytes(), seed),
        _ => 0,
    };
    SEED.wrapping_add(part(lora, 0)).wrapping_add(part(salt, 1))
}

/// The hash of a block whose tokens are `tokens`, 32 bits each, little end first.
pub fn block(tokens: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(tokens, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_none() {
        assert_eq!(seed(Some(""), Some("")), SEED);
        assert_eq!(seed(None, None), SEED);
    }

    #[test]
    fn adapter_and_salt_of_one_name_are_two_things() {
        assert_ne!(seed(Some("a"), None), seed(None, Some("a")));
        assert_ne!(seed(Some("a"), Some("b")), seed(Some("b"), Some("a")));
    }
}
