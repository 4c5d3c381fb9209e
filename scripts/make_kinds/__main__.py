"""Makes the edge functions' list of kinds from the handlers: what each accepts in `params`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from deno import find_deno_bin

from worker.core.handler import AnyHandler
from worker.handlers import discover

FUNCTIONS: Final = Path(__file__).parents[2] / "supabase" / "functions"
KINDS: Final = FUNCTIONS / "_shared" / "kinds.ts"
HEAD: Final = """\
// Made by scripts/make-kinds from the params of the worker's handlers: change those instead.
/**
 * What each kind of job accepts in `params`, so that an app learns of a typing error at once instead of
 * from a failed job. It is a courtesy, not the gate: the database decides which kinds exist and the worker's
 * own schema what their params mean. A kind that is not listed here is passed on as given.
 */

"""


def main() -> int:
    text = formatted(kinds(discover().values()))
    if sys.argv[1:] == ["--check"]:
        return int(KINDS.read_text() != text)
    KINDS.write_text(text)
    return 0


def kinds(handlers: Iterable[AnyHandler[Any]]) -> str:
    """The module's source, not formatted yet."""
    every = {handler.kind: handler for handler in handlers}
    params = {kind: checks_of(handler) for kind, handler in sorted(every.items())}
    used = {name for checks in params.values() for check in checks.values() for name in functions_in(check)}
    aliases = sorted((alias, kind) for kind, handler in every.items() for alias in handler.aliases)
    about_asset = sorted(kind for kind, handler in every.items() if handler.about_asset)
    lists = "".join(
        f"  [{json.dumps(kind)}, {{ {', '.join(f'{name}: {check}' for name, check in checks.items())} }}],\n"
        for kind, checks in params.items()
    )
    return (
        HEAD + f'import {{ {", ".join(sorted([*used, "type Check"]))} }} from "./checks.ts";\n\n'
        f"export const PARAMS = new Map<string, Record<string, Check>>([\n{lists}]);\n\n"
        "/** Kinds whose jobs are each about one asset. */\n"
        f"export const ABOUT_AN_ASSET: ReadonlySet<string> = new Set({json.dumps(about_asset)});\n\n"
        "/** Other names that existing apps use. */\n"
        f"export const ALIASES: ReadonlyMap<string, string> = new Map({json.dumps(aliases)});\n"
    )


def checks_of(handler: AnyHandler[Any]) -> dict[str, str]:
    """The check of each param, as TypeScript."""
    schema = handler.params.model_json_schema()
    definitions = schema.get("$defs", {})
    return {name: check_of(described, definitions) for name, described in schema["properties"].items()}


def check_of(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The call that makes the check for a param's JSON Schema; null is the same as leaving the param out.

    Raises:
        ValueError: the edge functions have no check for such a param; give it one, or say it in JSON Schema.
    """
    match plain(described, definitions):
        case {"type": "boolean"}:
            return "boolean"
        case {"const": choice}:
            return f"oneOf({json.dumps(choice)})"
        case {"enum": [*choices]}:
            return f"oneOf({', '.join(map(json.dumps, choices))})"
        case {"type": "string", "format": "uuid"}:
            return "uuid"
        case {"type": "string", "format": "date-time"}:
            return "moment"
        case {"type": "string", "maxLength": longest}:
            return f"text({longest})"
        case {"type": "integer" | "number" as number, "minimum": least, "maximum": most}:
            return f"{number}({least}, {most})"
        case {"type": "array", "items": {"enum": [*choices]}}:
            check = "someOrAll" if "all" in choices else "someOf"
            return f"{check}({', '.join(json.dumps(choice) for choice in choices if choice != 'all')})"
        case {"type": "array", "items": item, "maxItems": most}:
            return f"listOf({check_of(item, definitions)}, {most})"
    raise ValueError(f"no check of the edge functions fits {json.dumps(described)}")


def plain(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """A description without references, and without null beside the one thing that it can be."""
    if reference := described.get("$ref"):
        return plain(definitions[reference.rpartition("/")[2]], definitions)
    if "type" in described:
        items = described.get("items")
        return {**described, "items": plain(items, definitions)} if items else described
    match [one for one in described.get("anyOf", ()) if one.get("type") != "null"]:
        case [one]:
            return plain(one, definitions)
    return described


def functions_in(check: str) -> list[str]:
    """The functions of checks.ts that a check calls; words of its choices stand in quotes and are none."""
    return re.findall(r"\b[A-Za-z]\w*", re.sub(r'"(?:[^"\\]|\\.)*"', "", check))


def formatted(source: str) -> str:
    """As `deno fmt` has it."""
    command = [find_deno_bin(), "fmt", "--ext", "ts", "--config", str(FUNCTIONS / "deno.json"), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
