"""The connection to the head of a Ray cluster, which is checked while a run goes on."""

from __future__ import annotations

import importlib
import socket
import time
from contextlib import suppress
from typing import Any

__all__ = ["Head", "WorkerError"]

_EVERY = 5.0  # seconds between two checks
_LOST = 30.0  # seconds without an answer; after 60 Ray ends this process without an exception
_REMEDY = (
    "what is stored is kept, and the same command resumes the run, with --address for another "
    "cluster"
)


class WorkerError(OSError):
    """Workers cannot be started, or die before they finish any task."""


class Head:
    """The head of the cluster that this process is connected to.

    Where its address is not known or cannot be reached, as with Ray's client, it is not checked.
    """

    def __init__(self, ray: Any) -> None:
        self.address = ""
        self._silent_since: float | None = None
        self._checked = time.monotonic()
        with suppress(Exception):  # a client of Ray has no address of the head
            address = str(ray.get_runtime_context().gcs_address)
            _connect(address)
            self.address = address
        self._cluster = self._identity()

    @property
    def answers(self) -> bool:
        """Whether it answered the last check."""
        return self._silent_since is None

    def check(self) -> None:
        """Raise an error if the head has not answered for half a minute."""
        now = time.monotonic()
        if not self.address or now - self._checked < _EVERY:
            return
        self._checked = now
        try:
            _connect(self.address)
        except OSError as error:
            if self._silent_since is None:
                self._silent_since = now
            elif now - self._silent_since >= _LOST:
                raise WorkerError(
                    f"the head of the Ray cluster at {self.address} has not answered for "
                    f"{_LOST:g} seconds; {_REMEDY}."
                ) from error
        else:
            self._silent_since = None

    def require_same(self) -> None:
        """Raise an error if the head was restarted and has forgotten its cluster.

        Workers live on then, but Ray aborts this process when it asks for machines.
        """
        now = self._identity()
        if now is not None and now != self._cluster:
            raise WorkerError(
                f"the head of the Ray cluster at {self.address} was restarted and does not know "
                f"this run; {_REMEDY}."
            )

    def _identity(self) -> str | None:
        """Return the identity of the cluster; None if it is not known."""
        if not self.address:
            return None
        with suppress(Exception):  # no public function of Ray returns it
            client = importlib.import_module("ray._raylet").GcsClient(address=self.address)
            return str(client.cluster_id.hex())
        return None


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_EVERY).close()
