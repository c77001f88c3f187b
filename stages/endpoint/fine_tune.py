"""Fine-tune: a job of OpenAI's fine-tuning API, journalled so that no crash orphans it or pays for it twice.

Every step is noted in the store before it is taken. What the note leaves open - did the upload, did the job
get through? - the server is asked: files are named by their content, and a job carries the hash of all that
decides its result (`Order.content`) in its metadata. So a job that another run, another cell or another
machine has paid for is found as well.
"""

import base64
import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, cast

import openai
from openai.types.fine_tuning import FineTuningJob
from rich.progress import Progress, TaskID

from stages.asking.prices import MILLION, price_of
from stages.asking.store import Store
from stages.config.cli import progress_bar
from stages.config.endpoint import Endpoint, endpoint_and_prices
from stages.endpoint.calls import HINTS
from stages.endpoint.estimate import count_bytes
from stages.endpoint.jobs import alone
from stages.endpoint.keys import hide_secrets
from stages.endpoint.server import NoNumber, connect_client, is_marked, make_once, number_of, upload_once
from stages.endpoint.transport import mode_of

KIND = "fine_tune"  # in the journal
METADATA = "cot_distill"  # the key under which a job carries its content
ENDED = ("succeeded", "failed", "cancelled")
PASSING = (  # another look may succeed
    openai.APIConnectionError,
    openai.InternalServerError,
    openai.RateLimitError,
    json.JSONDecodeError,
)


@dataclass(frozen=True)
class Order:
    """Everything that decides what a job makes."""

    base: str  # the model it starts from
    train: str  # JSON lines in the API's format
    validation: str  # the same; "" for none
    hyperparameters: dict[str, float]
    seed: int

    @property
    def content(self) -> str:
        """sha256 of it all: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps({"version": 1, **asdict(self)}, sort_keys=True).encode()).hexdigest()


def fine_tune(order: Order, name: str) -> dict[str, Any]:
    """The model an order makes, at endpoint `name`.

    Returns {model, job, trained_tokens, hyperparameters, results (CSV), dollars (None: unknown)}. Waits until
    the job has ended, for hours if need be. Raises ValueError if it fails, for a refused key and the like,
    for a spent budget, and in replay for an order that the journal does not hold.
    """
    store = Store()
    endpoint, prices = endpoint_and_prices(name)
    # the same order elsewhere makes another model
    key = hashlib.sha256(f"{endpoint.base_url} {order.content}".encode()).hexdigest()[:32]
    with alone(store, f"jobs/{key}"):  # when dvc is killed, the stage that it ran may live on
        _, state, record = store.jobs(KIND).get(key, (name, "", {}))
        price = price_of(prices, f"ft:{order.base}")
        rate = None if price is None or price.training is None else price.training / MILLION
        if state != "succeeded":
            tuning = Tuning(store, name, endpoint, rate, order, key, record if state not in ENDED else {})
            try:
                record = tuning.run()
            except (openai.APIError, json.JSONDecodeError, NoNumber) as error:
                raise ValueError(tuning.explain(error)) from error
        tokens: Any = record["trained_tokens"]
        return {**record, "dollars": None if rate is None or tokens is None else rate * tokens}


class Tuning:
    """One order on its way; `record` is what the journal says of it."""

    def __init__(
        self,
        store: Store,
        name: str,
        endpoint: Endpoint,
        rate: float | None,
        order: Order,
        key: str,
        record: dict[str, Any],
    ) -> None:
        self.store = store
        self.name = name
        self.endpoint = endpoint
        self.rate = rate  # dollars a token; None: unknown
        self.order = order
        self.key = key
        self.record: dict[str, Any] = {"content": order.content, "base": order.base, "files": {}, **record}
        self.seen: set[str] = set()  # events
        if mode_of(endpoint) == "replay":
            most = "unknown" if rate is None else f"at most {self.most_dollars():.2f}"
            raise ValueError(
                f"replay: {store.path} has no finished fine-tuning of {order.base} on these"
                f" {order.train.count(chr(10))} examples; at endpoint {name!r} it would cost (dollars):"
                f" {most}; bring a store along ($COT_STORE), or train with `mode: live`"
            )
        self.client = connect_client(name, endpoint)

    def note(self, state: str) -> None:
        self.store.write_job(self.key, KIND, self.name, state, self.record)

    def run(self) -> dict[str, Any]:
        """Begin or go on with the job, wait for its end, and give its record.

        Raises ValueError where the server refuses or the job fails.
        """
        if "job" not in self.record:
            self.note("intent")
            self.record["job"] = self.find_job() or self.create_job()
            self.note("submitted")
            print(
                f"fine-tuning job {self.record['job']}: leaving now does not end it, the next run waits on",
                file=sys.stderr,
            )
        with progress_bar() as bar:
            job = self.wait(bar)
        return self.collect(job)

    # ---- getting it there

    def find_job(self) -> str | None:
        """The id of a job with this content that has not failed."""
        content = self.order.content
        for job in self.client.fine_tuning.jobs.list(metadata={METADATA: content}):
            # a server may overlook the filter
            ours = is_marked(job.metadata, METADATA, content)
            if ours and job.status not in ("failed", "cancelled"):
                return job.id
        return None

    def create_job(self) -> str:
        """Upload, reserve, submit; returns the job's id."""
        files = self.record["files"]
        for part, text in (("train", self.order.train), ("validation", self.order.validation)):
            if text:
                files[part] = upload_once(self.client, self.endpoint.attempts, text.encode())
                self.note("uploaded")
        self.reserve()
        try:
            return make_once(self.endpoint.attempts, self.find_job, self.post_job)
        except openai.APIStatusError as error:
            # refused: nothing was made
            if error.status_code in HINTS and (payment := self.record.pop("payment", None)) is not None:
                self.store.settle([(payment, 0.0)])
                self.note("uploaded")
            raise

    def post_job(self) -> str:
        order = self.order
        files = self.record["files"]
        method = {"type": "supervised", "supervised": {"hyperparameters": order.hyperparameters}}
        poster = self.client.with_options(max_retries=0)
        made = poster.fine_tuning.jobs.create(
            model=order.base,
            training_file=files["train"],
            validation_file=files.get("validation") or openai.omit,
            seed=order.seed,
            suffix=f"cot-{order.content[:12]}",
            metadata={METADATA: order.content},
            method=cast(Any, method),
        )
        return number_of(made)

    def most_dollars(self) -> float:
        """A token spells at least one byte; the JSON around the texts outweighs the marks around messages."""
        size = count_bytes(self.order.train + self.order.validation)
        return (self.rate or 0.0) * size * self.order.hyperparameters["n_epochs"]

    def reserve(self) -> None:
        """Set the most it can cost aside, once.

        A crash right here leaves too much set aside, never too little.
        """
        if "payment" in self.record:
            return
        budget = self.endpoint.budget
        payment = None
        if self.rate is not None:
            most = self.most_dollars()
            payment = self.store.reserve(self.name, most, budget, f"job {self.key}")
            if payment is None:
                raise ValueError(
                    f"budget of {budget:.2f} dollars at endpoint {self.name!r}:"
                    f" {self.store.spent(self.name):.4f} spent, fine-tuning may cost {most:.4f}; raise"
                    f" `endpoints.{self.name}.budget` to go on"
                )
        elif budget is not None:
            raise ValueError(
                f"endpoint {self.name!r} has a budget, but no training price is known for"
                f" {self.order.base!r}: add it under `prices.ft:{self.order.base}`"
            )
        self.record["payment"] = payment
        self.note("creating")

    # ---- waiting for it

    def wait(self, bar: Progress) -> FineTuningJob:
        """The job once it has ended; its state goes into the journal, its events onto the terminal."""
        task = bar.add_task(f"fine-tune {self.order.base}", total=None, rate="")
        state = ""
        lost = 0
        while True:
            try:
                job = self.client.fine_tuning.jobs.retrieve(self.record["job"])
                self.show_events(bar, task, job.status)
                lost = 0
            except PASSING:
                lost += 1
                if lost == self.endpoint.attempts:
                    raise
            else:
                if job.status in ENDED:
                    return job
                if job.status != state:
                    state = job.status
                    self.note(state)
            time.sleep(float(os.environ.get("COT_POLL_SECONDS") or 15))

    def show_events(self, bar: Progress, task: TaskID, state: str) -> None:
        """What has happened since the last look, oldest first; the server lists the newest first."""
        new = []
        for event in self.client.fine_tuning.jobs.list_events(self.record["job"], limit=100):
            if event.id in self.seen:
                break
            new.append(event)
        for event in reversed(new):
            self.seen.add(event.id)
            if event.type == "metrics" and isinstance(event.data, dict):
                step = event.data.get("step")
                total = event.data.get("total_steps")
                bar.update(task, completed=step, total=total, rate=f"loss {event.data.get('train_loss')}")
            else:
                text = f"{self.record['job']}: {hide_secrets(event.message, self.endpoint)}"
                bar.console.print(text, markup=False, highlight=False)
        bar.update(task, description=f"fine-tune {self.order.base} ({state})")

    # ---- when it has ended

    def collect(self, job: FineTuningJob) -> dict[str, Any]:
        """Settle, keep the outcome in the journal, return it. Raises ValueError for a job without a model."""
        # a failed job is not billed
        tokens = 0 if job.trained_tokens is None and job.status == "failed" else job.trained_tokens
        if self.record.get("payment") is not None:
            cost = None if tokens is None or self.rate is None else self.rate * tokens
            self.store.settle([(self.record["payment"], cost)])
        if job.status != "succeeded" or not job.fine_tuned_model:
            self.note("cancelled" if job.status == "cancelled" else "failed")
            why = "the server gives no reason"
            if job.error and job.error.message:
                why = hide_secrets(f"{job.error.code}: {job.error.message}", self.endpoint)
            raise ValueError(
                f"fine-tuning job {job.id} of {self.order.base} at endpoint {self.name!r} {job.status}:"
                f" {why}; the next run starts a new one"
            )
        given = {name: value for name, value in job.hyperparameters.model_dump().items() if value is not None}
        self.record |= {
            "model": job.fine_tuned_model,
            "trained_tokens": job.trained_tokens,
            "hyperparameters": given,
            "results": self.step_metrics(job),
        }
        self.note("succeeded")
        return self.record

    def step_metrics(self, job: FineTuningJob) -> str:
        """The loss of each step as CSV, "" where the server has none (any more)."""
        try:
            content = self.client.files.content(job.result_files[0]).content if job.result_files else b""
        except openai.NotFoundError:
            return ""
        if b"," not in content.partition(b"\n")[0]:  # OpenAI serves some of them in base64
            content = base64.b64decode(content)
        return content.decode("utf-8-sig")

    def explain(self, error: Exception) -> str:
        """What went wrong where, on one line and without the key, and what to do."""
        text = hide_secrets(str(error), self.endpoint)[:500]
        where = f"fine-tuning of {self.order.base!r} at endpoint {self.name!r}, {self.endpoint.base_url}"
        if not isinstance(error, openai.APIStatusError):
            return f"{where}: {text}; nothing is lost: the next run goes on from here"
        hint = HINTS.get(error.status_code, "the next run goes on from here")
        if error.status_code in (401, 403) and self.endpoint.key_env:
            hint += f" (${self.endpoint.key_env})"
        if error.status_code == 404 and "job" in self.record:
            hint = (
                f"{self.record['job']} is in the journal of {self.store.path}: is this the account and"
                " project it was started from?"
            )
        if error.status_code == 400:
            hint = (
                "the server does not take the job: can this model be fine-tuned, does it offer every setting"
                " of the student's block?"
            )
        return f"{where}: {text}; {hint}"
