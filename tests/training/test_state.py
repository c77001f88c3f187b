"""The state of a running training: which one is the last, which epoch is kept, what its loss is."""

from pathlib import Path
from types import SimpleNamespace

import torch

from stages.training.attention import gather_attention
from stages.training.cross_entropy import label_losses
from stages.training.plans import Bucket, Gather
from stages.training.state import Progress, latest_state
from stages.training.trainer import Hooks


def test_the_last_state_is_that_of_most_steps(tmp_path: Path) -> None:
    """By number: as text, 9 comes after 10."""
    assert latest_state(tmp_path) is None
    for steps in (10, 9, 2):
        (tmp_path / f"state-{steps}").mkdir()
    assert latest_state(tmp_path) == tmp_path / "state-10"


def test_of_equal_epochs_the_first_is_kept() -> None:
    progress = Progress()
    losses = (3.0, 2.0, 2.0, 2.5, 2.0)
    kept = [progress.end_epoch(1, loss, last=place == 4) for place, loss in enumerate(losses)]
    assert kept == [True, True, False, False, False]
    assert (progress.best, progress.least) == (2, [2.0])


def test_the_train_loss_of_an_epoch_is_a_mean_over_its_steps() -> None:
    progress = Progress(summed=6.0)
    assert progress.end_epoch(4, None, last=True)
    progress.summed = 1.0
    progress.end_epoch(2, None, last=True)
    assert [line["train_loss"] for line in progress.history] == [1.5, 0.5]


def test_losses_of_bfloat16_logits_are_computed_in_float32() -> None:
    logits = torch.randn(70, 50, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    labels = torch.arange(70) % 50
    wanted = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    found = label_losses(logits.clone(), labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    in_bfloat16 = torch.nn.functional.cross_entropy(logits, labels, reduction="none").float()
    assert (in_bfloat16 - wanted).abs().max() > 1e-3, "else this would hold without the cast"


def test_each_epoch_begins_with_its_own_order() -> None:
    """Also one in the middle of which a killed run goes on."""

    class Begun(list[int]):
        begin = list.append

        def __len__(self) -> int:
            return 4  # steps an epoch

    hooks = Hooks(None)
    hooks.trainer = SimpleNamespace(steps=Begun())
    for step in (0, 4, 8, 10):
        hooks.on_epoch_begin(None, SimpleNamespace(global_step=step, max_steps=12), None)
    assert [*hooks.trainer.steps] == [0, 1, 2, 2]


def test_attention_in_rows_of_trees_drops_what_the_model_drops() -> None:
    states = torch.ones(4, 2, 3)
    places = torch.arange(4)[None]
    plan = Gather([Bucket(places, places, torch.ones(1, 1, 4, 4, dtype=torch.bool))], torch.arange(4))
    torch.testing.assert_close(gather_attention(states, states, states, plan, 0.0, None), states)
    torch.manual_seed(0)
    dropped = gather_attention(states, states, states, plan, 0.5, None)
    assert not torch.allclose(dropped, states)
