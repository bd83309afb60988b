"""Ways: how the tools of one file run, each in its own way."""

from __future__ import annotations

from typing import Any

import anyio

from magictunnel.backends.base import Request
from magictunnel.capabilities.arguments import Arguments
from magictunnel.capabilities.base import Job, Output, Site, Tell, arguments_of, silent
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.expression import Absent, filled
from magictunnel.capabilities.language.model import CapabilityFile, Mcp, Tool, Way
from magictunnel.capabilities.processes.command import run_command
from magictunnel.capabilities.processes.python import run_python
from magictunnel.capabilities.steps import run_steps
from magictunnel.errors import RunError


class Ways:
    """Runs what one file declares. Its connections are closed by `aclose`."""

    def __init__(self, file: CapabilityFile, site: Site) -> None:
        self._site = site
        self._arguments = {tool.name: Arguments(tool.input_schema) for tool in file.tools}
        self.http = HttpRunner(file.auth, file.http, site.secrets)
        self._places = anyio.CapacityLimiter(file.concurrency)

    async def run(self, tool: Tool, arguments: Any, request: Request, tell: Tell = silent) -> Output:
        """What a call of `tool` comes to.

        Raises:
            RunError: it could not run, or not to its end.
            CallError: a tool that it calls answers with an error of its own.
        """
        job = Job(self._arguments[tool.name].taken(arguments), request, tell)
        try:
            if tool.steps is not None:
                return await run_steps(tool, job, self.step)
            return await self.step(tool, job)
        except Absent as error:
            raise RunError(str(error)) from error

    async def step(self, way: Way, job: Job) -> Output:
        """What one way of running comes to. Raises as `run` does, and Absent."""
        if way.mcp is not None:  # it takes no place: what it calls may need one
            return await self._made(way.mcp, job)
        async with self._places:
            return await self._alone(way, job)

    async def _alone(self, way: Way, job: Job) -> Output:
        if way.command is not None:
            return await run_command(way.command, job.scope, self._site, job.tell)
        if way.python is not None:
            return await run_python(way.python, job.scope, self._site, job.tell)
        if way.http is not None:
            return await self.http.run(way.http, job.scope, job.tell)
        assert way.graphql is not None, "the model has seen to it"
        return await self.http.run_graphql(way.graphql, job.scope, job.tell)

    async def _made(self, mcp: Mcp, job: Job) -> Output:
        arguments = arguments_of(job.scope) if mcp.arguments is None else filled(mcp.arguments, job.scope)
        result = await self._site.make(mcp.tool, arguments, job.request)
        return Output(result=result, failed=f"{mcp.tool} failed" if result.get("isError") else "")

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()
