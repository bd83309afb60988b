"""A model that fills in arguments: whose, and how it is asked. Off unless the config names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio

from magictunnel.backends.base import Request
from magictunnel.catalog.model import Entry
from magictunnel.config.discovery import DiscoveryConfig, FillerConfig, FillerType
from magictunnel.discovery.arguments.extract import Filled
from magictunnel.discovery.arguments.filling import Ask, ModelFailure, Prompt, fill, sampled, sampling
from magictunnel.discovery.arguments.models import Kind, asking, endpoint
from magictunnel.errors import AnswerError, CannotAsk, MagicTunnelError, Unanswered
from magictunnel.secrets import Secrets

_KINDS: Mapping[FillerType, Kind] = {
    FillerType.OPENAI: "openai",
    FillerType.ANTHROPIC: "anthropic",
    FillerType.OLLAMA: "ollama",
}


class Filler:
    """Asks the model that the config names, if it names one."""

    def __init__(self, config: Callable[[], DiscoveryConfig], secrets: Secrets) -> None:
        self._config = config
        self._secrets = secrets

    async def __call__(self, entry: Entry, words: str, filled: Filled, request: Request) -> Filled:
        """`filled` with what the model says of the arguments that are missing, as far as the schema takes it."""
        config = self._config().filler
        if config is None or not filled.missing:
            return filled
        return await fill(entry.definition, words, filled, self._ask(config, request), mask=self._secrets.mask)

    def _ask(self, config: FillerConfig, request: Request) -> Ask:
        async def ask(question: Prompt) -> str:
            if config.type is FillerType.SAMPLING:
                return await _sample(question, config, request)
            try:
                model = endpoint(
                    _KINDS[config.type],
                    config.url,
                    config.model,
                    config.api_key,
                    self._secrets,
                    timeout=config.timeout,
                    max_tokens=config.max_tokens,
                )
            except MagicTunnelError as error:
                raise ModelFailure(str(error)) from error
            return await asking(model)(question)

        return ask


async def _sample(question: Prompt, config: FillerConfig, request: Request) -> str:
    """The text that the caller's own model answers. Raises ModelFailure."""
    params = sampling(question, config.max_tokens)
    if lack := request.caller.lacks("sampling/createMessage", params):
        raise ModelFailure(f"the client does not support {lack}")
    try:
        with anyio.fail_after(config.timeout):
            return sampled(await request.caller.back.ask("sampling/createMessage", params))
    except TimeoutError as error:
        raise ModelFailure(f"the client's model did not answer within {config.timeout:g} s") from error
    except (CannotAsk, AnswerError, Unanswered) as error:
        raise ModelFailure(error.message) from error
