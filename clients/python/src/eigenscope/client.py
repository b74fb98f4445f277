"""A server and what it can do."""

from __future__ import annotations

import contextlib
import copy
import os
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .analyses import AllAnalyses, Options, Request
from .datasets import Dataset
from .errors import ApiError, Busy, NotFound, ServerUnreachable
from .hashing import content_id
from .jobs import Job
from .progress import Progress
from .result import Result
from .sources import Source, Upload, is_table, of_array, of_images, of_path, of_table
from .transport import Address, Transport

if TYPE_CHECKING:
    from .server import LocalServer

LARGE_BYTES = 4 << 20
"""Uploads above this are not hashed before it is known that it may help."""


class Client(AllAnalyses[Result]):
    """A server. Every analysis is a method that waits and gives a :class:`Result`; ``client.submit`` has the same methods, which give
    a :class:`Job` at once. Threads may share a client. Proxies that the environment names are not used.

    Parameters
    ----------
    url : str, optional
        What ``eigenscope serve`` prints, with or without ``?token=…``; else the environment variable ``EIGENSCOPE_URL``.
    token : str, optional
        The server's token, if the address has none; else ``EIGENSCOPE_TOKEN``.
    device : str
        Where jobs compute: ``auto``, ``cpu``, ``vulkan`` or ``cuda``.
    progress : callable or bool, optional
        ``True`` shows a bar (tqdm, if it is installed, or a line on stderr); a callable gets the fraction done and the step.
    timeout_secs : float
        The longest silence of the server within a request.
    patience_secs : float
        How long a server that went away is waited for while a job is followed, and one with a full queue before a job is refused.
    ssl_context : ssl.SSLContext, optional
        For https with certificates of your own.

    Raises
    ------
    ValueError
        When there is no address.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        device: str = "auto",
        progress: Progress = None,
        timeout_secs: float = 600.0,
        patience_secs: float = 60.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        url = url or os.environ.get("EIGENSCOPE_URL")
        if not url:
            raise ValueError(
                "no server is named: give the address that `eigenscope serve` prints, or set EIGENSCOPE_URL; "
                "eigenscope.connect() starts one"
            )
        address = Address.parse(url)
        token = token or address.token or os.environ.get("EIGENSCOPE_TOKEN")
        self.transport = Transport(address, token, timeout_secs=timeout_secs, ssl_context=ssl_context)
        self.device = device
        self.progress = progress
        self.patience_secs = patience_secs
        self.priority = 0
        self.concurrency: int | None = None
        self.server: LocalServer | None = None
        """The server that :func:`eigenscope.connect` started for it."""

    @property
    def url(self) -> str:
        """The address, without the token."""
        return self.transport.address.origin

    def using(
        self, *, device: str | None = None, progress: Progress = None, priority: int | None = None, concurrency: int | None = None
    ) -> Client:
        """The same server with another device or progress, or for jobs that go before others (``priority``, -100 to 100, default 0) or
        run at most so many tasks at once (``concurrency``, default as many as the server has processes for)."""
        other = copy.copy(self)
        other.device = device or self.device
        other.progress = self.progress if progress is None else progress
        other.priority = self.priority if priority is None else priority
        other.concurrency = self.concurrency if concurrency is None else concurrency
        return other

    # Analyses ------------------------------------------------------------------------------------------------------------

    @property
    def submit(self) -> Submitter:
        """The analyses as jobs: ``client.submit.rdm(X)`` gives a :class:`Job` at once; ``client.submit.run(spec, inputs)`` for any spec."""
        return Submitter(self)

    def _do(self, request: Request, options: Options) -> Result:
        job = self.send(request, device=options.get("device"))
        progress, timeout_secs = options.get("progress"), options.get("timeout_secs")
        try:
            return job.result(timeout_secs, progress=self.progress if progress is None else progress)
        except BaseException as error:
            # Nobody else has this job: what is not waited for any more is not computed.
            if job.is_final:
                raise
            with contextlib.suppress(ApiError, ServerUnreachable):
                job.cancel()
            if isinstance(error, TimeoutError):
                raise TimeoutError(
                    f"{request.spec.get('kind')} has not ended in {timeout_secs:g} s; its job {job.id} was canceled"
                ) from None
            raise

    def send(self, request: Request, *, device: str | None = None) -> Job:
        """Uploads the inputs of a request, where they are not on the server already, and submits it.

        Raises
        ------
        InvalidRequest
            When spec and inputs do not fit.
        Busy
            When the queue is full for longer than ``patience_secs``.
        """
        inputs = {name: self._stored(source).ref() for name, source in request.inputs.items()}
        body: dict[str, Any] = {"spec": _plain(request.spec), "inputs": inputs, "device": device or self.device}
        if self.priority != 0:
            body["priority"] = self.priority
        if self.concurrency is not None:
            body["concurrency"] = self.concurrency
        started = time.monotonic()
        while True:
            try:
                return Job(self, self.transport.json("POST", "/api/v1/jobs", body))
            except Busy as busy:
                if time.monotonic() - started + busy.retry_after_secs > self.patience_secs:
                    raise
                time.sleep(busy.retry_after_secs)

    # Datasets ------------------------------------------------------------------------------------------------------------

    def upload(self, source: Source, name: str | None = None) -> Dataset:
        """Puts a file on the server; one that is there already, by the hash of its bytes, is not sent again.

        Parameters
        ----------
        source : array, path, folder of images, list of image files, data frame, or dictionary of columns
            Arrays become ``.npy``, tables ``.csv``, images ``.zip``. Files are taken as they are: ``.npy``, ``.npz``, ``.csv``, ``.tsv``,
            HDF5, MATLAB, ``.safetensors``, NIfTI, networks, archives of images.
        name : str, optional
            Its name on the server; the ending decides the format.

        Returns
        -------
        Dataset
            An input of any analysis.

        Raises
        ------
        InvalidRequest
            When the server cannot read it, in its reader's words, or it is too large.
        TypeError, FileNotFoundError
            For arrays that are no numbers, and files that are not there.
        """
        if isinstance(source, Dataset):
            return self._stored(source)
        if isinstance(source, (str, os.PathLike)):
            upload = of_path(source)
        elif isinstance(source, (list, tuple)) and source and all(isinstance(s, (str, os.PathLike)) for s in source):
            upload = of_images(source)
        elif is_table(source):
            upload = of_table(source)
        else:
            upload = of_array(source)
        if name is not None:
            upload = Upload(name, upload.size_bytes, upload.pieces, upload.member, upload.by_name)
        return self._stored(upload)

    def _stored(self, source: Upload | Dataset) -> Dataset:
        if isinstance(source, Dataset):
            if source.client.transport.address.origin != self.transport.address.origin:
                raise ValueError(f"{source!r} is on {source.client.url}, not on {self.url}; upload it here")
            return source
        found = self._found(source)
        if found is None:
            answer = self.transport.request(
                "POST",
                "/api/v1/datasets",
                query={"name": source.name},
                body=iter(source),
                length=source.size_bytes,
                content_type="application/octet-stream",
            )
            found = Dataset.of(self, answer.json())
        return found[source.member] if source.member is not None else found

    def _found(self, upload: Upload) -> Dataset | None:
        """What is on the server already, if its name has it read in the same way."""
        # A large file is hashed only where it can be there: when one is of its size.
        if upload.size_bytes > LARGE_BYTES and all(known.size_bytes != upload.size_bytes for known in self.datasets()):
            return None
        try:
            found = self.dataset(content_id(upload))
        except NotFound:
            return None
        same = found.name == upload.name if upload.by_name else _ending(found.name) == _ending(upload.name)
        return found if same else None

    def dataset(self, id: str) -> Dataset:
        """A dataset by its id.

        Raises
        ------
        NotFound
            When it is not there.
        """
        return Dataset.of(self, self.transport.json("GET", f"/api/v1/datasets/{id}"))

    def datasets(self) -> list[Dataset]:
        """All datasets, the oldest first."""
        return [Dataset.of(self, info) for info in self.transport.json("GET", "/api/v1/datasets")]

    # Jobs and the server -------------------------------------------------------------------------------------------------

    def job(self, id: str) -> Job:
        """A job by its id.

        Raises
        ------
        NotFound
            When it is not there.
        """
        return Job(self, self.transport.json("GET", f"/api/v1/jobs/{id}"))

    def jobs(self) -> list[Job]:
        """All jobs, the oldest first."""
        return [Job(self, info) for info in self.transport.json("GET", "/api/v1/jobs")]

    def devices(self) -> list[dict[str, Any]]:
        """What jobs can compute on: ``{kind, name, memory_bytes}``."""
        return list(self.transport.json("GET", "/api/v1/devices")["devices"])

    def health(self) -> dict[str, str]:
        """``{status, version}``; needs no token.

        Raises
        ------
        ServerUnreachable
            When nobody answers.
        """
        return dict(self.transport.json("GET", "/healthz"))

    def openapi(self) -> dict[str, Any]:
        """The interface as an OpenAPI document."""
        return dict(self.transport.json("GET", "/api/v1/openapi.json"))

    def __deepcopy__(self, _: object) -> Client:
        # A handle: scikit-learn's clone copies parameters, the server stays one.
        return self

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"


class Submitter(AllAnalyses[Job]):
    """The analyses of a client as jobs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def _do(self, request: Request, options: Options) -> Job:
        return self._client.send(request, device=options.get("device"))


class Requester(AllAnalyses[Request]):
    """The analyses as requests: nothing is sent."""

    def _do(self, request: Request, options: Options) -> Request:
        request.spec = _plain(request.spec)
        return request


def activations(result: Result) -> dict[str, np.ndarray]:
    """The layers of an extraction by their names, images first, in their shapes.

    Raises
    ------
    ValueError
        When the result is of another analysis.
    """
    if result.get("kind") != "extraction":
        raise ValueError(f"only an extraction has activations; this is {result.get('kind')}")
    return {layer["name"]: layer["values"].reshape(layer["shape"]) for layer in result["layers"]}


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _plain(value: Any) -> Any:
    """A spec without numpy's scalars and tuples."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
