"""What is wrong with a store, and how to mend it."""

from memalpha.memory.store.checks import Finding, FindingKind
from memalpha.service.doctor.examining import Watch, examine

__all__ = ["Finding", "FindingKind", "Watch", "examine"]
