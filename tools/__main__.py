"""`python -m tools`: this checkout's `cot`."""

from tools.cot import run_command

run_command()
