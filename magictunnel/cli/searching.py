"""A search from the shell: what is offered, searched as clients search it, and what is told of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from magictunnel.catalog.model import Json
from magictunnel.cli.session import FAILED, opened
from magictunnel.cli.show import is_terminal, progress, say, show_json, show_rows, show_text
from magictunnel.cli.steer import no_such_server
from magictunnel.config.model import Config as Settings
from magictunnel.discovery.asked import KINDS, MAX_REQUEST
from magictunnel.discovery.embedding import open_embedder
from magictunnel.discovery.finder import Step, findings, parts_of
from magictunnel.discovery.index import Index
from magictunnel.discovery.replies import summary, use_of
from magictunnel.discovery.search import Found, Scope
from magictunnel.discovery.trials import made, vectors_of
from magictunnel.discovery.vectors import Vectors
from magictunnel.errors import ConfigError, MagicTunnelError
from magictunnel.gateway import own_secrets
from magictunnel.store.place import store_path

_PATIENCE = 30.0
"""Seconds for the vectors of a config that wants them; without them, things are found by their words."""
_WEIGHTIEST = 6
"""Features that are told of each entry."""
_NOTHING = "nothing here seems to do this"


async def searched(
    request: str, server: str | None, limit: int, kind: str, config: Path | None, *, explain: bool, as_json: bool
) -> int:
    """Search what a config's servers offer, and show what was found; the exit code.

    Raises:
        ConfigError: it is no request, or there is no such server.
    """
    if not request.strip() or len(request) > MAX_REQUEST:
        raise ConfigError(f"a request has 1 to {MAX_REQUEST} characters", hint="say what you want to do")
    async with opened(config) as gateway:
        settings, catalog = gateway.config, gateway.live.current
    scope = Scope(kinds=KINDS[kind], servers=_servers(settings, server))
    async with _vectors(settings, index := Index.of(parts_of(catalog))) as vectors:
        steps = (await findings(index, request, vectors, scope=scope, limit=limit)).steps
    if as_json:
        show_json(_told(steps, explain))
    else:
        _show(steps, explain)
    return 0 if any(step.answer.fits for step in steps) else FAILED


def _servers(settings: Settings, name: str | None) -> frozenset[str] | None:
    if name is None:
        return None
    if name not in settings.servers:
        raise no_such_server(name, list(settings.servers))
    return frozenset({name})


@asynccontextmanager
async def _vectors(settings: Settings, index: Index) -> AsyncIterator[Vectors | None]:
    """Vectors of what is offered, as far as the config wants them and they can be had in time."""
    wanted = settings.discovery.embeddings
    if wanted is None or not len(index):
        yield None
        return
    opening = partial(open_embedder, wanted, own_secrets(), Path(settings.file).parent)
    async with vectors_of(index, opening, store_path(settings, os.environ)) as vectors:
        with progress("making vectors of what is offered"), anyio.move_on_after(_PATIENCE) as limit:
            try:
                await made(vectors)
            except MagicTunnelError as error:
                say(f"note: {error}", "yellow")
        if limit.cancelled_caught:
            done, total = vectors.progress
            say(f"note: {done} of {total} vectors are made as yet; a gateway makes the others", "yellow")
        yield vectors


# --- what is told


def _told(steps: Sequence[Step], explain: bool) -> Json:
    return {
        "mode": steps[0].answer.mode,
        "steps": [
            {
                "step": step.words,
                "fits": step.answer.fits,
                "servers_named": step.answer.servers,
                "found": [_facts(found, explain) for found in step.answer.ranked],
            }
            for step in steps
        ],
    }


def _facts(found: Found, explain: bool) -> Json:
    entry = found.entry
    told: Json = {"name": entry.name, "kind": entry.kind.word, "server": entry.backend, "use": use_of(entry)}
    told |= {"score": round(found.score, 4), "confidence": round(found.confidence, 4), "description": summary(entry)}
    return told | ({"matched": found.words, "features": _features(found)} if explain else {})


def _features(found: Found) -> dict[str, float]:
    """What each added to the score, or took from it; the weightiest first."""
    weightiest = sorted(found.features.items(), key=lambda feature: (-abs(feature[1]), feature[0]))
    return {name: round(value, 3) for name, value in weightiest if round(value, 3)}


def _show(steps: Sequence[Step], explain: bool) -> None:
    columns = ["name", "server", "confidence", "does", *(["matched", "because of"] if explain else [])]
    for number, step in enumerate(steps, 1):
        if is_terminal() and len(steps) > 1:
            show_text(f"{step.words}:")
        rows = [_row(found, explain) for found in step.answer.ranked]
        show_rows(columns, rows if is_terminal() else [(str(number), *row) for row in rows])
        if not step.answer.fits:
            about = f" ({step.words})" if len(steps) > 1 else ""
            say(f"note: {_NOTHING}{about}{'; these are the nearest' if rows else ''}", "yellow")
    say(f"note: searched by {_MODES.get(steps[0].answer.mode, steps[0].answer.mode)}", "dim")


_MODES = {"lexical": "words", "lexical+embeddings": "words and meaning"}


def _row(found: Found, explain: bool) -> tuple[str, ...]:
    entry = found.entry
    told = (entry.name, entry.backend, f"{found.confidence:.2f}", summary(entry))
    if not explain:
        return told
    features = [f"{name} {value:+.2f}" for name, value in list(_features(found).items())[:_WEIGHTIEST]]
    return (*told, " ".join(found.words), ", ".join(features))
