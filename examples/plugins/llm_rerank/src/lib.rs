//! Reranking by the probability that a model says "yes".

use dynamo_worker_sdk::prelude::*;

/// In ChatML, which most small instruction models know.
const PROMPT: &str = "<|im_start|>system\nAnswer with yes or no only.<|im_end|>\n<|im_start|>user\n\
    Does the document answer the query?\nQuery: {query}\nDocument: {document}<|im_end|>\n\
    <|im_start|>assistant\n";

const ALTERNATIVES: u32 = 50;

/// The worker: what it asks.
#[derive(Debug, Serialize, Deserialize)]
pub struct LlmRerank {
    prompt: String,
}

/// The operator's settings.
#[derive(Debug, Deserialize)]
pub struct Settings {
    prompt: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ranking {
    query: String,
    documents: Vec<String>,
    top_n: Option<usize>,
}

impl Worker for LlmRerank {
    type Settings = Settings;
    type Converter = Scores;

    fn describe() -> Manifest {
        Manifest::new("llm_rerank", env!("CARGO_PKG_VERSION"), "rerank")
            .summary("reranking by a generating model on llama.cpp")
            .settings_schema(json!({
                "type": "object", "properties": {"prompt": {"type": "string"}},
            }))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        let setup = Setup::new(["llama-server"], Contact::ready_at("/health"))
            .arguments(start.arguments)
            .argument("--host", start.host)
            .argument("--port", start.port);
        Ok(match start.model_path {
            Some(model) => setup.argument("--model", model).into(),
            None => setup.into(),
        })
    }

    fn configure(settings: Settings, _: EngineReport) -> Result<Self> {
        let prompt = settings.prompt.unwrap_or_else(|| PROMPT.into());
        match ["{query}", "{document}"].into_iter().find(|part| !prompt.contains(part)) {
            Some(part) => Err(Error::invalid_request(format!("prompt: {part} is missing"))),
            None => Ok(LlmRerank { prompt }),
        }
    }

    fn registration(&self) -> Result<Registration> {
        let registration = Registration::aggregated(["rerank"], Input::Text);
        Ok(Registration { component: "rerank".into(), ..registration })
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"query": "ping", "documents": ["pong"]}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Scores>> {
        let ranking: Ranking = request.parse()?;
        if ranking.documents.is_empty() {
            return Err(Error::invalid_request("documents: empty"));
        }
        let prompt = self.prompt.replace("{query}", &ranking.query);
        let prompts: Vec<String> = ranking
            .documents
            .iter()
            .map(|document| prompt.replace("{document}", document))
            .collect();
        let call = Call::post(
            "/completion",
            &json!({
                "prompt": prompts, "n_predict": 1, "n_probs": ALTERNATIVES,
                "temperature": 0, "cache_prompt": true,
            }),
        )?;
        let scores = Scores { documents: ranking.documents, top_n: ranking.top_n };
        Ok(Plan::new(call.headers(&request.trace_headers), scores))
    }
}

/// Turns the engine's probabilities into a ranking.
#[derive(Debug)]
pub struct Scores {
    documents: Vec<String>,
    top_n: Option<usize>,
}

impl Converter for Scores {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let answer: Json = parse_event(event)?;
        // One document is answered with one object, several with a list.
        let one = std::slice::from_ref(&answer);
        let answers = answer.as_array().map_or(one, Vec::as_slice);
        let (wanted, came) = (self.documents.len(), answers.len());
        if came != wanted {
            let what = format!("the engine sent {came} answers for {wanted} documents");
            return Err(Error::backend_protocol(what));
        }
        let mut ranking: Vec<(f64, usize, &String)> = self
            .documents
            .iter()
            .enumerate()
            .zip(answers)
            .map(|((index, document), answer)| (score(answer), index, document))
            .collect();
        // Stable: documents of the same score keep the client's order.
        ranking.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranking.truncate(self.top_n.unwrap_or(usize::MAX));
        let ranked: Vec<Json> = ranking.into_iter()
            .map(|(score, index, document)| {
                json!({"score": score, "index": index, "document": document})
            })
            .collect();
        chunks.send(&ranked)?;
        Ok(Flow::Continue)
    }
}

/// The probability of "yes" against "no", whatever their case and the space before them; 0 if the
/// model thinks of neither.
fn score(answer: &Json) -> f64 {
    let (mut yes, mut no) = (0.0, 0.0);
    let alternatives = answer["completion_probabilities"][0]["top_logprobs"].as_array();
    for alternative in alternatives.into_iter().flatten() {
        let token = alternative["token"].as_str().unwrap_or_default().trim().to_lowercase();
        let probability = alternative["logprob"].as_f64().map_or(0.0, f64::exp);
        match token.as_str() {
            "yes" => yes += probability,
            "no" => no += probability,
            _ => {}
        }
    }
    if yes + no > 0.0 { yes / (yes + no) } else { 0.0 }
}

dynamo_worker_sdk::export!(LlmRerank);
