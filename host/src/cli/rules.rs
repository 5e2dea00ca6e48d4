//! What may not be given together.
//!
//! Mirrors the checks of `args.py`, `backend_args.py` and `gateway.py` of `dynamo.sglang` 1.6.1, as
//! far as they are about the command line.

use super::choice::{Mode, WorkerType};
use super::engine_words::EngineWords;
use super::environment::{Environment, is_truthy};
use super::error::UsageError;
use super::flags::Flags;
use super::words::Given;

/// Everything a rule looks at.
pub(super) struct Configuration<'a> {
    pub(super) flags: &'a Flags,
    pub(super) given: &'a Given,
    pub(super) engine: &'a EngineWords,
    pub(super) environment: &'a Environment,
    pub(super) worker_type: WorkerType,
}

type Rule = fn(&Configuration<'_>) -> Result<(), UsageError>;

/// Applies all rules.
///
/// # Errors
/// The first that is broken.
pub(super) fn check(configuration: &Configuration<'_>) -> Result<(), UsageError> {
    let rules: [Rule; 7] = [mode, parsers, tokenizer, multimodal, rerank, gateway, engine_flags];
    rules.iter().try_for_each(|rule| rule(configuration))
}

/// SGLang refuses other modes, too, but not before it is started. What else has a flag of this name is a
/// named plugin's engine, which knows its own words.
fn mode(this: &Configuration<'_>) -> Result<(), UsageError> {
    match this.engine.value(Mode::FLAG) {
        Some(word) if this.flags.plugin.plugin.is_empty() && !Mode::WORDS.contains(&&*word) => {
            Err(UsageError::Unsupported {
                flag: format!("--{} {word}", Mode::FLAG),
                why: "the modes are null (or agg), prefill, decode, and with --enable-multimodal \
                      pd and encode",
            })
        }
        _ => Ok(()),
    }
}

/// The reference page has Dynamo's parser override the engine's; 1.6.1 refuses both.
fn parsers(this: &Configuration<'_>) -> Result<(), UsageError> {
    if this.flags.frontend.dyn_tool_call_parser.is_none()
        || this.engine.value("tool-call-parser").is_none()
    {
        return Ok(());
    }
    Err(UsageError::Conflict {
        first: this.given.name("dyn_tool_call_parser"),
        second: "--tool-call-parser".into(),
        why: "either the frontend takes the tool calls out of the text or the engine does",
    })
}

fn tokenizer(this: &Configuration<'_>) -> Result<(), UsageError> {
    let flags = &this.flags.frontend;
    if flags.use_sglang_tokenizer && flags.custom_jinja_template.is_some() {
        return Err(UsageError::Conflict {
            first: this.given.name("custom_jinja_template"),
            second: this.given.name("use_sglang_tokenizer"),
            why: "the frontend applies the template when it tokenizes, and here the engine does; \
                  give the engine its own --chat-template",
        });
    }
    Ok(())
}

fn multimodal(this: &Configuration<'_>) -> Result<(), UsageError> {
    let media = &this.flags.media;
    if media.dedicated_mm_encoder {
        let flag = || this.given.name("dedicated_mm_encoder");
        if !media.enable_multimodal {
            return Err(UsageError::Needs { flag: flag(), missing: "--enable-multimodal" });
        }
        if Mode::of(this.engine) == Mode::Aggregated && !this.flags.worker.multimodal_worker {
            let missing = "--disaggregation-mode pd, prefill or decode";
            return Err(UsageError::Needs { flag: flag(), missing });
        }
    }
    if media.frontend_decoding && this.worker_type.takes_encoded_media() {
        let worker = ["multimodal_worker", "dedicated_mm_encoder"];
        let worker = worker.into_iter().find(|id| this.given.origin(id).is_some());
        return Err(UsageError::Conflict {
            first: this.given.name("frontend_decoding"),
            second: this.given.name(worker.unwrap_or_default()),
            why: "this worker gets images and videos from the encode worker; that one is for \
                  --frontend-decoding",
        });
    }
    Ok(())
}

fn rerank(this: &Configuration<'_>) -> Result<(), UsageError> {
    let media = &this.flags.media;
    let others = [
        (media.enable_multimodal, "enable_multimodal"),
        (media.frontend_decoding, "frontend_decoding"),
    ];
    match others.into_iter().find(|(on, _)| *on) {
        Some((_, other)) if this.worker_type == WorkerType::Rerank => Err(UsageError::Conflict {
            first: this.given.name("rerank_worker"),
            second: this.given.name(other),
            why: "what is ranked is text",
        }),
        _ => Ok(()),
    }
}

/// Dynamo runs as many processes of its own before the engine as the engine has tokenizer workers.
/// This host needs one, so it is only about the engine's; what does not go together still does not.
fn gateway(this: &Configuration<'_>) -> Result<(), UsageError> {
    let tokenizers: Option<u32> =
        this.engine.value("tokenizer-worker-num").and_then(|number| number.parse().ok());
    let gateways = this.flags.engine.gateway_workers;
    let name = || match gateways {
        Some(_) => this.given.name("gateway_workers"),
        None => "--tokenizer-worker-num".to_owned(),
    };
    let conflict = |second: String, why| Err(UsageError::Conflict { first: name(), second, why });
    if let (Some(gateways), Some(tokenizers)) = (gateways, tokenizers)
        && tokenizers > 1
        && tokenizers != gateways
    {
        return conflict(
            "--tokenizer-worker-num".into(),
            "they are the same number, and these differ",
        );
    }
    if gateways.or(tokenizers).unwrap_or(1) < 2 {
        return Ok(());
    }
    if !matches!(this.worker_type, WorkerType::Decode | WorkerType::Prefill) {
        return Err(UsageError::Unsupported {
            flag: name(),
            why: "only decode and prefill workers can have several tokenizer processes",
        });
    }
    if this.engine.has("enable-lora") {
        return conflict(
            "--enable-lora".into(),
            "adapters are loaded into one tokenizer process and unknown to the others",
        );
    }
    if this.flags.runtime.fpm_trace || this.engine.has("enable-forward-pass-metrics") {
        return conflict(
            "the measurement of forward passes".into(),
            "the engine attributes them to a process that serves no requests",
        );
    }
    Ok(())
}

fn engine_flags(this: &Configuration<'_>) -> Result<(), UsageError> {
    if this.engine.has("schedule-low-priority-values-first") {
        return Err(UsageError::Unsupported {
            flag: "--schedule-low-priority-values-first".into(),
            why: "in Dynamo a higher value is a higher priority, everywhere",
        });
    }
    if this.engine.value("load-format").as_deref() == Some("gms")
        && this.environment.get("DYN_GMS_USE_V1").is_some_and(is_truthy)
    {
        return Err(UsageError::Conflict {
            first: "DYN_GMS_USE_V1".into(),
            second: "--load-format gms".into(),
            why: "they are two versions of the same service",
        });
    }
    Ok(())
}
