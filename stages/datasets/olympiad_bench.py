"""OlympiadBench, its English text-only problems with an answer that can be checked (He et al. 2024): 675 rows
in four fields (`subtask`).

One row: {"id": 7, "subfield": "Algebra", "context": null, "question": "Find all n ...", "solution": ["..."],
"final_answer": ["$1$,$3$"], "is_multiple_answer": true, "unit": null, "answer_type": "Numerical", "error":
null}. 94 rows have several answers: they stand in one text, and all of them are wanted, in any order. Eight
have a unit, which is no part of the answer. Three gold answers are no expression to the library and met only
by (nearly) the same text: rows 1782 (m_max = ...), 1965 ("where b is ...") and 2045 ("t(0,4]"); one asks for
two angles by name (1760).
"""

from pathlib import Path

from stages.parsing.fields import field, rows_of
from stages.records.example import Example

PAGE = "https://github.com/QwenLM/Qwen2.5-Math/tree/main/evaluation/data/olympiadbench"
LICENCE = "MIT"
CITATION = (
    "He et al. 2024, OlympiadBench: A Challenging Benchmark for Promoting AGI with Olympiad-Level Bilingual"
    " Multimodal Scientific Problems"
)


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_of(raw / "test.jsonl")):
        answers = field(source, "final_answer", where, list)
        if len(answers) != 1:
            raise ValueError(f"{where}: final_answer is {answers!r}, wanted one text")
        examples.append(
            Example(
                id=f"olympiad_bench-{row}",
                dataset="olympiad_bench",
                question=field(source, "question", where, str).strip(),
                answer=field({"final_answer": answers[0]}, "final_answer", where, str).strip(),
                answer_type="latex",
                source_split="test",
                subtask=field(source, "subfield", where, str).lower().replace(" ", "_"),
            )
        )
    return examples
