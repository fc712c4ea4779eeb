"""Makes agent_server/providers/model_table.json anew, from the list of models in the package litellm (MIT).

    pip download --no-deps litellm
    unzip -p litellm-*.whl litellm/model_prices_and_context_window_backup.json > models.json
    python tests/providers/make_model_table.py models.json "litellm 1.108.10" > agent_server/providers/model_table.json

Only what an agent can use: models that take tools, are not retired, and have a name of their own. What the list does
not say is not there; nothing is guessed.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

PROVIDERS: Final = {
    "anthropic": "",
    "openai": "",
    "gemini": "gemini/",
    "mistral": "mistral/",
    "deepseek": "",
    "xai": "xai/",
    "groq": "groq/",
    "moonshot": "moonshot/",
    "zai": "zai/",
}
"""What stands in front of the ids there, for each provider that is listed here."""

NOT_FOR_AGENTS: Final = re.compile(
    r"^ft:|audio|search|realtime|tts|image|research|computer-use|guard|transcribe|robotics|lyria|omni|-exp\b|-exp-"
    r"|live|chat|daybreak|rosalind|cyber|beta|experimental|multi-agent|gv2|customtools|vision-exp|embed|labs-|voxtral"
    r"|-fim|learnlm|gemma|tiny|mamba|instant|cli|openthinker|8k|32k|-fast|safeguard|0309|^grok-4.20-|^gpt-4$|^gpt-4-|^gpt-3|^o1"
)
SNAPSHOT: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")
MILLION: Final = 1_000_000


def main(source: Path, name: str, today: str) -> dict[str, Any]:
    listed: dict[str, dict[str, Any]] = json.loads(source.read_text("utf-8"))
    table = {provider: dict(sorted_rows(listed, provider, prefix, today)) for provider, prefix in PROVIDERS.items()}
    return {"source": name, "made": today, "models": table}


def sorted_rows(
    listed: Mapping[str, dict[str, Any]], provider: str, prefix: str, today: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a provider, the newest first as far as their names tell."""
    rows: dict[str, dict[str, Any]] = {}
    for full, model in listed.items():
        model_id = full.removeprefix(prefix)
        listed_twice = "/" in model_id and provider != "groq"
        ours = model.get("litellm_provider") == provider and full.startswith(prefix) and not listed_twice
        if ours and usable(model_id, model, today):
            rows[model_id] = row_of(provider, model)
    for model_id in sorted(rows, key=_age):
        plain = SNAPSHOT.sub("", model_id)
        if plain == model_id or not {plain, f"{plain}-latest"} & rows.keys():
            yield model_id, rows[model_id]


def _age(model_id: str) -> tuple[list[float], str]:
    return [*(-float(number) for number in re.findall(r"\d+(?:\.\d+)?", model_id)), 0.0], model_id


def usable(model_id: str, model: Mapping[str, Any], today: str) -> bool:
    return (
        model.get("mode") in ("chat", "responses")
        and bool(model.get("supports_function_calling"))
        and not NOT_FOR_AGENTS.search(model_id)
        and str(model.get("deprecation_date") or "9999") > today
    )


def row_of(provider: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """Window, output, price and what it takes; keys are short because the file is part of the package."""
    row: dict[str, Any] = {
        "window": _whole(model.get("max_input_tokens")),
        "output": _whole(model.get("max_output_tokens")),
        "price": _price(model),
        "above": _above(model),
        "images": bool(model.get("supports_vision")),
        "audio": bool(model.get("supports_audio_input")),
        "efforts": _efforts(provider, model),
    }
    if row["output"] is not None and row["window"] is not None and row["output"] >= row["window"]:
        row["output"] = None  # they say the window in both places: the longest answer is not known
    return {key: value for key, value in row.items() if value}


def _price(model: Mapping[str, Any], above: str = "") -> list[float | None] | None:
    names = ("input_cost_per_token", "output_cost_per_token")
    cached = ("cache_read_input_token_cost", "cache_creation_input_token_cost")
    values = [model.get(name + above) for name in names]
    if "off_peak_pricing" in model:  # it depends on the hour
        return None
    if any(value is None for value in values):
        return None
    values += [model.get(name + above) or None for name in cached]
    prices = [None if value is None else float(f"{value * MILLION:.6g}") for value in values]
    while prices[-1] is None:
        prices.pop()
    return prices


def _above(model: Mapping[str, Any]) -> list[Any] | None:
    """Where a longer request costs more per token: from how many tokens on, and the prices then."""
    for key in model:
        found = re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key)
        if found:
            price = _price(model, f"_above_{found[1]}k_tokens")
            return None if price is None else [int(found[1]) * 1000, *price]
    return None


def _efforts(provider: str, model: Mapping[str, Any]) -> list[str]:
    if not model.get("supports_reasoning"):
        return []
    levels = model.get("reasoning_effort_levels")
    if levels:
        return [level for level in levels if level != "none"]
    if provider not in ("anthropic", "openai", "gemini", "groq"):
        return []
    more = [level for level in ("xhigh", "max") if model.get(f"supports_{level}_reasoning_effort")]
    least = ["minimal"] if model.get("supports_minimal_reasoning_effort") else []
    return [*least, "low", "medium", "high", *more]


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None


def written(table: dict[str, Any]) -> str:
    """JSON with one model a line."""
    providers = []
    for provider, rows in table["models"].items():
        lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in rows.items())
        providers.append(f'"{provider}":{{\n{lines}\n}}')
    head = json.dumps({key: table[key] for key in ("source", "made")})[:-1]
    return f'{head}, "models": {{\n' + ",\n".join(providers) + "\n}}\n"


if __name__ == "__main__":
    print(written(main(Path(sys.argv[1]), sys.argv[2], datetime.datetime.now(datetime.UTC).date().isoformat())), end="")
