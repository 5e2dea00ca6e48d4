//! SGLang's stream as Dynamo's token chunks.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::errors::engine_failure;
use super::event::{Event, Finish, Logprob, MetaInfo};
use crate::protocol::{
    CompletionUsage, FinishReason, GenerateRequest, PromptTokensDetails, TokenChunk, TopLogprob,
};
use crate::{Chunks, Converter, Error, Flow, Kind, Result, parse_event};

/// The last event of every stream SGLang ends by itself.
const DONE: &[u8] = b"[DONE]";

/// Turns the events of one `/generate` stream into token chunks.
#[derive(Debug)]
pub struct TokenConverter {
    /// How many choices were asked for.
    choices: u32,
    /// Stop tokens of the client's own. Stopping at any other is none of its business.
    stop_token_ids: Vec<u32>,
    /// Name alternatives `token_id:5`.
    tokens_as_ids: bool,
    /// Tell the router how much of the prompt was cached, once.
    report_cache_hit: bool,
    progress: BTreeMap<u32, Progress>,
}

/// How far a choice has come.
#[derive(Debug, Default)]
struct Progress {
    /// The prompt's tokens, all and cached, as last reported.
    prompt: Option<(u64, Option<u64>)>,
    finished: bool,
}

impl TokenConverter {
    /// For the answer to `request`. `report_cache_hit` is for workers that do their own prefill;
    /// with several choices there is no one hit to report.
    pub fn new(request: &mut GenerateRequest, report_cache_hit: bool) -> Self {
        let choices = request.sampling_options.n.unwrap_or(1).max(1);
        TokenConverter {
            choices,
            stop_token_ids: std::mem::take(&mut request.stop_conditions.stop_token_ids),
            tokens_as_ids: request.output_options.return_tokens_as_token_ids == Some(true),
            report_cache_hit: report_cache_hit && choices == 1,
            progress: BTreeMap::new(),
        }
    }

    fn is_complete(&self) -> bool {
        let finished = self.progress.values().filter(|choice| choice.finished).count();
        finished >= self.choices as usize
    }

    fn usage(
        &mut self,
        index: u32,
        meta: &MetaInfo<'_>,
        is_final: bool,
    ) -> Option<CompletionUsage> {
        let (prompt_tokens, completion_tokens) = (meta.prompt_tokens?, meta.completion_tokens?);
        let prompt = Some((prompt_tokens, meta.cached_tokens));
        let reported =
            std::mem::replace(&mut self.progress.entry(index).or_default().prompt, prompt);
        (is_final || reported != prompt).then(|| CompletionUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: meta
                .cached_tokens
                .map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        })
    }

    /// What the client may know of what the engine stopped at.
    fn stop_reason(&self, matched: &Value) -> Option<Value> {
        let asked_for = |id: &Value| {
            id.as_u64()
                .is_some_and(|id| self.stop_token_ids.iter().any(|known| u64::from(*known) == id))
        };
        match matched {
            Value::String(_) => Some(matched.clone()),
            Value::Number(_) if asked_for(matched) => Some(matched.clone()),
            Value::Array(ids) if !ids.is_empty() && ids.iter().all(asked_for) => {
                Some(matched.clone())
            }
            _ => None,
        }
    }

    fn top_logprobs(&self, positions: Vec<Option<Vec<Logprob>>>) -> Vec<Vec<TopLogprob>> {
        let alternative = |(at, entry): (usize, Logprob)| TopLogprob {
            rank: at as u32 + 1,
            token_id: entry.1,
            logprob: entry.value(),
            token: if self.tokens_as_ids { Some(format!("token_id:{}", entry.1)) } else { entry.2 },
        };
        positions
            .into_iter()
            .map(|entries| entries.into_iter().flatten().enumerate().map(alternative).collect())
            .collect()
    }

    fn engine_data(
        &self,
        own: Option<&RawValue>,
        meta: &MetaInfo<'_>,
        is_final: bool,
    ) -> Result<Option<Value>> {
        let mut data = match own {
            Some(own) => match serde_json::from_str(own.get())? {
                Value::Object(data) => data,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        if let Some(experts) = meta.routed_experts {
            data.insert("routed_experts".into(), serde_json::from_str(experts.get())?);
        }
        if is_final {
            if let Some(logprobs) = prompt_logprobs(meta)? {
                data.insert("prompt_logprobs".into(), logprobs);
            }
            if let Some(prompt_tokens) = meta.prompt_tokens.filter(|_| self.report_cache_hit) {
                data.insert(
                    "kv_cache_hit".into(),
                    json!({
                        "prompt_tokens": prompt_tokens,
                        "reused_tokens": meta.cached_tokens.unwrap_or(0),
                    }),
                );
            }
        }
        Ok((!data.is_empty()).then_some(Value::Object(data)))
    }
}

impl Converter for TokenConverter {
    fn engine_is_done(&self) -> bool {
        self.is_complete()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == DONE {
            // With nothing open the stream is left to end by itself, so that its connection can be
            // used again. With something open the engine will not go on: `Done` has it told to drop
            // what it may still hold.
            return Ok(if self.is_complete() { Flow::Continue } else { Flow::Done });
        }
        let event: Event = parse_event(event)?;
        if let Some(error) = event.error {
            return Err(engine_failure(&error.code, &error.message));
        }
        let Some(mut meta) = event.meta_info else {
            return Err(Error::internal("the engine sent a chunk without meta_info"));
        };
        let Some(finish) = meta.finish_reason.take() else {
            return Err(Error::internal("the engine sent a chunk without meta_info.finish_reason"));
        };
        if let Some(failure) = finish.as_ref().filter(|finish| finish.is_failure()) {
            // The engine has given the choice up by itself: there is nothing left to abort.
            self.progress.entry(event.index.unwrap_or(0)).or_default().finished = true;
            let message = failure.message.as_deref().unwrap_or_default();
            return Err(engine_failure(&failure.status_code, message));
        }
        let token_ids = event.output_ids.unwrap_or_default();
        let is_final = finish.is_some();
        if token_ids.is_empty() && !is_final {
            return Ok(Flow::Continue);
        }
        let index = event.index.unwrap_or(0);
        chunks.send(&TokenChunk {
            index,
            token_ids,
            completion_usage: self.usage(index, &meta, is_final),
            engine_data: self.engine_data(event.engine_data, &meta, is_final)?,
            log_probs: meta
                .output_token_logprobs
                .take()
                .filter(|logprobs| !logprobs.is_empty())
                .map(|logprobs| logprobs.iter().map(Logprob::value).collect()),
            top_logprobs: meta
                .output_top_logprobs
                .take()
                .filter(|positions| !positions.is_empty())
                .map(|positions| self.top_logprobs(positions)),
            stop_reason: finish.as_ref().and_then(|finish| self.stop_reason(&finish.matched)),
            finish_reason: finish.as_ref().map(finish_reason),
        })?;
        if is_final {
            self.progress.entry(index).or_default().finished = true;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        // The frontend may take what has come so far to another worker and go on there.
        Err(Error::new(Kind::Unavailable, "the engine closed its answer before it was complete"))
    }
}

fn finish_reason(finish: &Finish) -> FinishReason {
    if finish.is_abort() { FinishReason::Cancelled } else { FinishReason::from_word(&finish.kind) }
}

/// Log probabilities of the prompt: null for a token that has none (the first), else the token
/// itself and then the alternatives, by id.
fn prompt_logprobs(meta: &MetaInfo<'_>) -> Result<Option<Value>> {
    let Some(tokens) = meta.input_token_logprobs else { return Ok(None) };
    let tokens: Vec<Logprob> = protocol(tokens)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let tops: Vec<Option<Vec<Logprob>>> =
        meta.input_top_logprobs.map(protocol).transpose()?.unwrap_or_default();
    let mut tops = tops.into_iter();
    let positions = tokens.into_iter().map(|token| {
        let alternatives = tops.next().flatten().unwrap_or_default();
        token.0?;
        let mut entries = Map::new();
        for entry in std::iter::once(token).chain(alternatives) {
            let mut said = Map::new();
            said.insert("logprob".into(), entry.value().into());
            if let Some(text) = entry.2 {
                said.insert("decoded_token".into(), text.into());
            }
            // The token itself is usually among its alternatives.
            entries.entry(entry.1.to_string()).or_insert(Value::Object(said));
        }
        Some(Value::Object(entries))
    });
    Ok(Some(positions.map(Option::unwrap_or_default).collect()))
}

fn protocol<'a, T: serde::Deserialize<'a>>(json: &'a RawValue) -> Result<T> {
    parse_event(json.get().as_bytes())
}

#[cfg(test)]
mod tests;
