//! The plugin's own routes, under `/engine/` on the system server.

use std::sync::Arc;

use dynamo_host_failure::Failure;
use dynamo_host_plane::{Plane, RouteHandler};
use dynamo_host_plugin::Plugin;
use serde_json::Value;

use crate::handler::WorkerHandler;

/// Serves what `plugin` lists. Each call sees the state of the worker at that moment, so that a
/// route speaks of the engine that runs.
///
/// # Errors
/// The failure of the plugin's code when it is asked for its routes.
pub async fn serve(
    plane: &Plane,
    plugin: &Plugin,
    handler: &Arc<WorkerHandler>,
) -> Result<(), Failure> {
    for route in plugin.routes().await? {
        tracing::info!("route /engine/{}: {}", route.path, route.summary);
        plane.register_route(&route.path, answer(&route.path, plugin, handler));
    }
    Ok(())
}

fn answer(path: &str, plugin: &Plugin, handler: &Arc<WorkerHandler>) -> RouteHandler {
    let (path, plugin, handler) = (path.to_owned(), plugin.clone(), handler.clone());
    Arc::new(move |body: Value| {
        let (path, plugin, handler) = (path.clone(), plugin.clone(), handler.clone());
        Box::pin(async move {
            let state = handler.state();
            let body = body.to_string().into_bytes();
            let answer = plugin.handle_route(&path, &state, &body).await?;
            serde_json::from_slice(&answer).map_err(|error| {
                Failure::internal(format!("the plugin's answer to {path} is not JSON: {error}"))
            })
        })
    })
}
