"""Back again: the file by which an exported corpus is a data set of this project again."""

from typing import Any

from stages.records.example import LEARNED
from stages.text.answer_types import rules_of
from tools.export.licences import dataset_licence
from tools.export.rows import Corpus, Row


def cannot_import(rows: list[Row]) -> str | None:
    """Why the rows of a corpus cannot be a data set of this project again; None: they can."""
    types = {row["answer_type"] for row in rows}
    if len(types) != 1:
        return f"its answers are of {len(types)} types, and `columns.answer_type` names one"
    lettered = rules_of(*types).lettered
    if any((row["choices"] is not None) != lettered for row in rows):
        return "its answers are among a few, which `columns` has no place for"
    if any(row["stem"] is None for row in rows):
        return "its options stand in its questions in another form than `columns.choices` writes them"
    if len({row["rationalised"] for row in rows}) > 1:
        return "some of its rows are rationalised and some are not, and `columns.responses` marks all or none"
    if any(row["given"] is not None for row in rows):
        return "it holds counterfactual rationales, which `columns.responses` has no place for"
    return None


def import_block(corpus: Corpus, dataset: str, rows: list[Row], place: str) -> dict[str, Any]:
    """stages/datasets/NAME.yaml of an exported corpus that lies in `place`, a folder or a hub id."""
    columns: dict[str, Any] = {"question": "stem", "answer": "gold", "answer_type": rows[0]["answer_type"]}
    if rows[0]["choices"]:
        columns["choices"] = "choices"
    if any(row["template"] for row in rows):
        columns["template"] = "template"
    models = ", ".join(sorted({row["teacher"] for row in rows}))
    columns["responses"] = {"columns": ["response"], "model": models}
    if any(row["rationalised"] for row in rows):
        columns["responses"]["rationalised"] = True
    there = {row["id"] for row in rows}
    parts = {part: part for part in LEARNED if there & set(corpus.parts[part])}
    return {
        "licence": dataset_licence(dataset),
        "citation": f"{corpus.name}, exported by cot-distill",
        "source": {"kind": "hub", "path": place, "name": "corpus", "revision": "main", "splits": parts},
        "columns": columns,
    }
