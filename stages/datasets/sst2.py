"""SST-2: is a sentence from a film review positive or negative? (Socher et al. 2013), the unseen task of
SCoTD's section 3.5.

One row of train.tsv, a text and a label: "warm and funny<TAB>1". Whole sentences; train 6,920, dev 872 (as in
GLUE), test 1,821. Asked in the words of SCoTD's six demonstrations, which are phrases and no rows of these
files.
"""

from pathlib import Path

from stages.records.example import Example

PAGE = "https://github.com/clairett/pytorch-sentiment-classification"
LICENCE = "unstated"
CITATION = "Socher et al. 2013, Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank"
FILES = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}
CHOICES = ["negative", "positive"]


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for row, line in enumerate((raw / name).read_text(encoding="utf-8").rstrip("\n").split("\n")):
            text, tab, label = line.partition("\t")
            if not tab or label not in ("0", "1"):
                raise ValueError(f"{raw / name} row {row}: got {line!r}, wanted a text, a tab and 0 or 1")
            question = f'What is the sentiment of the following sentence?\n"{text.strip()}"'
            examples.append(
                Example(
                    f"sst2-{len(examples)}",
                    "sst2",
                    question,
                    CHOICES[int(label)],
                    "exact",
                    CHOICES,
                    source_split=part,
                )
            )
    return examples
