//! Keys and signatures.

use std::path::{Path, PathBuf};

use clap::Args;
use dynamo_host_plugin::Artifact;
use dynamo_host_trust::{Digest, PublicKey, SecretKey, Trust};

use super::Failed;

/// Makes a pair of keys: NAME.key, which signs, and NAME.pub, for --plugin-trusted-keys.
#[derive(Debug, Args)]
pub(super) struct KeygenArguments {
    /// Where to, without an ending.
    name: PathBuf,
}

/// Signs a plugin: writes FILE.sig beside it.
#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// The secret key, as `keygen` or `openssl genpkey -algorithm ed25519` make it.
    #[arg(long, env = "DYN_HOST_PLUGIN_SIGNING_KEY")]
    key: PathBuf,

    /// Component files.
    #[arg(required = true)]
    plugins: Vec<PathBuf>,
}

/// Checks a plugin as a host does that is given the same conditions.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Files of public keys, one of which must have signed it.
    #[arg(long = "trusted-keys", required_unless_present = "digests")]
    keys: Vec<PathBuf>,

    /// Digests, one of which it must have.
    #[arg(long = "digest")]
    digests: Vec<Digest>,

    /// The component file.
    plugin: PathBuf,
}

pub(super) fn keygen(arguments: &KeygenArguments) -> Result<(), Failed> {
    let end = |ending| PathBuf::from(format!("{}.{ending}", arguments.name.display()));
    let (secret, public) = (end("key"), end("pub"));
    let key = SecretKey::generate()?;
    key.write(&secret, &public)?;
    println!("{}: the secret key {}; keep it", secret.display(), key.public());
    println!("{}: give this one to hosts (--plugin-trusted-keys)", public.display());
    Ok(())
}

pub(super) fn sign(arguments: &SignArguments) -> Result<(), Failed> {
    let key = SecretKey::read(&arguments.key)?;
    for path in &arguments.plugins {
        let component = read(path)?;
        let beside = Artifact::signature_path(path);
        std::fs::write(&beside, key.sign(&component))
            .map_err(|error| format!("cannot write {}: {error}", beside.display()))?;
        let digest = Digest::of(&component);
        println!("{}: {digest} signed by {}", beside.display(), key.public());
    }
    Ok(())
}

pub(super) fn verify(arguments: &VerifyArguments) -> Result<(), Failed> {
    let mut keys = Vec::new();
    for path in &arguments.keys {
        keys.extend(PublicKey::read_all(path)?);
    }
    let trust = Trust::new(arguments.digests.clone(), keys);
    let origin = arguments.plugin.display().to_string();
    let component = read(&arguments.plugin)?;
    let beside = Artifact::signature_path(&arguments.plugin);
    let signature = if beside.exists() { Some(read(&beside)?) } else { None };
    let signed_by = trust.verify(&origin, &component, signature.as_deref())?;
    let digest = Digest::of(&component);
    match signed_by {
        Some(key) => println!("{origin}: {digest} signed by {key}"),
        None => println!("{origin}: {digest}"),
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    Ok(std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?)
}
