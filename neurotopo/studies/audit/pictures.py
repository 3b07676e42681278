"""Pictures of an audit."""

from __future__ import annotations

from neurotopo.studies.study import MakePicture

__all__ = ["PICTURES"]

PICTURES: dict[str, MakePicture] = {}
