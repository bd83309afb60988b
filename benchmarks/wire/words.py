"""What docs/performance.md says around its figures."""

from __future__ import annotations

INTRO = """# Performance

What a gateway costs, measured side by side: raw load clients in front and raw servers behind, so that neither hides
what is between them; all gateways run at once and are measured in short rounds that interleave, each in another order.
A figure is the median of its rounds. The ratio beside it, and in every bar, compares round by round: it is the median
of the ratios of those rounds that both took part in, to the *raw asyncio relay* where no other is named. Who is slow
stops after fewer rounds; then only these count. A round in which the other adds nothing to a direct call counts as
endless. Every answer is checked. `direct` is no gateway at all.

Single calls are made with all processes on one core, and all else on all cores. One of them works at a time anyway; on
several cores each wakes the next, which takes what the system makes of it: there a direct call takes several times as
long in one round as in another, and the difference is more than most relays add. What is added over all cores is told
beside the bars.

Two relays do no more than parse each message once, map ids and names, and write it. The *raw asyncio relay* is the
shortest that asyncio's documentation leads to: streams, tasks, a future for each answer. The bars are
set against it. The *leanest relay* does the same in callbacks alone, without task or future, and parses HTTP in C: that
is about what Python can do. No bar is set against it; what everybody adds is told next to both. They run on asyncio's
own loop, and on uvloop in rows of their own; MagicTunnel takes uvloop where that is installed. So it is with *FastMCP,
tuned*, which keeps one session for each server, its lists, and answers in plain JSON: the bars are set against that on
asyncio's own loop, and what MagicTunnel is beside the rows on uvloop is told beside the bars. httptools is beside all
of FastMCP, which takes it over HTTP. Whether glibc gives the blocks that asyncio reads into back to the system after
each read is left to chance elsewhere; for the relays it is settled, for the faster (`STEADY_MEMORY` in
`benchmarks/wire/targets.py`).

MagicTunnel runs as it does by default but for three settings: discovery is off, so that every tool is listed; the
`era` of each server is set, so that both sides speak the same one (so it is for the relays, the SDK and *FastMCP,
tuned*); and nothing is stored (`MAGICTUNNEL_STORE=off`), so that each start is a cold one, but in the row of the
stored catalogue. The whole pipeline is on, with its line in the log for each call. Others log errors only, where that
can be set. MagicTunnel with errors only has a row of its own; no bar is set against it.

Ratios travel; milliseconds belong to the machine. All of this page is of one run, and written by it: `make bench` (see
[benchmarks](../benchmarks/README.md)).
"""

BARS = """The bar of a call against `fastmcp run` is set with two servers in its config, where it takes another way:
with a single one over stdio it keeps one session for all calls.
"""

HELD = """The relays keep up to 64 MB of what they have freed, which makes them faster (`STEADY_MEMORY`), so here they
are no floor; MagicTunnel keeps up to 8 MB, others what glibc or Node keeps by default:"""

GIVEN_UP = """## What was given up

No check, no bound and no line of the log was left out to be faster: a call that needs no task does in `express.py` what
the pipeline does for others. What it took instead:

- Calls over HTTP are read by a class that derives from uvicorn's protocol (`front/protocol.py`). Whatever is unusual
  about a request goes to uvicorn and the SDK as it came; a release of uvicorn may still break what we lean on, which
  [architecture](architecture.md) names.
- A call over HTTP begins as one JSON answer. The SDK takes it over when there is something to tell before the answer,
  or after a second in the handshake era. A client whose connection breaks sooner than that cannot fetch its answer
  later: it was sent no event id.
- Log lines are written by a thread of their own, up to 50 ms later. A process that is killed (`kill -9`) does not say
  its last ones, and where nobody reads them the oldest are dropped, 64 at a time.
- After progress or a log message an answer waits 2 ms, since the TypeScript SDK drops news that it reads together
  with it.
- On a pipe, what is written within 100 microseconds of something else waits for the end of the step of the event
  loop.
- Results below 1,000 bytes in which no number could be written in two ways, those below 5,000 bytes in which anything
  has to be changed (for stateless clients: all), and those with a link that has to lead elsewhere, are written anew.
  What they mean stays; white space, escapes and the spelling of numbers may change (`-0` to `0`, and in the latter two
  `1e2` to `100.0`).
- Where the SDK sends an answer (one that takes long, or has something told before it, over HTTP), half a character in
  it (a lone surrogate, which some servers write) becomes the sign for one that is missing; elsewhere it passes.
- Garbage is looked for less often (every 5,000 objects), so memory that only a look can free is freed later.
- Blocks of memory below 4 MB are not given back at once: after large results some 3 to 8 MB more are held.
- Servers over HTTP+SSE or behind an HTTP proxy are spoken to over the SDK's own transports, at their price; on Windows
  everybody is, in front and behind.
- `MAGICTUNNEL_WIRE=sdk` puts the SDK's transports back everywhere but in front of several workers, and there are no
  first words then.

## How to repeat it

`make bench` installs the gateways of others into `.peers/`, takes an hour and a half and writes this page; narrowed, it
writes none. `make bench-quick` leaves them out and takes three minutes; `make bench-guard` compares what a call costs
with the figures in `benchmarks/wire/ratios.json`. What is measured, and how to narrow it, is told in
[benchmarks](../benchmarks/README.md).
"""
