"""Jobs for tests of the worker: quick ones, slow ones, and ones that fail."""

from __future__ import annotations

import os
import signal
import time


def echo(cache, tell, **arguments):
    tell("once", 0.5)
    return {"said": arguments, "pid": os.getpid()}


def slow(cache, tell, **arguments):
    for k in range(6000):
        tell(f"step {k}", k / 6000)
        time.sleep(0.02)
    return {}


def mistake(cache, tell):
    raise ValueError("tau must be a number,\n  got 'x'.")


def defect(cache, tell):
    raise KeyError("lost")


def die(cache, tell):
    os.kill(os.getpid(), signal.SIGKILL)


def jobs():
    return {"example": echo, "cluster": slow, "load": mistake, "find": defect, "group": die}
