"""Threads inside the linear algebra: one, unless the environment says how many.

Matrices of circuits are small, and solved by the thousand. Threads that wait for one another at every one of them take
many times the processor time of one, and sums in another order end with other bits.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

SAID_BY = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which linear algebra takes one thread, if nobody has chosen; it is as before afterwards."""
    if any(name in os.environ for name in SAID_BY):
        return nullcontext()
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def _libraries() -> Any:
    """Return those that are loaded; looking for them takes longer than many a circuit."""
    import scipy.linalg  # noqa: F401  # its own library is to be among them
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
