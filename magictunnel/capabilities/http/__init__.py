"""HTTP requests that a capability file declares: how they are put together, where they may go, what comes of them."""

from magictunnel.capabilities.http.declared import FORBIDDEN, auth_faults, faults
from magictunnel.capabilities.http.run import HttpRunner

__all__ = ["FORBIDDEN", "HttpRunner", "auth_faults", "faults"]
