"""Setting: what the doctor looks at - the parameters of a run, checked, and the data sets that are here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from stages.checking.blocks import Checked, Params
from stages.config.contracts import Method
from stages.config.endpoint import Endpoint, Price
from stages.config.load import check
from stages.config.method import method_of
from stages.config.run import Run
from tools.doctor.shelf import Book, Shelf


@dataclass(frozen=True)
class Setting:
    params: Params  # as params.yaml holds them
    checked: Checked
    shelf: Shelf
    books: dict[str, Book] = field(default_factory=dict)  # those that were taken from the shelf
    methods: dict[str, tuple[Method, Any]] = field(default_factory=dict)  # those that were asked for

    @property
    def run(self) -> Run:
        return self.checked.run

    def book(self, dataset: str) -> Book:
        if dataset not in self.books:
            self.books[dataset] = self.shelf.book(dataset, self.params)
        return self.books[dataset]

    def method(self, name: str) -> tuple[Method, Any]:
        """A method and its settings."""
        if name not in self.methods:
            method, settings, _ = method_of(name, self.params["methods"])
            self.methods[name] = (method, settings)
        return self.methods[name]

    def endpoint(self, name: str) -> Endpoint:
        return check(f"endpoints.{name}", self.params["endpoints"][name], Endpoint)

    def prices(self) -> dict[str, Price]:
        return {
            model: check(f"prices.{model}", price, Price) for model, price in self.params["prices"].items()
        }

    def teachers(self) -> Iterator[tuple[str, Any]]:
        """Names and settings of the run's teachers, and in place of a joined one of those that it joins."""
        for name in dict.fromkeys(one for teacher in self.run.teachers for one in self.joined(teacher)):
            yield name, self.checked.teachers[name][1]

    def joined(self, teacher: str) -> list[str]:
        """The teachers that a joined one is made of; of another itself."""
        return getattr(self.checked.teachers[teacher][1], "teachers", None) or [teacher]
