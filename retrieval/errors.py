"""The errors a person can act on. Each message is one sentence or two: what is wrong, where, what to do."""

from __future__ import annotations


class PrepdeskError(Exception):
    """Base of every error that is shown to the user as one line."""


class IndexMissingError(PrepdeskError):
    """There is no index at the library home."""


class IndexCorruptError(PrepdeskError):
    """A generation on disk cannot be opened or fails its checks."""


class FingerprintError(PrepdeskError):
    """The index was built with another encoder or chunker than the one in use."""


class LockedError(PrepdeskError):
    """Another process is writing to the library."""

    @classmethod
    def by(cls, holder: str, place: str) -> LockedError:
        """Return the error that names who writes to what."""
        return cls(
            f"{holder} is writing to {place}; run it again when that is done (prep ingest and prep import wait for "
            "it with --wait SECONDS)"
        )


class EncoderError(PrepdeskError):
    """An encoder cannot be found, read or verified."""


class ReadError(PrepdeskError):
    """One file cannot be read; the run goes on without it."""


class QueryError(PrepdeskError):
    """A question, filter or option that cannot be used."""


class GoldError(PrepdeskError):
    """A file of gold questions or a test collection is malformed."""


class StorageError(PrepdeskError):
    """The disk refuses: full, read-only or without permission."""


class ModelError(PrepdeskError):
    """A language model cannot be reached, refuses, or sends what is no answer."""


class ServerError(PrepdeskError):
    """A Chroma server cannot be reached, refuses, or fails."""


class GoneError(ServerError):
    """A collection, a database or a tenant is not on the server."""
