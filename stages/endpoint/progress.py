"""Progress: what a round of calls tells people, in a bar or, where no terminal shows one, a line a minute."""

import asyncio
import sys

from rich.progress import Progress

MINUTE = 60.0  # seconds between two lines


class CallProgress:
    """What a round of calls at endpoint `name` has brought so far, and what it cost."""

    def __init__(self, name: str, bar: Progress, total: int) -> None:
        self.name = name
        self.bar = bar
        self.task = bar.add_task(f"ask {name}", total=total, rate="")
        self.answers = 0
        self.failed = 0
        self.tokens = 0
        self.dollars: float | None = 0.0  # None: unknown
        self.told_until = 0.0  # until when it is known that the server wants to be left alone

    def pay(self, dollars: float | None, tokens: int) -> None:
        self.dollars = None if dollars is None or self.dollars is None else self.dollars + dollars
        self.tokens += tokens

    def advance(self, samples: int) -> None:
        self.bar.update(self.task, advance=samples, rate=self.summary())

    def summary(self) -> str:
        task = next(task for task in self.bar.tasks if task.id == self.task)
        share = task.completed / task.total if task.total else 1.0
        return summary_line(self.answers, self.failed, self.tokens, task.elapsed or 0.0, self.dollars, share)

    def tell(self, text: str) -> None:
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    async def tell_each_minute(self) -> None:
        while self.bar.disable:
            await asyncio.sleep(MINUTE)
            task = self.bar.tasks[0]
            self.tell(f"{task.completed:,.0f} of {task.total:,.0f} done: {self.summary()}")

    def tell_wait(self, seconds: float) -> None:
        """Once for all calls that hear of it."""
        now = asyncio.get_running_loop().time()
        if now >= self.told_until:
            self.told_until = now + seconds
            self.tell(f"the server asks to wait {seconds:,.0f} s")


def summary_line(
    answers: int, failed: int, tokens: int, seconds: float, dollars: float | None, share: float
) -> str:
    """How far a round of calls is, on one line.

    Its dollars (None: unknown) are projected from the `share` that is done, without later steps.
    """
    text = f"{answers:,} answers, {failed:,} failed, {tokens / max(seconds, 0.001):,.0f} tokens/s"
    if dollars is None:
        return f"{text}, cost unknown: no price"
    projected = f" of about {dollars / share:.4f} for this step" if 0 < share < 1 else ""
    return f"{text}, {dollars:.4f} dollars{projected}"
