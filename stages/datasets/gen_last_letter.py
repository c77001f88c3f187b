"""Last letter concatenation, generated. `rationale` is how the scripted teacher reasons about it."""

import random
import re
from pathlib import Path

from pydantic import Field

from stages.parsing.generated import DrawSettings, WrittenRationale, generate_examples, join_steps, read_slots
from stages.records.example import Example

PHRASINGS = {
    "quoted": 'Join the last letter of each name in "{spaced}".',
    "names_first": "The names are {listed}. What do their last letters make when they are put together?",
    "line": (
        "{listed} stand in a line. Each one says the last letter of their own name. What is said, in order?"
    ),
    "code": "A secret code is made of the last letters of the names {listed}. What is the code?",
    "ends": "Which letters do the names {listed} end in? Write them as one word.",
    "list": (
        'On a list stand the names "{spaced}". Read only the last letter of each one. What does that make?'
    ),
    "cover": (
        "Someone covers every letter of {listed} but the last one of each. Which letters can still be read?"
    ),
    "word": "What do you get when you join the last letters of {listed}?",
    "password": (
        "My password is the last letter of the name of each friend, in order: {listed}. What is my password?"
    ),
    "keep": "From each of these names keep only the end letter: {spaced}. Put the letters side by side.",
}
LISTED = """
Aaron Abby Abigail Adam Adele Agnes Aidan Alan Albert Alec Alex Alfred Alice Alison Allen Alma Alvin Amanda
Amber Amelia Amos Amy Andrea Andrew Angela Anita Anna Annie Anthony April Ariel Arnold Arthur Ashley Astrid
Audrey Austin Ava Barbara Barry Basil Beatrix Becky Belinda Bella Ben Bernard Bert Bertha Beth Betty Bianca
Bill Blake Bonnie Boris Brad Brandon Brenda Brett Brian Bridget Bruce Bruno Bryan Caleb Calvin Camille Carl
Carla Carlos Carmen Carol Caroline Cecil Chad Charles Chester Chloe Chris Claire Clara Claude Clifford Clint
Colin Connor Cora Craig Curtis Cynthia Daisy Damian Daniel Daphne Darren David Dawn Deborah Denise Dennis
Derek Diana Dominic Donald Dora Doris Dorothy Douglas Duncan Dustin Dylan Edgar Edith Edmund Edward Edwin
Elaine Eleanor Eliza Ella Ellen Elliot Elmer Elsie Emily Emma Eric Erica Ernest Esther Ethan Eugene Eva Evan
Evelyn Felix Fiona Flora Frances Frank Fred Gabriel Gail Gary Gavin George Gerald Gilbert Gina Gladys Glen
Gloria Gordon Grace Graham Grant Greg Gregory Gwen Hannah Harold Harriet Harry Harvey Hazel Heather Hector
Helen Henry Herbert Homer Howard Hugh Hugo Ingrid Irene Iris Isaac Isabel Ivan Ivy Jack Jackson Jacob James
Jane Janet Jasmine Jason Jeff Jenny Jeremy Jesse Jill Joan Joel John Jonathan Jordan Joseph Joyce Judith Judy
Julia Julian Julie June Justin Karen Kate Keith Kelly Kenneth Kevin Kirk Kurt Kyle Larry Laura Lauren Leon
Leonard Leslie Lewis Lily Linda Lionel Lloyd Logan Lois Louis Louise Lucas Lucy Luke Lydia Lynn Mabel Madison
Marcus Margaret Maria Marion Mark Martha Martin Marvin Mary Matthew Megan Melissa Michael Milton Miriam
Mitchell Molly Monica Morris Nancy Naomi Natalie Nathan Neil Nicholas Nicole Nigel Noah Nora Norman Oliver
Olivia Oscar Owen Pamela Patrick Paul Paula Peter Philip Phoebe Rachel Ralph Raymond Rebecca Robert Robin
Roger Rose Ruby Ruth Samuel Sarah Scott Simon Sophie Stella Steven Stuart Susan Thomas Tracy Victor Vincent
Violet Walter Wendy William
"""
NAMES = LISTED.split()

# Every step names the word, spells it and states the letter that is taken; every closing lists the letters
# and joins them
STEPS = {
    "spelled": "{name} is spelled {dashed} and ends in {letter}.",
    "colon": "{name}: {dashed}, last letter {letter}.",
    "letters": "{name} has the letters {commas}; the last is {letter}.",
    "arrow": "{name} -> {dashed} -> {letter}.",
    "built": "{name} is {dashed} and adds {letter}.",
    "numbered": "{name}, name {number}, is {commas}: {letter}.",
    "out_loud": "{name} out loud is {dashed}, at the end {letter}.",
}
OPENINGS = [
    "",
    "Take one name at a time.",
    "Look at each name in turn.",
    "First spell every name.",
    "Go from left to right.",
    "Name by name:",
]
CLOSINGS = [
    "Together {list} make {answer}.",
    "In order: {list}. Joined: {answer}.",
    "The last letters are {list}, which give {answer}.",
    "Side by side {list} is {answer}.",
    "So {plus} = {answer}.",
    "The letters {list} become {answer}.",
]


class Settings(DrawSettings):
    # names in one question; Wei et al.: 2 in the demonstrations, up to 4 in the test
    words: int = Field(default=3, ge=2, le=12)


def draw_question(rng: random.Random, settings: Settings) -> Example:
    names = rng.sample(NAMES, settings.words)
    template = rng.choice(list(PHRASINGS))
    question = PHRASINGS[template].format(
        spaced=" ".join(names), listed=", ".join(names[:-1]) + " and " + names[-1]
    )
    answer = "".join(name[-1] for name in names)
    return Example("", "gen_last_letter", question, answer, "text", template=template)


def parse(raw: Path) -> list[Example]:
    return generate_examples(raw, "gen_last_letter", Settings, draw_question)


def facts(question: str) -> list[str]:
    """The names, in order, read from the text of the question."""
    (names,) = read_slots(question, PHRASINGS).values()
    return re.findall(r"[A-Z]\w*", names)


def with_slip(taken: list[tuple[str, str]], rng: random.Random) -> tuple[list[tuple[str, str]], str]:
    """The same names, each with the letter that is taken of it, with one slip, and the slip's name."""
    at = rng.randrange(len(taken))
    if rng.random() < 0.3:
        return taken[:at] + taken[at + 1 :], "skipped name"
    name = taken[at][0]
    return [*taken[:at], (name, name[-2].lower()), *taken[at + 1 :]], "misread letter"


def rationale(question: str, rng: random.Random, wrong: bool) -> WrittenRationale:
    """One way to reason about a question, with one wrong step if `wrong`."""
    taken = [(name, name[-1]) for name in facts(question)]
    error = ""
    if wrong:
        taken, error = with_slip(taken, rng)
    style = rng.choice(list(STEPS))
    steps = [
        STEPS[style].format(
            name=name, letter=letter, number=number, dashed="-".join(name), commas=", ".join(name)
        )
        for number, (name, letter) in enumerate(taken, 1)
    ]
    letters = [letter for _, letter in taken]
    answer = "".join(letters)
    closing = rng.choice(CLOSINGS).format(list=", ".join(letters), plus=" + ".join(letters), answer=answer)
    opening = rng.choice(OPENINGS)
    return WrittenRationale(join_steps(opening, steps, closing, rng), answer, style, error)
