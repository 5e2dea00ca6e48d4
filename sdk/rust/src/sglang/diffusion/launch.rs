//! How SGLang's diffusion server is started and met.
//!
//! Operators give it the words they would give `dynamo.sglang`, which takes those of SGLang's server for
//! text. Three of them are called otherwise here.

use crate::sglang::launch::{check_mode, value_of};
use crate::sglang::server::{MODEL_INFO, SERVER_INFO};
use crate::{Contact, Error, Result, Setup, Start};

/// Flags of the server for text, and what they are here.
const RENAMED: [(&str, &str); 3] = [
    ("--tp", "--tp-size"),
    ("--tensor-parallel-size", "--tp-size"),
    ("--nccl-port", "--master-port"),
];

/// Where the server keeps what it makes.
const OUTPUT: &str = "--output-path";

/// Where it keeps what it is given.
const INPUT: &str = "--input-save-path";

/// How to meet a running server. `/health` generates nothing here, and is 503 until it has warmed up.
pub fn contact() -> Contact {
    Contact::ready_at("/health").report(SERVER_INFO).report(MODEL_INFO)
}

/// What becomes of the files the server makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// None are needed: images come in the answer.
    None,
    /// They are fetched from the server afterwards: videos.
    Fetched,
}

/// The server's command line: the model, the operator's words, and last what the host depends on.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) without a model path, and for words that ask for something
/// the worker cannot work with.
pub fn setup(start: Start, files: Files) -> Result<Setup> {
    let Some(model) = start.model_path else {
        return Err(Error::invalid_request("SGLang needs a model: give --model-path"));
    };
    check_mode(&start.arguments, &["null"])?;
    let words: Vec<String> = start.arguments.iter().map(|word| renamed(word)).collect();
    let mut setup = Setup::new(["sglang", "serve"], contact())
        .argument("--model-type", "diffusion")
        .argument("--model-path", model);
    match (value_of(&words, OUTPUT).map(str::trim), files) {
        (Some(""), Files::Fetched) => {
            return Err(Error::invalid_request(format!(
                "{OUTPUT} \"\": this worker type fetches the videos the engine keeps there"
            )));
        }
        (Some(_), _) => {}
        (None, Files::None) => setup = setup.argument(OUTPUT, ""),
        (None, Files::Fetched) => setup = setup.argument(OUTPUT, start.scratch),
    }
    // Clients' images are nobody's to keep.
    if value_of(&words, INPUT).is_none() {
        setup = setup.argument(INPUT, "");
    }
    if value_of(&words, "--num-gpus").is_none() {
        let count = |flag| value_of(&words, flag).and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
        let replicas = ["--dp-size", "--dp", "--data-parallel-size"].map(count);
        let gpus = count("--tp-size").saturating_mul(replicas.into_iter().max().unwrap_or(1));
        if gpus > 1 {
            setup = setup.argument("--num-gpus", gpus);
        }
    }
    setup = setup.arguments(words);
    if let Some(name) = start.served_name {
        setup = setup.argument("--served-model-name", name);
    }
    Ok(setup.argument("--host", start.host).argument("--port", start.port))
}

fn renamed(word: &str) -> String {
    let (flag, value) = word.split_at(word.find('=').unwrap_or(word.len()));
    let name = RENAMED.iter().find(|(theirs, _)| *theirs == flag).map_or(flag, |(_, ours)| ours);
    format!("{name}{value}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn words(given: &[&str], files: Files) -> Result<String> {
        let start = Start {
            settings: b"{}".to_vec(),
            model_path: Some("m".into()),
            served_name: Some("wan".into()),
            arguments: given.iter().map(|word| (*word).to_owned()).collect(),
            host: "127.0.0.1".into(),
            port: 28200,
            scratch: "/scratch".into(),
        };
        setup(start, files).map(|setup| setup.arguments.join(" "))
    }

    #[test]
    fn images_leave_no_files() {
        assert_eq!(
            words(&["--trust-remote-code"], Files::None).unwrap(),
            "--model-type diffusion --model-path m --output-path  --input-save-path  \
             --trust-remote-code --served-model-name wan --host 127.0.0.1 --port 28200"
        );
    }

    #[test]
    fn videos_are_fetched_from_where_they_lie() {
        let line = words(&[], Files::Fetched).unwrap();
        assert!(line.contains("--output-path /scratch "), "{line}");
        let line = words(&["--output-path=/srv"], Files::Fetched).unwrap();
        assert!(!line.contains("/scratch"), "{line}");
        assert!(words(&["--output-path", ""], Files::Fetched).is_err());
    }

    #[test]
    fn words_of_the_other_server() {
        let line = words(&["--tp", "2", "--dp=2", "--nccl-port=9"], Files::None).unwrap();
        assert!(line.contains("--num-gpus 4 --tp-size 2 --dp=2 --master-port=9 "), "{line}");
        let line = words(&["--tensor-parallel-size", "2", "--num-gpus", "8"], Files::None).unwrap();
        assert!(line.contains("--tp-size 2 --num-gpus 8 ") && !line.contains("--num-gpus 2"));
        assert!(words(&["--disaggregation-mode", "prefill"], Files::None).is_err());
    }
}
