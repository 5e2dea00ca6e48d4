//! Built for a version of the contract that does not exist yet.
#![allow(missing_docs, unsafe_code)]

wit_bindgen::generate!({
    inline: "
        package dynamo:worker@0.2.0;
        interface worker { describe: func() -> string; }
        world worker-plugin { export worker; }
    ",
});

pub struct Tomorrow;

impl exports::dynamo::worker::worker::Guest for Tomorrow {
    fn describe() -> String {
        "from tomorrow".into()
    }
}

#[cfg(target_family = "wasm")]
export!(Tomorrow);
