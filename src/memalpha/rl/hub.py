"""A model folder to the Hugging Face hub. Needs the extra `hub`, and a token in HF_TOKEN or from `hf auth login`."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from memalpha.errors import ConfigError, MissingExtraError, OutputError

_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def check_place(to: str) -> None:
    """Raise `ConfigError` for what is no owner and name, and `MissingExtraError` where the client is not installed."""
    if not _NAME.fullmatch(to):
        raise ConfigError(f"got --to {to}, expected owner/name of a model on the hub, such as --to ann/first-writer")
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError(
            "the hub is reached through huggingface_hub, which is not installed; run: pip install 'memalpha[hub]'"
        )


def upload(folder: Path, to: str, *, private: bool, endpoint: str | None = None) -> str:
    """Make the repository where it is not there, and send the folder as one commit; returns its page.

    `endpoint` is another hub than the one of HF_ENDPOINT. Raises `OutputError`; the folder stays.
    """
    check_place(to)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined] # of the HTTP client that it goes with

    try:
        api = HfApi(endpoint=endpoint, library_name="memalpha")
        place = api.create_repo(to, private=private, exist_ok=True)
        api.upload_folder(repo_id=to, folder_path=folder, commit_message="A policy trained with memalpha")
    except (OSError, ValueError, HTTPError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
        raise OutputError(
            f"{to} was not uploaded ({type(error).__name__}: {reason}); the export is whole in {folder}: see that the "
            "hub can be reached and that HF_TOKEN may write there, then start the same command again"
        ) from error
    return str(place)
