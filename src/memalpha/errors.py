"""The exception tree. Each message says what was got, what was expected and how to mend it, in one sentence.

    MemalphaError               everything that this package raises on purpose
    ├── ConfigError             a key, a value or a combination in a configuration
    ├── EpisodeError            an episode file or record
    ├── CheckpointError         a run directory that is missing, damaged or of another run
    ├── BankError               an operation that a bank refuses (the model sees its message)
    │   ├── UnknownEntryError   an id that is not in the bank
    │   ├── NotAllowedError     the layout does not allow this operation
    │   ├── DuplicateError      the same text stands there already
    │   ├── OverLimitError      a limit in tokens would be passed; nothing was written
    │   │   └── OverBudgetError     the limit is the write budget
    │   └── EmptyTextError      nothing but white space
    ├── StoreError              a store that cannot be opened, read or written
    ├── ArchiveError            an exported memory that cannot be read
    ├── ConflictError           what a write was based on has changed since; nothing was written
    ├── ModelError              a model, a server or a judge that failed; never an answer
    ├── MissingExtraError       a feature whose optional packages are not installed
    ├── TrainingError           a loss or gradient that is not finite, a collapsed policy
    └── OutputError             a file that cannot be written (a full disk, a missing right)

The command line prints the message and exits with status 2; it catches `MemalphaError` once, in `cli`.
"""


class MemalphaError(Exception):
    """Everything that this package raises on purpose."""


class ConfigError(MemalphaError):
    """A key, a value or a combination in a configuration."""


class EpisodeError(MemalphaError):
    """An episode file or record that cannot be used; names the file and the line."""


class CheckpointError(MemalphaError):
    """A run directory that is missing, damaged or of another run."""


class BankError(MemalphaError):
    """An operation that a bank refuses; nothing was written and the model sees the message."""


class UnknownEntryError(BankError):
    """An id that is not in the bank."""


class NotAllowedError(BankError):
    """The layout does not allow this operation on this kind of memory."""


class DuplicateError(BankError):
    """The same text stands in this kind of memory already."""


class OverLimitError(BankError):
    """A limit in tokens would be passed; the message holds both counts."""


class OverBudgetError(OverLimitError):
    """The limit is what a writer may still write."""


class EmptyTextError(BankError):
    """Nothing but white space."""


class StoreError(MemalphaError):
    """A store that cannot be opened, read or written: damaged, of a later version, of another embedder."""


class ArchiveError(MemalphaError):
    """An exported memory, of this package or another, that cannot be read; names the file and the line."""


class ConflictError(MemalphaError):
    """What a write was based on has changed since; nothing was written, read again and decide again."""


class ModelError(MemalphaError):
    """A model, a server or a judge that failed; an error is never an answer and never a score."""


class MissingExtraError(MemalphaError):
    """A feature whose optional packages are not installed."""


class TrainingError(MemalphaError):
    """A loss or a gradient that is not finite, or a batch that cannot be trained on."""


class OutputError(MemalphaError):
    """A file that cannot be written, such as on a full disk."""
