"""Jobs: what a server computes, followed over its stream of events."""

from __future__ import annotations

import http.client
import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .datasets import Dataset
from .errors import ApiError, Conflict, JobCanceled, NotFound, ResultWarning, ServerUnreachable, api_error
from .progress import Progress, Reporter
from .result import MEDIA_TYPE, Result, unpack

if TYPE_CHECKING:
    from .client import Client

SILENCE_SECS = 40.0
"""A stream that is silent for so long is broken: the server says something every 15 s."""

FINAL = ("done", "failed", "canceled")
"""States after which nothing more happens."""


class Job:
    """A job of a server. Its properties are what was last heard; ``refresh()`` asks anew.

    Attributes
    ----------
    id : str
        Its name on the server.
    state : str
        ``queued``, ``running``, ``done``, ``failed`` or ``canceled``.
    done_frac : float
        Fraction done, 0 to 1.
    step : str
        What it does at the moment.
    spec : dict
        What was asked, with every default filled in by the server.
    error : ApiError or None
        Why it failed.
    """

    def __init__(self, client: Client, info: dict[str, Any]) -> None:
        self._client = client
        self._info = info

    @property
    def id(self) -> str:
        return str(self._info["id"])

    @property
    def state(self) -> str:
        return str(self._info["state"])

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL

    @property
    def done_frac(self) -> float:
        return float(self._info["done_frac"])

    @property
    def step(self) -> str:
        return str(self._info["step"])

    @property
    def remaining_secs(self) -> float | None:
        """Seconds that it will go on, from its speed so far; ``None`` while there is nothing to tell it from."""
        secs = self._info.get("remaining_secs")
        return None if secs is None else float(secs)

    @property
    def priority(self) -> int:
        """Jobs of higher priority start first."""
        return int(self._info["request"].get("priority", 0))

    @property
    def spec(self) -> dict[str, Any]:
        return dict(self._info["request"]["spec"])

    @property
    def info(self) -> dict[str, Any]:
        """All that the server says about it."""
        return self._info

    @property
    def error(self) -> ApiError | None:
        said = self._info["error"]
        return api_error(said, job_id=self.id) if said else None

    def refresh(self) -> Job:
        """Asks the server anew; gives the job itself."""
        self._info = self._client.transport.json("GET", f"/api/v1/jobs/{self.id}")
        return self

    def wait(self, timeout_secs: float | None = None, *, progress: Progress = None, cancel_on_interrupt: bool = True) -> Job:
        """Waits until the job has ended; gives the job itself.

        A server that goes away and comes back within the client's ``patience_secs`` is waited for: it takes up its unfinished jobs.

        Parameters
        ----------
        timeout_secs : float, optional
            The longest wait; without it there is no end.
        progress : callable or bool, optional
            See :class:`~eigenscope.Client`.
        cancel_on_interrupt : bool
            Whether Ctrl-C also cancels the job on the server.

        Raises
        ------
        TimeoutError
            When the time is over; the job goes on.
        ServerUnreachable
            When the server does not come back.
        """
        deadline = None if timeout_secs is None else time.monotonic() + timeout_secs
        report = Reporter(progress)
        try:
            if not self.is_final:
                for info in follow(self._client, self.id, deadline):
                    self._info = info
                    report(self.done_frac, self.step)
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                try:
                    self.cancel()
                except (ApiError, ServerUnreachable):
                    pass  # it has ended, or nobody is there to be told
            raise
        finally:
            report.close()
        return self

    def result(self, timeout_secs: float | None = None, *, progress: Progress = None, warn: bool = True) -> Result:
        """Waits for the job and gives its result; what that says about itself becomes warnings of Python, unless ``warn`` is false.

        Raises
        ------
        ApiError
            When the job failed: :class:`InvalidRequest` when a spec or an input was the reason.
        JobCanceled
            When it was canceled.
        TimeoutError, ServerUnreachable
            As :meth:`wait`.
        """
        self.wait(timeout_secs, progress=progress)
        if self.state == "canceled":
            raise JobCanceled(self.id)
        error = self.error
        if error is not None:
            raise error
        answer = self._client.transport.request("GET", f"/api/v1/jobs/{self.id}/result", accept=MEDIA_TYPE)
        result = unpack(answer.body)
        for warning in result["warnings"] if warn else ():
            warnings.warn(f"{warning.message} ({warning.code})", ResultWarning, stacklevel=_caller_level())
        return result

    def preview(self) -> Result | None:
        """What a running job knows already, NaN for what it does not; ``None`` when there is nothing to show."""
        answer = self._client.transport.request("GET", f"/api/v1/jobs/{self.id}/preview", accept=MEDIA_TYPE)
        return unpack(answer.body) if answer.body else None

    def cancel(self) -> Job:
        """Cancels the job; gives the job itself.

        Raises
        ------
        Conflict
            When it has ended already.
        """
        self._info = self._client.transport.json("POST", f"/api/v1/jobs/{self.id}/cancel")
        return self

    def set_priority(self, priority: int) -> Job:
        """Changes the priority of a job that waits, -100 to 100; gives the job itself.

        Raises
        ------
        Conflict
            When it does not wait any more.
        """
        self._info = self._client.transport.json("PATCH", f"/api/v1/jobs/{self.id}", {"priority": priority})
        return self

    def tasks(self) -> list[dict[str, Any]]:
        """Its processes, in order: ``{i, kind, state, attempts, started_ms, ended_ms, ran_secs}``; none before it has started."""
        return list(self._client.transport.json("GET", f"/api/v1/jobs/{self.id}/tasks"))

    def log(self, task: int = 0) -> str:
        """What a task said on its stderr, with its starts and ends."""
        answer = self._client.transport.request("GET", f"/api/v1/jobs/{self.id}/tasks/{task}/log", accept="text/plain")
        return answer.body.decode()

    def keep(self) -> Dataset:
        """The layers that an extraction made, as a dataset of the server: inputs for other analyses without a download.

        Raises
        ------
        InvalidRequest
            When it is no extraction.
        Conflict
            When it is not done.
        """
        return Dataset.of(self._client, self._client.transport.json("POST", f"/api/v1/jobs/{self.id}/dataset"))

    def delete(self) -> None:
        """Removes the job and its result from the server; one that has not ended is canceled first."""
        if not self.refresh().is_final:
            try:
                self.cancel()
            except Conflict:
                pass  # it ended meanwhile
        self._client.transport.request("DELETE", f"/api/v1/jobs/{self.id}")

    def __repr__(self) -> str:
        kind = self._info["request"]["spec"].get("kind", "?")
        state = f"{self.state}, {100 * self.done_frac:.0f} %" if self.state == "running" else self.state
        return f"<Job {self.id}: {kind}, {state}>"


def follow(client: Client, job_id: str, deadline: float | None) -> Iterator[dict[str, Any]]:
    """The states of a job until its last, over the stream of events; a stream that breaks goes on where it was."""
    last_id: int | None = None
    lost_since: float | None = None
    pause = 0.05
    while True:
        try:
            with client.transport.events(last_id, _silence(deadline)) as stream:
                for event in stream:
                    last_id = event.id
                    if event.data is None:
                        # The greeting: from here on nothing is missed, so that what the job is now is asked once.
                        info = client.transport.json("GET", f"/api/v1/jobs/{job_id}")
                        lost_since, pause = None, 0.05
                    elif event.data.get("event") == "job" and event.data.get("id") == job_id:
                        info = {name: value for name, value in event.data.items() if name != "event"}
                    elif event.data.get("event") == "removed" and event.data.get("id") == job_id:
                        raise NotFound("not_found", f"the job {job_id} was removed", job_id=job_id)
                    else:
                        _check(deadline, job_id)
                        continue
                    yield info
                    if info["state"] in FINAL:
                        return
                    _check(deadline, job_id)
        except (OSError, http.client.HTTPException) as error:
            # Also `ServerUnreachable` and the silence of a socket.
            _check(deadline, job_id)
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > client.patience_secs:
                raise ServerUnreachable(
                    f"the server has been away for {client.patience_secs:g} s while job {job_id} was waited for"
                ) from error
        time.sleep(pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(2 * pause, 1.0)


def _caller_level() -> int:
    """How far up the first frame is that is not of this package, for ``warnings.warn`` in the function that asks."""
    here, level = os.path.dirname(__file__), 1
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename).startswith(here):
        frame, level = frame.f_back, level + 1
    return level


def _silence(deadline: float | None) -> float:
    return SILENCE_SECS if deadline is None else max(0.01, min(SILENCE_SECS, deadline - time.monotonic()))


def _check(deadline: float | None, job_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"job {job_id} has not ended in time; it goes on")
