#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn configured(report: EngineReport) -> Result<Rerank> {
    Rerank::configure(Settings::default(), report)
}

fn report() -> EngineReport {
    testing::engine_report("/server_info", &json!({"is_embedding": true}))
}

fn plan(more: Json) -> Result<Plan<Answer>> {
    let mut request = json!({"model": "m", "query": "q", "documents": ["a", "b", "c"]});
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    testing::plan(&configured(report()).unwrap(), request)
}

fn order(more: Json, scores: [f64; 3]) -> Vec<Json> {
    let results = scores.map(|score| json!({"embedding": score}));
    let mut plan = plan(more).unwrap();
    let converted = testing::convert(&mut plan.converter, &[&json!(results).to_string()]);
    let ranking = converted.chunks[0].as_array().unwrap();
    ranking.iter().map(|ranked| ranked["index"].clone()).collect()
}

#[test]
fn pairs_in_one_batch() {
    let call = plan(json!({})).unwrap().next.unwrap().into_call().unwrap();
    let rid = "0123456789abcdef0123456789abcdef";
    assert_eq!(
        serde_json::from_slice::<Json>(&call.body).unwrap(),
        json!({
            "text": [["q", "a"], ["q", "b"], ["q", "c"]], "is_cross_encoder_request": true,
            "rid": [format!("{rid}-0"), format!("{rid}-1"), format!("{rid}-2")],
        })
    );
}

#[test]
fn the_best_come_first() {
    assert_eq!(order(json!({}), [0.1, 0.9, 0.5]), [1, 2, 0]);
    assert_eq!(order(json!({}), [0.0, 1.0, -0.0]), [1, 0, 2]);
    assert_eq!(order(json!({"top_n": 1}), [0.1, 0.9, 0.9]), [1]);
    assert_eq!(order(json!({"top_n": u64::MAX}), [0.1, 0.2, 0.3]), [2, 1, 0]);
}

#[test]
fn wrong_requests_are_named_but_not_to_the_client() {
    for (wrong, member) in [
        (json!({"query": " \t\n"}), "query"),
        (json!({"query": 5}), "query"),
        (json!({"documents": []}), "documents"),
        (json!({"documents": ["a", " "]}), "documents[1]"),
        (json!({"documents": ["a", 1]}), "documents[1]"),
        (json!({"documents": "a"}), "documents"),
        (json!({"top_n": 0}), "top_n"),
        (json!({"top_n": -1}), "top_n"),
        (json!({"return_documents": "no"}), "return_documents"),
        (json!({"model": null}), "model"),
    ] {
        let failure = plan(wrong).unwrap_err().into_failure();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(!failure.public);
        assert!(failure.message.contains(member), "{}", failure.message);
    }
}

#[test]
fn models_that_generate_are_refused() {
    let named = |path: &str| EngineReport { model_path: path.into(), ..report() };
    assert!(configured(named("/models/Qwen3-Reranker-0.6B")).is_err());
    assert!(configured(named("BAAI/bge-reranker-v2-m3")).is_ok());
    let template = json!({"chat_template": "The answer can only be \"yes\" or \"no\"."});
    let files = vec![("tokenizer_config.json".into(), template.to_string().into_bytes())];
    assert!(configured(EngineReport { files, ..report() }).is_err());
}
