"""What we find that the head and the body of a request agree in, the SDK finds as well."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request

from magictunnel.front.hot import agrees
from tests.support.raw import STATELESS

META = "io.modelcontextprotocol/"
TEXTS = st.sampled_from(
    ["tools/call", "resources/read", "tools/list", "x", "a://b", "=?base64?eA==?=", "", STATELESS, "1"]
)
VALUES = TEXTS | st.none() | st.integers() | st.just({})
ROUTING = st.dictionaries(st.sampled_from(["mcp-protocol-version", "mcp-method", "mcp-name"]), TEXTS)
METAS = st.fixed_dictionaries(
    {},
    optional={
        f"{META}protocolVersion": VALUES | st.just(STATELESS),
        f"{META}clientCapabilities": VALUES,
        f"{META}clientInfo": VALUES,
    },
)


@given(TEXTS, st.fixed_dictionaries({}, optional={"name": VALUES, "uri": VALUES, "_meta": METAS | VALUES}), ROUTING)
def test_what_agrees_is_routed_by_the_sdk(method: str, params: dict[str, object], routing: dict[str, str]) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    if agrees(routing, message):
        event("agrees")
        assert isinstance(classify_inbound_request(message, headers=routing), InboundModernRoute)


@given(st.sampled_from(["x", "a://b"]), st.sampled_from([("tools/call", "name"), ("resources/read", "uri")]))
def test_what_is_ordinary_agrees(name: str, kind: tuple[str, str]) -> None:
    method, key = kind
    meta = {f"{META}protocolVersion": STATELESS, f"{META}clientCapabilities": {}}
    routing = {"mcp-protocol-version": STATELESS, "mcp-method": method, "mcp-name": name}
    assert agrees(routing, {"method": method, "params": {key: name, "_meta": meta}})
    assert not agrees(routing | {"mcp-name": "another"}, {"method": method, "params": {key: name, "_meta": meta}})
