"""A task is known to clients by an id that leads back to the server that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.links import Place
from magictunnel.catalog.model import Json
from magictunnel.catalog.tasks import (
    RELATED,
    created_task,
    public_task,
    related_task,
    task_place,
    with_related,
    with_task_ids,
)

BACKENDS = ("a", "b", "größe")


def public(task_id: str) -> str:
    return f"public {task_id}"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("task_id", ["t1", "with.dots.in it", "ü", "786512e2-9e0d"])
def test_a_public_id_leads_back_whatever_it_looks_like(backend: str, task_id: str) -> None:
    assert task_place(BACKENDS, public_task(backend, task_id)) == Place(backend, task_id)


def test_the_same_id_of_two_servers_is_two_ids() -> None:
    assert public_task("a", "t1") != public_task("b", "t1")


def test_a_public_id_stays_the_same() -> None:
    """It is kept by clients, and has to lead there after we were started anew."""
    assert public_task("a", "t1") == "ca978112.t1"


@pytest.mark.parametrize("given", ["", "t1", ".", "a.t1", public_task("gone", "t1"), public_task("a", "")])
def test_what_leads_nowhere_is_nobody_s(given: str) -> None:
    assert task_place(BACKENDS, given) is None


@pytest.mark.parametrize(
    ("message", "task_id"),
    [
        ({"_meta": {RELATED: {"taskId": "t1"}}}, "t1"),
        ({"_meta": {RELATED: {"taskId": 7}}}, ""),
        ({"_meta": {RELATED: "t1"}}, ""),
        ({"_meta": [1]}, ""),
        ({}, ""),
    ],
)
def test_a_message_may_belong_to_a_task(message: Json, task_id: str) -> None:
    assert related_task(message) == task_id


@pytest.mark.parametrize(
    ("result", "task_id"),
    [
        ({"task": {"taskId": "t1", "status": "working"}}, "t1"),
        ({"resultType": "task", "taskId": "t1"}, "t1"),
        ({"resultType": "complete", "taskId": "t1"}, ""),
        ({"taskId": "t1"}, ""),
        ({"task": "t1"}, ""),
        ({"task": {"taskId": 7}}, ""),
        ({"content": []}, ""),
    ],
)
def test_a_result_may_stand_for_a_task_in_either_era_s_shape(result: Json, task_id: str) -> None:
    assert created_task(result) == task_id


def test_every_id_in_what_is_about_tasks_is_renamed_and_nothing_else() -> None:
    message = {
        "taskId": "t1",
        "task": {"taskId": "t2", "odd": None},
        "content": [{"taskId": "t3"}],
        "_meta": {RELATED: {"taskId": "t4", "odd": 1}, "mine": 1},
    }

    assert with_task_ids(message, public) == {
        "taskId": "public t1",
        "task": {"taskId": "public t2", "odd": None},
        "content": [{"taskId": "t3"}],
        "_meta": {RELATED: {"taskId": "public t4", "odd": 1}, "mine": 1},
    }
    assert message["taskId"] == "t1"


@pytest.mark.parametrize("message", [{}, {"taskId": "t1"}, {"_meta": {"mine": 1}}, {"_meta": None}, {"task": 7}])
def test_what_belongs_to_no_task_passes_as_the_very_same_object(message: Any) -> None:
    assert with_related(message, public) is message
