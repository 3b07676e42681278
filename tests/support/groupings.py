"""Stored results of groupings, made by hand, and cells of tables."""

from __future__ import annotations

import math

import numpy as np

from neurotopo.knowledge.gcr import gcr, jump, partial_spread


def grouping(
    curve,
    groups,
    *,
    reason=None,
    passed=None,
    alone=None,
    everything=None,
    base=0.8,
    rho=math.nan,
    necessity=math.nan,
):
    """Return what the acquisition study stores of a grouping with this suppression curve."""
    curve = list(curve)
    last = curve[-1] if curve else 0.0
    alone = [base] * len(groups) if alone is None else alone
    everything = base * (1 - last) if everything is None else everything
    return {
        "sizes": [len(group) for group in groups],
        "groups": groups,
        "passed": [True] * len(groups) if passed is None else passed,
        "alone": alone,
        "base": base,
        "none": base * (1 - last),
        "curve": curve,
        "gcr": gcr(curve),
        "sigma": partial_spread(curve),
        "jump": jump(curve),
        "everything": everything,
        "potential_jump": (np.mean(alone) - everything) / base if len(groups) > 1 else math.nan,
        "necessity": necessity,
        "rho": rho,
        "eq2_gap": 0.0,
        "eq2": True,
        "eq3_ratio": 0.1,
        "eq3": last > 0.5,
        "reason": reason,
    }


def row_of(frame, **cells):
    """Return the only row of a frame with these cells."""
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]
