"""How far a job is, for people: a callback, a bar of tqdm, or a line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Union

Progress = Union[Callable[[float, str], Any], bool, None]
"""``None`` or ``False``: silence; ``True``: a bar (tqdm, if installed) or a line; else it is called with fraction done and step."""


class Reporter:
    """Tells the changes of one job."""

    def __init__(self, progress: Progress) -> None:
        self._last: tuple[float, str] | None = None
        self._bar: Any = None
        self._tell: Callable[[float, str], Any] | None = None
        if callable(progress):
            self._tell = progress
        elif progress:
            self._tell = self._line
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed} {desc}", leave=False)
            self._tell = self._draw

    def __call__(self, done_frac: float, step: str) -> None:
        if self._tell is not None and (done_frac, step) != self._last:
            self._last = (done_frac, step)
            self._tell(done_frac, step)

    def close(self) -> None:
        """Ends the bar or the line."""
        if self._bar is not None:
            self._bar.close()
        elif self._tell == self._line and self._last is not None:
            print(file=sys.stderr)

    def _draw(self, done_frac: float, step: str) -> None:
        self._bar.n = done_frac
        self._bar.set_description_str(step)

    def _line(self, done_frac: float, step: str) -> None:
        print(f"\r{100 * done_frac:3.0f} % {step:<60.60}", end="", file=sys.stderr, flush=True)
