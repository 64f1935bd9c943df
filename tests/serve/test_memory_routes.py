"""The routes of a memory as it is and as it was, asked over HTTP."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

ANA = "/v1/users/ana"
MEMORIES = f"{ANA}/memories"


def add(client: httpx.Client, text: str, **more: Any) -> dict[str, Any]:
    reply = client.post(MEMORIES, json={"text": text, **more})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def texts(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [entry["text"] for entry in reply.json()["entries"]]


def message(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


def settled(client: httpx.Client, ticket: int) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        found: dict[str, Any] = client.get(f"{ANA}/tickets/{ticket}").json()
        if found["state"] != "waiting":
            return found
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_said_is_read_by_the_writer(acme: httpx.Client) -> None:
    told = {
        "messages": [
            {"role": "system", "content": "keep to the point"},
            {"role": "user", "content": [{"type": "text", "text": "Please keep that I live in Oslo. Thanks!"}]},
            {"role": "assistant", "content": "I keep it.", "tool_calls": []},
        ],
        "at": "2026-05-01",
    }
    answer = acme.post(MEMORIES, json=told).json()
    assert [each["after"] for each in answer["operations"]] == [
        "User: Please keep that I live in Oslo.",
        "Assistant: I keep it.",
    ]
    assert answer["operations"][0]["valid"] == "2026-05-01T00:00:00Z"
    assert (answer["refused"], answer["written"]) == ([], True)
    entry = acme.get(f"{MEMORIES}/1").json()
    assert entry == {
        "ref": 1,
        "kind": "semantic",
        "text": "User: Please keep that I live in Oslo.",
        "version": 1,
        "time": "2026-05-01",
        "author": "writer",
        "origin": "user",
    }


def test_a_plan_writes_nothing(acme: httpx.Client) -> None:
    plan = add(acme, "keep this", dry_run=True)
    assert (plan["operations"][0]["after"], plan["written"]) == ("User: keep this", False)
    assert texts(acme.get(MEMORIES)) == []


def test_texts_as_they_are(acme: httpx.Client) -> None:
    add(acme, "a mail", infer=False, kind="episodic", origin="document", at="2026-05-01T10:00+02:00")
    (entry,) = acme.get(MEMORIES).json()["entries"]
    assert (entry["text"], entry["kind"], entry["origin"]) == ("a mail", "episodic", "document")
    assert add(acme, "a mail", infer=False, kind="episodic", origin="document")["refused"][0]["status"] == "duplicate"


def test_a_key_is_written_once(acme: httpx.Client) -> None:
    first = add(acme, "keep this", key="message 1")
    assert add(acme, "keep this", key="message 1") == first
    assert len(acme.get(f"{ANA}/operations").json()["operations"]) == 1


def test_what_is_not_waited_for_gets_a_ticket(acme: httpx.Client) -> None:
    reply = acme.post(MEMORIES, json={"text": "keep this", "wait": False, "key": "message 1"})
    assert reply.status_code == 202
    ticket = reply.json()["ticket"]
    done = settled(acme, ticket)
    assert (done["state"], [each["after"] for each in done["operations"]]) == ("done", ["User: keep this"])
    again = acme.post(MEMORIES, json={"text": "keep this", "wait": False, "key": "message 1"})
    assert (again.status_code, again.json()["operations"]) == (200, done["operations"])
    direct = acme.post(MEMORIES, json={"text": "keep this", "key": "message 1"})
    assert direct.json()["operations"] == done["operations"]
    assert texts(acme.get(MEMORIES)) == ["User: keep this"]
    assert "got the ticket 99, which is none of 'ana'" in message(acme.get(f"{ANA}/tickets/99"), 404)
    assert "is none of 'bo'" in message(acme.get(f"/v1/users/bo/tickets/{ticket}"), 404)


def test_what_cannot_be_written_is_listed_with_its_problem_and_tried_again(acme: httpx.Client) -> None:
    long = {"text": "word " * 9000, "infer": False, "kind": "core", "wait": False}
    ticket = acme.post(MEMORIES, json=long).json()["ticket"]
    dead = settled(acme, ticket)
    assert (dead["state"], dead["due"], dead["attempts"]) == ("dead", None, 1)
    assert "core" in dead["problem"]
    assert acme.get(f"{ANA}/tickets", params={"dead": True}).json()["tickets"] == [dead]
    revived = acme.post(f"{ANA}/tickets/{ticket}/retry")
    assert revived.status_code == 200
    assert settled(acme, ticket)["state"] == "dead"
    assert "got the ticket 7" in message(acme.post(f"{ANA}/tickets/7/retry"), 404)


def test_entries_in_pages_by_kind_and_as_they_were(acme: httpx.Client) -> None:
    for text in ("one", "two", "three"):
        add(acme, text, infer=False)
    add(acme, "four", infer=False, kind="episodic")
    assert acme.patch(f"{MEMORIES}/core", json={"text": "the core"}).status_code == 200
    assert acme.delete(f"{MEMORIES}/2").status_code == 200
    assert texts(acme.get(MEMORIES)) == ["the core", "one", "three", "four"]
    assert texts(acme.get(MEMORIES, params={"kind": ["core", "episodic"]})) == ["the core", "four"]
    assert texts(acme.get(MEMORIES, params={"as_of": 3})) == ["one", "two", "three"]
    assert texts(acme.get(MEMORIES, params={"as_of": "2020-01-01"})) == []
    pages, after = [], 0
    while after is not None:
        page = acme.get(MEMORIES, params={"limit": 1, "after": after}).json()
        pages.append([entry["text"] for entry in page["entries"]])
        after = page["next"]
    assert pages == [["the core", "one"], ["three"], ["four"]]


def test_search_and_context_now_and_then(acme: httpx.Client) -> None:
    add(acme, "Ann lives in Oslo", infer=False, at="2026-05-01")
    add(acme, "Ann was in Oslo", infer=False, kind="episodic", at="2026-05-03")
    acme.patch(f"{MEMORIES}/1", json={"text": "Ann lives in Rome"})

    def found(**asked: Any) -> list[str]:
        reply = acme.post(f"{ANA}/search", json={"query": "Where does Ann live, in Oslo or in Rome?", **asked})
        assert reply.status_code == 200, reply.text
        return [each["entry"]["text"] for each in reply.json()["found"]]

    assert found() == ["Ann lives in Rome", "Ann was in Oslo"]
    assert found(limit=1) == ["Ann lives in Rome"]
    assert found(kinds=["semantic"]) == ["Ann lives in Rome"]
    assert found(until="2026-05-02", as_of=2) == ["Ann lives in Oslo"]
    assert found(since="2026-05-02", until="2026-05-04") == ["Ann was in Oslo"]
    assert sorted(found(as_of="2")) == ["Ann lives in Oslo", "Ann was in Oslo"]
    explained = acme.post(f"{ANA}/search", json={"query": "Rome", "explain": True}).json()["found"][0]
    assert [(each["name"], each["rank"]) for each in explained["signals"]] == [("bm25", 1), ("recency", 1)]
    context = acme.post(f"{ANA}/context", json={"query": "Rome", "max_tokens": 50}).json()["context"]
    assert "- Ann lives in Rome" in context
    then = acme.post(f"{ANA}/context", json={"query": "Oslo", "as_of": 1}).json()["context"]
    assert then == "- Ann lives in Oslo"


def test_an_update_of_what_was_not_seen_is_a_conflict(acme: httpx.Client) -> None:
    add(acme, "one", infer=False)
    first = acme.patch(f"{MEMORIES}/1", json={"text": "two", "seen_version": 1, "key": "a"})
    assert (first.json()["before"], first.json()["after"]) == ("one", "two")
    assert acme.patch(f"{MEMORIES}/1", json={"text": "two", "seen_version": 1, "key": "a"}).json() == first.json()
    late = acme.patch(f"{MEMORIES}/1", json={"text": "three", "seen_version": 1})
    assert "got an update of version 1, but 1 is at version 2" in message(late, 409)
    assert acme.patch(f"{MEMORIES}/1", json={"text": "three", "seen_version": 2}).status_code == 200
    other = acme.patch(f"{MEMORIES}/1", json={"text": "four", "key": "a"})
    assert "in use for something else" in message(other, 409)


def test_history_of_what_was_deleted(acme: httpx.Client) -> None:
    add(acme, "one", infer=False)
    acme.delete(f"{MEMORIES}/1", params={"key": "gone"})
    assert acme.delete(f"{MEMORIES}/1", params={"key": "gone"}).json()["action"] == "delete"
    history = acme.get(f"{MEMORIES}/1/history").json()
    assert [each["action"] for each in history["operations"]] == ["insert", "delete"]
    assert "got 1, which is not in the memory of 'ana'" in message(acme.get(f"{MEMORIES}/1"), 404)
    assert "got #9, which was never in memory" in message(acme.delete(f"{MEMORIES}/9"), 404)


@pytest.mark.parametrize("ref", ["0", "-1", "semantic", "x", "9" * 30, "1.0", "٣", "core%20"])
def test_what_names_no_entry_is_refused(acme: httpx.Client, ref: str) -> None:
    for reply in (acme.get(f"{MEMORIES}/{ref}"), acme.patch(f"{MEMORIES}/{ref}", json={"text": "a"})):
        assert "as name of an entry, expected its id" in message(reply, 422)


def test_what_the_memory_refuses_is_told(acme: httpx.Client) -> None:
    add(acme, "one", infer=False)
    assert message(acme.patch(f"{MEMORIES}/1", json={"text": "  "}), 422)
    assert "tokens" in message(acme.patch(f"{MEMORIES}/core", json={"text": "word " * 9000}), 422)


def test_the_users_of_a_tenant_with_counts(acme: httpx.Client) -> None:
    for user in ("ana", "bo", "åsa b@c+d"):
        for text in ("one", "two"):
            reply = acme.post(f"/v1/users/{user}/memories", json={"text": text, "infer": False})
            assert reply.status_code == 200, reply.text
    acme.delete("/v1/users/bo/memories/1")
    found = acme.get("/v1/users").json()
    assert [(each["user"], each["entries"], each["operations"]) for each in found["users"]] == [
        ("ana", 2, 2),
        ("bo", 1, 3),
        ("åsa b@c+d", 2, 2),
    ]
    assert found["next"] is None
    page = acme.get("/v1/users", params={"limit": 1, "after": "ana"}).json()
    assert ([each["user"] for each in page["users"]], page["next"]) == (["bo"], "bo")


@pytest.mark.parametrize("user", ["%00", "%20", "a" * 501, "%ED%A0%80" * 300])
def test_what_is_no_name_of_a_user_is_refused(acme: httpx.Client, user: str) -> None:
    assert message(acme.get(f"/v1/users/{user}/memories"), 422)
