"""Who is compared, and what each is asked: the servers as config entries, and a tour through each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.install import NODE, Peers
from tests.peers.sandbox import GIT_ENV, Sandbox
from tests.peers.wires import Json

CLOCK = r"\d{1,2}:\d\d:\d\d(\s?[AP]M)?"
"""The time of day, as JavaScript tells it."""


@dataclass(frozen=True)
class Ask:
    """One request of a tour. `varies` are patterns of what differs from one run to the next."""

    method: str
    params: Json
    varies: tuple[str, ...] = ()
    as_task: bool = False
    """It wants to be run as a task. A client of the stateless era cannot say so; for it, we do."""


@dataclass(frozen=True)
class Server:
    """One server: its entry in a config, whether it speaks the stateless era, and what it is asked."""

    entry: Json
    asks: Mapping[str, Ask]
    stateless: bool = False
    not_called: Mapping[str, str] = field(default_factory=dict)
    """Tools the tour leaves out, each with the reason."""


FROM_NPM = ("everything", "filesystem", "memory", "sequential-thinking")
FROM_PYPI = ("git", "time", "fetch", "fast")
OVER_HTTP, OVER_SSE = "everything-http", "everything-sse"


def servers_of(peers: Peers, box: Sandbox) -> dict[str, Server]:
    """All of FROM_PYPI, and with Node all of FROM_NPM; `everything` over the network is made by `everything_at`."""
    return {**_from_npm(peers, box), **_from_pypi(peers, box)}


def everything_at(url: str) -> Server:
    """The everything server, as one that is running already."""
    entry = {"type": "sse" if url.endswith("/sse") else "http", "url": url}
    return Server(entry, everything_asks(), not_called=ASKS_BACK)


ASKS_BACK = dict.fromkeys(
    (
        "get-roots-list",
        "trigger-elicitation-request",
        "trigger-elicitation-request-async",
        "trigger-url-elicitation",
        "trigger-sampling-request",
        "trigger-sampling-request-async",
    ),
    "asks its client back, which no tour does",
)


def _from_npm(peers: Peers, box: Sandbox) -> dict[str, Server]:
    if NODE is None:
        return {}

    def entry(package: str, *args: str, **env: str) -> Json:
        return {"command": peers.node, "args": [str(peers.package(package) / "dist" / "index.js"), *args], "env": env}

    return {
        "everything": Server(entry("server-everything"), everything_asks(), not_called=ASKS_BACK),
        "filesystem": Server(entry("server-filesystem", str(box.files)), _filesystem_asks(box.files)),
        "memory": Server(entry("server-memory", MEMORY_FILE_PATH=str(box.memory)), _memory_asks()),
        "sequential-thinking": Server(entry("server-sequential-thinking"), _thinking_asks()),
    }


def _from_pypi(peers: Peers, box: Sandbox) -> dict[str, Server]:
    def entry(*args: str, **env: str) -> Json:
        return {"command": str(peers.servers), "args": list(args), "env": env}

    fast = {"command": str(peers.fastmcp), "args": [str(Path(__file__).with_name("fastmcp_server.py"))], "env": {}}
    git = entry("-m", "mcp_server_git", "--repository", str(box.repository), **GIT_ENV)
    fetch = entry("-m", "mcp_server_fetch", "--allow-private-ips")
    return {
        "git": Server(git, _git_asks(str(box.repository)), stateless=True),
        "time": Server(entry("-m", "mcp_server_time", "--local-timezone", "UTC"), _time_asks(), stateless=True),
        "fetch": Server(fetch, _fetch_asks(box.site), stateless=True),
        "fast": Server(fast, _fast_asks(), stateless=True),
    }


def _call(name: str, arguments: Json | None = None, *varies: str, meta: Json | None = None) -> Ask:
    params: Json = {"name": name} | ({} if arguments is None else {"arguments": arguments})
    return Ask("tools/call", params | ({"_meta": meta} if meta else {}), varies)


def _prompt(name: str, arguments: Json | None = None, *varies: str) -> Ask:
    return Ask("prompts/get", {"name": name} | ({} if arguments is None else {"arguments": arguments}), varies)


def _read(uri: str, *varies: str) -> Ask:
    return Ask("resources/read", {"uri": uri}, varies)


def _complete(ref: Json, argument: str, value: str, **known: str) -> Ask:
    params: Json = {"ref": ref, "argument": {"name": argument, "value": value}}
    return Ask("completion/complete", params | ({"context": {"arguments": known}} if known else {}))


def everything_asks() -> dict[str, Ask]:
    """Content of every kind, progress, errors, prompts, resources and completions."""
    prompt = {"type": "ref/prompt", "name": "completable-prompt"}
    of_resource = {"type": "ref/prompt", "name": "resource-prompt"}
    template = {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"}
    session = r"session [\w-]+"
    gzip = {"name": "x.gz", "data": "data:text/plain,hello"}
    return {
        "text": _call("echo", {"message": "hello ü 漢 \u2028"}),
        "with _meta": _call("echo", {"message": "x"}, meta={"vendor/key": {"deep": [1, None]}}),
        "unknown argument": _call("echo", {"message": "x", "more": {"deep": [None]}}),
        "missing argument": _call("echo", {}),
        "no arguments": _call("echo"),
        "numbers": _call("get-sum", {"a": 1.5, "b": -3}),
        "wrong type": _call("get-sum", {"a": "one", "b": 2}),
        # The last one is ours: by it what a server has started is found when it ends.
        "environment": _call("get-env", {}, r'"PORT": "\d+"', r'(,\s*"MAGICTUNNEL_MARK": "[^"]*")?\s*\}$'),
        "image": _call("get-tiny-image", {}),
        "annotations": _call("get-annotated-message", {"messageType": "error", "includeImage": True}),
        "more annotations": _call("get-annotated-message", {"messageType": "debug"}),
        "structured": _call("get-structured-content", {"location": "New York"}),
        "links": _call("get-resource-links", {"count": 10}),
        "embedded text": _call("get-resource-reference", {"resourceType": "Text", "resourceId": 3}, CLOCK),
        "embedded blob": _call("get-resource-reference", {"resourceType": "Blob", "resourceId": 4}, CLOCK),
        "tool's error": _call("get-resource-reference", {"resourceType": "Text", "resourceId": -1}),
        "progress": _call("trigger-long-running-operation", {"duration": 0.3, "steps": 3}, meta={"progressToken": "p"}),
        "numbered progress": _call(
            "trigger-long-running-operation", {"duration": 0.2, "steps": 2}, meta={"progressToken": 0}
        ),
        "made link": _call("gzip-file-as-resource", gzip),
        "read what was made": _read("demo://resource/session/x.gz"),
        "made resource": _call("gzip-file-as-resource", gzip | {"outputType": "resource"}),
        "refused address": _call("gzip-file-as-resource", gzip | {"data": "ftp://nowhere/x"}),
        "task wanted": Ask(
            "tools/call", {"name": "simulate-research-query", "arguments": {"topic": "x"}}, as_task=True
        ),
        "toggle on": _call("toggle-simulated-logging", {}, session),
        "toggle off": _call("toggle-simulated-logging", {}, session),
        "updates on": _call("toggle-subscriber-updates", {}, session),
        "updates off": _call("toggle-subscriber-updates", {}, session),
        "prompt": _prompt("simple-prompt"),
        "prompt with arguments": _prompt("args-prompt", {"city": "Köln", "state": "NRW"}),
        "prompt without its argument": _prompt("args-prompt", {}),
        "prompt with a wrong type": _prompt("args-prompt", {"city": 1}),
        "prompt that completes": _prompt("completable-prompt", {"department": "Sales", "name": "Eve"}),
        "prompt with text": _prompt("resource-prompt", {"resourceType": "Text", "resourceId": "1"}, CLOCK),
        "prompt with a blob": _prompt("resource-prompt", {"resourceType": "Blob", "resourceId": "2"}, CLOCK),
        "prompt that fails": _prompt("resource-prompt", {"resourceType": "Text", "resourceId": "none"}),
        "static": _read("demo://resource/static/document/features.md"),
        "dynamic text": _read("demo://resource/dynamic/text/7", CLOCK),
        "dynamic blob": _read("demo://resource/dynamic/blob/7", CLOCK),
        "no such number": _read("demo://resource/dynamic/text/none"),
        "complete a prompt": _complete(prompt, "department", "S"),
        "complete by context": _complete(prompt, "name", "", department="Engineering"),
        "complete a number": _complete(of_resource, "resourceId", "12"),
        "complete nothing": _complete(prompt, "nothing", ""),
        "complete a template": _complete(template, "resourceId", "5"),
        "complete a template in vain": _complete(template, "resourceId", "five"),
    }


def _filesystem_asks(folder: Path) -> dict[str, Ask]:
    def at(*parts: str) -> str:
        return str(folder.joinpath(*parts))

    edits = [{"oldText": "two", "newText": "2"}]
    times = r"(created|modified|accessed): [^\n]*"
    return {
        "allowed": _call("list_allowed_directories", {}),
        "list": _call("list_directory", {"path": at()}),
        "list with sizes": _call("list_directory_with_sizes", {"path": at(), "sortBy": "size"}),
        "tree": _call("directory_tree", {"path": at()}),
        "info": _call("get_file_info", {"path": at("text.txt")}, times),
        "read": _call("read_file", {"path": at("text.txt")}),
        "head": _call("read_text_file", {"path": at("text.txt"), "head": 2}),
        "head and tail": _call("read_text_file", {"path": at("text.txt"), "head": 1, "tail": 1}),
        "image": _call("read_media_file", {"path": at("pixel.png")}),
        "audio": _call("read_media_file", {"path": at("sound.wav")}),
        "embedded binary": _call("read_media_file", {"path": at("odd.bin")}),
        "several": _call("read_multiple_files", {"paths": [at("text.txt"), at("none.txt")]}),
        "search": _call("search_files", {"path": at(), "pattern": "**/*.txt"}),
        "make folder": _call("create_directory", {"path": at("new", "deep")}),
        "write": _call("write_file", {"path": at("new", "a.txt"), "content": "a ü\n"}),
        "try an edit": _call("edit_file", {"path": at("text.txt"), "edits": edits, "dryRun": True}),
        "edit": _call("edit_file", {"path": at("text.txt"), "edits": edits}),
        "edit in vain": _call("edit_file", {"path": at("text.txt"), "edits": edits}),
        "move": _call("move_file", {"source": at("new", "a.txt"), "destination": at("b.txt")}),
        "not there": _call("read_text_file", {"path": at("none.txt")}),
        "not allowed": _call("read_text_file", {"path": "/etc/hostname"}),
        "missing argument": _call("read_text_file", {}),
    }


def _memory_asks() -> dict[str, Ask]:
    ann = {"name": "Ann", "entityType": "person", "observations": ["likes ü"]}
    bob = {"name": "Bob", "entityType": "person", "observations": []}
    knows = {"from": "Ann", "to": "Bob", "relationType": "knows"}
    graph = "memory://knowledge-graph"
    return {
        "create": _call("create_entities", {"entities": [ann, bob]}),
        "create again": _call("create_entities", {"entities": [ann]}),
        "relate": _call("create_relations", {"relations": [knows]}),
        "observe": _call("add_observations", {"observations": [{"entityName": "Bob", "contents": ["is new"]}]}),
        "observe nobody": _call("add_observations", {"observations": [{"entityName": "Eve", "contents": ["x"]}]}),
        "read": _call("read_graph", {}),
        "search": _call("search_nodes", {"query": "new"}),
        "open": _call("open_nodes", {"names": ["Ann"]}),
        "resource": _read(graph),
        "forget": _call("delete_observations", {"deletions": [{"entityName": "Bob", "observations": ["is new"]}]}),
        "unrelate": _call("delete_relations", {"relations": [knows]}),
        "delete": _call("delete_entities", {"entityNames": ["Ann"]}),
        "resource afterwards": _read(graph),
        "wrong type": _call("search_nodes", {"query": 1}),
    }


def _thinking_asks() -> dict[str, Ask]:
    thought = {"thought": "first", "nextThoughtNeeded": True, "thoughtNumber": 1, "totalThoughts": 2}
    return {
        "think": _call("sequentialthinking", thought),
        "think on": _call("sequentialthinking", thought | {"thoughtNumber": "2", "nextThoughtNeeded": "false"}),
        "branch": _call("sequentialthinking", thought | {"branchFromThought": 1, "branchId": "b"}),
        "wrong type": _call("sequentialthinking", thought | {"thoughtNumber": 0}),
    }


def _git_asks(repository: str) -> dict[str, Ask]:
    here = {"repo_path": repository}
    return {
        "status": _call("git_status", here),
        "unstaged": _call("git_diff_unstaged", here | {"context_lines": 0}),
        "add": _call("git_add", here | {"files": ["readme.txt"]}),
        "staged": _call("git_diff_staged", here),
        "reset": _call("git_reset", here),
        "add again": _call("git_add", here | {"files": ["readme.txt"]}),
        "commit": _call("git_commit", here | {"message": "second ü"}),
        "log": _call("git_log", here | {"max_count": 5}),
        "show": _call("git_show", here | {"revision": "HEAD"}),
        "branch": _call("git_create_branch", here | {"branch_name": "side"}),
        "checkout": _call("git_checkout", here | {"branch_name": "side"}),
        "branches": _call("git_branch", here | {"branch_type": "local"}),
        "diff": _call("git_diff", here | {"target": "HEAD~1"}),
        "no such revision": _call("git_show", here | {"revision": "none"}),
        "not a repository": _call("git_status", {"repo_path": "/"}),
        "missing argument": _call("git_status", {}),
        "nothing to add": _call("git_add", here | {"files": []}),
    }


def _time_asks() -> dict[str, Ask]:
    moment = r"\d{4}-\d\d-\d\dT[\d:+]*"
    turn = {"source_timezone": "UTC", "time": "16:30", "target_timezone": "Asia/Kathmandu"}
    return {
        "now": _call("get_current_time", {"timezone": "Asia/Tokyo"}, moment),
        "convert": _call("convert_time", turn, moment),
        "no such zone": _call("get_current_time", {"timezone": "Nowhere/None"}),
        "not a time": _call("convert_time", turn | {"time": "25:99"}),
        "missing argument": _call("convert_time", {}),
    }


def _fetch_asks(site: str) -> dict[str, Ask]:
    return {
        "page": _call("fetch", {"url": f"{site}/page"}),
        "raw": _call("fetch", {"url": f"{site}/page", "raw": True}),
        "data": _call("fetch", {"url": f"{site}/data"}),
        "cut": _call("fetch", {"url": f"{site}/data", "max_length": 9, "start_index": 3}),
        "forbidden": _call("fetch", {"url": f"{site}/private"}),
        "not there": _call("fetch", {"url": f"{site}/none"}),
        "wrong type": _call("fetch", {"url": f"{site}/page", "max_length": "9"}),
        "missing argument": _call("fetch", {}),
        "prompt": _prompt("fetch", {"url": f"{site}/page"}),
        "prompt that fails": _prompt("fetch", {"url": f"{site}/none"}),
        "prompt without its argument": _prompt("fetch", {}),
    }


def _fast_asks() -> dict[str, Ask]:
    return {
        "_meta of a result": _call("with_meta", {}),
        "image and audio": _call("media", {}),
        "wrapped": _call("numbers", {"count": 3}),
        "tool's error": _call("fails", {}),
        "links": _call("linked", {}),
        "wrong type": _call("numbers", {"count": "many"}),
        "unknown argument": _call("fails", {"more": 1}),
        "text": _read("fast://text"),
        "bytes": _read("fast://bytes"),
        "by template": _read("fast://unlisted/1"),
        "resource that fails": _read("fast://unlisted/100"),
        "wrong type in a URI": _read("fast://unlisted/one"),
        "prompt": _prompt("ask", {"topic": "ü"}),
        "prompt without its argument": _prompt("ask", {}),
    }
