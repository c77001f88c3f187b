"""Selection: which k completions of a question stay where it has more.

SCoTD section 4, "What Factors are Important for Distillation?": four hypotheses about what a good corpus
is, each a way to choose at the same budget. A question with fewer completions than its budget keeps them
all and is not made up for elsewhere (footnote 11). No choice depends on the order of a question's rows, and
what is left of them stays in it.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise

from stages.config.curation import Select
from stages.corpus.filters import texts_learned
from stages.corpus.similarity import NAMES, Embed, embed, split_words
from stages.records.completion import Completion


def draw_lot(completion: Completion, seed: int) -> float:
    """The number in [0, 1) that a completion draws.

    It depends on no other completion, so that smaller draws nest in larger ones.
    """
    return random.Random(f"{seed} {completion.example_id} {completion.sample}").random()


def draw_rows(rows: list[Completion], keep: int, seed: int) -> list[Completion]:
    """`keep` of one question's rows without replacement, each as likely as any other.

    The paper's "Null hypothesis: data volume".
    """
    return sorted(rows, key=lambda row: (draw_lot(row, seed), row.sample))[:keep]


def diverse_rows(
    rows: list[Completion], keep: int, seed: int, embed: Embed, train_on: str = "summary"
) -> list[Completion]:
    """One drawn row from each of `keep` clusters of one question's texts ("Diversity").

    The paper says hierarchical clustering and no more; here it is Ward's, which makes the clusters' sum of
    squared distances small.
    """
    if len(rows) <= keep:
        return rows
    from sklearn.cluster import AgglomerativeClustering

    texts = ["\n".join(texts_learned(row, train_on)) for row in rows]
    # equal texts get one vector, to the last bit
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    vectors = embed(list(place))[[place[text] for text in texts]]
    clusters = AgglomerativeClustering(n_clusters=keep, linkage="ward").fit_predict(vectors)
    members = defaultdict(list)
    for row, cluster in zip(rows, clusters, strict=True):
        members[int(cluster)].append(row)
    return [row for cluster in members.values() for row in draw_rows(cluster, 1, seed)]


def logprob_per_token(completion: Completion) -> float:
    """Mean log-probability of a token that the teacher wrote, over all steps.

    A server that gives several samples in one answer counts their tokens together: each row's share is then
    estimated (stages/endpoint/responses.py). What is no number is the least likely. Raises ValueError for a
    row that does not tell.
    """
    tokens = (completion.usage or {}).get("out", 0)
    if completion.logprob is None or not tokens:
        raise ValueError(
            f"select by likelihood: {completion.example_id} sample {completion.sample} of"
            f" {completion.model!r} has log-probability {completion.logprob} over {tokens} tokens, wanted"
            " both: ask a teacher with `logprobs: true`; where it has that, these answers were stored"
            " without them (or the server tells none), and only another `salt` asks anew"
        )
    return completion.logprob / tokens if math.isfinite(completion.logprob) else -math.inf


def likeliest_rows(rows: list[Completion], keep: int) -> list[Completion]:
    """The `keep` rows of the highest log-likelihood per token, of equals the first ("Teacher likelihood")."""
    return sorted(rows, key=lambda row: (-logprob_per_token(row), row.sample))[:keep]


def count_bigrams(rows: Iterable[Completion], train_on: str = "summary") -> int:
    """How many different pairs of neighbouring words these rows have between them, within one step's text."""
    texts = (text for row in rows for text in texts_learned(row, train_on))
    return len({pair for text in texts for pair in pairwise(split_words(text))})


def quintile_budgets(openness: Mapping[str, int], keep: int) -> dict[str, int]:
    """Each question's budget by the quintile of its openness; of `keep` 5 they are 1, 3, 5, 7 and 9.

    The most open questions get most. Any odd `keep` gives five equal steps from 1 to 2 x keep - 1 where it
    can, with `keep` as their mean: exactly, for the quintiles are symmetric (the question of rank r among
    n, from 0, is in quintile floor(5 (r + 1/2) / n)). Equal openness is ranked by id.
    """
    ranked = sorted(openness, key=lambda question: (openness[question], question))
    step = (keep - 1) // 2
    return {
        question: keep + (5 * (2 * rank + 1) // (2 * len(ranked)) - 2) * step
        for rank, question in enumerate(ranked)
    }


def question_budgets(select: Select, openness: Mapping[str, int]) -> dict[str, int]:
    """How many completions of each question stay; {}: `select.keep` of every one. `openness`: the bigrams of
    all that the teacher said to a question before any filter, for wrong rationales show it too.
    """
    return quintile_budgets(openness, select.keep) if select.by == "open_endedness" else {}


def select_rows(
    rows: list[Completion],
    budgets: Mapping[str, int],
    select: Select,
    seed: int,
    train_on: str = "summary",
) -> list[Completion]:
    """The completions of one question that stay."""
    if not rows:
        return rows
    by_sample = sorted(rows, key=lambda row: row.sample)
    budget = budgets.get(rows[0].example_id, select.keep)
    if select.by == "likelihood":
        chosen = likeliest_rows(by_sample, budget)
    elif select.embed:
        chosen = diverse_rows(by_sample, budget, seed, partial(embed, select.embed), train_on)
    else:
        chosen = draw_rows(by_sample, budget, seed)
    kept = {row.sample for row in chosen}
    return [row for row in rows if row.sample in kept]


def selection_summary(select: Select) -> dict[str, object]:
    """How rows were selected, for the funnel."""
    summary: dict[str, object] = {"by": select.by, "keep": select.keep}
    return {**summary, "embedding": NAMES[select.embed]} if select.embed else summary
