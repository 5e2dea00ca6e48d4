"""The stand-in for a chat template that vectors of workers with text were recorded with."""

import json

# What the stand-in for a chat template made of messages: this word, and what it was given as JSON.
TEMPLATE = "TEMPLATE"


def chat_template(original, vector):
    """A template that makes of messages what the stand-in did. Its own text is only looked at."""
    prompts = [of.get("kwargs", {}).get("prompt")
               for of in vector["expected"].get("engine_calls") or []]
    given = {}
    for prompt in prompts:
        if isinstance(prompt, str) and prompt.startswith(TEMPLATE):
            given = json.loads(prompt.removeprefix(TEMPLATE))["kwargs"]
    variables = ", ".join(f'"{name}": {name}' for name in given)
    # Variables the stand-in was not given must be empty.
    request = vector["input"]["request"]
    asked = {**(request.get("chat_template_kwargs") or {}),
             **(request.get("chat_template_args") or {})}
    others = "".join(f"{{{{ {name} }}}}" for name in asked
                     if name not in given and name != "add_generation_prompt")
    return (f"{{# {original} #}}" if original else "") + TEMPLATE + (
        f'{{{{ {{"kwargs": {{{variables}}}, "messages": messages}}'
        f" | tojson(ensure_ascii=true, sort_keys=true) }}}}{others}")
