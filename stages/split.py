"""Split: which questions are trained on, which choose a checkpoint and which are the test.

In: examples, and the published index file where the scheme reads one. Out: ids per part with the template
group of every id, and a leakage report: how much of test and validation the train part already shows.
Source: Fine-tune-CoT, appendices B and E.3.
Differs: the paper has no validation part (its best epoch is chosen on test); here one is cut from
train (difference 1).
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.contamination import read_contamination
from stages.config.load import block, read_params
from stages.config.split import Split
from stages.corpus.contamination import refuse_contaminated
from stages.corpus.leakage import leakage_report
from stages.corpus.parts import split_rows, template_groups
from stages.records.example import read_examples
from stages.records.jsonl import write_json


def main(
    name: Annotated[str, typer.Argument(metavar="SPLIT", help="A block under `splits`.")],
    source: Annotated[Path, typer.Argument(metavar="EXAMPLES", help="data/examples/DATASET.jsonl")],
    raw: Annotated[
        Path, typer.Argument(metavar="RAW_DIR", help="data/raw/DATASET, where an index file lies.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT_JSON", help="Where ids per part and template groups go.")
    ],
    leakage: Annotated[Path, typer.Argument(metavar="LEAKAGE_JSON", help="Where the leakage report goes.")],
) -> None:
    """Decide the parts of a dataset and report what leaks between them."""
    examples = read_examples(source)
    if not examples:
        raise ValueError(f"{source}: no examples to split")
    groups = template_groups(examples)
    parts = split_rows(examples, groups, block(f"splits.{name}", Split), raw)
    ids = [example.id for example in examples]
    ids_of_parts = {part: [ids[row] for row in rows] for part, rows in parts.items()}
    write_json(out, {**ids_of_parts, "templates": dict(zip(ids, groups, strict=True))})
    report = leakage_report(parts, examples, groups)
    write_json(leakage, report)
    dataset = source.stem
    refuse_contaminated(dataset, dataset, report["test_wording_in_train"], read_contamination(read_params()))


if __name__ == "__main__":
    run(main)
