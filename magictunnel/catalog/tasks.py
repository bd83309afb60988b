"""Ids of tasks as clients know them: each says whose it is, so that it still leads there after a restart. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from magictunnel.catalog.links import Place
from magictunnel.catalog.model import Json

RELATED = "io.modelcontextprotocol/related-task"
"""The key in `_meta` under which a message names the task it belongs to."""
_DIGEST = 8

Rename = Callable[[str], str]


def public_task(backend: str, task_id: str) -> str:
    """The id by which clients know a task of `backend`."""
    return f"{_mark(backend)}.{task_id}"


def task_place(backends: Iterable[str], public: str) -> Place | None:
    """Whose task a client means, and its id there."""
    mark, _, task_id = public.partition(".")
    owner = next((backend for backend in backends if _mark(backend) == mark), None)
    return Place(owner, task_id) if owner and task_id else None


def original_task(backend: str, public: str) -> str:
    """The id by which `backend` knows what clients know as `public`; an id that was not made by `public_task` stays."""
    place = task_place([backend], public)
    return place.uri if place else public


def related_task(message: Json) -> str:
    """The id of the task that params or a result belong to; empty if to none."""
    meta = message.get("_meta")
    related = meta.get(RELATED) if isinstance(meta, dict) else None
    task_id = related.get("taskId") if isinstance(related, dict) else None
    return task_id if isinstance(task_id, str) else ""


def created_task(result: Json) -> str:
    """The id of the task that a result stands for (in either era's shape); empty if it is a plain result."""
    told = result if result.get("resultType") == "task" else result.get("task")
    task_id = told.get("taskId") if isinstance(told, dict) else None
    return task_id if isinstance(task_id, str) else ""


def with_related(message: Json, rename: Rename) -> Json:
    """`message` with the task it belongs to under its other name; the very same object if it belongs to none."""
    if not (task_id := related_task(message)):
        return message
    meta = message["_meta"]
    return message | {"_meta": meta | {RELATED: meta[RELATED] | {"taskId": rename(task_id)}}}


def with_task_ids(message: Json, rename: Rename) -> Json:
    """`message`, which is about tasks, with every id in it under its other name."""
    message = with_related(message, rename)
    if isinstance(message.get("taskId"), str):
        message = message | {"taskId": rename(message["taskId"])}
    if isinstance(message.get("task"), dict):
        message = message | {"task": with_task_ids(message["task"], rename)}
    return message


def _mark(backend: str) -> str:
    return hashlib.sha256(backend.encode()).hexdigest()[:_DIGEST]
