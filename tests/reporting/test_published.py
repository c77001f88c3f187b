"""Published numbers: against their source, means against their columns, all against a digest."""

import hashlib
import json
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import pytest
from conftest import ROOT

from stages.reporting.spec import Item, Printed, pattern_names, printed_numbers, read_paper

PAPERS = ("ft", "scotd", "cascod", "competition")
Numbers = dict[tuple[str, str, str], Printed]  # (item, row, panel) -> one per column
ALIAS = {"last_letter": "last_letter_concatenation"}  # the authors' notebook's name
TASKS = {"CSQA": "csqa", "QuaRel": "quarel", "OpenBookQA": "openbookqa"}
ELSEWHERE = {  # what the tables' files do not hold: read off the papers' texts
    ("ft", "table_6", "rationales kept", ""): [258, 170, 123, 123],
    ("scotd", "figure_6", "text-curie-001", ""): [74.5],
    ("cascod", "statistics", "questions", ""): [6511, 5381, 2546, 2376, 1172],
    ("competition", "benchmarks", "accuracy", ""): [8.33, 11.67, None, 31.01, None, None, 63.23],
    ("competition", "benchmarks", "pass@1", ""): [None, None, None, 24.78, None, 41.66, None],
    ("competition", "benchmarks", "avg@16", ""): [7.08, 7.08, 35, None, None, None, None],
}
DIGEST = "839d5601d7d8c4630d0d92f9adff8e5bffe3cb358549757af1b1df3bf275f7c2"


def printed_rows(name: str) -> Iterator[tuple[str, Item, str, str, Printed]]:
    """Item by item, row by row, panel by panel: what is printed, where anything is."""
    for key, item in read_paper(name).items.items():
        for row, spec in item.rows.items():
            for panel in item.panels or [""]:
                numbers = printed_numbers(spec, panel)
                if any(one is not None for one in numbers):
                    yield key, item, row, panel, numbers


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    folder = ROOT.parent / "shared" / "published"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: the tables that the numbers were taken from")
    files = {"ft": "fine_tune_cot.json", "scotd": "scotd.json", "cascod": "cascod.json"}
    return {name: json.loads((folder / file).read_text(encoding="utf-8")) for name, file in files.items()}


def padded(values: list[float | None], item: Item) -> Printed:
    """None for the columns of ours, which come last."""
    return [*values, *[None] * (len(item.columns) - len(values))]


def ft(source: dict[str, Any], items: dict[str, Item]) -> Numbers:
    names = [pattern_names(column.where["dataset"])[0] for column in items["table_1"].columns.values()]
    datasets = [ALIAS.get(name, name) for name in names]
    tables = {f"table_9_{kind}": f"table9_{kind}" for kind in ("gpt3", "t5", "flan_t5", "gpt2")}
    tables["table_1"] = "table1_performance"
    found: Numbers = {}
    for key, table in tables.items():
        for row in source[table]["rows"]:
            name = " ".join(filter(None, (row["method"], row["params"])))
            found[key, name, ""] = [row["accuracy_pct"][dataset] for dataset in datasets]
    sizes = {row["dataset"]: row for row in source["table3_dataset_sizes"]["rows"]}
    for part in ("train", "test"):
        found["table_3", part, ""] = [sizes[dataset][part] for dataset in datasets]
    prior = source["distributional_random_performance_pct"]["rows"]
    found["table_8", "Random", "sample-wise"] = [prior["multiarith"], prior["date_understanding"]]
    return found


def scotd(source: dict[str, Any], items: dict[str, Item]) -> Numbers:
    names = {
        "No CoT": "no CoT",
        "Greedy": "greedy",
        "Self-Consistency": "self-consistency",
        "Few-Shot": "Few-shot",
        "Few-Shot SCoTD": "Few-shot SCoTD",
    }
    found: Numbers = {}
    for key, table in (("table_2a", "table2a"), ("table_2b", "table2b")):
        for first, second, *values in source[table]["rows"]:
            row = " ".join(names.get(one, one) for one in (first, second) if one != "-")
            found[key, row, ""] = values
    for first, voted, *values in source["table3a"]["rows"]:
        how = "self-consistency" if voted == "Yes" else "greedy"
        found["table_3a", f"{names.get(first, first)}, {how}", ""] = values
    text = source["text"]
    supervised = dict(zip(TASKS, found["table_3a", "SCoTD, greedy", ""], strict=True))
    for panel, task in TASKS.items():
        for voted, name in (("No", "greedy"), ("Yes", "self-consistency")):
            found["table_3b", f"Few-shot SCoTD, {name}", panel] = source["table3b"]["rows"][task][voted]
        found["figure_2", "SCoTD", panel] = [None] * 4 + [supervised[panel], text["n50"][task]]
    for name, key in (("Label-Only", "label_only"), ("SCoTD", "scotd")):
        imdb = [text["imdb"]["original"][key], text["imdb"]["contrast"][key]]
        found["figure_5", name, ""] = padded(imdb, items["figure_5"])
    found["figure_6", "SCoTD", ""] = [text["sst2_few_shot"]]
    dropped = text["discarded_pct_supervised"]
    found["discarded", "code-davinci-002", ""] = [round(100 - dropped[task], 1) for task in TASKS.values()]
    return found


def cascod(source: dict[str, Any], items: dict[str, Item]) -> Numbers:
    tables = (("table_1", "table1"), ("table_2", "table2"))
    return {
        (key, row[0], ""): padded(row[1:], items[key])
        for key, table in tables
        for row in source[table]["rows"]
    }


@pytest.mark.parametrize("name", PAPERS)
def test_every_number_is_its_sources(name: str, sources: dict[str, Any]) -> None:
    """And every number of the source stands somewhere.

    Table 9 repeats Random and the teacher of Table 1, which stand there once.
    """
    items = read_paper(name).items
    read = {"ft": ft, "scotd": scotd, "cascod": cascod}.get(name)
    wanted = read(sources[name], items) if read else {}
    wanted |= {tuple(place): values for (paper, *place), values in ELSEWHERE.items() if paper == name}
    here = {(key, row, panel): values for key, _, row, panel, values in printed_rows(name)}
    for key, row, panel in list(wanted):
        if key.startswith("table_9") and row in ("Random", "Teacher 175B"):
            assert wanted.pop((key, row, panel)) == here["table_1", row, panel]
    assert here == wanted


def test_sizes_are_the_sources(sources: dict[str, Any]) -> None:
    """n and whole of the columns, by which printed shares are checked."""
    sizes = {row["dataset"]: row for row in sources["ft"]["table3_dataset_sizes"]["rows"]}
    for item in read_paper("ft").items.values():
        for column in item.columns.values():
            if column.n:
                dataset = pattern_names(column.where["dataset"])[0]
                row = sizes[ALIAS.get(dataset, dataset)]
                whole = row["train"] + row["test"]
                assert (column.n, column.whole or whole) == (row["test"], whole)
    cascod = sources["cascod"]
    found = {title: column.n for title, column in read_paper("cascod").items["table_1"].columns.items()}
    assert found["BB-sub"] == sum(row["size"] for row in cascod["table6_bb_sub"]["rows"])
    agieval = cascod["table3_agieval"]
    assert found["AGIEval"] == sum(n for n, _ in agieval["rows"].values()) == agieval["sum"]


def test_settings_are_the_sources(sources: dict[str, Any]) -> None:
    """What ours is said to depart from."""
    hyper = sources["cascod"]["hyper"]
    made = read_paper("cascod").settings
    for student, size in (("tinyllama", "1.1B"), ("llama2_7b", "7B"), ("llama2_13b", "13B")):
        assert made.epochs[student] == hyper["epochs"][size]
    assert made.max_new_tokens == hyper["max_new_tokens_student"]
    for item in read_paper("cascod").items.values():
        assert item.where.get("alpha", ["0.3"])[0] == str(hyper["alpha"])
    assert "L_p=1024" in json.dumps(sources["ft"]["quoted_in_text"])
    assert "<=20 epochs" in json.dumps(sources["ft"]["quoted_in_text"])
    made = read_paper("ft").settings
    assert (made.max_new_tokens, made.epochs["*"]) == (1024, 20)
    assert sources["scotd"]["text"]["N"] == 30


@pytest.mark.parametrize("name", PAPERS)
def test_printed_means_are_those_of_their_columns(name: str) -> None:
    """Within rounding: half a unit of the last printed decimal. No exception is known."""
    seen = 0
    for _, item, _, _, values in printed_rows(name):
        at = dict(zip(item.columns, values, strict=True))
        for title, column in item.columns.items():
            parts = [at[one] for one in column.mean_of]
            if column.mean_of and at[title] is not None and None not in parts:
                seen += 1
                assert abs(fmean(parts) - at[title]) <= 0.5 / 10**item.decimals + 1e-9
    assert seen == {"ft": 0, "scotd": 0, "cascod": 16, "competition": 0}[name]


def test_what_is_printed_twice_is_the_same() -> None:
    """Table 9 repeats Table 1's lines of GPT-3; SCoTD's tables one another's but for OpenBookQA."""
    ft = {(key, row): values for key, _, row, _, values in printed_rows("ft")}
    twice = [row for key, row in ft if key == "table_9_gpt3" and ("table_1", row) in ft]
    assert len(twice) == 9
    assert all(ft["table_9_gpt3", row] == ft["table_1", row] for row in twice)
    scotd = {(key, row, panel): values for key, _, row, panel, values in printed_rows("scotd")}
    voted = "Few-shot SCoTD, self-consistency"
    assert scotd["table_2b", "Few-shot SCoTD", ""] == scotd["table_3a", voted, ""]
    assert scotd["table_2b", "Full SCoTD", ""] == [67, 83.8, 67]
    assert scotd["table_3a", "SCoTD, greedy", ""] == [67, 83.8, 65.8]
    for row in ("Few-shot SCoTD, greedy", voted):
        last = [scotd["table_3b", row, panel][-1] for panel in TASKS]
        assert last == scotd["table_3a", row, ""]


def test_no_number_was_changed_by_accident() -> None:
    """Where the source is not at hand.

    After a change on purpose, with its source beside it in the file: put the new digest here.
    """
    numbers = {}
    sizes: dict[str, dict[str, list[list[int | None]]]] = {}
    for name in PAPERS:
        numbers[name] = [[key, row, panel, values] for key, _, row, panel, values in printed_rows(name)]
        sizes[name] = {}
        for key, item in read_paper(name).items.items():
            sizes[name][key] = [[column.n, column.whole] for column in item.columns.values()]
    assert hashlib.sha256(json.dumps([numbers, sizes], sort_keys=True).encode()).hexdigest() == DIGEST
