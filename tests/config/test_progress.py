"""Progress without a terminal: a line a minute, none for what is over sooner, nothing beside a bar."""

import io

import pytest
from rich.console import Console

from stages.config.cli import Bar, advance

Capsys = pytest.CaptureFixture[str]


class Clock:
    """A time that moves when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bar(clock: Clock) -> Bar:
    return Bar(console=Console(stderr=True), disable=True, get_time=clock)


def work(bar: Bar, clock: Clock, seconds: list[float], before: int = 0) -> None:
    with bar:
        task = bar.add_task("train", total=10 + before, completed=before, before=before, rate="")
        for place, one in enumerate(seconds, 1):
            clock.now += one
            advance(bar, task, told=f"step {place}", tokens=int(100 * (clock.now - 1000)))


def test_a_line_a_minute_and_one_at_the_end(bar: Bar, clock: Clock, capsys: Capsys) -> None:
    work(bar, clock, [25.0] * 10)
    assert capsys.readouterr().err.splitlines() == [
        "train: 3 of 10, step 3, 100 tokens/s, 0:01:15 spent, about 0:02:55 left",
        "train: 6 of 10, step 6, 100 tokens/s, 0:02:30 spent, about 0:01:40 left",
        "train: 9 of 10, step 9, 100 tokens/s, 0:03:45 spent, about 0:00:25 left",
        "train: 10 of 10, step 10, 100 tokens/s, 0:04:10 spent",
    ]


def test_an_end_that_was_told_is_not_told_again(bar: Bar, clock: Clock, capsys: Capsys) -> None:
    work(bar, clock, [60.0] * 10)
    assert len(capsys.readouterr().err.splitlines()) == 10


def test_what_is_over_within_a_minute_says_nothing(bar: Bar, clock: Clock, capsys: Capsys) -> None:
    work(bar, clock, [5.9] * 10)
    assert capsys.readouterr().err == ""


def test_what_an_earlier_run_has_done_does_not_shorten_the_time_that_is_left(
    bar: Bar, clock: Clock, capsys: Capsys
) -> None:
    work(bar, clock, [60.0] + [0.0] * 9, before=90)
    assert capsys.readouterr().err.splitlines()[0] == (
        "train: 91 of 100, step 1, 100 tokens/s, 0:01:00 spent, about 0:09:00 left"
    )


def test_what_breaks_off_says_how_far_it_came(bar: Bar, clock: Clock, capsys: Capsys) -> None:
    task = bar.add_task("answers", total=4, rate="")
    clock.now += 61
    advance(bar, task)
    advance(bar, task)
    bar.stop()  # as leaving the bar does, by an exception too
    assert capsys.readouterr().err.splitlines()[-1].startswith("answers: 2 of 4, ")


def test_news_without_an_item_is_news(bar: Bar, clock: Clock, capsys: Capsys) -> None:
    with bar:
        task = bar.add_task("answers", total=4, rate="")
        clock.now += 61
        advance(bar, task, items=0, tokens=6100)
    assert capsys.readouterr().err.splitlines()[0] == "answers: 0 of 4, 100 tokens/s, 0:01:01 spent"


def test_a_terminal_shows_the_bar_alone(clock: Clock, capsys: Capsys) -> None:
    terminal = io.StringIO()
    work(Bar(console=Console(file=terminal, force_terminal=True), get_time=clock), clock, [25.0] * 10)
    assert "train" in terminal.getvalue()
    assert capsys.readouterr().err == ""
