//! What wasmtime makes of the contract, and the way between its failures and ours.
#![allow(missing_docs)]

use dynamo_host_failure::{Failure, Kind};

wasmtime::component::bindgen!({
    path: "../../wit/v0.1",
    world: "worker-plugin",
    imports: {
        default: trappable,
        "dynamo:worker/engine.send": async | trappable,
        "dynamo:worker/adapters.fetch": async | trappable,
        "dynamo:worker/adapters.publish": async | trappable,
        "dynamo:worker/adapters.withdraw": async | trappable,
        "dynamo:worker/peers.open": async | trappable,
        "dynamo:worker/handles.[method]reply.next": async | trappable,
        "dynamo:worker/media.fetch": async | trappable,
        "dynamo:worker/media.store": async | trappable,
        "dynamo:worker/service.leave": async | trappable,
        "dynamo:worker/service.rejoin": async | trappable,
        "dynamo:worker/service.drain": async | trappable,
    },
    exports: { default: async },
    with: {
        "dynamo:worker/prompt.tokens": crate::imports::Tokens,
        "dynamo:worker/handles.reply": crate::handles::Reply,
        "dynamo:worker/handles.blob": dynamo_host_blob::Blob,
    },
    require_store_data_send: true,
});

/// The optional interface `routes`, by itself: a component that exports it is instantiated for
/// either world.
pub mod routed {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        inline: "package host:plugin; world routed { export dynamo:worker/routes@0.1.0; }",
        world: "host:plugin/routed",
        exports: { default: async },
        with: { "dynamo:worker/types": super::dynamo::worker::types },
        require_store_data_send: true,
    });
}

pub use dynamo::worker::{
    adapters, calls, engine, handles, log, media, metrics, peers, prompt, service, types,
};
pub use exports::dynamo::worker::worker as contract;
pub use routed::exports::dynamo::worker::routes;

impl From<types::Kind> for Kind {
    fn from(kind: types::Kind) -> Self {
        match kind {
            types::Kind::InvalidRequest => Kind::InvalidRequest,
            types::Kind::Unauthenticated => Kind::Unauthenticated,
            types::Kind::PermissionDenied => Kind::PermissionDenied,
            types::Kind::NotFound => Kind::NotFound,
            types::Kind::Conflict => Kind::Conflict,
            types::Kind::PayloadTooLarge => Kind::PayloadTooLarge,
            types::Kind::UnsupportedMedia => Kind::UnsupportedMedia,
            types::Kind::RateLimited => Kind::RateLimited,
            types::Kind::CapacityExhausted => Kind::CapacityExhausted,
            types::Kind::Cancelled => Kind::Cancelled,
            types::Kind::Unavailable => Kind::Unavailable,
            types::Kind::BackendProtocol => Kind::BackendProtocol,
            types::Kind::DeadlineExceeded => Kind::DeadlineExceeded,
            types::Kind::NotImplemented => Kind::NotImplemented,
            types::Kind::Internal => Kind::Internal,
        }
    }
}

impl From<Kind> for types::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::InvalidRequest => types::Kind::InvalidRequest,
            Kind::Unauthenticated => types::Kind::Unauthenticated,
            Kind::PermissionDenied => types::Kind::PermissionDenied,
            Kind::NotFound => types::Kind::NotFound,
            Kind::Conflict => types::Kind::Conflict,
            Kind::PayloadTooLarge => types::Kind::PayloadTooLarge,
            Kind::UnsupportedMedia => types::Kind::UnsupportedMedia,
            Kind::RateLimited => types::Kind::RateLimited,
            Kind::CapacityExhausted => types::Kind::CapacityExhausted,
            Kind::Cancelled => types::Kind::Cancelled,
            Kind::Unavailable => types::Kind::Unavailable,
            Kind::BackendProtocol => types::Kind::BackendProtocol,
            Kind::DeadlineExceeded => types::Kind::DeadlineExceeded,
            Kind::NotImplemented => types::Kind::NotImplemented,
            Kind::Internal => types::Kind::Internal,
        }
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        Failure { kind: failure.kind.into(), message: failure.message, public: failure.public }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        types::Failure {
            kind: failure.kind.into(),
            message: failure.message,
            public: failure.public,
        }
    }
}
