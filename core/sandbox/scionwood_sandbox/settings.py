"""What an application calls the switch of the sandbox, and which of its classes may cross."""

from __future__ import annotations

from scionwood_sandbox import errors
from scionwood_sandbox.errors import RuleError

variable = "SANDBOX_READERS"
"""The environment variable that chooses where readers decode; see `decoding.switch`."""

packages: tuple[str, ...] = ("scionwood_sandbox",)
"""Packages whose frozen dataclasses a child may send."""

error_types: dict[str, type[RuleError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RuleError)
}
"""The errors that a child may raise in its parent, by name."""


def configure(name: str, package: str, errors_of_package: tuple[type[RuleError], ...]) -> None:
    """Set the switch's name, and add what may cross.

    An application calls it once, where it is imported: a child imports the application's package
    too, and so has the same settings.

    Args:
        name: the environment variable.
        package: the package whose frozen dataclasses a child may send.
        errors_of_package: the errors that a child may raise.

    Example:
        >>> from scionwood_sandbox import configure, settings
        >>> configure(settings.variable, "scionwood", ())  # as `import scionwood` does
        >>> "scionwood" in settings.packages
        True
    """
    global variable, packages
    variable = name
    packages = (*packages, *({package} - {*packages}))
    error_types.update({kind.__name__: kind for kind in errors_of_package})


def inline() -> str:
    """Return what a message proposes to a reader who trusts the file."""
    return f"{variable}=inline"
