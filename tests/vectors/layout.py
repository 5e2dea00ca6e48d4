"""How a case is laid out as text."""

import json


def write(value, indent=""):
    """JSON in which what fits on a line stands on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 96 or not isinstance(value, (dict, list)) or not value:
        return line
    inner = indent + "  "
    if isinstance(value, list):
        parts = [inner + write(item, inner) for item in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = [f"{inner}{json.dumps(name)}: {write(member, inner)}" for name, member in value.items()]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
