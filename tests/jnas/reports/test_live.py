import io
import subprocess
import sys

import pytest
from rich.console import Console

from jnas.reports.live import LiveView


def _run(view: LiveView) -> None:
    with view:
        view.phase("search")
        view.result(0, "ok", accuracy=0.80)
        view.proposal(1, 0, "insert after stage 1 block 0: jnas.SqueezeExcite")
        view.verdict(1, None, parameters=81_322, multiply_adds=1.02e7)
        view.epoch(1, 1, 3, loss=0.5, accuracy=0.79)
        view.result(1, "ok", accuracy=0.8123, parent_accuracy=0.80, seconds=12)
        view.proposal(2, 1, "delete stage 2 block 1")
        view.verdict(2, "duplicate")
        view.proposal(2, 1, "set stem kernel_size to 5")
        view.verdict(2, None)
        view.result(2, "memory", parent_accuracy=0.8123)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_output_has_one_line_per_event_and_says_what_happened():
    console = Console(file=io.StringIO(), width=200)
    _run(LiveView("run", 16, console=console))
    lines = _text(console).splitlines()
    assert "\x1b" not in _text(console)
    assert any(
        "#1 from #0" in line and "81.23 %" in line and "+1.23" in line and "best so far" in line for line in lines
    )
    assert any("turned down: duplicate" in line for line in lines)
    assert any("failed: memory" in line for line in lines)
    assert any("81.3 k parameters" in line for line in lines)


def test_live_status_shows_candidate_best_and_time_left():
    now = [0.0]
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    view = LiveView("run", 4, console=console, clock=lambda: now[0])
    view.phase("search")
    view.proposal(1, 0, "swap a block")
    assert view.seconds_left() is None
    now[0] = 30.0
    view.result(1, "ok", accuracy=0.5)
    view.proposal(2, 1, "swap another block")
    view.epoch(2, 1, 3, loss=1.25)
    assert view.seconds_left() == pytest.approx(90.0)
    capture = Console(file=io.StringIO(), width=80)
    capture.print(view.render())
    shown = _text(capture)
    assert "1/4 trained" in shown and "best 50.00 % (#1)" in shown and "1:30 left" in shown
    assert "#2 from #1  swap another block" in shown and "epoch 1/3, loss 1.250" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_mining_time_does_not_count_into_the_time_left():
    now = [0.0]
    view = LiveView("run", 3, quiet=True, console=Console(file=io.StringIO()), clock=lambda: now[0])
    view.phase("mining")
    now[0] = 100.0
    view.phase("search")
    now[0] = 110.0
    view.result(1, "ok", accuracy=0.5)
    assert view.seconds_left() == pytest.approx(20.0)
    for number in (2, 3):
        view.result(number, "ok", accuracy=0.5)
    assert view.seconds_left() is None


def test_hostile_text_reaches_the_terminal_neither_as_markup_nor_as_escapes():
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with LiveView("run", 1, quiet=True, console=console) as view:
        view.proposal(1, 0, "swap to [bold]evil[/bold] \x1b]0;title\x07 \u202egnp\u2066")
    assert "[bold]evil[/bold]" in _text(console)
    assert not set(_text(console)) & {"\x1b", "\x07", "\u202e", "\u2066"}


_CHATTER = """
import sys
from jnas.reports.live import LiveView
with LiveView("run", 2000) as view:
    for number in range(2000):
        view.result(number, "ok", accuracy=0.5)
sys.stderr.write("finished")
"""


def test_a_reader_that_leaves_does_not_end_the_run():
    run = subprocess.Popen([sys.executable, "-c", _CHATTER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr.read() == "finished"
    assert run.wait() == 0


def test_a_closed_file_does_not_break_the_run():
    file = io.StringIO()
    view = LiveView("run", 16, console=Console(file=file))
    file.close()
    _run(view)


def test_an_error_inside_passes_through_and_the_display_is_closed():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with pytest.raises(RuntimeError), LiveView("run", 1, console=console):
        raise RuntimeError
    console.print("after")  # a second live display on the same console would be refused were the first still open
    with LiveView("run", 1, console=console):
        pass
