"""Durable banks: the log of every memory in a database."""

from memalpha.memory.store.changes import Address, Census, Change, Difference, Erasure, Receipt
from memalpha.memory.store.inbox import Backlog, Inbox, Letter
from memalpha.memory.store.keys import ApiKey, ApiKeys, Right
from memalpha.memory.store.rows import letter_key
from memalpha.memory.store.scope import Scope
from memalpha.memory.store.sqlite import SQLiteDatabase
from memalpha.memory.store.store import Store

__all__ = [
    "Address",
    "ApiKey",
    "ApiKeys",
    "Backlog",
    "Census",
    "Change",
    "Difference",
    "Erasure",
    "Inbox",
    "Letter",
    "Receipt",
    "Right",
    "SQLiteDatabase",
    "Scope",
    "Store",
    "letter_key",
]
