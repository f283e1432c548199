import math

from jnas.reports.text import clean, count, duration, gain, percent


def test_clean_leaves_one_printable_line():
    assert clean("a\n\tb") == "a b"
    assert clean("\x1b[31mred\u202e\u200b") == "\ufffd[31mred\ufffd\ufffd"
    assert clean("x" * 300, 10) == "x" * 9 + "\u2026"
    assert clean(None) == "None"


def test_numbers_read_alike_everywhere():
    assert [count(n) for n in (None, 0, 812, 1_000, 81_322, 812_345, 1.2e6, 4.512e9)] == [
        "-", "0", "812", "1.00 k", "81.3 k", "812 k", "1.20 M", "4.51 G",
    ]  # fmt: skip
    assert [duration(s) for s in (None, math.inf, 9.06, 192, 3723)] == ["-", "-", "9.1 s", "3:12", "1:02:03"]
    assert (percent(0.84119), percent(None), percent(math.nan)) == ("84.12 %", "-", "-")
    assert (gain(0.012), gain(-0.012), gain(None)) == ("+1.20", "-1.20", "-")
