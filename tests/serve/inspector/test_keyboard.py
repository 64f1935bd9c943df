"""What a person does with the page, with a keyboard alone, against a real server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

ROWS = "[...document.querySelectorAll('tbody th')].map((each) => each.innerText)"


def search_to_history(page: Any, served: Any, user: str, words: str, entry: str) -> None:
    """From the list of users to the history of an entry that was searched for."""
    page.open(served.view("users"))
    page.tab_to("User by name")
    page.write(user)
    page.press("Enter")
    page.until(f"document.querySelector('h1')?.innerText === '{user}'")
    page.settle()
    page.tab_to("Search")
    page.press("Enter")
    page.until("document.activeElement.tagName === 'H1' && !!document.querySelector('#query')")
    page.tab_to("What to look for")
    page.write(words)
    page.press("Enter")
    page.until("!!document.querySelector('.found > li')")
    page.tab_to(entry)
    page.press("Enter")
    page.until("document.querySelector('h1')?.innerText.startsWith('entry')")
    page.settle()


def test_search_entry_history_undo(page: Any, served: Any) -> None:
    memory = served.memory.for_user("eva")
    memory.add("Eva's cat is called Tom.", at="2026-05-01", infer=False)
    memory.update(1, "Eva's cat is called Tim.")
    search_to_history(page, served, "eva", "cat called", "semantic 1")
    assert page.text(".entry .text") == "Eva's cat is called Tim."
    page.tab_to("Undo 2")
    page.press("Enter")
    page.until("document.querySelector('dialog')?.open")
    assert page.text("dialog h2") == "Undo operation 2?"
    assert page.focused() == "Cancel"
    page.press("Tab")
    assert page.focused() == "Undo it"
    page.press("Enter")
    page.until("!document.querySelector('dialog') && !!document.querySelector('#operation-3')")
    assert page.text(".entry .text") == "Eva's cat is called Tom."
    assert page.focused().startswith("Operation 3")
    assert "takes back 2" in page.text("#operation-3")
    assert "taken back by 3" in page.text("#operation-2")
    assert page.text("#told") == "Operation 2 is taken back by operation 3."
    (entry,) = memory.get_all()
    assert entry.text == "Eva's cat is called Tom."
    assert page.problems() == []


def test_an_undo_that_is_thought_better_of(page: Any, served: Any) -> None:
    served.memory.for_user("kim").add("Kim likes rain.", infer=False)
    page.open(served.view("users/kim/timeline"))
    page.tab_to("Undo 1")
    page.press("Enter")
    page.until("document.querySelector('dialog')?.open")
    page.press("Tab", times=6)  # nothing behind a dialog can be reached
    assert page.run("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.press("Escape")
    page.until("!document.querySelector('dialog')")
    assert page.focused() == "Undo 1"
    assert len(served.memory.for_user("kim").history()) == 1


def test_an_undo_that_is_refused_says_why(new_page: Any, served: Any) -> None:
    served.memory.for_user("lea").add("Lea likes snow.", infer=False)
    new_page.open(f"{served.url}#key={served.reader_key}")
    new_page.open(served.view("users/lea/timeline"))
    new_page.tab_to("Undo 1")
    new_page.press("Enter")
    new_page.until("document.querySelector('dialog')?.open")
    new_page.tab_to("Undo it")
    new_page.press("Enter")
    new_page.until("!!document.querySelector('dialog .wrong')")
    assert "may not write" in new_page.text("dialog .wrong")
    assert new_page.focused() == "Cancel"
    assert len(served.memory.for_user("lea").history()) == 1


def test_the_slider_goes_through_time(page: Any, served: Any) -> None:
    page.open(served.view("users/ana/memory"))
    now = ["semantic 1", "semantic 2", "semantic 4", "semantic 5", "semantic 6", "semantic 7", "semantic 8"]
    assert page.run(ROWS) == now
    page.tab_to("As of")
    page.press("ArrowLeft", times=2)  # before the core and the deletion
    page.until(f"({ROWS}).length === 8")
    assert "semantic 3" in page.run(ROWS)
    assert page.run("document.activeElement.ariaValueText") == "after operation 10 of 12"
    page.until("document.querySelector('.past').innerText.includes('right after the update of semantic 2')")
    assert page.run("location.hash") == "#/users/ana/memory?as_of=10"
    page.press("Home")
    page.until("document.querySelector('.entries').innerText.includes('Nothing is in memory here')")
    page.press("ArrowRight", times=2)
    page.until(f"({ROWS}).length === 2")
    assert "Ana's dog is called Rex." in page.text(".entries")
    page.run("document.querySelector('.entries details').open = true")
    page.until("document.querySelectorAll('.entries .change').length === 7")
    changed = "[...document.querySelectorAll('.entries .change :is(del, ins)')].map((each) => each.lastChild.data)"
    assert page.run(changed)[:3] == ["Ana likes short answers.", "Rex", "Max, a whippet"]
    page.press("End")
    page.until(f"({ROWS}).length === 7")
    assert page.run("location.hash") == "#/users/ana/memory"
    assert page.problems() == []


def test_a_search_in_the_past_finds_the_past(page: Any, served: Any) -> None:
    page.open(served.view("users/ana/search?q=dog%20called&as_of=2"))
    assert "Rex" in page.text(".found")
    assert "words (BM25): rank 1" in page.text(".found")
    assert page.run("[...document.querySelectorAll('.found mark')].map((each) => each.innerText)") == ["dog", "called"]
    page.tab_to("As of")
    page.press("End")
    page.until("document.querySelector('.found').innerText.includes('whippet')")
    page.run("document.querySelector('details').open = true")
    page.until("document.querySelector('pre')?.innerText.includes('Ana likes short answers.')")


def test_the_source_of_an_operation_marks_what_was_quoted(page: Any, served: Any) -> None:
    page.open(served.view("users/gil/timeline"))
    page.tab_to("What it was made from")
    page.press("Enter")
    page.until("!!document.querySelector('#operation-1 pre')")
    assert page.text("#operation-1 pre").split("\n")[:2] == ["User: Gil plays chess.", "User: Hello there."]
    assert page.text("#operation-1 pre mark") == "User: Gil plays chess."
    # The history of an entry asks for the source when it is wanted.
    page.open(served.view("users/gil/entry/1"))
    page.tab_to("What it was made from")
    page.press("Enter")
    page.until("!!document.querySelector('#operation-1 pre mark')")
    # What was stored as it is has none.
    page.open(served.view("users/ana/entry/1"))
    page.tab_to("What it was made from")
    page.press("Enter")
    page.until("document.querySelector('#operation-1 details').innerText.includes('None is kept')")
    assert page.problems() == []


def test_the_way_to_the_content_is_short(page: Any, served: Any) -> None:
    page.open(served.view("runs"))
    page.run("document.activeElement.blur()")
    page.tab_to("Skip to content", most=12)
    page.press("Enter")
    assert page.focused() == "Runs"
    assert page.run("location.hash") == "#/runs"


def test_a_trace_is_replayed_chunk_by_chunk(page: Any, served: Any) -> None:
    page.open(served.view("runs/first/step-000010-best"))
    assert "r1 correctness" in page.text(".tiles")
    assert "stored semantic 1" in page.text(".lines")
    assert "ignored" in page.text(".lines")
    page.tab_to("Next")
    page.press("Enter")
    assert page.text("#shown-chunk") == "Chunk 2"
    assert "changed semantic 1" in page.text(".lines")
    assert page.run("[...document.querySelectorAll('.deeds del, .deeds ins')].map((each) => each.innerText)") != []
    page.press("Enter")
    assert page.text("#shown-chunk") == "Chunk 3"
    assert "unknown entry" in page.text(".deeds .refused")
    # r2 of the only call, which was refused.
    assert page.run("document.querySelectorAll('.replay tbody tr')[1].innerText").split()[-2:] == ["0.00", "1"]
    assert page.run("location.hash").endswith("?chunk=3")
    page.run("[...document.querySelectorAll('.replay details')].forEach((each) => { each.open = true; })")
    assert "Ann's dog is called Max now." in page.text(".memory")
    assert "memory_delete" in page.text(".replay pre[aria-label='Reply']")
    page.tab_to("Chunk")
    page.press("Home")
    assert page.text("#shown-chunk") == "Chunk 1"
    verdicts = page.run("[...document.querySelectorAll('.verdict strong')].map((each) => each.innerText)")
    assert verdicts == ["right", "wrong"]
    page.run("document.querySelector('tbody td button').click()")  # the evidence of the first question
    assert page.text("#shown-chunk") == "Chunk 2"
    assert page.focused() == "Chunk 2"


def test_curves_are_read_with_one_slider_and_as_numbers(page: Any, served: Any) -> None:
    page.open(served.view("compare?run=first&run=second"))
    first = "[...document.querySelectorAll('.plot .read')][0].innerText"
    assert page.run(first).split() == "first step 40: 0.8, mean 0.77 second step 30: 0.3, mean 0.29".split()
    page.tab_to("Look at")
    page.press("ArrowLeft", times=20)
    assert page.run(first).split() == "first step 20: 0.4, mean 0.37 second step 20: 0.2, mean 0.19".split()
    page.run("document.querySelector('.plot details').open = true")
    page.until("!!document.querySelector('.plot tbody tr')")
    numbers = page.run("[...document.querySelectorAll('.plot tbody tr')].map((each) => each.innerText.split(/\\s+/))")
    assert numbers[0] == ["1", "0.02", "0.02", "0.01", "0.01"]
    assert numbers[-1] == ["40", "0.8", "0.77", "–", "–"]
    heights = page.run(
        "(() => { const path = document.querySelector('.plot .raw').getAttribute('d');"
        " return path.match(/[ML]([\\d.]+) ([\\d.]+)/g).map((each) => Number(each.split(' ')[1])); })()"
    )
    assert len(heights) == 40
    assert heights == sorted(heights, reverse=True)
    assert "run.seed" in page.text()


def test_runs_are_chosen_to_be_compared(page: Any, served: Any) -> None:
    page.open(served.view("runs"))
    for name in ("first", "second"):
        page.tab_to(f"Compare {name}")
        page.press(" ")
        page.run("document.activeElement.blur()")
    page.tab_to("Compare curves")
    page.press("Enter")
    page.until("document.querySelector('h1')?.innerText === 'Comparison' && !!document.querySelector('.plot')")
    assert page.text(".legend").split() == ["first", "second"]


def test_a_key_is_asked_for_once_and_stands_in_no_address(new_page: Any, served: Any) -> None:
    new_page.open(served.view("users"))
    new_page.until("!!document.querySelector('#key')")
    assert new_page.focused() == "API key"
    new_page.write("wrong")
    new_page.press("Enter")
    new_page.until("document.querySelector('.wrong')?.innerText === 'The server does not take this key.'")
    new_page.write(served.reader_key)
    new_page.press("Enter")
    new_page.until("!!document.querySelector('tbody tr')")
    new_page.call("Page.reload")
    new_page.settle()
    assert "ana" in new_page.text("main")
    assert not any(served.reader_key in url for url in new_page.requests())
    new_page.tab_to("Forget key")
    new_page.press("Enter")
    new_page.until("!!document.querySelector('#key')")
    assert new_page.run("sessionStorage.length") == 0


def test_a_key_in_the_fragment_is_taken_at_once(new_page: Any, served: Any) -> None:
    new_page.open(f"{served.url}#key={quote(served.reader_key)}")
    new_page.until("!!document.querySelector('tbody tr')")
    assert new_page.run("location.href") == served.url
    assert new_page.run("history.length") <= 2
    new_page.open(served.view("users/ana/memory"))
    new_page.run("history.back()")
    new_page.until("document.querySelector('h1')?.innerText === 'Memories'")
    assert served.reader_key not in new_page.run("location.href")


def test_a_large_memory_comes_in_pages(page: Any, served: Any) -> None:
    page.open(served.view("users/many/memory"))
    assert page.run(ROWS) == [f"semantic {number}" for number in range(1, 101)]
    page.tab_to("Next", most=140)
    page.press("Enter")
    page.until(f"({ROWS})[0] === 'semantic 101'")
    page.tab_to("Behind entry", most=140)
    page.press("Home")
    page.run("document.activeElement.select()")
    page.write("2450")
    page.press("Enter")
    page.until(f"({ROWS}).length === 50 && ({ROWS})[0] === 'semantic 2451'")
    assert page.run("document.querySelector('nav[aria-label=\"Pages of entries\"] button:nth-child(2)').disabled")
    page.tab_to("As of", most=140)
    page.press("Home")
    page.press("ArrowRight", times=3)
    page.until(f"({ROWS}).length === 3")
    page.open(served.view("users/many/timeline"))
    numbers = "[...document.querySelectorAll('.timeline > li')].map((each) => each.value)"
    assert page.run(numbers) == list(range(2500, 2475, -1))
    page.tab_to("Last", most=140)
    page.press("Enter")
    page.until(f"({numbers})[0] === 25")
    assert page.run(numbers) == list(range(25, 0, -1))
    page.run("[...document.querySelectorAll('.pager button')].find((each) => each.innerText === 'Previous').click()")
    page.until(f"({numbers})[0] === 50")
    assert page.run("document.querySelectorAll('*').length") < 2000
    assert page.problems() == []


@pytest.mark.parametrize("view", ["users/nobody/memory", "users/nobody/timeline", "users/ana/entry/999"])
def test_nothing_there_is_said(page: Any, served: Any, view: str) -> None:
    page.open(served.view(view))
    assert page.run("document.querySelectorAll('main .state').length") == 1
    assert page.run("document.querySelectorAll('.failed').length") == 0


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_address_can_hold_is_said(page: Any, served: Any, name: str) -> None:
    page.open(served.view(f"users/{name}/memory"))
    page.until("!!document.querySelector('.failed')")
    assert "which no address can hold" in page.text(".failed")


def test_an_outage_is_said_and_mended(page: Any, served: Any) -> None:
    page.open(served.view("users/ana/timeline"))
    page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.open(served.view("users/ana/memory"))
    page.until("!!document.querySelector('.failed')")
    assert "The server does not answer" in page.text(".failed")
    page.call("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.tab_to("Try again")
    page.press("Enter")
    page.until("!!document.querySelector('tbody tr')")
