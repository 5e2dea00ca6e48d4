//! SGLang's stream as Dynamo's token chunks.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::choices::Choices;
use super::event::{Finish, Logprob, MetaInfo, VisibleStops, cache_hit};
use crate::protocol::{
    CompletionUsage, GenerateRequest, PromptTokensDetails, TokenChunk, TopLogprob,
};
use crate::{Chunks, Converter, Flow, Result, parse_event};

/// Turns the events of one `/generate` stream into token chunks.
#[derive(Debug)]
pub struct TokenConverter {
    choices: Choices,
    stops: VisibleStops,
    /// Name alternatives `token_id:5`.
    tokens_as_ids: bool,
    /// Tell the router how much of the prompt was cached, once.
    report_cache_hit: bool,
    /// The prompt's tokens, all and cached, as last reported for each choice.
    prompts: BTreeMap<u32, (u64, Option<u64>)>,
}

impl TokenConverter {
    /// For the answer to `request`. `report_cache_hit` is for workers that do their own prefill;
    /// with several choices there is no one hit to report.
    pub fn new(request: &mut GenerateRequest, report_cache_hit: bool) -> Self {
        let choices = Choices::new(request.sampling_options.n);
        TokenConverter {
            stops: VisibleStops::asked_for(request),
            tokens_as_ids: request.output_options.return_tokens_as_token_ids == Some(true),
            report_cache_hit: report_cache_hit && choices.expected() == 1,
            choices,
            prompts: BTreeMap::new(),
        }
    }

    /// Lets the client know of any token the engine stopped at.
    pub fn show_all_stops(mut self) -> Self {
        self.stops = VisibleStops::All;
        self
    }

    fn usage(
        &mut self,
        index: u32,
        meta: &MetaInfo<'_>,
        is_final: bool,
    ) -> Option<CompletionUsage> {
        let (prompt_tokens, completion_tokens) = (meta.prompt_tokens?, meta.completion_tokens?);
        let prompt = (prompt_tokens, meta.cached_tokens);
        let reported = self.prompts.insert(index, prompt);
        (is_final || reported != Some(prompt)).then(|| CompletionUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: meta
                .cached_tokens
                .map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        })
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
                data.insert("kv_cache_hit".into(), cache_hit(prompt_tokens, meta.cached_tokens));
            }
        }
        Ok((!data.is_empty()).then_some(Value::Object(data)))
    }
}

impl Converter for TokenConverter {
    fn engine_is_done(&self) -> bool {
        self.choices.are_complete()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let Some(delta) = self.choices.read(event)? else { return Ok(self.choices.flow()) };
        let is_final = delta.finish.is_some();
        if delta.token_ids.is_empty() && !is_final {
            return Ok(Flow::Continue);
        }
        let (index, finish, mut meta) = (delta.index, delta.finish, delta.meta);
        chunks.send(&TokenChunk {
            index,
            token_ids: delta.token_ids,
            completion_usage: self.usage(index, &meta, is_final),
            engine_data: self.engine_data(delta.engine_data, &meta, is_final)?,
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
            stop_reason: finish.as_ref().and_then(|finish| self.stops.reason(finish)),
            finish_reason: finish.as_deref().map(Finish::reason),
        })?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        self.choices.check_end()
    }
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
