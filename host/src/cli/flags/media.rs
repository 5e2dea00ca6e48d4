//! Images, videos and their encoders.
//!
//! Mirrors `backend_args.py`, `frontend_decoding_args.py` and `runtime_args.py` of Dynamo 1.6.1. All
//! of these are settings the plugin gets, by these names.

use clap::Args;
use serde::Serialize;

use super::values::modality;

/// Images, videos and their encoders.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Media")]
pub struct MediaFlags {
    /// Take images and videos; the engine gets this flag, too.
    #[arg(long, env = "DYN_SGL_ENABLE_MULTIMODAL")]
    pub enable_multimodal: bool,

    /// Images and videos come encoded from an encode worker. With --enable-multimodal and
    /// --disaggregation-mode pd, prefill or decode.
    #[arg(long, env = "DYN_SGL_DEDICATED_MM_ENCODER")]
    pub dedicated_mm_encoder: bool,

    /// How encoded images and videos come from the encode worker.
    #[arg(
        long,
        env = "DYN_SGL_EMBEDDING_TRANSFER_MODE",
        value_name = "MODE",
        default_value = "nixl-write",
        value_parser = ["local", "nixl-write", "nixl-read"]
    )]
    pub embedding_transfer_mode: String,

    /// Have the frontend fetch and decode images and videos.
    #[arg(long, env = "DYN_SGL_FRONTEND_DECODING")]
    pub frontend_decoding: bool,

    /// Room for encoded images and videos, in GB; 0 keeps none.
    #[arg(
        long,
        env = "DYN_MULTIMODAL_EMBEDDING_CACHE_CAPACITY_GB",
        value_name = "GB",
        default_value_t = 0.0
    )]
    pub multimodal_embedding_cache_capacity_gb: f64,

    /// Tell routers what is in that room.
    #[arg(long, env = "DYN_MULTIMODAL_EMBEDDING_CACHE_PUBLISHER")]
    pub multimodal_embedding_cache_publisher: bool,

    /// What is made: text, image, video, audio. Several, with spaces between them.
    #[arg(
        long,
        env = "DYN_OUTPUT_MODALITIES",
        value_name = "MODALITY",
        num_args = 0..,
        default_value = "text",
        value_parser = modality
    )]
    pub output_modalities: Vec<String>,

    /// Where images and videos that were made are stored, such as s3://bucket/path.
    #[arg(
        long,
        env = "DYN_MEDIA_OUTPUT_FS_URL",
        value_name = "URL",
        default_value = "file:///tmp/dynamo_media"
    )]
    pub media_output_fs_url: String,

    /// Where clients find them. Default: where they are stored.
    #[arg(long, env = "DYN_MEDIA_OUTPUT_HTTP_URL", value_name = "URL")]
    pub media_output_http_url: Option<String>,
}
