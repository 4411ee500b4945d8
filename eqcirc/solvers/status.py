"""What can become of a sample, in words that say what to try; and what an operating point rests on."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What became of a sample."""

    CONVERGED = 0
    NOT_CONVERGED = 1
    NONFINITE = 2
    WRONG_BRANCH = 3
    ENGINE_DIED = 4
    UNSTABLE = 5
    NO_EQUILIBRIUM = 6
    UNRESOLVED = 7

    @property
    def words(self) -> str:
        """Say what happened and what to try."""
        return _WORDS[self]


_WORDS = {
    Status.CONVERGED: "converged",
    Status.NOT_CONVERGED: "no operating point found; try smaller inputs, a wider knee or a smaller beta",
    Status.NONFINITE: "the voltages are not finite; check conductances, sources and beta for extreme values",
    Status.WRONG_BRANCH: "the nudged states do not belong to the free one; beta is too large",
    Status.ENGINE_DIED: "the simulator process died",
    Status.UNSTABLE: "the operating point is unstable; the circuit would leave it",
    Status.NO_EQUILIBRIUM: "the circuit does not come to rest; it oscillates, or settles too slowly",
    Status.UNRESOLVED: "rounding drowns the answer; conductances lie too many decades apart, or beta is too small",
}


class Evidence(IntEnum):
    """Why the free states that converged are those of the circuit."""

    PROVEN = 0
    REACHED = 1
    LOCAL = 2
    WRITTEN = 3
    CONTINUED = 4

    @property
    def words(self) -> str:
        """Say what is known."""
        return _EVIDENCE[self]


_EVIDENCE = {
    Evidence.PROVEN: "proven: there is one operating point, and the circuit comes to rest there from any start",
    Evidence.REACHED: "followed: switched on with nothing charged, the circuit comes to rest there; others may exist",
    Evidence.LOCAL: "local: the only operating point, and stable; from elsewhere the circuit may not come to rest",
    Evidence.WRITTEN: "written: from the state that it was brought to, the circuit rests there; others may exist",
    Evidence.CONTINUED: "continued: the circuit was at rest there before; what that rests on was said then",
}
