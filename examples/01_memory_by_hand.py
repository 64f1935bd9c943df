"""A memory edited by hand: insert, update, delete, versions, the log and a fork.

Calls that cannot be carried out change nothing, and say why.

    python examples/01_memory_by_hand.py
"""

from memalpha import Bank, Chunk, ExtractiveReader, MemoryKind, ToolCall
from memalpha.agent.tokens import nano_counter
from memalpha.memory.tools import Source, apply

STREAM = (
    Chunk(
        time="2024-03-04",
        text="User: Ann's favourite drink is mint tea.\nAssistant: Good to know.\nUser: I met Noel at the old harbour.",
    ),
    Chunk(
        time="2024-03-09",
        text="User: Hello again.\nUser: Not mint tea any more for Ann: the drink is cider now.",
    ),
)


def main() -> None:
    bank = Bank(count_tokens=nano_counter())

    def call(chunk: int, name: str, **arguments: object) -> None:
        result = apply(bank, ToolCall(name=name, arguments=arguments), Source(chunk=STREAM[chunk], index=chunk))
        print(f"chunk {chunk}  {name:<13}  {result.status:<13}  {result.message}")

    print("Calls, as a model would make them:")
    call(0, "memory_insert", memory_type="semantic", lines=[1])
    call(0, "memory_insert", memory_type="episodic", lines=[3])
    call(0, "memory_insert", memory_type="semantic", lines=[1])
    call(0, "memory_insert", memory_type="semantic", lines=[7])
    call(0, "memory_update", memory_type="core", new_content="The user talks about friends.")
    before = bank.fork()
    call(1, "memory_update", memory_type="semantic", memory_id=1, lines=[2])
    call(1, "memory_delete", memory_type="episodic", memory_id=2)

    print(f"\nThe memory, {bank.tokens()} tokens:")
    print(f"core: {bank.core_text}")
    for kind in (MemoryKind.SEMANTIC, MemoryKind.EPISODIC):
        for entry in bank.entries(kind):
            print(f"{kind} #{entry.id}: {entry.rendered}")
            for version in entry.versions:
                print(f"    before: {version.text} (chunk {version.provenance.chunk})")

    print("\nThe log:")
    for operation in bank.log:
        print(f"{operation.number}. {operation.action} {operation.kind} of chunk {operation.provenance.chunk}")

    questions = ["What is Ann's favourite drink?", "Where was it that the user met Noel?"]
    for name, memory in (("before the second chunk", before), ("now", bank)):
        print(f"\nAsked {name}:")
        for question, answer in zip(questions, ExtractiveReader().read(memory, questions), strict=True):
            print(f"{question} {answer.text or '(nothing in memory)'}")


if __name__ == "__main__":
    main()
