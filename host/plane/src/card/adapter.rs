//! The model card of a LoRA adapter.

use dynamo_runtime::slug::Slug;
use serde_json::{Value, json};

/// A LoRA adapter, as its card names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFacts {
    /// The model name clients ask for.
    pub name: String,
    /// The number under which Dynamo knows it.
    pub id: u32,
    /// How many adapters the engine holds at once.
    pub max_loaded: Option<u32>,
}

impl AdapterFacts {
    /// The card of an adapter beside `base`, the card of the model it adapts: the same model in all
    /// but its name (`register_model` with `lora_name` does so, too).
    pub fn card(&self, base: &Value) -> Value {
        let mut card = base.clone();
        if let Value::Object(members) = &mut card {
            let slug = Slug::slugify(&self.name).to_string();
            members.insert("display_name".to_owned(), json!(self.name));
            members.insert("slug".to_owned(), json!(slug));
            members.remove("aliases");
            let mut lora = json!({"name": self.name});
            if let Some(max) = self.max_loaded {
                lora["max_gpu_lora_count"] = json!(max);
            }
            members.insert("lora".to_owned(), lora);
            let user_data = json!({"lora_adapter": true, "lora_id": self.id});
            members.insert("user_data".to_owned(), user_data);
        }
        card
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_its_model_by_another_name() {
        let base = json!({
            "display_name": "org/base", "slug": "org_base", "aliases": ["b"],
            "model_type": "Chat | Completions", "kv_cache_block_size": 16,
        });
        let adapter = AdapterFacts { name: "My Adapter".into(), id: 7, max_loaded: Some(8) };
        assert_eq!(
            adapter.card(&base),
            json!({
                "display_name": "My Adapter", "slug": "my_adapter",
                "model_type": "Chat | Completions", "kv_cache_block_size": 16,
                "lora": {"name": "My Adapter", "max_gpu_lora_count": 8},
                "user_data": {"lora_adapter": true, "lora_id": 7},
            })
        );
    }
}
