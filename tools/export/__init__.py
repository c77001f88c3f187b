"""Export: a student or a corpus as a folder that others use, and onto the hub: weights and files in their
usual formats, with a card whose every number links to the metrics file that it is from.
"""

from tools.export.corpus import main as corpus
from tools.export.student import main as student
from tools.terminal import command_group

app = command_group()


@app.callback()
def about() -> None:
    """Students and corpora for others: a folder with a card, or a repository on the hub."""


app.command("corpus")(corpus)
app.command("student")(student)
