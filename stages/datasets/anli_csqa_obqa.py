"""The mixture that SCoTD trains on for an unseen task (its section 3.5 and Figure 6): ANLI, CommonsenseQA and
OpenBookQA, one after the other.

Rows, ids and `dataset` are those of stages/datasets/anli.py, commonsense_qa.py and openbook_qa.py, whose
files lie in folders of these names; `subtask` says which one, so that each has a score of its own. The paper
does not say how much of each it takes: here all of it.
"""

from dataclasses import replace
from pathlib import Path

from stages.datasets import anli, commonsense_qa, openbook_qa
from stages.records.example import Example

PAGE = "https://arxiv.org/abs/2306.14050"
LICENCE = "CC-BY-NC-4.0 (anli), unstated (commonsense_qa), GPL-3.0 (openbook_qa)"
CITATION = "Li et al. 2023, Symbolic Chain-of-Thought Distillation: Small Models Can Also Think Step-by-Step"


def parse(raw: Path) -> list[Example]:
    if not (raw / "anli" / "train.jsonl").exists():
        raise ValueError(
            f"{raw / 'anli' / 'train.jsonl'} not found: without it nothing of ANLI is trained on"
        )
    parts = {"anli": anli.parse, "commonsense_qa": commonsense_qa.parse, "openbook_qa": openbook_qa.parse}
    return [
        replace(example, subtask=name) for name, parsed in parts.items() for example in parsed(raw / name)
    ]
