"""What Slack accepts in a message or a window, and what people see of it, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

MOST_BLOCKS, MOST_VIEW_BLOCKS = 50, 100
MOST_CHARACTERS: Final = 13_200
PING: Final = re.compile(r"<[!@#]|<https?:")
_MOST = {"section": 3_000, "header": 150, "button": 75, "value": 2_000, "context": 3_000, "action_id": 255}


def check_message(text: str, blocks: Sequence[Json]) -> str | None:
    """Why Slack refuses a message, as `error: detail`; None where it takes it."""
    if not text and not blocks:
        return "no_text: "
    if _units(text) > 40_000:
        return "msg_too_long: "
    if len(blocks) > MOST_BLOCKS:
        return f"invalid_blocks: {len(blocks)} blocks"
    if _units(json.dumps(list(blocks), ensure_ascii=False)) > MOST_CHARACTERS:
        return "msg_blocks_too_long: "
    problem = next(filter(None, map(_check_block, blocks)), None)
    return f"invalid_blocks: {problem}" if problem else None


def check_view(view: Json) -> str | None:
    """Why Slack refuses a window."""
    if len(view["title"]["text"]) > 24 or len(view.get("private_metadata", "")) > 3_000:
        return "title or private_metadata too long"
    if len(view["blocks"]) > MOST_VIEW_BLOCKS:
        return f"{len(view['blocks'])} blocks"
    return next(filter(None, map(_check_block, view["blocks"])), None)


def _check_block(block: Json) -> str | None:
    match block["type"]:
        case "rich_text":
            return next(filter(None, map(_check_rich, block["elements"])), None)
        case "section":
            return _check_text(block["text"]["text"], "section")
        case "context":
            if not 1 <= len(block["elements"]) <= 10:
                return "context: 1 to 10 elements"
            return next(filter(None, (_check_text(e["text"], "context") for e in block["elements"])), None)
        case "actions":
            return _check_actions(block["elements"])
    return f"unsupported type: {block['type']}"


def _check_actions(elements: Sequence[Json]) -> str | None:
    if not 1 <= len(elements) <= 25:
        return "actions: 1 to 25 elements"
    if len({e["action_id"] for e in elements}) < len(elements):
        return "action_id used twice"
    for element in elements:
        problem = (
            _check_text(element["text"]["text"], "button")
            or _check_text(element["value"], "value")
            or _check_text(element["action_id"], "action_id")
        )
        if problem:
            return problem
    return None


def _check_rich(element: Json) -> str | None:
    if not element["elements"]:
        return "an element without elements"
    for part in element["elements"]:
        if part["type"] in ("rich_text_section", "rich_text_quote"):
            if problem := _check_rich(part):
                return problem
        elif part["type"] == "link":
            if not part["url"].startswith(("http://", "https://")) or len(part["url"]) > 3_000:
                return "url"
        elif part["type"] != "text":
            return f"unsupported part: {part['type']}"
        if "text" in part and not part["text"]:
            return "must be more than 0 characters"
    return None


def _check_text(text: str, kind: str) -> str | None:
    if not text:
        return f"{kind}: must be more than 0 characters"
    return f"{kind}: {_units(text)} characters" if _units(text) > _MOST[kind] else None


def render(blocks: Sequence[Json]) -> str:
    """Blocks as text: `> ` before a quote, `[…]` around a button, small print between dashes."""
    return "\n".join(line for block in blocks for line in _lines(block))


def _lines(block: Json) -> list[str]:
    match block["type"]:
        case "rich_text":
            return [line for element in block["elements"] for line in _rich_lines(element)]
        case "section":
            return str(block["text"]["text"]).split("\n")
        case "context":
            return [f"- {e['text']} -" for e in block["elements"]]
        case "actions":
            return [" ".join(f"[{e['text']['text']}]" for e in block["elements"])]
    return []


def _rich_lines(element: Json) -> list[str]:
    if element["type"] == "rich_text_list":
        return [f"• {line}" for item in element["elements"] for line in _rich_lines(item)]
    text = "".join(
        p["text"] if p["type"] == "text" else f"{p['text']} <{p['url']}>" for p in element["elements"]
    )
    mark = "> " if element["type"] == "rich_text_quote" else ""
    return [mark + line for line in text.split("\n")]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
