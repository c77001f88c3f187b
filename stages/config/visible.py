"""Visible: texts of others (models, servers, data) as people may see them. A terminal obeys some characters:
they set its title, fill the clipboard, or turn the order of letters.
"""

import re

# all that moves or commands; line breaks and tabs are as they are
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: object) -> str:
    r"""What would command a terminal is shown as Python writes it: "\x1b]52;c;...\x07"."""
    return COMMANDS.sub(lambda found: ascii(found[0])[1:-1], str(text))
