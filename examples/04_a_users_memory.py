"""The memory of one user: what is added is found again, corrected, looked at as it was, taken back and erased.

python examples/04_a_users_memory.py
"""

import tempfile
from pathlib import Path

from memalpha import Memory
from memalpha.memory.entry import Origin


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # infer=False keeps texts as they are; without it the shipped writer decides (needs the extra train)
        with Memory(Path(folder) / "memory.db", user="ana") as memory:
            use(memory)
        held = b"".join(file.read_bytes() for file in Path(folder).iterdir())
        print(f"\nLeft of the PIN in the files: {held.count(b'4711')} places")


def use(memory: Memory) -> None:
    memory.add("Ana lives in Lisbon.", infer=False, at="2026-05-01")
    memory.add("Ana's PIN is 4711.", infer=False, at="2026-05-02", key="message 2")
    memory.add("Ana's PIN is 4711.", infer=False, at="2026-05-02", key="message 2")  # sent twice, added once
    memory.update(1, "Ana lives in Porto.", at="2026-07-01")
    memory.add("Ana lives in Rome.", infer=False, origin=Origin.DOCUMENT)  # a page that she had read to her says so

    print("Found for 'Where does Ana live?':")
    for found in memory.search("Where does Ana live?", explain=True):
        signals = ", ".join(f"{signal.name} {signal.score:.2f}" for signal in found.signals)
        print(f"  {found.score:.2f}  {found.entry.text}  ({signals})")
    print(f"\nFor a prompt:\n{memory.context('Where does Ana live?', max_tokens=100)}")

    print("\nWhat happened to #1:")
    for change in memory.history(1):
        operation = change.operation
        print(f"  {operation.number}. {operation.action}: {operation.before} -> {operation.after}")
    print(f"As it was after operation 2: {memory.as_of(2).get_all()[0].text}")
    memory.undo(3)
    print(f"Operation 3 taken back: {memory.get_all()[0].text}")

    receipt = memory.erase(2).receipt
    print(f"\nErased: {receipt.operations} operation of #{receipt.entry_id}, and every trace of it")


if __name__ == "__main__":
    main()
