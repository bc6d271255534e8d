"""The environment as settings read it: what cannot be read is told in one line, and never taken for something else."""

from __future__ import annotations

import environ

_FALSE = ("false", "off", "no", "n", "0", "")


class Environment(environ.FileAwareEnv):  # type: ignore[misc,unused-ignore]
    """Values by name, each also from the file that NAME_FILE names. SystemExit: a value is none of its kind."""

    def bool(self, var: str, default: bool) -> bool:  # type: ignore[override,unused-ignore]
        """true, on, yes, y, ok, 1 in any case, or their opposites."""
        said = self.str(var, default=str(default)).strip().lower()
        if said not in (*self.BOOLEAN_TRUE_STRINGS, *_FALSE):
            raise SystemExit(f"{var} is {said!r}. Set it to true or false.")
        return said in self.BOOLEAN_TRUE_STRINGS

    def int(self, var: str, default: int) -> int:  # type: ignore[override,unused-ignore]
        """A whole number."""
        said = self.str(var, default=str(default))
        try:
            return int(said)
        except ValueError:
            raise SystemExit(f"{var} is {said!r}. Set it to a whole number, such as {default}.") from None

    def float(self, var: str, default: float) -> float:  # type: ignore[override,unused-ignore]
        """A number, with a point where it has decimals."""
        said = self.str(var, default=str(default))
        try:
            return float(said)
        except ValueError:
            raise SystemExit(f"{var} is {said!r}. Set it to a number, such as {default}.") from None
