"""Code mode: tools as async functions of a small script that runs in a sandbox. Needs the extra `code`.

The interpreter is imported when the first script runs; everything else here works without it.
"""

from __future__ import annotations

from magictunnel.discovery.code.about import about
from magictunnel.discovery.code.limits import CallTool, ScriptLimits
from magictunnel.discovery.code.run import available, run_script
from magictunnel.discovery.code.signatures import signatures

__all__ = ["CallTool", "ScriptLimits", "about", "available", "run_script", "signatures"]
