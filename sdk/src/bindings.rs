//! What `wit-bindgen` makes of the contract. The rest of the SDK is a nicer face on it.
#![allow(missing_docs, unsafe_code, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../wit/v0.1",
    world: "worker-plugin",
    pub_export_macro: true,
    export_macro_name: "export_bindings",
    default_bindings_module: "dynamo_worker_sdk::bindings",
});
