#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn render(source: &str, messages: Json, extra: Json) -> Result<String> {
    let template = ChatTemplate { source: source.into(), special_tokens: Map::new() };
    template.render(messages.as_array().unwrap(), extra.as_object().unwrap().clone())
}

/// In the manner of models' own: blocks on lines of their own, Python's methods, loop controls.
const TYPICAL: &str = "\
{%- if tools is none %}
    {%- set tools = [] %}
{%- endif %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- continue %}
    {%- endif %}
    {%- if message.role == 'assistant' %}
        {% generation %}
        {{- message.content.split('</think>')[-1].lstrip('\\n') }}
        {% endgeneration %}
    {%- else %}
{{ '<|' + message.role + '|>' }}
{{ message.content | trim }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<|assistant|>
{% endif %}
";

#[test]
fn a_template_as_models_have_them() {
    let messages = json!([
        {"role": "system", "content": "x"},
        {"role": "user", "content": " hi "},
        {"role": "assistant", "content": "a</think>\n\nb"},
    ]);
    let text = render(TYPICAL, messages, json!({"bos_token": "<s>"})).unwrap();
    assert_eq!(text, "<s><|user|>\nhib\n<|assistant|>\n");
}

#[test]
fn values_look_as_in_python() {
    let text = render("{{ a }} {{ b }} {{ c }} {{ d }}", json!([]), json!({"a": true, "b": null}));
    assert_eq!(text.unwrap(), "True None  ");
    assert_eq!(
        render("{{ 'x' | int }} {{ '7' | int }} {{ 'x' | float }}", json!([]), json!({})).unwrap(),
        "0 7 0.0"
    );
    let extra = json!({"x": {"b": [1, "ü"], "a": {}}});
    let json = |filter: &str| render(&format!("{{{{ x | {filter} }}}}"), json!([]), extra.clone());
    assert_eq!(json("tojson").unwrap(), r#"{"b": [1, "ü"], "a": {}}"#);
    assert_eq!(json("tojson(sort_keys=true)").unwrap(), r#"{"a": {}, "b": [1, "ü"]}"#);
    assert_eq!(
        json("tojson(indent=2)").unwrap(),
        "{\n  \"b\": [\n    1,\n    \"ü\"\n  ],\n  \"a\": {}\n}"
    );
}

#[test]
fn failures_are_whose_they_are() {
    let refused = render("{{ raise_exception('no') }}", json!([]), json!({})).unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidRequest);
    let broken = render("{% for %}", json!([]), json!({})).unwrap_err();
    assert_eq!(broken.kind(), Kind::Internal);
}
