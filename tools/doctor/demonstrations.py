"""Demonstrations: what a few-shot method is to show, and a data set does not have."""

from collections.abc import Iterator

from stages.config.run import methods_of
from stages.records.demonstrations import demonstrations_for
from stages.records.example import Example
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting
from tools.doctor.shelf import Book


def pairs(setting: Setting) -> Iterator[tuple[str, str, str]]:
    """(who asks, its method, data set), each pair once: teachers as they are asked, students as they are."""
    run = setting.run
    for name, settings in setting.teachers():
        if method := getattr(settings, "method", None):
            yield from ((f"teachers.{name}", method, dataset) for dataset in run.datasets)
    asked = [*dict.fromkeys([*run.datasets, *run.transfers])]
    for method in methods_of(run):
        yield from ((f"methods.{method}", method, dataset) for dataset in asked)


def one_of_each_subtask(book: Book) -> list[Example]:
    """Demonstrations are found by subtask. A stand-in where no question is here."""
    if book.examples is None:
        return [Example(book.name, book.name, "A question", "0", "text")]
    return list({example.subtask: example for example in book.examples}.values())


def find_demonstrations(setting: Setting) -> Iterator[Finding]:
    """Each method is asked for its first prompt: what `teach` and `predict` would raise, now."""
    for where, name, dataset in pairs(setting):
        method, settings = setting.method(name)
        book = setting.book(dataset)
        try:
            text = book.demonstrations
            for example in one_of_each_subtask(book) if text is not None else []:
                method.ask(example, [], settings, demonstrations_for(example, text or ""))
        except ValueError as error:
            yield Finding("demonstrations", "stops", f"{where} on {dataset}", str(error))
