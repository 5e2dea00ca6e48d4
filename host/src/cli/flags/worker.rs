//! What is served: the model, and the worker type.
//!
//! Mirrors `backend_args.py` of `dynamo.sglang` 1.6.1. The three flags for multimodal workers are
//! those of the reference page, which 1.6.1 has replaced by combinations of
//! `--enable-multimodal`, `--dedicated-mm-encoder` and `--disaggregation-mode`; both work.

use clap::Args;

/// What is served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Worker")]
pub struct WorkerFlags {
    /// The model: a directory, a file or a name, as the engine takes it.
    #[arg(long, visible_alias = "model", env = "DYN_HOST_MODEL_PATH", value_name = "MODEL")]
    pub model_path: Option<String>,

    /// The name clients ask for. Several, separated by commas: the first is the name, the others
    /// are aliases. Default: the model path.
    #[arg(long, env = "DYN_HOST_SERVED_MODEL_NAME", value_name = "NAME")]
    pub served_model_name: Option<String>,

    /// Compute embeddings.
    #[arg(long, env = "DYN_SGL_EMBEDDING_WORKER")]
    pub embedding_worker: bool,

    /// Rank documents by a query.
    #[arg(long, env = "DYN_SGL_RERANK_WORKER")]
    pub rerank_worker: bool,

    /// Make images.
    #[arg(long, env = "DYN_SGL_IMAGE_DIFFUSION_WORKER")]
    pub image_diffusion_worker: bool,

    /// Make videos.
    #[arg(long, env = "DYN_SGL_VIDEO_GENERATION_WORKER")]
    pub video_generation_worker: bool,

    /// Take multimodal requests over HTTP and make them SGLang's.
    #[arg(long, env = "DYN_SGL_MULTIMODAL_PROCESSOR")]
    pub multimodal_processor: bool,

    /// Encode images and videos for multimodal workers; the same as --disaggregation-mode encode.
    #[arg(long, env = "DYN_SGL_MULTIMODAL_ENCODE_WORKER")]
    pub multimodal_encode_worker: bool,

    /// Generate text from encoded images and videos; the same as --enable-multimodal
    /// --dedicated-mm-encoder. With --disaggregation-mode prefill: their prefill.
    #[arg(long, env = "DYN_SGL_MULTIMODAL_WORKER")]
    pub multimodal_worker: bool,
}
