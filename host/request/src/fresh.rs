//! The values that must be new for each request.

use std::time::{SystemTime, UNIX_EPOCH};

use dynamo_host_plugin::Fresh;
use rand::Rng;
use uuid::Uuid;

/// Largest seed handed out: what Dynamo's diffusion workers draw from.
const MAX_SEED: u32 = 1_000_000;

/// Draws fresh values. `dynamo-host check` uses fixed ones.
pub trait FreshSource: Send + Sync + 'static {
    /// Values for one request.
    fn draw(&self) -> Fresh;
}

/// The system's randomness and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFresh;

impl FreshSource for SystemFresh {
    fn draw(&self) -> Fresh {
        let mut random = rand::rng();
        Fresh {
            // 122 random bits from the system's generator: engines take whoever knows the id for
            // the owner of the request.
            request_id: Uuid::new_v4().simple().to_string(),
            bootstrap_room: random.random_range(0..=i64::MAX.unsigned_abs()),
            seed: random.random_range(0..=MAX_SEED),
            unix_millis: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
