"""numpy, imported so that its linear algebra runs on one thread.

The library that multiplies for numpy reads how many threads to use once, when it is loaded; left alone it takes every
core there is, from our event loop and from servers that run beside us. So this module has to be the first to import
numpy, as it is in our own process. Where another part of a program has imported it already, that one's choice stands;
so does one that a person has made in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def _one_thread() -> Iterator[None]:
    """The environment says so while numpy is loaded, and not to the processes that we start later."""
    ours = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


with _one_thread():
    import numpy as np
    import numpy.typing as npt

Array = npt.NDArray[np.float32]

__all__ = ["Array", "np"]
