"""The store of paid answers at the terminal: what is in it, whether it is sound, and how answers get in and
out without being asked again.

The store is one file outside the repository, $COT_STORE or else a folder of yours, shared by all experiments
on this machine. A fresh clone fills it from the outs that DVC pulls: `dvc pull` and then
`cot store import data/completions/*.jsonl`.
"""

from tools.store.export import export_answers
from tools.store.inspection import settle, stats, verify
from tools.store.intake import import_files, merge
from tools.store.prune import prune_store
from tools.terminal import command_group

app = command_group()
app.command()(stats)
app.command()(verify)
app.command()(settle)
app.command("import")(import_files)
app.command()(merge)
app.command("export")(export_answers)
app.command("prune")(prune_store)


@app.callback()
def about() -> None:
    """The store of paid answers: an answer is asked for once, and every experiment on this machine reads it
    from here.

    The file is $COT_STORE, else in a folder of yours (`stats` says where); keep it as you keep what you paid
    for.
    """
