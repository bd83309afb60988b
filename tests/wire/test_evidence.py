"""What is kept of a server's talk is bounded and readable, whatever it says."""

from __future__ import annotations

from magictunnel.wire.evidence import KEPT_LINES, MAX_LINE, Evidence


def test_the_last_lines_are_kept() -> None:
    evidence = Evidence()

    for number in range(KEPT_LINES + 3):
        evidence.heard(f"line {number}".encode())

    assert len(evidence.stderr) == KEPT_LINES
    assert (evidence.stderr[0], evidence.stderr[-1]) == ("line 3", f"line {KEPT_LINES + 2}")


def test_a_long_line_is_cut() -> None:
    assert Evidence().heard(b"x" * 100_000) == "x" * MAX_LINE
    assert len(Evidence().heard("→".encode() * 100_000)) == MAX_LINE


def test_control_characters_cannot_reach_a_terminal() -> None:
    assert Evidence().heard(b"\x1b[31mred\x1b[0m\x07\tend\r") == " [31mred [0m  end"


def test_bytes_that_are_no_text_are_kept_as_far_as_they_are() -> None:
    assert Evidence().heard(b"a\xffb") == "a\ufffdb"


def test_all_junk_is_counted_and_the_first_is_kept() -> None:
    evidence = Evidence()

    for line in (b"Server started\x1b[0m", b"listening"):
        evidence.skipped(line)

    assert evidence.junk == 2
    assert evidence.first_junk == "Server started [0m"
