//! What `wit-bindgen` makes of the contract. The rest of the SDK is a nicer face on it.
#![allow(missing_docs, unsafe_code, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../../wit/v0.1",
    world: "worker-plugin",
    pub_export_macro: true,
    export_macro_name: "export_bindings",
    default_bindings_module: "dynamo_worker_sdk::bindings",
});

/// The optional interface `routes`, which only a plugin that has some exports.
pub mod routed {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "package dynamo:worker-sdk; world routed { export dynamo:worker/routes@0.1.0; }",
        world: "dynamo:worker-sdk/routed",
        pub_export_macro: true,
        export_macro_name: "export_routes_bindings",
        default_bindings_module: "dynamo_worker_sdk::bindings::routed",
        with: { "dynamo:worker/types@0.1.0": super::dynamo::worker::types },
    });
}
