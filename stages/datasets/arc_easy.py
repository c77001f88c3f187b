"""ARC, the easy questions of its test part (Clark et al. 2018), in the form of CasCoD's repository (its Table
4): 2,376 rows.

One row: {"input": "Question: What floats?\\nOptions:\\n(A) iron\\n(B) wood\\n(C) lead", "target": "(B)"}.
Three to five options; those that are numbered "(1)" to "(4)", in 97 rows here and 22 of arc_challenge, get
letters.
"""

from pathlib import Path

from stages.parsing.fields import listed_options
from stages.records.example import Example

PAGE = "https://github.com/C-W-D/CasCoD"
LICENCE = "MIT"  # CasCoD's repository; the original release is CC-BY-SA-4.0
CITATION = "Clark et al. 2018, Think you have Solved Question Answering? Try ARC"


def parse(raw: Path) -> list[Example]:
    return listed_options(raw / "ARC-Easy-Test.json", "arc_easy")
