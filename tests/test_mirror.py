"""Every module has its test file in the mirrored place: src/memalpha/rl/loss.py <-> tests/rl/test_loss.py."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, TESTS = ROOT / "src" / "memalpha", ROOT / "tests"

WITHOUT = {
    "__main__.py": "one call, run as `python -m memalpha` by tests/cli/test_app.py",
    "cli/exchanging.py": "what commands do, run as they are typed by tests/cli/test_store_commands.py",
    "cli/printing.py": "what commands print, read by tests/cli/test_memory_commands.py",
    "cli/remembering.py": "what commands do, run as they are typed by tests/cli/test_memory_commands.py",
    "data/leaks.py": "records, filled and counted by tests/data/test_contamination.py",
    "errors.py": "names and docstrings only",
    "memory/entry.py": "records, held to their numbers by tests/memory/test_bank.py",
    "serve/mcp_shapes.py": "arguments and results, asked of the tools by tests/serve/test_mcp_tools.py",
    "rl/config.py": "records, read and refused by tests/rl/test_config_file.py",
    "service/records.py": "records, filled by tests/service/test_memory.py",
    "memory/shelf.py": "a part of the bank, held to plain dicts by tests/memory/test_bank.py",
    "memory/store/database.py": "a protocol; what it promises is asked of each database by tests/memory/store",
    "memory/store/memories.py": "one transaction after another, asked for by tests/memory/store/test_scope.py",
    "memory/store/catalogue.py": "statements, run on each database by tests/memory/store/test_store.py",
    "memory/store/rows.py": "statements, run on each database by tests/memory/store/test_scope.py",
    "memory/store/columns.py": "rows to changes and back, asked for by tests/memory/store/test_scope.py",
    "serve/memory_replies.py": "records, filled and read by tests/serve/test_memory_routes.py",
    "serve/memory_log_replies.py": "records, filled and read by tests/serve/test_memory_log_routes.py",
    "memory/postings.py": "a part of the index, held to a reference library by tests/memory/test_search.py",
}
"""Modules that need no test file of their own, and why."""


def test_every_module_has_its_tests() -> None:
    missing = [
        f"{module} -> tests/{mirror(module)}"
        for module in modules()
        if module not in WITHOUT and not (TESTS / mirror(module)).is_file()
    ]
    assert not missing, "write a test file, or give a reason in WITHOUT:\n" + "\n".join(missing)


def test_what_is_let_off_is_there_and_has_no_tests() -> None:
    stale = [module for module in WITHOUT if module not in modules() or (TESTS / mirror(module)).is_file()]
    assert not stale, f"drop from WITHOUT: {stale}"


def modules() -> list[str]:
    return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py")


def mirror(module: str) -> str:
    path = Path(module)
    return (path.parent / f"test_{path.name}").as_posix()
