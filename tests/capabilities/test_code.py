from typing import Any

import pytest

from magictunnel.capabilities.processes.code import code_in


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["sh", "-c", "CODE"], ["CODE"]),
        (["/bin/bash", "-lc", "CODE", "x"], ["CODE"]),
        (["bash", "-e", "-c", "CODE"], ["CODE"]),
        (["env", "A=1", "timeout", "5", "sh", "-c", "CODE"], ["CODE"]),
        (["sh", ["-c", "CODE"]], ["CODE"]),
        (["python3.11", "-c", "CODE"], ["CODE"]),
        (["node", "--eval", "CODE"], ["CODE"]),
        (["perl", "-ne", "CODE", "file"], ["CODE"]),
        (["powershell", "-Command", "CODE"], ["CODE"]),
        (["cmd", "/C", "CODE"], ["CODE"]),
        (["sh", "script.sh", "CODE"], []),
        (["grep", "-c", "CODE"], []),
        (["python3", "-m", "json.tool"], []),
        (["echo", 3, None], []),
        (["sh", "-c"], []),
    ],
)
def test_what_would_be_run_is_found(argv: list[Any], code: list[str]) -> None:
    assert [one.text for one in code_in(argv)] == code
