"""Memories that come and go as files: exports of this package, of mem0, of Letta and of Zep."""

from memalpha.service.exchange.bringing import Bring, Brought, bring
from memalpha.service.exchange.files import FileFormat, export_memory, write_memory
from memalpha.service.exchange.foreign import Shape

__all__ = ["Bring", "Brought", "FileFormat", "Shape", "bring", "export_memory", "write_memory"]
