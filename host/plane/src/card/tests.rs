#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn model(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn tiny() -> TempDir {
    model(&[
        ("config.json", r#"{"max_position_embeddings": 4096}"#),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", r#"{"chat_template": "hi"}"#),
        ("generation_config.json", r#"{"eos_token_id": [2]}"#),
    ])
}

fn facts(dir: &Path) -> CardFacts {
    CardFacts {
        display_name: "Org/Tiny-1.0".to_owned(),
        source_path: Some("models/tiny".to_owned()),
        model_dir: Some(dir.to_owned()),
        model_types: vec!["completions".to_owned(), "chat".to_owned()],
        worker_type: "aggregated".to_owned(),
        kv_cache_block_size: 64,
        ..CardFacts::default()
    }
}

/// The members a capture of Dynamo's own mocker has, from the facts the mocker had.
#[test]
fn a_card_reads_like_one_of_dynamos() {
    let dir = tiny();
    let mut facts = facts(dir.path());
    facts.runtime_config.insert("total_kv_blocks".to_owned(), json!(16384));
    let card = facts.build().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let file = |name: &str| {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        json!({
            "path": path(name),
            "checksum": format!("blake3:{}", blake3::hash(&bytes).to_hex()),
            "size": bytes.len(),
        })
    };
    assert_eq!(
        card,
        json!({
            "display_name": "Org/Tiny-1.0",
            "slug": "org_tiny-1_0",
            "source_path": "models/tiny",
            "model_info": {"hf_config_json": file("config.json")},
            "tokenizer": {"hf_tokenizer_json": file("tokenizer.json")},
            "prompt_formatter": {"hf_tokenizer_config_json": file("tokenizer_config.json")},
            "gen_config": {"hf_generation_config_json": file("generation_config.json")},
            "architectural_max_context_length": 4096,
            "context_length": 4096,
            "kv_cache_block_size": 64,
            "migration_limit": 0,
            "model_type": "Chat | Completions",
            "model_input": "Tokens",
            "worker_type": "aggregated",
            "needs": [],
            "runtime_config": {
                "context_length": 4096,
                "total_kv_blocks": 16384,
                "enable_local_indexer": false,
            },
        })
    );
}

#[test]
fn a_template_in_a_file_of_its_own_is_named_beside_the_tokenizer_config() {
    let dir = tiny();
    fs::write(dir.path().join("chat_template.jinja"), "hello").unwrap();
    let card = facts(dir.path()).build().unwrap();
    let template = &card["chat_template_file"]["hf_chat_template_jinja"];
    assert_eq!(template["is_custom"], json!(false));
    assert_eq!(template["file"]["size"], json!(5));
    assert!(card["prompt_formatter"]["hf_tokenizer_config_json"].is_object());
}

#[test]
fn the_operators_template_wins_and_must_exist() {
    let dir = tiny();
    fs::write(dir.path().join("chat_template.jinja"), "hello").unwrap();
    let own = dir.path().join("own.jinja");
    let mut facts = facts(dir.path());
    facts.chat_template = Some(own.clone());
    let error = facts.build().unwrap_err();
    assert!(matches!(&error, CardError::MissingFile { path, .. } if *path == own));
    fs::write(&own, "mine!!").unwrap();
    let card = facts.build().unwrap();
    let template = &card["chat_template_file"]["hf_chat_template_jinja"];
    assert_eq!(template["is_custom"], json!(true));
    assert_eq!(template["file"]["size"], json!(6));
}

#[test]
fn token_input_without_its_files_is_refused_by_name() {
    let dir = model(&[("config.json", "{}")]);
    let error = facts(dir.path()).build().unwrap_err();
    let tokenizer = dir.path().join("tokenizer.json");
    assert!(matches!(&error, CardError::MissingFile { path, .. } if *path == tokenizer));
    assert!(error.to_string().contains("tokenizer.json is missing"));

    let mut facts = facts(dir.path());
    facts.model_dir = None;
    assert!(matches!(facts.build(), Err(CardError::NoModelDir)));
}

#[test]
fn text_input_and_silent_workers_need_no_files() {
    let dir = model(&[]);
    let mut facts = facts(dir.path());
    facts.model_input = "text".parse().unwrap();
    let card = facts.build().unwrap();
    assert_eq!(card["model_input"], json!("Text"));
    assert_eq!(card["tokenizer"], json!(null));
    assert_eq!(card.get("context_length"), None);

    facts.model_input = ModelInput::Tokens;
    facts.model_types = Vec::new();
    facts.worker_type = "encode".to_owned();
    assert_eq!(facts.build().unwrap()["model_type"], json!(""));
}

#[test]
fn words_are_checked_against_dynamos() {
    let dir = tiny();
    let mut wrong = facts(dir.path());
    wrong.model_types.push("chatter".to_owned());
    assert!(wrong.build().unwrap_err().to_string().starts_with("unknown model type 'chatter'"));

    let mut wrong = facts(dir.path());
    wrong.needs = vec![vec!["decoder".to_owned()]];
    assert!(wrong.build().unwrap_err().to_string().starts_with("unknown worker type 'decoder'"));

    let mut wrong = facts(dir.path());
    wrong.display_name.clear();
    assert!(matches!(wrong.build(), Err(CardError::NoName)));
    assert!("pictures".parse::<ModelInput>().is_err());
}

#[test]
fn the_context_is_the_operators_or_the_models() {
    let dir = model(&[
        ("config.json", r#"{"text_config": {"max_position_embeddings": 8192}}"#),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", r#"{"model_max_length": 512}"#),
    ]);
    let mut facts = facts(dir.path());
    let card = facts.build().unwrap();
    assert_eq!(card["context_length"], json!(8192));
    facts.context_length = Some(2048);
    let card = facts.build().unwrap();
    assert_eq!(card["context_length"], json!(2048));
    assert_eq!(card["architectural_max_context_length"], json!(8192));
    assert_eq!(card["runtime_config"]["context_length"], json!(2048));

    fs::write(dir.path().join("config.json"), r#"{"limit": Infinity}"#).unwrap();
    facts.context_length = None;
    assert_eq!(facts.build().unwrap()["context_length"], json!(512));
}
