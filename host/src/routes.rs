//! What operators may ask of the worker: the plugin's own routes, on the system server and as
//! endpoints in Dynamo. ([`taints`] and [`Service::route`] are the host's.)

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{
    Chunks, Codec, EndpointId, Handler, Request, RouteHandler, ServeOptions, Served,
};
use dynamo_host_plugin::{Route, Surface};
use futures::stream;
use serde_json::Value;

use crate::error::HostError;
use crate::handler::WorkerHandler;
use crate::service::Service;
use crate::site::{Site, plugin_failed};
use crate::taints;

/// Serves the routes of `worker`'s plugin. `beside` is the worker's endpoint. Returns the endpoints
/// that were opened for them.
///
/// # Errors
/// The plugin cannot list them, Dynamo does not take an endpoint's name, or discovery does not answer.
pub async fn serve(
    site: &Arc<Site>,
    worker: &Arc<WorkerHandler>,
    beside: &EndpointId,
) -> Result<Vec<Served>, HostError> {
    let version = worker.current();
    let failed = |failure| plugin_failed(version.plugin(), "list-routes", failure);
    let mut endpoints = Vec::new();
    let state = version.worker().state().to_vec();
    for route in last_of_each(version.plugin().routes(&state).await.map_err(failed)?) {
        let own = [taints::ROUTE, Service::ROUTE];
        if route.surface == Surface::System && own.contains(&route.path.as_str()) {
            let message = format!("/engine/{} is the host's own route", route.path);
            return Err(failed(Failure::new(Kind::Conflict, message)));
        }
        let (site, worker) = (site.clone(), worker.clone());
        let answering = Arc::new(Answering { path: route.path.clone(), site, worker });
        let plane = &answering.site.plane;
        match route.surface {
            Surface::System => {
                tracing::info!("route /engine/{}: {}", route.path, route.summary);
                plane.register_route(&route.path, on_system_server(answering.clone()));
            }
            Surface::Endpoint => {
                let id = EndpointId { endpoint: route.path, ..beside.clone() };
                tracing::info!("endpoint {id}: {}", route.summary);
                let served = plane.serve(id, answering.clone(), ServeOptions::default()).await?;
                // Nothing to ask it: it is ready.
                served.probe().await.map_err(failed)?;
                endpoints.push(served);
            }
        }
    }
    Ok(endpoints)
}

/// Of two routes with one path the latter.
fn last_of_each(mut routes: Vec<Route>) -> Vec<Route> {
    let mut seen = HashSet::new();
    routes.reverse();
    routes.retain(|route| seen.insert((route.surface == Surface::System, route.path.clone())));
    routes.reverse();
    routes
}

/// One route.
struct Answering {
    path: String,
    site: Arc<Site>,
    worker: Arc<WorkerHandler>,
}

impl Answering {
    /// Each call sees the version and its state at that moment, so that a route speaks of the engine
    /// that runs.
    async fn answer(&self, body: Value) -> Result<Value, Failure> {
        let _turn = self.site.route_turn.lock().await;
        let version = self.worker.current();
        let state = version.worker().state().to_vec();
        let body = body.to_string().into_bytes();
        let answer = version.plugin().handle_route(&self.path, &state, &body).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            Failure::internal(format!("the plugin's answer to {} is not JSON: {error}", self.path))
        })
    }
}

fn on_system_server(route: Arc<Answering>) -> RouteHandler {
    Arc::new(move |body| {
        let route = route.clone();
        Box::pin(async move { route.answer(body).await })
    })
}

#[async_trait]
impl Handler for Answering {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let unreadable = |error: String| {
            Failure::invalid_request(format!("the request cannot be read: {error}"))
        };
        let body =
            match request.codec {
                Codec::Json => serde_json::from_slice(&request.body)
                    .map_err(|error| unreadable(error.to_string())),
                Codec::Msgpack => rmp_serde::from_slice(&request.body)
                    .map_err(|error| unreadable(error.to_string())),
            }?;
        let answer = rmp_serde::to_vec_named(&self.answer(body).await?)
            .map_err(|error| Failure::internal(error.to_string()))?;
        Ok(Box::pin(stream::once(std::future::ready(Ok(Bytes::from(answer))))))
    }
}
