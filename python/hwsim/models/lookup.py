"""Models by what they are called: a class, a file, or a name that a package offers."""

from __future__ import annotations

import importlib
import os
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import InvalidArgument, NotFound
from hwsim.models.declare import Model
from hwsim.models.maps import Map

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "hwsim.models"
_READERS = {
    ".svd": ("svd", "read"),
    ".rdl": ("rdl", "read"),
    ".xml": ("rdl", "read_ipxact"),
    ".yaml": ("document", "read"),
    ".yml": ("document", "read"),
}

Source = str | os.PathLike[str] | Map | Model | type[Model]


class Offered(NamedTuple):
    """A model that an installed package offers by the entry point ``hwsim.models``.

    Attributes:
        name: What it is called.
        source: Where it is: ``package.module:Class``.
        package: Which distribution offers it.
    """

    name: str
    source: str
    package: str


def offered() -> list[Offered]:
    """Returns the models that installed packages offer, by name; imports none of them."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes long to import

    return sorted(
        Offered(point.name, point.value, point.dist.name if point.dist else "")
        for point in entry_points(group=GROUP)
    )


def load(source: Source) -> Map:
    """Returns the map of a model.

    Args:
        source: A class derived from :class:`hwsim.Model`, or an object of it; a :class:`Map`; or
            what says where it is: the path of a file (SVD, ``.rdl``, IP-XACT as ``.xml``, YAML),
            with ``:PART`` for one peripheral of an SVD file or one address map;
            ``package.module:Class``; or a name that a package offers, see :func:`offered`.

    Raises:
        InvalidArgument: It is no model, or a wrong one; the error says what.
        NotFound: There is no such file, class, name or part.
        ImportError: What reads such files is not installed: ``pip install hwsim[models]``.
    """
    found = find(source)
    return found if isinstance(found, Map) else found.map


def find(source: Source) -> Map | Model | type[Model]:
    """As :func:`load`, but a model in Python is returned as it is."""
    if isinstance(source, Map | Model) or (isinstance(source, type) and issubclass(source, Model)):
        return source
    if not isinstance(source, str | os.PathLike):
        raise InvalidArgument(
            f"model must be a hwsim.Model, a map or the name of one, got {source!r}"
        )
    from pathlib import Path  # noqa: PLC0415 - slow to import

    text = os.fspath(source)
    name, _, part = text.partition(":")
    for path, piece in ((text, ""), (name, part)):
        if Path(path).suffix.lower() in _READERS:
            return _from_file(Path(path).expanduser(), piece)
    if part:
        return _from_module(text, name, part)
    for each in offered():
        if each.name == text:
            module, _, attribute = each.source.partition(":")
            return _from_module(each.source, module, attribute)
    names = ", ".join(each.name for each in offered()) or "none"
    raise NotFound(
        f"no model is called {text!r}: it must be package.module:Class, a file "
        f"({', '.join(_READERS)}), or a name that a package offers ({names})"
    )


def _from_file(path: Path, part: str) -> Map:
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise NotFound(f"the model {path} cannot be read: {error.strerror}") from None
    return _read(path.absolute(), part, changed)


@lru_cache(maxsize=16)
def _read(path: Path, part: str, changed: int) -> Map:
    module, function = _READERS[path.suffix.lower()]
    reader = getattr(importlib.import_module(f"hwsim.models.{module}"), function)
    found: Map = reader(path, part)
    if found.remarks:
        more = f"; and {len(found.remarks) - 1} more, see Map.remarks" if found.remarks[1:] else ""
        said = f"{path.name}: what a model cannot do: {found.remarks[0]}{more}"
        warnings.warn(said, UserWarning, stacklevel=2)
    return found


def _from_module(text: str, module: str, attribute: str) -> Map | Model | type[Model]:
    try:
        found: object = importlib.import_module(module)
    except ImportError as error:
        raise NotFound(f"the model {text!r} cannot be imported: {error}") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise NotFound(f"the model {text!r} is not there: {module} has no {attribute}")
        found = getattr(found, name)
    if isinstance(found, Map | Model) or (isinstance(found, type) and issubclass(found, Model)):
        return found
    raise InvalidArgument(f"{text} must be a hwsim.Model or a map, it is {found!r}")
