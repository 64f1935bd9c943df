"""A chat client with a memory: what was said in one conversation is known in the next.

The client here is a stand-in that answers with what it was sent; give `wrap_openai` an `OpenAI()` or `AsyncOpenAI()`
in its place, and `writer="nano"` to let the shipped policy choose what is kept.

    python examples/05_an_assistant_that_remembers.py
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace as Some

from memalpha import Memory, ScriptedModel, wrap_openai

KEEP_LINE_ONE = (
    '<tool_call>{"name": "memory_insert", "arguments": {"lines": [1], "memory_type": "semantic"}}</tool_call>'
)


class Stub:
    """Has the one call of an OpenAI client that is used here."""

    def __init__(self) -> None:
        self.chat = Some(completions=Some(create=self.create))

    def create(self, *, model: str, messages: list[dict[str, str]]) -> Some:
        known = [each["content"] for each in messages if each["role"] == "system"]
        reply = known[-1].splitlines()[-1] if known else "Good to know."
        return Some(choices=[Some(message=Some(role="assistant", content=reply))])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = ScriptedModel([KEEP_LINE_ONE, ""])
        with Memory(Path(folder) / "memory.db", user="ana", writer=writer) as memory:
            client = wrap_openai(Stub(), memory)
            for said in ("My dog is called Rex.", "What is my dog called?"):
                answer = client.chat.completions.create(model="any", messages=[{"role": "user", "content": said}])
                print(f"User: {said}\nAssistant: {answer.choices[0].message.content}\n")
            print(f"In memory: {[entry.text for entry in memory.get_all()]}")


if __name__ == "__main__":
    main()
