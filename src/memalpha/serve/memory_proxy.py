"""Any chat model with a memory: requests of the OpenAI protocol go on to it with what is remembered of the user.

What is said is put into the inbox once the answer is there whole. An answer that fails or is cut off is not remembered:
its client asks again. What the protocol says beside messages and user goes through as it came.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import httpx
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from memalpha.errors import MemalphaError
from memalpha.serve.memory_access import Writer, memory_of, server_of
from memalpha.serve.memory_errors import invalid
from memalpha.serve.memory_requests import today
from memalpha.serve.openai_errors import ErrorKind, RefusedError
from memalpha.service.exchange import last_question, new_messages, with_memory
from memalpha.service.memory import Memory
from memalpha.service.worker import Addition
