"""BB-sub: tasks of BIG-bench in three forms, all with lettered options. Sizes are those of CasCoD's Table 6;
`missing_tasks()` names its tasks that no pinned file holds. Of these too a task.json is read, under the name
TASK.json or TASK_SUBTASK.json, once it is among the source's files.
"""

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.parsing.fields import field, right_choice, rows_with_place, with_options
from stages.records.example import Example
from stages.text.gold import LETTERS

MOST_QUESTIONS = 100  # questions of a task
# Table 6: task, questions, options. The paper prints the sum 5,384; its rows give 5,381
TABLE_6 = """
abstract_narrative_understanding 100 5 | anachronisms 100 2 | analogical_similarity 100 7
analytic_entailment 70 2 | cause_and_effect 100 2 | checkmate_in_one 100 26 | cifar10_classification 100 10
code_line_description 60 4 | conceptual_combinations 100 4 | crass_ai 44 4 | elementary_math_qa 100 5
emoji_movie 100 5 | empirical_judgments 99 3 | english_russian_proverbs 80 4 | entailed_polarity 100 2
entailed_polarity_hindi 100 2 | epistemic_reasoning 100 2 | evaluating_information_essentiality 68 5
fantasy_reasoning 100 2 | figure_of_speech_detection 59 10 | goal_step_wikihow 100 4
gre_reading_comprehension 31 5 | human_organs_senses 42 4 | identify_math_theorems 53 4
identify_odd_metaphor 47 5 | implicatures 100 2 | implicit_relations 82 25 | indic_cause_and_effect 100 2
intersect_geometry 100 26 | kanji_ascii 100 5 | kannada 100 4 | key_value_maps 100 2 | logic_grid_puzzle 100 3
logical_args 32 5 | logical_fallacy_detection 100 2 | metaphor_boolean 100 2 | metaphor_understanding 100 4
minute_mysteries_qa 100 4 | mnist_ascii 100 10 | moral_permissibility 100 2
movie_dialog_same_or_different 100 2 | nonsense_words_grammar 50 4 | odd_one_out 86 5 | parsinlu_qa 100 4
physical_intuition 81 4 | play_dialog_same_or_different 100 2 | presuppositions_as_nli 100 3
riddle_sense 49 5 | similarities_abstraction 76 4 | simple_ethical_questions 100 4 | social_iqa 100 3
strange_stories 100 2 | strategyqa 100 2 | swahili_english_proverbs 100 4 | swedish_to_german_proverbs 72 4
symbol_interpretation 100 5 | timedial 100 3 | undo_permutation 100 5 | unit_interpretation 100 5
vitamin_c_fact_verification 100 3 | winowhy 100 2
"""
# a task lies in the files that begin with its name
BIG_BENCH = (
    "epistemic_reasoning",
    "implicatures",
    "logical_fallacy_detection",
    "presuppositions_as_nli",
    "strategyqa",
    "timedial",
    "winowhy",
)
KINDS_OF_REASONING = (
    "abstract_narrative_understanding",
    "cause_and_effect_one_sentence",
    "cause_and_effect_two_sentences",
    "crass_ai",
    "emoji_movie",
    "fantasy_reasoning",
    "goal_step_wikihow",
    "logical_args",
    "metaphor_boolean",
    "odd_one_out",
)
LLM_FOUNDRY = ("conceptual_combinations", "strange_stories")
Question = tuple[str, list[str], str]  # what is asked, its options, the right letter


def table_6_sizes() -> dict[str, int]:
    """Table 6: questions of every task."""
    rows = (row.split() for row in TABLE_6.replace("|", "\n").strip().split("\n"))
    return {task: int(size) for task, size, _ in rows}


def missing_tasks() -> list[str]:
    """The tasks of Table 6 that no pinned file holds."""
    return [
        task
        for task in table_6_sizes()
        if not any(name.startswith(task) for name in (*BIG_BENCH, *KINDS_OF_REASONING, *LLM_FOUNDRY))
    ]


SUBTASKS = tuple(task for task in table_6_sizes() if task not in missing_tasks())


def big_bench_questions(path: Path) -> Iterator[Question]:
    """BIG-bench's task.json: options in the order of target_scores."""
    rows = list(rows_with_place(path, under="examples"))
    prefix = json.loads(path.read_text(encoding="utf-8")).get("task_prefix", "")
    for where, source in rows:
        scores = field(source, "target_scores", where, dict)
        asked = field(source, "input", where, str).strip().removesuffix("The answer is:")
        yield (
            f"{prefix.strip()}\n{asked}".strip(),
            [option.strip() for option in scores],
            right_choice(scores, list(scores), where),
        )


def without_answer_form(text: str) -> str:
    """KindsOfReasoning's first message without the sentences that fix the form of the answer."""
    return " ".join(
        part for part in re.split(r"(?<=[.?]) ", text) if not re.match(r"I will provide|Answer with", part)
    )


def with_letter(asked: str, answer: str, where: str) -> Question:
    """Options that are numbered at the end of the text, listed in it, or yes and no; the answer is an option
    or its number.
    """
    answer = answer.strip().removesuffix(".")
    stem, *options = re.split(r"\n+\d\. ", asked)
    if asked.startswith("Pick the odd word out: "):
        options = [option.strip() for option in asked.partition(": ")[2].split(",")]
    if not options:
        options = ["Yes", "No"]
    index = (
        int(answer) - 1 if re.fullmatch(r"\d", answer) else options.index(answer) if answer in options else -1
    )
    if not 0 <= index < len(options):
        raise ValueError(f"{where}: answer is {answer!r}, wanted one of {options!r} or its number")
    return stem.strip(), [option.strip() for option in options], LETTERS[index]


def kinds_of_reasoning_questions(path: Path) -> Iterator[Question]:
    """KindsOfReasoning's samples, which open with an instruction, and its demonstrations, which do not."""
    opening = ""
    for where, source in rows_with_place(path):
        messages = [field(message, "content", where, str) for message in field(source, "input", where, list)]
        if len(messages) != 2:
            raise ValueError(f"{where}: input is {messages!r}, wanted an instruction and a question")
        opening = without_answer_form(messages[0])
        asked = messages[1]
        stem, options, letter = with_letter(asked, field(source, "ideal", where, str), where)
        yield f"{opening}\n{stem}".strip(), options, letter
    for where, source in rows_with_place(path.with_name(f"{path.stem}_few_shot.jsonl")):
        asked, answer = (
            field(message, "content", where, str) for message in field(source, "sample", where, list)
        )
        stem, options, letter = with_letter(asked, answer, where)
        yield f"{opening}\n{stem}".strip(), options, letter


def llm_foundry_questions(path: Path) -> Iterator[Question]:
    """llm-foundry's rows: the options stand in the list, and in one task in the text too."""
    for where, source in rows_with_place(path):
        options = field(source, "choices", where, list)
        gold = field(source, "gold", where, int)
        if not 0 <= gold < len(options):
            raise ValueError(f"{where}: gold is {gold}, wanted a place in {options!r}")
        asked = re.split(r"\nA\. |\nAnswer: ", field(source, "query", where, str))[0]
        yield (
            asked.removeprefix("Context: ").replace("\nQ: ", "\n").strip(),
            [str(option) for option in options],
            LETTERS[gold],
        )


def task_of(name: str) -> str:
    """The task of a file: the longest one that its name begins with. Raises ValueError where none does."""
    found = [task for task in table_6_sizes() if name.startswith(task)]
    if not found:
        raise ValueError(f"{name}.json: wanted TASK.json or TASK_SUBTASK.json, of a task of CasCoD's Table 6")
    return max(found, key=len)


def parse(raw: Path) -> list[Example]:
    tasks: dict[str, list[Question]] = {task: [] for task in table_6_sizes()}
    own = sorted(path.stem for path in raw.glob("*.json") if path.stem not in BIG_BENCH)
    forms = (
        [(name, big_bench_questions, "json") for name in (*BIG_BENCH, *own)]
        + [(name, kinds_of_reasoning_questions, "jsonl") for name in KINDS_OF_REASONING]
        + [(name, llm_foundry_questions, "jsonl") for name in LLM_FOUNDRY]
    )
    for name, read_form, ending in forms:
        tasks[task_of(name)] += read_form(raw / f"{name}.{ending}")
    if absent := [task for task, questions in tasks.items() if not questions]:
        print(
            f"bb_sub: {len(absent)} of {len(tasks)} tasks of Table 6 are not among the pinned files:"
            f" {', '.join(absent)}",
            file=sys.stderr,
        )
    examples: list[Example] = []
    for task, questions in tasks.items():
        most = min(MOST_QUESTIONS, len(questions))
        rows = sorted(random.Random(f"0 {task}").sample(range(len(questions)), most))
        for asked, choices, answer in (questions[row] for row in rows):
            examples.append(
                Example(
                    id=f"bb_sub-{len(examples)}",
                    dataset="bb_sub",
                    question=with_options(asked, choices),
                    answer=answer,
                    answer_type="choice",
                    choices=choices,
                    source_split="test",
                    subtask=task,
                )
            )
    return examples
