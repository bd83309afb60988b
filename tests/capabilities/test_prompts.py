"""Prompts of a capability file: what is listed, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from magictunnel.capabilities.content.prompts import Prompts, media_faults
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, BadParams, UnknownEntry

pytestmark = pytest.mark.anyio

PIXEL = b"\x89PNG\r\n\x1a\n"
REVIEW: Json = {
    "name": "review",
    "title": "Review",
    "description": "Look at something.",
    "arguments": [{"name": "what", "description": "Of what", "required": True}, {"name": "how"}],
    "messages": [
        {"text": "Review {{what}}. {{how}}"},
        {"role": "assistant", "text": "{{how}}"},
        {"image": "pixel.png"},
        {"audio": "deep/beep.wav"},
        {"resource": "x:guide"},
    ],
}


async def read(uri: str) -> Json:
    if uri != "x:guide":
        raise UnknownEntry("resource", uri)
    return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": "Be kind."}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "caps"
    (folder / "deep").mkdir(parents=True)
    (folder / "pixel.png").write_bytes(PIXEL)
    (folder / "deep" / "beep.wav").write_bytes(b"RIFF")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    return folder


def prompts(folder: Path, *declared: Json) -> Prompts:
    return Prompts(CapabilityFile.model_validate({"prompts": declared}), folder, read)


def of(*messages: Json, **more: Any) -> Json:
    return {"name": "p", "messages": messages} | more


def test_a_prompt_is_listed_as_it_is_declared(folder: Path) -> None:
    (first, second) = prompts(folder, REVIEW, of({"text": "Hi"})).listed()
    assert first == {
        "name": "review",
        "title": "Review",
        "description": "Look at something.",
        "arguments": [
            {"name": "what", "description": "Of what", "required": True},
            {"name": "how", "required": False},
        ],
    }
    assert second == {"name": "p"}
    types.ListPromptsResult.model_validate({"prompts": [first, second]})


async def test_a_prompt_comes_to_its_messages(folder: Path) -> None:
    result = await prompts(folder, REVIEW).got("review", {"what": "{{how}}", "how": "Briefly."})
    assert [message["content"] for message in result["messages"]] == [
        {"type": "text", "text": "Review {{how}}. Briefly."},
        {"type": "text", "text": "Briefly."},
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
        {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "x:guide", "mimeType": "text/plain", "text": "Be kind."}},
    ]
    assert [message["role"] for message in result["messages"]][:2] == ["user", "assistant"]
    types.GetPromptResult.model_validate(result)


async def test_an_argument_that_is_left_out_is_nothing_and_a_message_of_it_alone_too(folder: Path) -> None:
    result = await prompts(folder, REVIEW).got("review", {"what": "it"})
    assert result["messages"][0]["content"]["text"] == "Review it. "
    assert len(result["messages"]) == len(REVIEW["messages"]) - 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (None, "Prompt 'review' needs what"),
        ({"how": "x"}, "Prompt 'review' needs what"),
        ({"what": 1}, "Argument 'what' of prompt 'review' should be text"),
        ({"what": "x", "hwat": "y"}, "has no argument 'hwat' .*did you mean 'what'"),
        (["x"], "should be an object"),
    ],
)
async def test_arguments_that_are_wrong_are_told(folder: Path, arguments: Any, told: str) -> None:
    with pytest.raises(BadParams, match=told):
        await prompts(folder, REVIEW).got("review", arguments)


async def test_a_prompt_that_is_not_there_is_unknown(folder: Path) -> None:
    with pytest.raises(UnknownEntry):
        await prompts(folder, REVIEW).got("reviews", {})


@pytest.mark.parametrize(
    ("path", "told"),
    [("none.png", "'none.png' is not there"), ("../secret.png", "leads out"), ("out.png", "leads out"),
     ("/x.png", "absolute"), ("deep", "cannot be read")],
)  # fmt: skip
async def test_a_file_that_cannot_be_had_is_told_with_its_prompt(folder: Path, path: str, told: str) -> None:
    with pytest.raises(BackendError, match=f"prompt 'p': its image .*{told}"):
        await prompts(folder, of({"image": path})).got("p", {})


async def test_a_resource_that_cannot_be_read_is_the_prompts_error(folder: Path) -> None:
    with pytest.raises(UnknownEntry):
        await prompts(folder, of({"resource": "x:none"})).got("p", None)


def test_files_that_could_never_do_are_told_beforehand() -> None:
    file = CapabilityFile.model_validate(
        {"prompts": [of({"image": "a.wav"}, {"image": "../b.png"}, {"audio": "c.mp3"}, {"text": "x"})]}
    )
    assert list(media_faults(file.prompts[0])) == [
        "'a.wav' is no image, to judge by its suffix",
        "'../b.png' leads out of the folder of the capability file",
    ]
