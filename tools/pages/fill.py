"""Fill: put data into a page that is one file and needs no network. What is put in is text to be shown, never
markup or code.
"""

import json
from pathlib import Path
from typing import Any


def with_data(template: str, data: Any) -> str:
    """tools/pages/<template>.html with `data` as JSON in its data block. A "<" is escaped: no text can end
    the block and begin a script.
    """
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return Path(__file__).with_name(f"{template}.html").read_text(encoding="utf-8").replace("__DATA__", text)
