"""Templates: which questions are the same text with other names and numbers.

Groups for template-wise splits (Fine-tune-CoT, appendix E.3). Numbers, dates, names and pronouns are
masked, stock questions that follow many texts are left out, and nearly equal skeletons are joined.
Differs: the paper grouped MultiArith and Date by hand; here a rule does it for any list of questions
(difference 2).
"""

import re
from collections import Counter, defaultdict
from itertools import groupby, pairwise

from sklearn.cluster import DBSCAN
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

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
    return TOKEN.findall(CHOICES.sub("", question))


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


def mask_tokens(row: list[str], names: set[str]) -> list[str]:
    """The tokens in lower case, with NUMBER, NAME and PRONOUN for what changes within a template.

    Runs of one mask are one.
    """

    def masked(token: str) -> str:
        if any(map(str.isdigit, token)) or NUMBER_WORD.fullmatch(token.lower()):
            return "NUMBER"
        if token in names:
            return "NAME"
        return "PRONOUN" if PRONOUN.fullmatch(token.lower()) else token.lower()

    runs = groupby(map(masked, row))
    return [token for token, run in runs for _ in (range(1) if token.isupper() else run)]


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
    return [" ".join(row) for row in drop_stock([mask_tokens(row, names) for row in rows])]


def word_pairs(skeleton: str) -> list[str]:
    """Neighbouring words with both ends of the text, so that every skeleton has at least one pair."""
    return [" ".join(pair) for pair in pairwise(["", *skeleton.split(), ""])]


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
    pairs = CountVectorizer(analyzer=word_pairs, binary=True).fit_transform(different)
    # with min_samples=1: connected components
    labels = DBSCAN(eps=1 - SIMILAR, min_samples=1, metric="cosine").fit_predict(pairs)
    number = dict(zip(different, map(int, labels), strict=True))
    return [number[skeleton] for skeleton in each]
