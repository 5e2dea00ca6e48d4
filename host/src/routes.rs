//! What operators may ask of the worker: the plugin's own routes, on the system server and as
//! endpoints in Dynamo. ([`taints`] and [`Service::route`] are the host's.)

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{
    Chunks, Codec, EndpointId, Handler, Request, RouteHandler, ServeOptions, Served,
};
use dynamo_host_plugin::{Route, Surface};
use futures::stream;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::HostError;
use crate::handler::WorkerHandler;
use crate::service::Service;
use crate::site::{Site, plugin_failed};
use crate::taints;

/// The routes of one plugin: those of the version that serves.
pub struct Routes {
    site: Arc<Site>,
    worker: Arc<WorkerHandler>,
    /// The worker's endpoint.
    beside: EndpointId,
    opened: Mutex<Opened>,
}

/// What any version has had so far: neither the system server nor Dynamo takes a name back.
#[derive(Default)]
struct Opened {
    system: HashSet<String>,
    endpoints: HashMap<String, Arc<Served>>,
}

impl Routes {
    /// None yet: [`Routes::follow`] opens them.
    pub fn new(site: Arc<Site>, worker: Arc<WorkerHandler>, beside: EndpointId) -> Self {
        Routes { site, worker, beside, opened: Mutex::default() }
    }

    /// Serves the routes of the version that serves, and no other.
    ///
    /// # Errors
    /// Dynamo does not take an endpoint's name, or discovery does not answer.
    pub async fn follow(&self) -> Result<(), HostError> {
        let version = self.worker.current();
        let failed = |failure| plugin_failed(version.plugin(), "list-routes", failure);
        let mut opened = self.opened.lock().await;
        for route in version.routes() {
            let answering = || {
                let (site, worker) = (self.site.clone(), self.worker.clone());
                Arc::new(Answering { path: route.path.clone(), site, worker })
            };
            match route.surface {
                Surface::System => {
                    let path = format!("/engine/{}", route.path);
                    if [taints::ROUTE, Service::ROUTE].contains(&route.path.as_str()) {
                        let message = format!("{path} is the host's own route");
                        return Err(failed(Failure::new(Kind::Conflict, message)));
                    }
                    if let Err(owner) = self.site.claim(&path, version.plugin()) {
                        tracing::warn!("the plugin {owner} answers {path} already");
                    } else if opened.system.insert(route.path.clone()) {
                        tracing::info!("route {path}: {}", route.summary);
                        let handler = on_system_server(answering());
                        self.site.plane.register_route(&route.path, handler);
                    }
                }
                Surface::Endpoint => {
                    let id = EndpointId { endpoint: route.path.clone(), ..self.beside.clone() };
                    if let Err(owner) = self.site.claim(&id.to_string(), version.plugin()) {
                        tracing::warn!("the plugin {owner} has the endpoint {id} already");
                        continue;
                    }
                    let served = match opened.endpoints.get(&route.path) {
                        Some(served) => {
                            served.rejoin().await?;
                            served.clone()
                        }
                        None => {
                            tracing::info!("endpoint {id}: {}", route.summary);
                            let options = ServeOptions::default();
                            let served = self.site.plane.serve(id, answering(), options).await?;
                            let served = Arc::new(served);
                            opened.endpoints.insert(route.path.clone(), served.clone());
                            served
                        }
                    };
                    // Nothing to ask it: it is ready.
                    served.probe().await.map_err(failed)?;
                }
            }
        }
        for (path, served) in &opened.endpoints {
            if !version.routes().iter().any(|route| route.path == *path) {
                served.withdraw(Duration::ZERO).await?;
            }
        }
        Ok(())
    }

    /// The endpoints that were opened.
    pub async fn endpoints(&self) -> Vec<Arc<Served>> {
        self.opened.lock().await.endpoints.values().cloned().collect()
    }
}

/// Of two routes with one path the latter.
pub(crate) fn last_of_each(mut routes: Vec<Route>) -> Vec<Route> {
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
        if !version.routes().iter().any(|route| route.path == self.path) {
            let message = format!("this version of the plugin has no route {}", self.path);
            return Err(Failure::public(Kind::NotFound, message));
        }
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
