"""Templates: which questions are the same text with other names and numbers.

Groups for template-wise splits (Fine-tune-CoT, appendix E.3). Numbers, dates, names and pronouns are
masked, stock questions that follow many texts are left out, and nearly equal skeletons are joined.
Differs: the paper grouped MultiArith and Date by hand; here a rule does it for any list of questions
(difference 2).
"""

import re
from collections import Counter, defaultdict
from itertools import chain, groupby, pairwise
from sys import intern

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from stages.corpus.overlap import ROUNDING, Numbers, as_sets, join_near, number_words

# Both thresholds were looked at on MultiArith and Date only, against the sides that Fine-tune-CoT's published
# template splits put rows on. SIMILAR: from 0.82 to 0.86 MultiArith has its 120 groups (sizes 2 to 8), none
# of them on both sides; from 0.74 up, Date has 37 of 41 texts exactly (the other four are two pairs that
# masking makes equal). 0.83 is no small fraction: few pairs of texts lie exactly on it.
SIMILAR = 0.83
# STOCK: a last sentence is no part of the template when it follows this many different texts (Date: 39;
# MultiArith: at most 2).
STOCK = 5

CHOICES = re.compile(r"\s*(?:answer choices|options)\s*:\s*\(A\).*", re.IGNORECASE | re.DOTALL)
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
NUMBER = r"\$?\d+(?:[.,/:]\d+)*(?:st|nd|rd|th)?"
TOKEN = re.compile(rf"\b{MONTH} \d+(?:st|nd|rd|th)?(?:, \d+)?\b|{NUMBER}|[^\W\d_]+|[.?!]")
NUMBER_WORD = re.compile(
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand"
)
PRONOUN = re.compile("he|she|him|her|his|hers|himself|herself|they|them|their|theirs|themselves")
ENDS = ".?!"


def split_question(question: str) -> list[str]:
    """Words, numbers, whole dates and sentence ends of a question without its answer choices."""
    return list(map(intern, TOKEN.findall(CHOICES.sub("", question))))  # millions of rows, few words


def find_names(rows: list[list[str]]) -> set[str]:
    """Words that stand capitalised inside sentences more often than in lower case anywhere.

    And those that are never in lower case and no function words.
    """
    words = Counter(word for row in rows for word in row)
    inside = Counter(word for row in rows for before, word in pairwise(row) if before not in ENDS)
    capitalised = {word for word in words if word[0].isupper()}
    often = {word for word in capitalised if inside[word] > words[word.lower()]}
    return often | {
        word for word in capitalised if not words[word.lower()] and word.lower() not in ENGLISH_STOP_WORDS
    }


def mask_token(token: str, names: set[str]) -> str:
    """The token in lower case, or NUMBER, NAME or PRONOUN for what changes within a template."""
    if any(map(str.isdigit, token)) or NUMBER_WORD.fullmatch(token.lower()):
        return "NUMBER"
    if token in names:
        return "NAME"
    return "PRONOUN" if PRONOUN.fullmatch(token.lower()) else token.lower()


def mask_rows(rows: list[list[str]], names: set[str]) -> list[list[str]]:
    """The tokens of each row, masked. Runs of one mask are one."""
    masks = {token: mask_token(token, names) for token in set(chain.from_iterable(rows))}
    return [
        [
            token
            for token, run in groupby(map(masks.__getitem__, row))
            for _ in (range(1) if token.isupper() else run)
        ]
        for row in rows
    ]


def split_last(row: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what comes before, the last sentence)."""
    ends = [place + 1 for place, token in enumerate(row[:-1]) if token in ENDS]
    return tuple(row[: ends[-1]] if ends else []), tuple(row[ends[-1] :] if ends else row)


def drop_stock(rows: list[list[str]]) -> list[list[str]]:
    """Without last sentences that follow STOCK different texts or more ("What is the date tomorrow?").

    A sole sentence stays.
    """
    halves = [split_last(row) for row in rows]
    texts = defaultdict(set)
    for text, last in halves:
        texts[last].add(text)
    return [
        list(text) if text and len(texts[last]) >= STOCK else row
        for row, (text, last) in zip(rows, halves, strict=True)
    ]


def skeletons(questions: list[str]) -> list[str]:
    """What of each question its template fixes, as words with blanks between them."""
    rows = [split_question(question) for question in questions]
    names = find_names(rows)
    return [" ".join(row) for row in drop_stock(mask_rows(rows, names))]


def word_pairs(skeletons: list[str]) -> csr_array:
    """The set of neighbouring words of each, with both ends of the text: none is empty."""
    words, sizes = number_words(["", *skeleton.split()] for skeleton in [*skeletons, ""])
    # the mark before a text is the one after the text before it
    return as_sets(words[:-1] * (int(words.max()) + 1) + words[1:], sizes[:-1])


def needed_pairs(first: Numbers, second: Numbers) -> Numbers:
    """The fewest shared ones for which the cosine of two sets of these sizes is SIMILAR."""
    needed: Numbers = np.ceil(SIMILAR * np.sqrt(first * second) - ROUNDING).astype(np.int64)
    return needed


def mine_templates(questions: list[str]) -> list[int]:
    """Group number of each question, 0, 1, ... in the order of the groups' first skeletons.

    So shuffled questions get the same numbers. Two skeletons join when the cosine of their sets of word
    pairs is at least SIMILAR, and so do chains of such pairs (single linkage): a group that is too large
    only makes a split stricter, one that is cut in two would leak.
    """
    if not questions:
        return []
    each = skeletons(questions)
    different = sorted(set(each))
    labels = join_near(word_pairs(different), needed_pairs).tolist()
    number = dict(zip(different, labels, strict=True))
    return [number[skeleton] for skeleton in each]
