"""Security schemes of a description -> the `auth` of a capability file, with references to variables for secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from magictunnel.catalog.model import Json
from magictunnel.generators.names import legal, variable_name
from magictunnel.generators.openapi import swagger
from magictunnel.generators.openapi.documents import Documents, Node, NotCarried

_MAX_NAME = 100
_NAME = re.compile(r"[!#%&'*+.^_`|~0-9A-Za-z-]+")
"""What a header, a cookie or a parameter may be called that carries a secret."""


class Credentials:
    """What callers prove themselves with; knows which schemes were used."""

    def __init__(self, documents: Documents, schemes: Mapping[str, Node], prefix: str, base_url: str) -> None:
        self._documents = documents
        self._schemes = schemes
        self._prefix = prefix
        self._base_url = base_url
        self._names: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self.auth: dict[str, Json] = {}
        """Name -> credential, of those that are used."""

    def needed(self, security: Any) -> tuple[str, ...]:
        """The names in `auth` for the first of several alternatives that can be carried; none are needed for none.

        Raises:
            NotCarried: there are alternatives, but none of them can be.
        """
        alternatives = [one for one in security if isinstance(one, dict)] if isinstance(security, list) else []
        reasons = []
        for alternative in alternatives:
            try:
                return tuple(self._name(scheme) for scheme in alternative)
            except NotCarried as reason:
                reasons.append(str(reason))
        if reasons:
            raise NotCarried("; ".join(dict.fromkeys(reasons)))
        return ()

    def authorization(self) -> tuple[str, ...]:
        """The name in `auth` for a header `Authorization` of which nothing more is known."""
        name = "Authorization"
        if name not in self.auth:
            value = self._reference(name, "AUTHORIZATION")
            self.auth[name] = {"type": "api_key", "in": "header", "name": name, "value": value}
        return (name,)

    def _name(self, scheme: str) -> str:
        if scheme not in self._names:
            if scheme not in self._schemes:
                raise NotCarried(f"its security scheme {scheme!r} is not described")
            node = self._documents.resolved(self._schemes[scheme])
            credential = self._credential(scheme, node.value if isinstance(node.value, dict) else {})
            name = plain = legal(scheme)[:_MAX_NAME] or "auth"
            number = 2
            while name in self.auth:
                name, number = f"{plain}_{number}", number + 1
            self.auth[name] = credential
            self._names[scheme] = name
        return self._names[scheme]

    def _credential(self, scheme: str, said: Json) -> Json:
        kind = said.get("type")
        if kind == "apiKey":
            return self._api_key(scheme, said)
        if kind == "http":
            return self._http(scheme, said)
        if kind == "oauth2":
            return self._oauth2(scheme, said)
        if kind == "openIdConnect":
            return self._bearer(scheme)
        raise NotCarried(f"its security scheme {scheme!r} is of type {kind}, which is not supported")

    def _api_key(self, scheme: str, said: Json) -> Json:
        place, name = said.get("in"), said.get("name")
        if place not in ("header", "query", "cookie") or not isinstance(name, str) or not _NAME.fullmatch(name):
            raise NotCarried(f"its security scheme {scheme!r} does not say where the key goes")
        return {"type": "api_key", "in": place, "name": name, "value": self._reference(scheme, "API_KEY")}

    def _http(self, scheme: str, said: Json) -> Json:
        how = str(said.get("scheme")).lower()
        if how == "bearer":
            return self._bearer(scheme)
        if how == "basic":
            return {
                "type": "basic",
                "username": self._reference(scheme, "USERNAME"),
                "password": self._reference(scheme, "PASSWORD"),
            }
        raise NotCarried(f"its security scheme {scheme!r} is HTTP {how}, which is not supported")

    def _oauth2(self, scheme: str, said: Json) -> Json:
        flows = said.get("flows")
        flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
        url = flow.get("tokenUrl") if isinstance(flow, dict) else None
        if not isinstance(url, str) or not url or "{" in url:
            return self._bearer(scheme)
        scopes = flow.get("scopes") if isinstance(flow, dict) else None
        return {
            "type": "oauth2",
            "token_url": urljoin(self._base_url + "/", url),
            "client_id": self._reference(scheme, "CLIENT_ID"),
            "client_secret": self._reference(scheme, "CLIENT_SECRET"),
        } | ({"scopes": [str(one) for one in scopes]} if isinstance(scopes, dict) and scopes else {})

    def _bearer(self, scheme: str) -> Json:
        return {"type": "bearer", "token": self._reference(scheme, "TOKEN")}

    def _reference(self, scheme: str, what: str) -> str:
        variable = variable_name(self._prefix, what)
        if self._variables.setdefault(variable, scheme) != scheme:
            variable = variable_name(self._prefix, scheme, what)
            self._variables[variable] = scheme
        return f"${{{variable}}}"


def schemes_of(root: Node) -> dict[str, Node]:
    """The security schemes that the document at `root` describes, in the way of OpenAPI 3."""
    if "swagger" in root.value:
        found = root.value.get("securityDefinitions")
        described = found.items() if isinstance(found, dict) else ()
        return {name: Node(swagger.security_scheme(one), root.base) for name, one in described if isinstance(one, dict)}
    found = root.at("components").at("securitySchemes").value
    return {name: Node(one, root.base) for name, one in found.items()} if isinstance(found, dict) else {}
