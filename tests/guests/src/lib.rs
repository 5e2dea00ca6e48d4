//! Components that exist to be refused or to misbehave; each is an example of this package. What
//! those that serve have in common is here.

use dynamo_worker_sdk::prelude::*;

/// The registration of a guest: chat, text in.
pub fn registration() -> Result<Registration> {
    Ok(Registration::aggregated(["chat"], Input::Text))
}

/// The setup of a guest: an engine that is not there.
pub fn setup() -> Result<Option<Setup>> {
    Ok(Some(Setup::new(["no-such-engine"], Contact::ready_at("/health"))))
}

/// The setup of a guest that serves: a llama.cpp server, started as the plugin `llama_cpp` does.
pub fn llama(start: Start) -> Result<Option<Setup>> {
    let setup = Setup::new(["llama-server"], Contact::ready_at("/health"))
        .arguments(start.arguments)
        .argument("--model", start.model_path.unwrap_or_default());
    Ok(setup
        .argument("--host", start.host)
        .argument("--port", start.port)
        .flag("--no-ui")
        .flag("--offline")
        .into())
}
