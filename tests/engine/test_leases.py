"""What processes of one machine share: real processes, and real deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmroute.engine.leases import OWN, POSSIBLE, Holds, SlotLeases, host_folder

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="no locks on files here")
OTHER = """
import sys, time
from pathlib import Path
from pytest_llmroute.engine.leases import Holds, SlotLeases
folder, do = Path(sys.argv[1]), sys.argv[2]
if do == "slots":
    slots = SlotLeases(folder, 3, 1)
    slots.balance(2, 0)
    print(slots(), flush=True)
else:
    holds = Holds(folder, "here")
    print(holds.take(do, 5, 9), flush=True)
time.sleep(60)
"""


def other(folder: Path, do: str) -> tuple[subprocess.Popen[str], str]:
    """A process that takes something and keeps it, and what it says of that."""
    process = subprocess.Popen([sys.executable, "-c", OTHER, str(folder), do], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_slots_that_another_process_has_are_free_again_when_it_dies(tmp_path: Path) -> None:
    process, said = other(tmp_path, "slots")
    assert said == "2"
    mine = SlotLeases(tmp_path, 3, 1)
    mine.balance(5, 0)
    assert mine() == 1
    kill(process)
    mine.balance(5, 1)
    assert mine() == 3
    mine.balance(0, 2)
    assert mine() == 2, "those that are used stay"
    mine.close()
    assert mine() == 0


def test_who_has_more_than_its_share_lets_others_choose_first(tmp_path: Path) -> None:
    greedy, late = SlotLeases(tmp_path, 4, 2), SlotLeases(tmp_path, 4, 2)
    greedy.balance(9, 0)
    assert (greedy(), late()) == (4, 0)
    for _ in range(60):  # its calls end one by one, and there are always more
        greedy.balance(9, 1)
        late.balance(9, late())
    assert (greedy(), late()) == (2, 2)


def test_a_model_waits_for_room_until_whoever_has_it_leaves_or_dies(tmp_path: Path) -> None:
    process, said = other(tmp_path, "big")
    assert said == "()"
    mine = Holds(tmp_path, "here")
    assert mine.held() == {"big": 5}
    assert mine.take("small", 4, 9) == ()
    assert mine.drop("small")
    assert mine.take("large", 6, 9) is None
    assert not mine.wanted(), "that is ourselves"
    kill(process)
    assert mine.take("large", 6, 9) == ("big",), "the server may have it still"
    assert mine.take("big", 3, 9) == ()
    assert mine.drop("big")
    mine.leave()
    assert mine.held() == {}


def test_who_has_left_takes_nothing_any_more(tmp_path: Path) -> None:
    """A load that still waits for room would keep it from all others until its process ends."""
    mine, other = Holds(tmp_path, "here"), Holds(tmp_path, "here")
    mine.leave()
    assert mine.take("large", 9, 9) is None
    assert other.held() == {}


def test_a_model_of_several_processes_goes_with_the_last(tmp_path: Path) -> None:
    process, _ = other(tmp_path, "both")
    mine = Holds(tmp_path, "here")
    assert mine.take("both", 5, 9) == ()
    assert not mine.drop("both")
    kill(process)
    assert mine.drop("both")


def test_what_a_process_has_for_itself_is_gone_with_it(tmp_path: Path) -> None:
    process, _ = other(tmp_path, f"own{OWN}7")
    mine = Holds(tmp_path, "here")
    assert mine.held() == {f"own{OWN}7": 5}
    kill(process)
    assert mine.take("large", 9, 9) == ()


def test_who_waits_is_heard_by_the_others(tmp_path: Path) -> None:
    mine = Holds(tmp_path, "here")
    assert mine.take("mine", 5, 9) == ()
    process, said = other(tmp_path, "theirs")
    assert said == "None"
    assert mine.wanted()
    kill(process)
    assert not mine.wanted()


def test_a_file_that_is_no_book_is_an_empty_one(tmp_path: Path) -> None:
    holds = Holds(tmp_path, "here")
    assert holds.take("a", 1, 2) == ()
    (file,) = tmp_path.glob("memory-*.json")
    for text in ("", "nonsense", "[1, 2]", '[{"a": 1}, []]'):
        file.write_text(text)
        assert holds.held() == {}


def test_a_folder_of_somebody_elses_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert host_folder(tmp_path / "own").parent == tmp_path
    folder = host_folder(tmp_path / "own")
    folder.chmod(0o777)
    assert host_folder(tmp_path / "own") == tmp_path / "own"
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert host_folder(tmp_path / "own") == tmp_path / "own"
