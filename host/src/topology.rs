//! Where in the machine room the worker is, for routers that keep KV caches from crossing it.
//!
//! Mirrors `dynamo/common/utils/topology.py` of Dynamo 1.6.1: the deployment writes a file for each
//! domain (zone, rack, ...) into a folder, and says by variables which of them counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

/// Where the files are unless `DYN_TOPOLOGY_MOUNT_PATH` says otherwise.
const FOLDER: &str = "/etc/dynamo/topology";

/// The files may come a little later than the worker.
const PATIENCE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(1);

/// The worker does not know where it is, and must.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// No domain is named.
    #[error(
        "DYN_TOPOLOGY_ENABLED is set, but DYN_KV_TRANSFER_DOMAIN is not: name the domain KV caches \
         must not leave, such as zone"
    )]
    NoDomain,
    /// Its file did not come.
    #[error(
        "{} has no content after {} s (DYN_TOPOLOGY_ENABLED, DYN_KV_TRANSFER_DOMAIN): the deployment \
         writes the worker's place there", path.display(), PATIENCE.as_secs()
    )]
    NoPlace {
        /// The file.
        path: PathBuf,
    },
    /// A weight that is no number.
    #[error("DYN_KV_TRANSFER_PREFERRED_WEIGHT={0} is not a number")]
    Weight(String),
}

/// Members of the card's `runtime_config`; none if the operator has not turned this on.
///
/// # Errors
/// [`TopologyError`].
pub async fn members(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Map<String, Value>, TopologyError> {
    let set =
        |name| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let enabled = set("DYN_TOPOLOGY_ENABLED").unwrap_or_default().to_lowercase();
    if !["1", "true", "yes", "on"].contains(&enabled.as_str()) {
        return Ok(Map::new());
    }
    let domain = set("DYN_KV_TRANSFER_DOMAIN").ok_or(TopologyError::NoDomain)?;
    let weight = set("DYN_KV_TRANSFER_PREFERRED_WEIGHT");
    let weight = weight
        .map(|text| text.parse::<f64>().map_err(|_| TopologyError::Weight(text)))
        .transpose()?;
    let folder = PathBuf::from(set("DYN_TOPOLOGY_MOUNT_PATH").unwrap_or_else(|| FOLDER.into()));
    let places = places(&folder, &domain).await?;
    let enforcement = set("DYN_KV_TRANSFER_ENFORCEMENT").unwrap_or_else(|| "required".into());
    let mut members = Map::from_iter([
        ("topology_domains".to_owned(), json!(places)),
        ("kv_transfer_domain".to_owned(), json!(domain)),
        ("kv_transfer_enforcement".to_owned(), json!(enforcement)),
    ]);
    if let Some(weight) = weight {
        members.insert("kv_transfer_preferred_weight".to_owned(), json!(weight));
    }
    Ok(members)
}

/// The worker's place by domain, once that in `domain` is known.
async fn places(folder: &Path, domain: &str) -> Result<BTreeMap<String, String>, TopologyError> {
    let since = Instant::now();
    loop {
        let places = read(folder);
        if places.contains_key(domain) {
            return Ok(places);
        }
        if since.elapsed() >= PATIENCE {
            return Err(TopologyError::NoPlace { path: folder.join(domain) });
        }
        tracing::info!("waiting for the worker's {domain} in {}", folder.display());
        sleep(INTERVAL).await;
    }
}

/// What the files say that are there.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let place = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        let text = std::fs::read_to_string(entry.path()).ok()?.trim().to_owned();
        (!text.is_empty()).then_some((name, text))
    };
    entries.filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn of(variables: &[(&str, &str)]) -> Result<Map<String, Value>, TopologyError> {
        let given = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        members(given).await
    }

    #[tokio::test]
    async fn the_place_is_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("zone", "a\n"), ("rack", " 7 "), (".hidden", "x"), ("empty", "")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().to_str().unwrap();
        let mut variables = vec![
            ("DYN_TOPOLOGY_ENABLED", "true"),
            ("DYN_TOPOLOGY_MOUNT_PATH", path),
            ("DYN_KV_TRANSFER_DOMAIN", "zone"),
        ];
        let mut expected = json!({
            "topology_domains": {"zone": "a", "rack": "7"},
            "kv_transfer_domain": "zone", "kv_transfer_enforcement": "required",
        });
        assert_eq!(Value::Object(of(&variables).await.unwrap()), expected);
        variables.push(("DYN_KV_TRANSFER_ENFORCEMENT", "preferred"));
        variables.push(("DYN_KV_TRANSFER_PREFERRED_WEIGHT", "0.85"));
        expected["kv_transfer_enforcement"] = json!("preferred");
        expected["kv_transfer_preferred_weight"] = json!(0.85);
        assert_eq!(Value::Object(of(&variables).await.unwrap()), expected);
    }

    #[tokio::test]
    async fn nothing_is_said_unless_it_is_turned_on() {
        for enabled in ["", "0", "maybe"] {
            assert!(of(&[("DYN_TOPOLOGY_ENABLED", enabled)]).await.unwrap().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_is_named() {
        let error = of(&[("DYN_TOPOLOGY_ENABLED", "1")]).await.unwrap_err().to_string();
        assert!(error.contains("DYN_KV_TRANSFER_DOMAIN"), "{error}");
        let variables = [
            ("DYN_TOPOLOGY_ENABLED", "1"),
            ("DYN_TOPOLOGY_MOUNT_PATH", "/no/such/folder"),
            ("DYN_KV_TRANSFER_DOMAIN", "zone"),
        ];
        let error = of(&variables).await.unwrap_err().to_string();
        assert!(error.contains("/no/such/folder/zone"), "{error}");
    }
}
