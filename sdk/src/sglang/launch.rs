//! How SGLang's server is started and met.

use super::server::{MODEL_INFO, SERVER_INFO};
use crate::{Contact, Error, Result, Setup, Start};

/// How to meet a running server. `/ready` answers without generating anything; `/health` would take
/// a second each time.
pub fn contact() -> Contact {
    Contact::ready_at("/ready")
        .report(SERVER_INFO)
        .report(MODEL_INFO)
        .model_file("config.json")
        .model_file("tokenizer_config.json")
        .model_file("generation_config.json")
}

/// The server's command line: the model, the operator's words as they are, and last what the host
/// depends on, so that it wins over the same flags among the operator's.
///
/// The server keeps its tokenizer although it is asked with token ids: grammars, minimum lengths and
/// thinking budgets need it. Operators who need none of them can add `--skip-tokenizer-init`.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) without a model path.
pub fn setup(start: Start) -> Result<Setup> {
    let Some(model) = start.model_path else {
        return Err(Error::invalid_request("SGLang needs a model: give --model-path"));
    };
    let mut setup = Setup::new(["python3", "-m", "sglang.launch_server"], contact())
        .argument("--model-path", model)
        .arguments(start.arguments);
    if let Some(name) = start.served_name {
        setup = setup.argument("--served-model-name", name);
    }
    Ok(setup
        .argument("--host", start.host)
        .argument("--port", start.port)
        .flag("--incremental-streaming-output"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn start(model_path: Option<&str>) -> Start {
        Start {
            settings: b"{}".to_vec(),
            model_path: model_path.map(str::to_owned),
            served_name: Some("tiny".into()),
            arguments: vec!["--page-size".into(), "16".into()],
            host: "127.0.0.1".into(),
            port: 28200,
        }
    }

    #[test]
    fn our_words_come_last() {
        let setup = setup(start(Some("m"))).unwrap();
        assert_eq!(
            setup.arguments.join(" "),
            "--model-path m --page-size 16 --served-model-name tiny --host 127.0.0.1 --port 28200 \
             --incremental-streaming-output"
        );
    }

    #[test]
    fn no_model_no_engine() {
        assert!(setup(start(None)).is_err());
    }
}
