//! Requests in SGLang's own words: `extra_args.sglang_tito`, from the frontend's `/generate`.
//!
//! What the client wrote for SGLang goes to SGLang, but for what is not the client's to say: the
//! prompt, the request's id, where it runs and how urgent it is. What SGLang answers goes back as it
//! is. Mirrors Dynamo's `engine_generate.py`.

mod schema;

use serde_json::{Map, Value, json};

use super::Engine;
use super::choices::{Choices, DONE};
use super::disagg::Bootstrap;
use super::errors::{check_error_event, refused};
use super::event::cache_hit;
use super::generate;
use crate::protocol::{GenerateRequest, is_truthy};
use crate::{Call, Chunks, Converter, Error, Flow, Request, Result, parse_event};

/// One request in SGLang's own words.
#[derive(Clone, Debug)]
pub struct Native {
    members: Map<String, Value>,
    /// The engine's part of the work ends with the prompt: no session goes on from it.
    prefill: bool,
}

impl Native {
    /// Takes it out of `request`, if that is one.
    pub fn take(request: &mut GenerateRequest) -> Option<Self> {
        match request.extra_args.sglang_tito.take() {
            Some(Value::Object(members)) => Some(Native { members, prefill: false }),
            _ => None,
        }
    }

    /// Makes it a request for one choice of one token: what a prefill engine has to do.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind), public, if its sampling parameters are no object.
    pub fn limit_to_prefill(&mut self) -> Result<()> {
        self.prefill = true;
        let params = self.members.entry("sampling_params").or_insert(Value::Null);
        if params.is_null() {
            *params = json!({});
        }
        let Some(params) = params.as_object_mut() else {
            return Err(Error::invalid_request(
                "extra_args.sglang_tito.sampling_params: not an object",
            ));
        };
        params.insert("n".into(), 1.into());
        params.insert("max_new_tokens".into(), 1.into());
        Ok(())
    }

    /// The call, and what names the request in the answer.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) for a member SGLang would not take, for a cache salt this
    /// version of it does not take, and without token ids.
    pub fn into_call(
        mut self,
        incoming: &Request,
        request: &GenerateRequest,
        engine: &Engine,
        bootstrap: Option<Bootstrap>,
    ) -> Result<(Call, Names)> {
        if incoming.token_count.is_none() {
            return Err(refused("token_ids: missing, and SGLang's own requests come with them"));
        }
        let names = Names::new(&self.members, self.prefill, incoming)?;
        self.take_over(&names, request, engine)?;
        if let Some(adapter) = generate::adapter(incoming, request) {
            self.set("lora_path", adapter);
        }
        if let Some(Bootstrap { bootstrap_host, bootstrap_port, bootstrap_room }) = bootstrap {
            self.set("bootstrap_host", bootstrap_host);
            self.set("bootstrap_port", bootstrap_port);
            self.set("bootstrap_room", bootstrap_room);
        }
        if let Some(rank) = generate::prefill_rank(request, engine).filter(|_| !self.prefill) {
            self.set("disagg_prefill_dp_rank", rank);
        }
        schema::check(&self.members)?;
        let mut call =
            Call::post("/generate", &Value::Object(self.members))?.sse().tokens_as("input_ids");
        if engine.trace {
            call = call.headers(&incoming.trace_headers);
        }
        Ok((call, names))
    }

    /// Replaces what is not the client's to say.
    fn take_over(
        &mut self,
        names: &Names,
        request: &GenerateRequest,
        engine: &Engine,
    ) -> Result<()> {
        // The host writes the prompt; the trace travels in headers.
        for theirs in ["input_ids", "external_trace_header"] {
            self.members.remove(theirs);
        }
        self.set("rid", names.engine.as_str());
        self.set("stream", true);
        match generate::priority(&request.routing, engine) {
            Some(priority) => self.set("priority", priority),
            None => drop(self.members.remove("priority")),
        }
        match generate::cache_salt(request, engine)? {
            Some(salt) => self.set("cache_salt", salt),
            None => self.check_own_salt(engine)?,
        }
        if let Some(rank) = request.routing.dp_rank {
            self.set("routed_dp_rank", rank);
        }
        Ok(())
    }

    fn check_own_salt(&mut self, engine: &Engine) -> Result<()> {
        match self.members.get("cache_salt") {
            None => {}
            Some(salt) if salt.is_null() || salt == "" => drop(self.members.remove("cache_salt")),
            Some(_) if engine.capabilities.cache_salt => {}
            Some(_) => return Err(generate::no_cache_salt()),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.members.insert(name.into(), value.into());
    }
}

/// One request's names: the engine's, which no client can guess, and the client's.
#[derive(Clone, Debug)]
pub struct Names {
    /// What the engine calls it.
    pub engine: String,
    /// One name, or one for each choice.
    client: Vec<String>,
    choices: Option<u32>,
}

impl Names {
    fn new(members: &Map<String, Value>, prefill: bool, incoming: &Request) -> Result<Self> {
        let rid = members.get("rid").filter(|rid| !rid.is_null());
        let client = match rid {
            Some(Value::String(name)) if !name.is_empty() => vec![name.clone()],
            Some(Value::Array(names)) if !names.is_empty() => {
                names.iter().map(|name| name.as_str().unwrap_or(&incoming.id).to_owned()).collect()
            }
            _ => vec![incoming.id.clone()],
        };
        // Later requests of a session name earlier ones, so here the client's name must do.
        let in_session = members.get("session_params").is_some_and(is_truthy) && !prefill;
        if in_session && rid.is_some_and(Value::is_array) {
            return Err(refused(
                "extra_args.sglang_tito.rid: a request of a session has one id, not a list",
            ));
        }
        Ok(Names {
            engine: if in_session { client.concat() } else { incoming.fresh.request_id.clone() },
            client,
            choices: members
                .get("sampling_params")
                .and_then(|params| params["n"].as_u64())
                .and_then(|n| u32::try_from(n).ok()),
        })
    }

    /// The client's name for what the engine calls `id`: the request, or one of its choices
    /// (`ID_0`, `ID_1`, ...).
    fn for_client(&self, id: &str) -> Option<String> {
        let choice = id.strip_prefix(self.engine.as_str())?;
        let index: usize = match choice.strip_prefix('_') {
            Some(index) => index.parse().ok()?,
            None if choice.is_empty() => return self.client.first().cloned(),
            None => return None,
        };
        match &self.client[..] {
            [one] => Some(format!("{one}{choice}")),
            each => each.get(index).cloned(),
        }
    }
}

/// Hands SGLang's answers through.
#[derive(Debug)]
pub struct NativeConverter {
    names: Names,
    choices: Choices,
    report_cache_hit: bool,
}

impl NativeConverter {
    /// `report_cache_hit` is for workers that do their own prefill.
    pub fn new(names: Names, report_cache_hit: bool) -> Self {
        let choices = Choices::new(names.choices);
        NativeConverter {
            names,
            report_cache_hit: report_cache_hit && choices.expected() == 1,
            choices,
        }
    }
}

impl Converter for NativeConverter {
    fn engine_is_done(&self) -> bool {
        self.choices.are_complete()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == DONE {
            self.choices.end();
            return Ok(self.choices.flow());
        }
        let mut response: Value = parse_event(event)?;
        check_error_event(&response)?;
        let mut data = Map::new();
        let index = response["index"].as_u64().and_then(|index| u32::try_from(index).ok());
        if let Some(meta) = response.get_mut("meta_info").and_then(Value::as_object_mut) {
            let named = meta.get("id").and_then(Value::as_str);
            if let Some(name) = named.and_then(|id| self.names.for_client(id)) {
                meta.insert("id".into(), name.into());
            }
            if meta.get("finish_reason").is_none_or(Value::is_null) {
                self.choices.begin(index.unwrap_or(0));
            } else {
                self.choices.finish(index.unwrap_or(0));
                let count = |name: &str| meta.get(name).and_then(Value::as_u64);
                if let Some(prompt_tokens) =
                    count("prompt_tokens").filter(|_| self.report_cache_hit)
                {
                    let hit = cache_hit(prompt_tokens, count("cached_tokens"));
                    data.insert("kv_cache_hit".into(), hit);
                }
            }
        }
        data.insert("sglang_response".into(), response);
        chunks.send(&json!({"token_ids": [], "engine_data": data}))?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        self.choices.check_end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(engine: &str, client: &str) -> Names {
        let client = client.split_whitespace().map(str::to_owned).collect();
        Names { engine: engine.into(), client, choices: None }
    }

    #[test]
    fn names_are_mapped_back() {
        let names = names("0f1e", "mine");
        assert_eq!(names.for_client("0f1e").unwrap(), "mine");
        assert_eq!(names.for_client("0f1e_12").unwrap(), "mine_12");
        for other in ["0f1e2", "0f1e_", "0f1e_x", "elsewhere"] {
            assert_eq!(names.for_client(other), None);
        }
    }

    #[test]
    fn choices_have_names_of_their_own() {
        let names = names("0f1e", "this that");
        assert_eq!(names.for_client("0f1e_1").unwrap(), "that");
        assert_eq!(names.for_client("0f1e_2"), None);
    }

    #[test]
    fn failures_of_the_engine_are_handed_through_unless_the_stream_failed() {
        let mut converter = NativeConverter::new(names("a", "b"), true);
        let aborted = r#"{"meta_info": {"id": "a", "finish_reason": {"type": "abort",
            "status_code": 500}, "prompt_tokens": 1}}"#;
        let converted = crate::testing::convert(&mut converter, &[aborted, "[DONE]"]);
        assert!(converted.error.is_none());
        let data = &converted.chunks[0]["engine_data"];
        assert_eq!(data["sglang_response"]["meta_info"]["finish_reason"]["status_code"], 500);
        assert_eq!(data["kv_cache_hit"], json!({"prompt_tokens": 1, "reused_tokens": 0}));

        let mut converter = NativeConverter::new(names("a", "b"), true);
        let failed = r#"{"error": {"message": "top_p must be in (0, 1]", "code": 400}}"#;
        let error = crate::testing::convert(&mut converter, &[failed]).error.unwrap();
        assert_eq!(error.kind(), crate::Kind::InvalidRequest);
    }
}
