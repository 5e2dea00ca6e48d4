//! The plugins as native code, each as a recorded case of `tests/cases` has it.
//!
//! The case gives the settings and what the engine reports. Either it gives the request, too, and events
//! come from the fuzzer; or the request does.

use std::rc::Rc;

use dynamo_worker_sdk::{
    Converter, EngineReport, Fresh, Plan, Prompt, Request, Result, Source as Asked, Worker, testing,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

/// What a converter gets its events from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The engine: its own words, as they are.
    Engine,
    /// The engine, which also answers with media.
    EngineWithMedia,
    /// Another worker: chunks in MessagePack.
    Peer,
}

/// One plugin, and one request that it has planned, again and again.
pub struct Way {
    /// Where its events come from.
    pub source: Source,
    plan: Box<dyn Fn() -> Box<dyn Converter>>,
    ask: Box<dyn Fn(Value) -> String>,
}

impl Way {
    /// What the plugin would do for `request`, in words.
    ///
    /// # Panics
    /// If its call would not be one.
    pub fn ask(&self, request: Value) -> String {
        (self.ask)(request)
    }

    /// A converter at the beginning of its response.
    pub fn converter(&self) -> Box<dyn Converter> {
        (self.plan)()
    }
}

macro_rules! case {
    ($path:literal) => {
        include_str!(concat!("../../cases/", $path, ".json"))
    };
}

thread_local! {
    static WAYS: Vec<Way> = ways();
}

/// Does `work` with the way that a first byte stands for: `a` for the first of them, and so on.
pub fn with_way<T>(byte: u8, work: impl FnOnce(&Way) -> T) -> T {
    WAYS.with(|ways| work(&ways[usize::from(byte.wrapping_sub(b'a')) % ways.len()]))
}

/// All of them, in an order that the corpus relies on: append only.
fn ways() -> Vec<Way> {
    use Source::{Engine, EngineWithMedia, Peer};
    vec![
        way::<decode::Decode>(Engine, case!("decode/agg/logprobs_and_top_logprobs")),
        way::<decode::Decode>(Engine, case!("decode/agg/prompt_logprobs_on_final_chunk_only")),
        way::<decode::Decode>(
            Engine,
            case!("decode/agg/parallel_samples_keep_index_and_drop_cache_hit"),
        ),
        way::<decode::Decode>(Engine, case!("decode/agg/stop_reason_hidden_token_is_withheld")),
        way::<decode::Decode>(Engine, case!("decode/agg/routed_experts_opt_in")),
        way::<decode::Decode>(Engine, case!("decode/native/response_ids_are_mapped_back")),
        way::<decode::Decode>(Engine, case!("decode/native/disaggregated")),
        way::<decode::Decode>(Engine, case!("decode/disagg/logprobs_and_session")),
        way::<decode::Decode>(Engine, case!("decode/text/stop_reason_only_if_requested")),
        way::<prefill::Prefill>(Engine, case!("prefill/prefill/bootstrap_first_then_cache_hit")),
        way::<prefill::Prefill>(
            Engine,
            case!("prefill/prefill/health_check_streams_raw_engine_chunks"),
        ),
        way::<embedding::Embedding>(
            Engine,
            case!("embedding/embedding/dimensions_truncate_before_encoding"),
        ),
        way::<rerank::Rerank>(Engine, case!("rerank/rerank/top_n")),
        way::<llm_diffusion::LlmDiffusion>(Engine, case!("llm_diffusion/dllm/token_stream")),
        way::<llm_diffusion::LlmDiffusion>(Engine, case!("llm_diffusion/dllm/text_mode_prompt")),
        way::<llama_cpp::LlamaCpp>(Engine, case!("llama_cpp/chat_stream")),
        way::<llama_cpp::LlamaCpp>(Engine, case!("llama_cpp/completion")),
        way::<multimodal_prefill::MultimodalPrefill>(
            Engine,
            case!(
                "multimodal_prefill/multimodal_prefill/text_only_forwards_sampling_params_unchanged"
            ),
        ),
        way::<multimodal_worker::MultimodalWorker>(
            Engine,
            case!("multimodal_worker/multimodal_worker/agg/chunk_shape"),
        ),
        // Only the plan of a health check asks no other worker.
        probe::<multimodal_processor::MultimodalProcessor>(
            Peer,
            case!("multimodal_processor/by_hand/a_chat_with_an_image"),
        ),
        relay(case!("multimodal_encode/multimodal_encode/two_images_merge_factor")),
        way::<image_diffusion::ImageDiffusion>(
            EngineWithMedia,
            case!("image_diffusion/image_diffusion/any_other_response_format_is_base64"),
        ),
        way::<image_diffusion::ImageDiffusion>(
            EngineWithMedia,
            case!("image_diffusion/image_diffusion/url_default_path_layout"),
        ),
        way::<video_generation::VideoGeneration>(
            EngineWithMedia,
            case!("video_generation/by_hand/job_that_is_done_at_once"),
        ),
    ]
}

fn way<W: Worker>(source: Source, case: &str) -> Way {
    planned::<W>(source, &json(case))
}

fn probe<W: Worker>(source: Source, case: &str) -> Way {
    let mut case = json(case);
    case["context"]["probe"] = true.into();
    planned::<W>(source, &case)
}

/// The plan of this worker always asks another one.
fn relay(case: &str) -> Way {
    let worker = Rc::new(configured::<multimodal_encode::MultimodalEncode>(&json(case)));
    Way {
        source: Source::Peer,
        plan: Box::new(|| Box::new(multimodal_encode::Answer::Relay)),
        ask: asking(worker, false),
    }
}

fn planned<W: Worker>(source: Source, case: &Value) -> Way {
    let worker = Rc::new(configured::<W>(case));
    let probe = case["context"]["probe"] == true;
    let request = case["request"].clone();
    let ask = asking(worker.clone(), probe);
    let plan = move || -> Box<dyn Converter> {
        let plan = plan(&*worker, request.clone(), probe);
        Box::new(plan.expect("the request of a case is planned").converter)
    };
    Way { source, plan: Box::new(plan), ask }
}

fn asking<W: Worker>(worker: Rc<W>, probe: bool) -> Box<dyn Fn(Value) -> String> {
    Box::new(move |request| match plan(&*worker, request, probe) {
        Ok(plan) => described(plan),
        Err(error) => format!("{error:?}"),
    })
}

fn described<C>(plan: Plan<C>) -> String {
    let calls = plan.next.iter().flat_map(|step| {
        let asked = match &step.source {
            Asked::Engine(call) => Some(call),
            Asked::Peer(_) => None,
        };
        asked.into_iter().chain(&step.abort)
    });
    for call in calls.filter(|call| call.method == "POST") {
        serde_json::from_slice::<IgnoredAny>(&call.body).expect("a call's body is JSON");
    }
    format!("{:?} {:?}", plan.next, plan.preface.into_encoded())
}

fn configured<W: Worker>(case: &Value) -> W {
    let engine = &case["engine"];
    let documents = |member: &str| {
        let members = engine[member].as_object().cloned().unwrap_or_default();
        members.into_iter().map(|(name, json)| (name, json.to_string().into_bytes())).collect()
    };
    let text = |member: &str| engine[member].as_str().unwrap_or_default().to_owned();
    let report = EngineReport {
        model_path: text("model_path"),
        served_name: text("served_name"),
        address: "127.0.0.1".into(),
        answers: documents("answers"),
        files: documents("files"),
    };
    let settings = case.get("settings").cloned().unwrap_or_else(|| Map::new().into());
    W::configure(of(settings), report).expect("the plugin of a case is configured")
}

fn plan<W: Worker>(worker: &W, body: Value, probe: bool) -> Result<Plan<W::Converter>> {
    let (request, ids) = testing::request(body)?;
    // The id is that of the recorded events.
    let request_id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into();
    let request = Request { probe, fresh: Fresh { request_id, ..request.fresh }, ..request };
    worker.plan(&request, &Prompt::List(&ids))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a case is JSON")
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("what a case holds is well-formed")
}
