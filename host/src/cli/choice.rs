//! Which worker type this is.
//!
//! Mirrors `dynamo.sglang.main` and `args.py` of 1.6.1, where a chain of conditions takes the first
//! that holds, and the reference page, which has a flag for each worker type. Here all that is given
//! must mean the same worker type, whichever of the two it is from.

use std::fmt;

use super::engine_words::EngineWords;
use super::error::UsageError;
use super::flags::Flags;
use super::words::Given;

/// A kind of worker. There is a plugin for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerType {
    /// Text generation, alone or after a prefill worker.
    Decode,
    /// The first half of text generation.
    Prefill,
    /// Embeddings.
    Embedding,
    /// Documents ranked by a query.
    Rerank,
    /// Text generation by a diffusion language model.
    LlmDiffusion,
    /// Images.
    ImageDiffusion,
    /// Videos.
    VideoGeneration,
    /// Multimodal requests over HTTP, made SGLang's.
    MultimodalProcessor,
    /// Encoded images and videos.
    MultimodalEncode,
    /// Text from encoded images and videos.
    MultimodalWorker,
    /// The first half of that.
    MultimodalPrefill,
}

impl WorkerType {
    /// The plugin that serves it.
    pub fn plugin(self) -> &'static str {
        match self {
            WorkerType::Decode => "decode",
            WorkerType::Prefill => "prefill",
            WorkerType::Embedding => "embedding",
            WorkerType::Rerank => "rerank",
            WorkerType::LlmDiffusion => "llm_diffusion",
            WorkerType::ImageDiffusion => "image_diffusion",
            WorkerType::VideoGeneration => "video_generation",
            WorkerType::MultimodalProcessor => "multimodal_processor",
            WorkerType::MultimodalEncode => "multimodal_encode",
            WorkerType::MultimodalWorker => "multimodal_worker",
            WorkerType::MultimodalPrefill => "multimodal_prefill",
        }
    }

    /// The component under which the frontend, or another worker, looks for it (`args.py`; the
    /// processor is the reference page's).
    pub fn component(self) -> &'static str {
        match self {
            WorkerType::Prefill | WorkerType::MultimodalPrefill => "prefill",
            WorkerType::Rerank => "rerank",
            WorkerType::MultimodalEncode => "encode",
            WorkerType::MultimodalProcessor => "processor",
            _ => "backend",
        }
    }

    /// Whether its engine opens the port at which a decode worker's fetches the KV cache.
    pub fn is_prefill(self) -> bool {
        matches!(self, WorkerType::Prefill | WorkerType::MultimodalPrefill)
    }

    /// Whether it gets images and videos as an encode worker has encoded them.
    pub(super) fn takes_encoded_media(self) -> bool {
        matches!(self, WorkerType::MultimodalWorker | WorkerType::MultimodalPrefill)
    }
}

impl fmt::Display for WorkerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plugin())
    }
}

/// What `--disaggregation-mode` says, beyond what SGLang makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Prefill and decode in one engine: not given, `null` or `agg`.
    Aggregated,
    /// The same, said by `pd`: beside an encode worker.
    PrefillDecode,
    Prefill,
    Decode,
    Encode,
}

impl Mode {
    pub(super) const FLAG: &str = "disaggregation-mode";

    /// The words for it: SGLang's, and what Dynamo adds.
    pub(super) const WORDS: [&str; 6] = ["null", "agg", "pd", "prefill", "decode", "encode"];

    /// What the engine is given.
    pub(super) fn of(engine: &EngineWords) -> Self {
        match engine.value(Mode::FLAG).as_deref() {
            Some("pd") => Mode::PrefillDecode,
            Some("prefill") => Mode::Prefill,
            Some("decode") => Mode::Decode,
            Some("encode") => Mode::Encode,
            _ => Mode::Aggregated,
        }
    }
}

/// The worker type that flags, variables and the engine's words ask for, if they ask for one.
///
/// # Errors
/// Two that do not mean the same.
pub(super) fn choose(
    flags: &Flags,
    given: &Given,
    engine: &EngineWords,
) -> Result<Option<WorkerType>, UsageError> {
    let mode = Mode::of(engine);
    let multimodal = match mode {
        Mode::Prefill => WorkerType::MultimodalPrefill,
        _ => WorkerType::MultimodalWorker,
    };
    let worker = &flags.worker;
    let flagged = [
        (worker.image_diffusion_worker, "image_diffusion_worker", WorkerType::ImageDiffusion),
        (worker.video_generation_worker, "video_generation_worker", WorkerType::VideoGeneration),
        (worker.rerank_worker, "rerank_worker", WorkerType::Rerank),
        (worker.embedding_worker, "embedding_worker", WorkerType::Embedding),
        (worker.multimodal_processor, "multimodal_processor", WorkerType::MultimodalProcessor),
        (worker.multimodal_encode_worker, "multimodal_encode_worker", WorkerType::MultimodalEncode),
        (worker.multimodal_worker, "multimodal_worker", multimodal),
    ];
    let mut claims: Vec<(String, WorkerType)> = flagged
        .into_iter()
        .filter(|(on, ..)| *on)
        .map(|(_, id, worker_type)| (given.name(id), worker_type))
        .collect();
    if flags.media.dedicated_mm_encoder {
        claims.push((given.name("dedicated_mm_encoder"), multimodal));
    }
    if let Some(algorithm) = engine.value("dllm-algorithm") {
        claims.push((format!("--dllm-algorithm {algorithm}"), WorkerType::LlmDiffusion));
    }
    let by_mode = |mode: &str| format!("--{} {mode}", Mode::FLAG);
    // Multimodal workers come in two halves as well: then the mode has said which.
    let halved =
        !claims.is_empty() && claims.iter().all(|(_, claimed)| claimed.takes_encoded_media());
    match mode {
        Mode::Encode => claims.push((by_mode("encode"), WorkerType::MultimodalEncode)),
        Mode::Prefill if !halved => claims.push((by_mode("prefill"), WorkerType::Prefill)),
        Mode::Decode if !halved => claims.push((by_mode("decode"), WorkerType::Decode)),
        _ => {}
    }
    let Some((first, worker_type)) = claims.first() else {
        return Ok(None);
    };
    match claims.iter().find(|(_, other)| other != worker_type) {
        None => Ok(Some(*worker_type)),
        Some((second, other)) => Err(UsageError::TwoWorkers {
            first: first.clone(),
            first_type: *worker_type,
            second: second.clone(),
            second_type: *other,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::{Environment, resolve};

    fn chosen(line: &str) -> Result<WorkerType, String> {
        let words = std::iter::once("host").chain(line.split_whitespace()).map(String::from);
        let arguments = resolve(words, &Environment::default());
        arguments.map(|arguments| arguments.worker_type.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_worker_type_has_its_flags() {
        for (line, worker_type) in [
            ("", WorkerType::Decode),
            ("--disaggregation-mode decode", WorkerType::Decode),
            ("--disaggregation-mode agg", WorkerType::Decode),
            ("--disaggregation-mode=prefill", WorkerType::Prefill),
            ("--embedding-worker", WorkerType::Embedding),
            ("--embedding-worker --disaggregation-mode agg", WorkerType::Embedding),
            ("--rerank-worker", WorkerType::Rerank),
            ("--dllm-algorithm LowConfidence", WorkerType::LlmDiffusion),
            ("--image-diffusion-worker", WorkerType::ImageDiffusion),
            ("--video-generation-worker", WorkerType::VideoGeneration),
            ("--multimodal-processor", WorkerType::MultimodalProcessor),
            ("--multimodal-encode-worker", WorkerType::MultimodalEncode),
            ("--disaggregation-mode encode", WorkerType::MultimodalEncode),
            (
                "--multimodal-encode-worker --disaggregation-mode encode",
                WorkerType::MultimodalEncode,
            ),
            ("--multimodal-worker", WorkerType::MultimodalWorker),
            ("--multimodal-worker --disaggregation-mode decode", WorkerType::MultimodalWorker),
            ("--multimodal-worker --disaggregation-mode prefill", WorkerType::MultimodalPrefill),
            (
                "--enable-multimodal --dedicated-mm-encoder --disaggregation-mode pd",
                WorkerType::MultimodalWorker,
            ),
            (
                "--enable-multimodal --dedicated-mm-encoder --disaggregation-mode prefill",
                WorkerType::MultimodalPrefill,
            ),
            ("--enable-multimodal", WorkerType::Decode),
        ] {
            assert_eq!(chosen(line), Ok(worker_type), "{line}");
        }
    }

    #[test]
    fn two_that_do_not_mean_the_same_are_both_named() {
        for (line, first, second) in [
            ("--embedding-worker --rerank-worker", "--embedding-worker", "--rerank-worker"),
            (
                "--multimodal-worker --disaggregation-mode encode",
                "--multimodal-worker",
                "--disaggregation-mode encode",
            ),
            (
                "--embedding-worker --disaggregation-mode prefill",
                "--embedding-worker",
                "--disaggregation-mode prefill",
            ),
            (
                "--dllm-algorithm L --disaggregation-mode decode",
                "--dllm-algorithm L",
                "--disaggregation-mode decode",
            ),
            (
                "--multimodal-encode-worker --disaggregation-mode prefill",
                "--multimodal-encode-worker",
                "--disaggregation-mode prefill",
            ),
        ] {
            let error = chosen(line).unwrap_err();
            assert!(error.contains(first) && error.contains(second), "{line}: {error}");
        }
    }
}
