"""What the options of all studies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing import ClassVar

__all__ = ["StudyOptions"]

Own = TypeVar("Own", bound="StudyOptions")


class StudyOptions:
    """Base of the dataclasses of options."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def of(cls: type[Own], given: Mapping[str, Any]) -> Own:
        """Return the options among all that a study was given."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return all of them, as JSON can hold it."""
        values = asdict(self)
        return {k: list(v) if isinstance(v, tuple | list) else v for k, v in values.items()}
