"""Token weights: from runs of characters to the tokens of a student."""

from typing import Any

from stages.records.sequence import Segment


def token_weights(tokenizer: Any, text: str, segment: Segment) -> list[float]:
    """The weight of each token of `text`, which ends in the segment's: that of the run it has most
    characters in, of equals the first; 0 for one that has none in any.

    So a token on the border of a run is the run's, and so is each of several tokens that one character is
    written with. A token's characters are those from the end of the one before it to its own end: white space
    belongs to the word after it, whether or not the tokenizer says so; a mark that it puts before the text is
    the first character's.
    Raises ValueError for a tokenizer that does not tell which characters its tokens cover.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(
            f"{type(tokenizer).__name__} does not tell which characters a token covers, which texts with"
            " weighed tokens need: choose a student with a fast tokenizer (tokenizer.json)"
        )
    made = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    before = len(text) - len(segment.text)
    runs = [(run.start + before, run.stop + before, run.weight) for run in segment.runs or ()]
    weights = []
    done = 0
    for first, stop in made.offset_mapping:
        start = min(first, done)
        done = max(done, stop)
        shared = [min(stop, end) - max(start, begin) for begin, end, _ in runs]
        most = max(shared, default=0)
        weights.append(runs[shared.index(most)][2] if most > 0 else 0.0)
    return weights
