"""The one tree of errors. Programming errors are not in it and are never caught.

Imports no Django, so that the pure modules (rendering, layout, quoting) can use it.
"""

from __future__ import annotations

from collections.abc import Sequence


class QmailuxError(Exception):
    """Root of everything that we raise on purpose."""


class ActionRefused(QmailuxError):
    """The person asked for something that is not possible. Nothing was changed.

    ``field`` names the input that is at fault ("" when none is), ``message`` is one clear sentence.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


class NotAllowed(ActionRefused):
    """The actor may see the object but may not do this to it."""

    def __init__(self, message: str) -> None:
        super().__init__("", message)


class UnsafeValue(QmailuxError):
    """A value cannot be written in this syntax without changing the meaning of the file."""

    def __init__(self, syntax: str, value: str) -> None:
        super().__init__(f"value cannot be written as {syntax}: {value!r}")
        self.syntax = syntax
        self.value = value


class HostError(QmailuxError):
    """Something failed on a machine of the mail plane; ``retryable`` says whether waiting can help."""

    retryable: bool = False


class CommandFailed(HostError):
    """A command ended with another code than zero, or ran past its time."""

    def __init__(
        self, argv: Sequence[str], code: int | None, output: str, *, retryable: bool = False
    ) -> None:
        what = "ran out of time" if code is None else f"ended with code {code}"
        super().__init__(f"{' '.join(argv[:6])} {what}: {output.strip()[-2000:]}")
        self.argv = tuple(argv)
        self.code = code
        self.output = output
        self.retryable = retryable


class HostUnreachable(HostError):
    """The machine did not answer."""

    retryable = True


class ApplyRefused(QmailuxError):
    """An apply would do something that must be confirmed first, such as removing most accounts."""


class ApplyIncomplete(QmailuxError):
    """Some object cannot be rendered, or its secret not opened; everything else has been applied."""


class CannotOpen(QmailuxError):
    """A sealed secret does not open here; the text says why."""


class KeyMissing(CannotOpen):
    """The key that it is sealed with is not here."""


class SetupError(QmailuxError):
    """The instance cannot be set up or started; the text says what to do."""
