//! What the operator can say about a worker that makes images or videos.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Settings, by the names of Dynamo's flags and our own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `--output-modalities`.
    pub output_modalities: Option<Vec<String>>,
    /// Pixels a picture may have, at most.
    pub max_pixels: Option<u64>,
    /// Frames a video may have, at most.
    pub max_frames: Option<u64>,
    /// Steps a generation may take, at most.
    pub max_steps: Option<u64>,
}

/// How much one request may ask for. The engine has no limits of its own, works on one request at a
/// time and never stops: without them one request could keep it from all others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Width times height of a picture.
    pub max_pixels: u64,
    /// Frames of a video.
    pub max_frames: u64,
    /// Denoising steps.
    pub max_steps: u64,
}

impl Settings {
    /// The limits the operator has set, and `default` for the others.
    pub fn limits(&self, default: Limits) -> Limits {
        Limits {
            max_pixels: self.max_pixels.unwrap_or(default.max_pixels),
            max_frames: self.max_frames.unwrap_or(default.max_frames),
            max_steps: self.max_steps.unwrap_or(default.max_steps),
        }
    }
}

/// JSON Schema of the settings `heeded`, with the defaults of `limits`.
pub fn schema(heeded: &[&str], limits: Limits) -> Value {
    let limit = |description: &str, default: u64| json!({"description": description, "type": "integer", "minimum": 1, "default": default});
    let mut properties = json!({
        "output_modalities": {
            "description": "What is made: it decides under which surfaces clients find the model",
            "type": "array",
            "items": {"enum": ["text", "image", "video", "audio"]},
        },
        "max_pixels": limit("Width times height a request may ask for", limits.max_pixels),
        "max_frames": limit("Frames a request may ask for", limits.max_frames),
        "max_steps": limit("Denoising steps a request may ask for", limits.max_steps),
    });
    if let Some(properties) = properties.as_object_mut() {
        properties.retain(|name, _| heeded.contains(&name.as_str()));
    }
    json!({"type": "object", "properties": properties})
}
