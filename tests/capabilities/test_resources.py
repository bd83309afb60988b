"""Resources of a capability file: listed as they are now, read within bounds, and never from elsewhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content import resources as module
from magictunnel.capabilities.content.resources import Resources
from magictunnel.capabilities.language.expression import Scope, filled
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.capabilities.language.requests import Http
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, BadParams, RunError, UnknownEntry

pytestmark = pytest.mark.anyio

PIXEL = b"\x89PNG\r\n\x1a\n"
FILE: Json = {
    "resources": [
        {"uri": "x:text", "name": "Text", "text": "Käse {{x}}", "description": "Some"},
        {"uri": "x:logo", "name": "Logo", "file": "guide/logo.png"},
        {"uri": "docs://guide", "name": "Guide", "title": "The guide", "directory": "guide"},
        {"uri": "x:web", "name": "Web", "url": "https://example.com/a", "auth": "key"},
    ],
    "resourceTemplates": [
        {"uriTemplate": "page://{area}/{name}", "name": "Page", "file": "guide/{{area}}/{{name}}.md"},
        {"uriTemplate": "hello://{name}", "name": "Hello", "text": "Hello, {{name}}!", "mimeType": "text/x-hello"},
        {"uriTemplate": "get://{id}", "name": "Get", "http": {"url": "https://example.com/{{id}}"}},
    ],
}


class Web:
    """What is fetched, and what came of it."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.output = Output(b"<p>k\xe4se", "text/html; charset=latin-1")

    async def fetch(self, url: str, auth: str | tuple[str, ...] | None) -> Output:
        self.asked.append((url, auth))
        return self.output

    async def run(self, http: Http, scope: Scope) -> Output:
        self.asked.append(filled(http.url, scope))
        return self.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "caps"
    (folder / "guide" / "deep one").mkdir(parents=True)
    (folder / "guide" / "a.md").write_text("# A")
    (folder / "guide" / "deep one" / "b.md").write_text("# B")
    (folder / "guide" / "logo.png").write_bytes(PIXEL)
    (folder / "guide" / ".env").write_text("KEY=secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.md").write_text("secret")
    (tmp_path / "secret.md").write_text("secret")
    (folder / "guide" / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "guide" / "away").symlink_to(tmp_path)
    (folder / "guide" / "again.md").symlink_to(folder / "guide" / "a.md")
    return folder


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def resources(folder: Path, web: Web) -> Resources:
    return made(folder, web, FILE)


def made(folder: Path, web: Web, file: Json) -> Resources:
    return Resources(CapabilityFile.model_validate(file), folder, web.fetch, web.run)


async def content(resources: Resources, uri: str) -> Any:
    result = await resources.read(uri)
    types.ReadResourceResult.model_validate(result)
    (found,) = result["contents"]
    assert found["uri"] == uri
    return found


# --- lists


def test_each_resource_is_listed_and_each_file_of_a_directory(resources: Resources) -> None:
    listed = resources.listed()
    types.ListResourcesResult.model_validate({"resources": listed})
    assert listed == (
        {"uri": "x:text", "name": "Text", "description": "Some", "mimeType": "text/plain", "size": 11},
        {"uri": "x:logo", "name": "Logo", "mimeType": "image/png", "size": 8},
        {"uri": "docs://guide", "name": "Guide", "title": "The guide", "mimeType": "text/uri-list"},
        {"uri": "docs://guide/a.md", "name": "a.md", "mimeType": "text/markdown", "size": 3},
        {"uri": "docs://guide/again.md", "name": "again.md", "mimeType": "text/markdown", "size": 3},
        {"uri": "docs://guide/logo.png", "name": "logo.png", "mimeType": "image/png", "size": 8},
        {"uri": "docs://guide/deep%20one/b.md", "name": "deep one/b.md", "mimeType": "text/markdown", "size": 3},
        {"uri": "x:web", "name": "Web"},
    )


def test_templates_are_listed_and_each_directory_is_one(resources: Resources) -> None:
    listed = resources.templates()
    types.ListResourceTemplatesResult.model_validate({"resourceTemplates": listed})
    assert [one["uriTemplate"] for one in listed] == [
        "docs://guide/{+path}", "page://{area}/{name}", "hello://{name}", "get://{id}",
    ]  # fmt: skip
    assert listed[2] == {"uriTemplate": "hello://{name}", "name": "Hello", "mimeType": "text/x-hello"}


async def test_files_that_come_later_are_listed_and_read(resources: Resources, folder: Path) -> None:
    (folder / "guide" / "new.txt").write_text("new")
    assert "docs://guide/new.txt" in [one["uri"] for one in resources.listed()]
    assert "docs://guide/new.txt\r\n" in (await content(resources, "docs://guide"))["text"]
    assert (await content(resources, "docs://guide/new.txt"))["text"] == "new"


async def test_not_all_of_very_many_files_are_listed_but_all_are_read(
    folder: Path, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "many").mkdir()
    for number in range(module.MOST_FILES + 5):
        (folder / "many" / f"{number:05}").touch()
    resources = made(folder, web, {"resources": [{"uri": "m:x", "name": "Many", "directory": "many"}]})
    with caplog.at_level(logging.WARNING):
        assert len(resources.listed()) == module.MOST_FILES + 1
    assert "more files than the 1000 that are listed" in caplog.text
    assert (await content(resources, f"m:x/{module.MOST_FILES + 4:05}"))["text"] == ""


@pytest.mark.parametrize("directory", ["none", "../", "guide/away", "guide/a.md"])
def test_a_directory_that_is_none_of_ours_lists_nothing_and_harms_nobody(
    folder: Path, web: Web, directory: str
) -> None:
    one = {"uri": "m:x", "name": "Many", "directory": directory}
    resources = made(folder, web, {"resources": [one, {"uri": "x:1", "name": "One", "text": "1"}]})
    assert [found["uri"] for found in resources.listed()] == ["m:x", "x:1"]


def test_a_file_that_is_not_there_yet_is_listed_without_a_size(folder: Path, web: Web) -> None:
    resources = made(folder, web, {"resources": [{"uri": "x:1", "name": "One", "file": "none.md"}]})
    assert resources.listed() == ({"uri": "x:1", "name": "One", "mimeType": "text/markdown"},)


# --- reading


async def test_each_sort_of_resource_is_read(resources: Resources, web: Web) -> None:
    assert await content(resources, "x:text") == {"uri": "x:text", "mimeType": "text/plain", "text": "Käse {{x}}"}
    assert (await content(resources, "x:logo"))["blob"] == "iVBORw0KGgo="
    assert await content(resources, "docs://guide/deep%20one/b.md") == {
        "uri": "docs://guide/deep%20one/b.md", "mimeType": "text/markdown", "text": "# B",
    }  # fmt: skip
    assert await content(resources, "x:web") == {"uri": "x:web", "mimeType": "text/html", "text": "<p>käse"}
    assert web.asked == [("https://example.com/a", "key")]


async def test_each_sort_of_template_is_read(resources: Resources, web: Web) -> None:
    assert (await content(resources, "page://deep%20one/b"))["text"] == "# B"
    assert await content(resources, "hello://%2E.%2fx") == {
        "uri": "hello://%2E.%2fx", "mimeType": "text/x-hello", "text": "Hello, ../x!",
    }  # fmt: skip
    web.output = Output(value=[{"id": 7}])
    assert json.loads((await content(resources, "get://7"))["text"]) == [{"id": 7}]
    assert web.asked == ["https://example.com/7"]


async def test_what_is_not_there_is_unknown(resources: Resources) -> None:
    for uri in ("x:none", "docs://guide/none.md", "page://deep%20one/none", "docs://guidebook", "hello://"):
        with pytest.raises(UnknownEntry):
            await resources.read(uri)


@pytest.mark.parametrize(
    "rest",
    ["../../secret.md", "%2e%2e/%2e%2e/secret.md", "..%2f..%2fsecret.md", "%2Fetc%2Fpasswd", ".env", "%2eenv",
     "/etc/passwd", "deep%20one/../../../secret.md", "..%5c..%5csecret.md", "a.md%00.png"],
)  # fmt: skip
async def test_no_uri_below_a_directory_leads_out_of_it(resources: Resources, rest: str) -> None:
    with pytest.raises(UnknownEntry):
        await resources.read(f"docs://guide/{rest}")


@pytest.mark.parametrize("rest", ["out.md", "away/secret.md"])
async def test_no_link_leads_out_of_a_directory(resources: Resources, rest: str) -> None:
    with pytest.raises(BackendError, match="a link that leads out of guide"):
        await resources.read(f"docs://guide/{rest}")


@pytest.mark.parametrize(
    "uri",
    [
        "page://..%2f../secret",
        "page://../secret",
        "page://.git/config",
        "page://deep%20one/..%2f..%2f..%2fsecret",
        "page://%00/a",
    ],
)
async def test_no_template_leads_out_of_its_folder(resources: Resources, uri: str) -> None:
    with pytest.raises((BadParams, UnknownEntry)):
        await resources.read(uri)


async def test_a_file_as_declared_stays_within_the_folder(folder: Path, web: Web) -> None:
    for path in ("../secret.md", "guide/out.md", "/etc/passwd"):
        resources = made(folder, web, {"resources": [{"uri": "x:1", "name": "One", "file": path}]})
        assert resources.listed()
        with pytest.raises(BackendError, match=r"^x:1 cannot be read: .*(leads out|absolute)"):
            await resources.read("x:1")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (Output(b"no", failed="404 Not Found"), "404 Not Found"),
        (Output(b"x", is_cut=True), "more of it than the 1 bytes that are read"),
    ],
)
async def test_a_web_page_that_cannot_be_had_is_told(resources: Resources, web: Web, output: Output, told: str) -> None:
    web.output = output
    with pytest.raises(BackendError, match=told):
        await resources.read("x:web")


async def test_an_address_that_may_not_be_reached_is_told(folder: Path) -> None:
    class Closed(Web):
        async def fetch(self, url: str, auth: str | tuple[str, ...] | None) -> Output:
            raise RunError("127.0.0.1 is private", hint="set http.allow_private")

    with pytest.raises(BackendError, match=r"x:web cannot be read: 127.0.0.1 is private \(set http.allow_private\)"):
        await made(folder, Closed(), FILE).read("x:web")


async def test_text_of_a_template_that_lacks_a_value_is_told(folder: Path, web: Web) -> None:
    file = {"resourceTemplates": [{"uriTemplate": "h://{a}", "name": "H", "text": "{{a}} and {{b}}"}]}
    with pytest.raises(BadParams, match="b is needed, and missing"):
        await made(folder, web, file).read("h://1")


async def test_no_file_is_read_that_is_too_large(folder: Path, web: Web) -> None:
    with (folder / "large.bin").open("wb") as file:
        file.truncate(1 << 40)
    resources = made(folder, web, {"resources": [{"uri": "x:1", "name": "One", "file": "large.bin"}]})
    with pytest.raises(BackendError, match="larger than 8 MB"):
        await resources.read("x:1")
