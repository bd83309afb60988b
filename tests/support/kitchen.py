"""A server that says everything there is to say, and much that is not in any revision: for comparing, not for use."""

from __future__ import annotations

from tests.support.raw import Json, Script

NUMBERS = [2**53 + 1, 2**63, -(2**70), 0, -1, 1.5, 0.1, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 100.0]
TEXTS = [
    "",
    "é",
    "e\u0301",
    "日本語",
    "🦊",
    "\u202eright to left",
    "\u2028\u2029",
    "\x00\x1f\x7f",
    '"\\/\b\f\n\r\t',
    "</script>",
]
ODD: Json = {
    "numbers": NUMBERS,
    "texts": TEXTS,
    "null": None,
    "nested": {"null": None, "empty": [{}, [], ""], "__proto__": 1, "": 2, "a.b/c~d": 3, "ключ": True},
}
"""JSON that gets lost where somebody means to understand it."""

ICON: Json = {"src": "data:image/png;base64,eA==", "mimeType": "image/png", "sizes": ["48x48", "any"], "theme": "dark"}
META: Json = {
    "example.com/a": ODD,
    "plain": None,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
BEYOND: Json = {"x-unknown": ODD, "futureField": [1, None, {"deep": {"deeper": None}}], "nothing": None}
"""Fields of no revision."""
ANNOTATIONS: Json = {
    "audience": ["user", "assistant"],
    "priority": 0.3,
    "lastModified": "2026-01-01T00:00:00Z",
    "x": None,
}
SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "a": {"type": ["integer", "null"], "default": None, "examples": NUMBERS},
        "$ref": {"type": "string"},
    },
    "required": [],
    "additionalProperties": False,
    "x-order": ["b", "a"],
}
COMMON: Json = {"title": "Küche", "description": "does\nthings", "icons": [ICON, {"src": "x"}], "_meta": META} | BEYOND

OFFERS: dict[str, list[Json]] = {
    "tools": [
        COMMON
        | {
            "name": "all",
            "inputSchema": SCHEMA,
            "outputSchema": SCHEMA | {"required": ["never given"]},
            "annotations": {
                "title": "T",
                "readOnlyHint": True,
                "destructiveHint": None,
                "idempotentHint": False,
                "x": 1,
            },
            "execution": {"taskSupport": "optional", "x": None},
        },
        {"name": "bare", "inputSchema": {"type": "object"}},
        {"inputSchema": {"type": "object"}, "title": None, "description": None, "outputSchema": None, "name": "nulls"},
        {"name": "echo", "inputSchema": {"type": "object"}, "annotations": None, "icons": None, "_meta": None},
    ],
    "prompts": [
        COMMON
        | {"name": "all", "arguments": [{"name": "a", "title": "A", "description": None, "required": True, "x": ODD}]},
        {"name": "nulls", "arguments": None, "title": None},
    ],
    "resources": [
        COMMON
        | {"uri": "raw://all?q=ü#f", "name": "all", "mimeType": "text/x; charset=utf-8", "size": 2**53 + 1}
        | {"annotations": ANNOTATIONS},
        {"uri": "raw://nulls", "name": "nulls", "size": None, "mimeType": None},
    ],
    "resourceTemplates": [
        COMMON
        | {"uriTemplate": "raw://t/{a}{?b,c*}", "name": "all", "mimeType": "text/plain", "annotations": ANNOTATIONS},
        {"uriTemplate": "raw://n/{+a}", "name": "nulls", "description": None},
    ],
}

CONTENT: list[Json] = [
    {"type": "text", "text": "".join(TEXTS), "annotations": ANNOTATIONS, "_meta": META} | BEYOND,
    {"type": "image", "data": "eA==", "mimeType": "image/png", "annotations": None},
    {"type": "audio", "data": "eA==", "mimeType": "audio/wav", "_meta": {}},
    {"type": "resource_link", "uri": "raw://all?q=ü#f", "size": 2**60, "description": None} | COMMON | {"name": "link"},
    {"type": "resource", "resource": {"uri": "raw://nulls", "text": "x", "mimeType": None, "_meta": META} | BEYOND},
    {"type": "resource", "resource": {"uri": "raw://elsewhere", "blob": "eA=="}, "annotations": ANNOTATIONS},
    {"type": "video_of_tomorrow", "frames": NUMBERS, "uri": "raw://nulls"},
    {"type": "text"},
    {},
]
ANSWERS: dict[str, Json] = {
    "tools/call all": {"content": CONTENT, "structuredContent": ODD, "isError": False, "_meta": META} | BEYOND,
    "tools/call bare": {"content": [], "isError": True, "_meta": {}},
    "tools/call nulls": {"content": [{"type": "text", "text": "x"}], "structuredContent": None, "isError": None},
    "prompts/get all": {
        "description": None,
        "messages": [{"role": "assistant", "content": block, "x": None} for block in CONTENT]
        + [{"role": "user", "content": CONTENT}, {"role": "of tomorrow"}],
        "_meta": META,
    }
    | BEYOND,
    "resources/read raw://all?q=ü#f": {
        "contents": [
            {"uri": "raw://all?q=ü#f", "text": "".join(TEXTS), "mimeType": "text/x", "_meta": META} | BEYOND,
            {"uri": "raw://nulls", "blob": "eA==", "mimeType": None, "size": 2**60},
        ],
        "_meta": META,
    }
    | BEYOND,
    "completion/complete": {"completion": {"values": TEXTS, "total": 2**40, "hasMore": None, "x": ODD}, "_meta": META}
    | BEYOND,
}
ERRORS: dict[str, Json] = {
    "with data": {"code": -32050, "message": "".join(TEXTS[:5]), "data": ODD},
    "without data": {"code": -32000, "message": "no"},
    "list": {"code": -32602, "message": "no", "data": [1, None]},
    "false": {"code": -32603, "message": "no", "data": False},
    "zero": {"code": 7, "message": "", "data": 0},
    "text": {"code": -32601, "message": "Method not found", "data": ""},
    "url": {
        "code": -32042,
        "message": "URL",
        "data": {"elicitations": [{"mode": "url", "url": "https://x", "x": None}]},
    },
    "not found": {"code": -32002, "message": "Resource not found", "data": {"uri": "raw://x"}},
}


def kitchen(era: str) -> Script:
    """The server, in one era. Tools that are called like an error end in it."""
    fails = [{"name": name, "inputSchema": {"type": "object"}} for name in ERRORS]
    return Script(
        name="kit",
        era=era,
        capabilities={"tools": {}, "prompts": {}, "resources": {}, "completions": {}},
        offers=OFFERS | {"tools": [*OFFERS["tools"], *fails]},
        answers=ANSWERS | {f"tools/call {name}": {"error": error} for name, error in ERRORS.items()},
    )
