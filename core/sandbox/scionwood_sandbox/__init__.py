"""Read files of strangers without harm: in a child that can do nothing else, or whole.

`open_in_child` and `call_in_child` decode in a process that may read one file and use so much
memory and time. `check_zip`, `unpacked` and their neighbours check an archive before anything is
unpacked. `atomic_path` and `writing` write a file completely or not at all. `Patterns` matches the
patterns of strangers in linear time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "archives.outside": ("check_hdf5", "check_inside", "check_links"),
    "archives.packing": ("atomic_folder_or_zip", "pack", "unpacked"),
    "archives.streams": ("check_inflated",),
    "archives.tars": ("TarMember", "tar_members"),
    "archives.zips": ("check_zip",),
    "decoding.arena": ("empty_record",),
    "decoding.calls": ("call_in_child",),
    "decoding.limits": ("Limits",),
    "decoding.remote": ("open_in_child",),
    "decoding.session": ("Session", "one_child"),
    "decoding.switch": ("enforced",),
    "errors": ("OutputExistsError", "PatternError", "ReadError", "RuleError", "WriteError"),
    "files": ("atomic_folder", "atomic_path", "check_target", "reading", "writing"),
    "linear": ("Patterns",),
    "record": ("Record",),
    "regular": ("open_regular",),
    "settings": ("configure",),
}
_MODULES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: most need neither numpy nor a child."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
