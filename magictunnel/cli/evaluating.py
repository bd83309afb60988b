"""An evaluation from the shell: labelled requests, searched for, and what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from magictunnel.catalog.find import listed
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Catalog, Json, Kind, View, everything
from magictunnel.cli.scores import Report, figures, tables
from magictunnel.cli.session import load_config, opened
from magictunnel.cli.show import is_terminal, progress, say, show_json, show_rows, show_text
from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.config.model import Config as Settings
from magictunnel.discovery.budget import view_of
from magictunnel.discovery.dataset import TOOLS, read_queries, read_tools
from magictunnel.discovery.embedding import open_embedder
from magictunnel.discovery.evaluation import Labelled
from magictunnel.discovery.finder import parts_of
from magictunnel.discovery.index import Index
from magictunnel.discovery.tools import listing
from magictunnel.discovery.trials import Arguments, Outcome, argued, costs, made, tried, vectors_of
from magictunnel.discovery.vectors import Opening
from magictunnel.errors import ConfigError
from magictunnel.gateway import own_secrets
from magictunnel.store.place import store_path
from magictunnel.telemetry import start_logging

LIVE = "live"
"""What the tools of a config are called among the profiles."""
_OFF = "off"
_VIEWS: Mapping[str, str] = {View.EVERYTHING: "every tool", View.SEARCH: "the way to search"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What is searched."""

    name: str
    catalogs: Mapping[str, Catalog]
    """Profile -> the tools among which its requests are searched."""
    settings: Settings
    is_live: bool
    """Whether these are the tools of a config: then profiles mean nothing."""

    def catalog_of(self, query: Labelled) -> str:
        """The profile in which a request is searched."""
        return LIVE if self.is_live else query.profile


async def evaluated(
    folder: Path,
    predictions: Path | None,
    embeddings: str | None,
    today: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """Search for every labelled request of `folder`, and show what came of it; the exit code.

    Raises:
        ConfigError: a file or an option cannot be used.
    """
    now = _moment(today)
    queries = read_queries(folder)
    if predictions is not None and not predictions.parent.is_dir():
        raise ConfigError(f"there is no folder {predictions.parent}", hint="make it, or name another file")
    ground = await _ground(folder, config)
    report = await _report(queries, ground, _wanted(embeddings, ground.settings), now)
    if predictions is not None:
        _write(predictions, report)
    _show(report, ground, whole=as_json)
    return 0


def _moment(text: str | None) -> datetime:
    """A date or a time, of here unless it says of where; without one, now."""
    try:
        return (datetime.fromisoformat(text) if text else datetime.now()).astimezone()
    except (ValueError, OverflowError) as error:
        hint = "write it like 2025-04-25 or 2025-04-25T09:30"
        raise ConfigError(f"--now {text!r} is no date", hint=hint) from error


async def _ground(folder: Path, config: Path | None) -> Ground:
    """The tools of the folder; where it has none, those of the config."""
    if (offered := read_tools(folder)) is not None:
        start_logging("error", own_secrets().mask)
        settings = load_config(config) if config else Settings()
        catalogs = {profile: merge(servers, MergeRules()) for profile, servers in offered.items()}
        return Ground(str(folder / TOOLS), catalogs, settings, is_live=False)
    async with opened(config) as gateway:
        return Ground(gateway.config.file, {LIVE: gateway.live.current}, gateway.config, is_live=True)


# --- with which vectors


def _wanted(given: str | None, settings: Settings) -> EmbeddingsConfig | None:
    """Where vectors come from: what was given, else what the config says."""
    configured = settings.discovery.embeddings
    if given is None:
        return configured
    if given == _OFF:
        return None
    if not given.startswith(("http://", "https://")):
        return EmbeddingsConfig(model=given)
    url, _, model = given.partition("#")
    if configured and configured.url == url:
        return configured.model_copy(update={"model": model or configured.model})
    if not model:
        raise ConfigError(f"--embeddings {given} names no model", hint=f"write it like {url}#MODEL")
    return EmbeddingsConfig(url=url, model=model)


def _opening(wanted: EmbeddingsConfig, ground: Ground) -> Opening:
    """A folder is looked for where it was written: beside the config, or here."""
    from_config = wanted is ground.settings.discovery.embeddings
    base = Path(ground.settings.file).parent if from_config else Path()
    return partial(open_embedder, wanted, own_secrets(), base)


# --- what comes of it


async def _report(
    queries: Sequence[Labelled], ground: Ground, wanted: EmbeddingsConfig | None, now: datetime
) -> Report:
    discovery = ground.settings.discovery
    start = time.perf_counter()
    indexes = {profile: Index.of(parts_of(catalog)) for profile, catalog in ground.catalogs.items()}
    indexing = time.perf_counter() - start
    found: dict[str, Outcome] = {}
    read: list[Arguments] = []
    for profile in dict.fromkeys(map(ground.catalog_of, queries)):
        mine = [query for query in queries if ground.catalog_of(query) == profile]
        with progress(f"searching for {len(mine)} requests: {profile}"):
            outcomes = await _searched(mine, indexes.get(profile, Index()), wanted, ground)
            read += await argued(mine, ground.catalogs.get(profile, Catalog()), now)
        found |= {outcome.query.id: outcome for outcome in outcomes}
    return Report(
        searched=ground.name,
        outcomes=[found[query.id] for query in queries],
        costs={profile: costs(catalog, _guides(catalog, ground)) for profile, catalog in ground.catalogs.items()},
        indexing=indexing,
        threshold=discovery.confidence,
        arguments=read,
        shown=_shown(ground),
    )


async def _searched(
    queries: Sequence[Labelled], index: Index, wanted: EmbeddingsConfig | None, ground: Ground
) -> list[Outcome]:
    if wanted is None or not len(index):
        return await tried(queries, index)
    store = store_path(ground.settings, os.environ)
    async with vectors_of(index, _opening(wanted, ground), store) as vectors:
        await made(vectors)
        return await tried(queries, index, vectors)


def _guides(catalog: Catalog, ground: Ground) -> Sequence[Json]:
    """The tools by which a client searches: those of a config, or what another one would have."""
    own = [guide.definition for guide in catalog.guides.values()]
    return own or listing(ground.settings.discovery).entries[Kind.TOOL]


def _shown(ground: Ground) -> str:
    """What clients that do not search by themselves are shown of the tools of a config."""
    if not ground.is_live:
        return ""
    entries = listed(ground.catalogs[LIVE], Kind.TOOL, everything)
    return view_of(entries, ground.settings.discovery, by_itself=False).value


def _write(file: Path, report: Report) -> None:
    file.write_text("".join(_lines(report)), encoding="utf-8")


def _lines(report: Report) -> Iterator[str]:
    """What was found for each request, one JSON object a line."""
    read = {one.query.id: one.found for one in report.arguments}
    for outcome in report.outcomes:
        name = outcome.query.id
        told = {"id": name, "ranked": outcome.ranked} | ({"arguments": read[name]} if name in read else {})
        yield json.dumps(told, ensure_ascii=False) + "\n"


def _show(report: Report, ground: Ground, *, whole: bool) -> None:
    known = {name: _names(catalog) for name, catalog in ground.catalogs.items()}
    lost = [one for one in report.outcomes if one.query.gold.isdisjoint(known.get(ground.catalog_of(one.query), ()))]
    if lost:
        say(f"note: what {len(lost)} of {len(report.outcomes)} requests want is not there at all", "yellow")
    if whole:
        show_json(figures(report))
        return
    for number, table in enumerate(tables(report)):
        if number and is_terminal():
            show_text("")
        show_rows(*table)
    modes = ", ".join(sorted({one.mode for one in report.outcomes}))
    say(f"note: {report.searched}, {modes}", "dim")
    if report.shown:
        say(
            f"note: with discovery.mode {ground.settings.discovery.mode}, clients are shown {_VIEWS[report.shown]}",
            "dim",
        )


def _names(catalog: Catalog) -> frozenset[str]:
    return frozenset(f"{entry.backend}/{entry.original}" for entry in catalog.of(Kind.TOOL).values())
