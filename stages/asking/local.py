"""Local: a model of `transformers` in this process answers, be it a teacher's or a student's weights."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Any

from stages.asking.conversation import Answerer, Failures, Wanted
from stages.asking.request import Answer, Request
from stages.config.decoding import Decoding
from stages.text.thoughts import spoken


def decode_requests(
    loaded: Any, requests: list[Request], decoding: Decoding, what: str
) -> list[list[Answer]]:
    """`decoding.samples` answers to each request, in their order. All are of one model and have the same stop
    marks and system text; `what` names the work on the progress bar.
    """
    from stages.students.decode import decode  # torch: not where all is in the store

    first = requests[0]
    system = first.system if first.kind == "transformers_chat" else None
    prompts = [request.prompt for request in requests]
    decoded = decode(loaded, prompts, list(first.stop), decoding, what, system)
    fingerprint = f"torch {version('torch')} {loaded.device.type}"
    if str(loaded.model.dtype) == "torch.bfloat16":
        fingerprint += " bfloat16"
    return [
        [
            Answer(
                text,
                answer.finish_reason,
                reasoning,
                tokens_in=answer.tokens_in,
                tokens_out=answer.tokens_out,
                model=request.model,
                fingerprint=fingerprint,
                source="local",
                prompt_cut=answer.prompt_cut,
            )
            for answer in answers
            for text, reasoning in [(answer.text, "") if system is None else spoken(answer.text)]
        ]
        for request, answers in zip(requests, decoded, strict=True)
    ]


def from_memory(load: Callable[[], Any], decoding: Decoding, what: str) -> Answerer:
    """A student that `load` gives answers conversations that share nothing (`Asking.shared`).

    The samples of a question share its first prompt, which is read once; a later step continues its own
    sample.
    """
    loaded = cache(load)
    held: dict[str, dict[int, Answer]] = {}

    def fulfil(wanted: list[Wanted]) -> Failures:
        # all are at the same step: at the first each wants all samples, at a later one each is one sample's
        samples = len(wanted[0].samples)
        requests = [want.request for want in wanted]
        found = decode_requests(loaded(), requests, decoding.model_copy(update={"samples": samples}), what)
        held.update(
            (want.key, dict(zip(want.samples, answers, strict=True)))
            for want, answers in zip(wanted, found, strict=True)
        )
        return {}

    return Answerer(lambda key: held.get(key, {}), fulfil)
