"""Procedural text that teaches `tiny` to copy, look up, spell, count and trade.

A skill is a function rng -> (prompt, completion). None of them is an evaluation task: no skill concatenates
last letters, flips anything repeatedly, or follows more than one trade.
"""

import random
from collections.abc import Callable
from itertools import pairwise

WORDS = """
a about above across act add after again against age ago agree air all allow almost alone along already also always among amount an and animal
another answer any apple apart appear area arm around arrive art as ask at away baby back bad bag ball bank base basket be bear beat because become
bed been before began begin behind being believe bell below beside best better between big bird black block blue board boat body bone book both
bottom box boy branch bread break bright bring brother brown build burn bus but buy by cake call came can candle car card care carry case cat catch
cause center change charge check child choose circle city class clean clear climb clock close cloth cloud coat coin cold color come common cook
cookie cool copy corn correct cost could count country course cover cow crayon cross cry cup cut dance dark date day deal dear decide deep desk did
different direct distance divide do doctor does dog dollar done door down draw dress drink drive drop dry during each ear early earn earth east easy
eat edge egg eight either else empty end enough even ever every exact except eye face fact fair fall family far farm fast father feed feel feet few
field fight fill final find fine finger finish fire first fish five flat flip floor flower fly follow food foot for force form forward found four
free fresh friend from front fruit full fun game garden gave get gift girl give glad glass go gold good got grass gray great green ground group grow
guess had hair half hand happen happy hard has hat have he head hear heart heavy height held hello help hen her here high hill him his hit hold hole
home hope horse hot hour house how hundred hurt ice idea if in inch into iron is island it item its job join jump just keep key kind king kitchen
knew know lake lamp land large last late laugh lay lead learn least leave left leg less let letter level life lift light like likely line list
listen little live long look lost lot loud love low lunch made mail make man many map mark market matter may me mean measure meat meet men middle
might mile milk mind minute miss money month moon more morning most mother mountain mouse mouth move much music must my name near neck need nest
never new next nice night nine no noise none noon north nose not note nothing now number ocean of off often oil old on once one only open or orange
order other our out over own page paint pair paper park part partner party pass past path pay pen pencil people person pick picture piece pink place
plan plane plant plate play please point poor possible pot pound present problem pull purple push put quarter question quick quiet rain ran reach
read ready real reason red remain rest ride right ring river road rock roll room rope rose round row run said sail salt same sand save say school
score sea seat second see seed sell send serve set seven several shape share she shell shine ship shirt shoe shop short should shout show side sign
silver simple since sing sister sit six size skin sky sleep slow small smell smile snow so soft sold some song soon sort sound south space speak spell
spend spoon spring square stand star start state stay step stick still stone stop store story street strong study such sugar sum summer sun swap
swim table tail take talk tall team tell ten test than thank that the their them then there these they thick thin thing think third this those three
through throw ticket tie time tiny to today together told tomorrow too took top total touch toward town toy track trade train tree trip true try turn
twelve two type uncle under unit until up use usual very view visit voice wait walk wall want warm was wash watch water wave way we wear weather week
weight well went were west what wheel when where which while white who whole why wide wife will win wind window wing winter wish with without woman
wood word work world would write wrong yard year yellow yes yesterday yet you young your zero
""".split()
COLORS = "red blue green yellow black white brown pink gray orange purple gold silver".split()
THINGS = (
    "ball book cup hat key pen coat lamp card ring shoe box bag coin apple map clock rope spoon stone ticket"
    " doll flower letter shell".split()
)
ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl dr fr gr kr pl sh sl st th tr wh".split() + [""] * 3
VOWELS = "a e i o u a e i o ai ee ea ia ie oo y".split()
CODAS = ["", "", "", *"n r l s t m d k x ck ll nn rd rt ss th ng rk".split()]
SEPARATORS = ["-", " ", ", "]


def name(rng: random.Random) -> str:
    """An invented name of two to nine letters, such as `Trolan`."""
    text = "".join(
        rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
        for _ in range(rng.choice([1, 1, 2, 2, 3]))
    )
    return (text if len(text) > 1 else text + "n")[:9].capitalize()


def names(rng: random.Random, n: int) -> list[str]:
    """`n` different names."""
    found: dict[str, None] = {}
    while len(found) < n:
        found[name(rng)] = None
    return list(found)


def thing(rng: random.Random) -> str:
    return f"{rng.choice(COLORS)} {rng.choice(THINGS)}" if rng.random() < 0.7 else rng.choice(THINGS)


def things(rng: random.Random, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[thing(rng)] = None
    return list(found)


def either(rng: random.Random) -> str:
    """A word, a name or a number."""
    pick = rng.random()
    return rng.choice(WORDS) if pick < 0.5 else name(rng) if pick < 0.85 else str(rng.randrange(100))


def copy(rng: random.Random) -> tuple[str, str]:
    text = " ".join(either(rng) for _ in range(rng.randint(2, 16)))
    return f"{rng.choice(['Copy', 'Repeat', 'Say again'])}: {text}.", f" {text}."


def spell(rng: random.Random) -> tuple[str, str]:
    words = [name(rng) if rng.random() < 0.8 else rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
    by = rng.choice(SEPARATORS)
    asked = {"-": "dashes", " ": "spaces", ", ": "commas"}[by]
    return (
        f"Spell {' '.join(words)} with {asked}.",
        " " + ". ".join(f"{word}: {by.join(word)}" for word in words) + ".",
    )


def join(rng: random.Random) -> tuple[str, str]:
    word = name(rng)
    by = rng.choice(SEPARATORS)
    return f"Join the letters {by.join(word)}.", f" {word}."


def letter_at(rng: random.Random) -> tuple[str, str]:
    word = name(rng)
    at = rng.randrange(len(word) - 1)
    ordinal = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"][at]
    return f"What is the {ordinal} letter of {word}?", f" {'-'.join(word[: at + 1])}, so it is {word[at]}."


def owners(rng: random.Random) -> tuple[list[str], list[str], str]:
    people, goods = names(rng, n := rng.randint(2, 6)), things(rng, n)
    verb = rng.choice(["has", "holds", "owns", "gets", "is given"])
    return people, goods, " ".join(f"{p} {verb} the {g}." for p, g in zip(people, goods, strict=True))


def who_has(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    at = rng.randrange(len(people))
    return f"{text} Who has the {goods[at]}?", f" {people[at]} has the {goods[at]}."


def what_has(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    at = rng.randrange(len(people))
    return f"{text} What does {people[at]} have?", f" {people[at]} has the {goods[at]}."


def reorder(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    order = rng.sample(range(len(people)), len(people))
    listed = ", ".join(people[i] for i in order)
    return (
        f"{text} List them in the order {listed}.",
        " " + ", ".join(f"{people[i]}: {goods[i]}" for i in order) + ".",
    )


def trade(rng: random.Random) -> tuple[str, str]:
    people, goods, text = owners(rng)
    i, j = rng.sample(range(len(people)), 2)
    verb = rng.choice(["trade", "change places", "trade what they have", "make a trade"])
    after = list(goods)
    after[i], after[j] = goods[j], goods[i]
    listed = ", ".join(f"{p}: {g}" for p, g in zip(people, after, strict=True))
    return f"{text} {people[i]} and {people[j]} {verb}. Now:", f" {listed}."


def pairs(rng: random.Random) -> tuple[str, str]:
    keys = list(dict.fromkeys(either(rng) for _ in range(rng.randint(2, 10))))
    values = [either(rng) for _ in keys]
    at = rng.randrange(len(keys))
    arrow = rng.choice([" = ", " -> ", ": "])
    return (
        "; ".join(f"{k}{arrow}{v}" for k, v in zip(keys, values, strict=True)) + f". Find {keys[at]}.",
        f" {keys[at]}{arrow}{values[at]}.",
    )


def chain(rng: random.Random) -> tuple[str, str]:
    loop = list(dict.fromkeys(either(rng) for _ in range(rng.randint(3, 6))))
    links = [f"{a} leads to {b}" for a, b in pairwise(loop)]
    rng.shuffle(links)
    return f"{'. '.join(links)}. Start at {loop[0]}.", f" {', then '.join(loop)}."


def choose(rng: random.Random) -> tuple[str, str]:
    people = names(rng, rng.randint(2, 7))
    good, bad = rng.sample(
        ["sings", "reads", "walks", "cooks", "does not sing", "does not read", "does not walk", "sits"], 2
    )
    does = [rng.random() < 0.5 for _ in people]
    text = " ".join(f"{p} {good if d else bad}." for p, d in zip(people, does, strict=True))
    chosen = [p for p, d in zip(people, does, strict=True) if d]
    return f"{text} Who {good}?", f" {', '.join(chosen) or 'Nobody'}."


def count(rng: random.Random) -> tuple[str, str]:
    items = [either(rng) for _ in range(rng.randint(1, 10))]
    return (
        f"Count these: {', '.join(items)}.",
        " " + ", ".join(f"{i} {x}" for i, x in enumerate(items, 1)) + f". There are {len(items)}.",
    )


def add(rng: random.Random) -> tuple[str, str]:
    a = rng.randrange(50)
    b = rng.randrange(50)
    return (
        (f"What is {a} + {b}?", f" {a} + {b} = {a + b}.")
        if rng.random() < 0.5
        else (f"What is {a + b} - {b}?", f" {a + b} - {b} = {a}.")
    )


def retell(rng: random.Random) -> tuple[str, str]:
    events = [
        f"{name(rng)} {rng.choice(['finds', 'takes', 'sees', 'paints', 'washes'])} the {thing(rng)}"
        for _ in range(rng.randint(1, 5))
    ]
    told = ". Then ".join(events)
    return f"First, {told}. Tell it step by step.", " " + " ".join(
        f"Step {i}: {e}." for i, e in enumerate(events, 1)
    )


SKILLS: list[Callable[[random.Random], tuple[str, str]]] = [
    copy, spell, join, letter_at, who_has, what_has, reorder, trade, pairs, chain, choose, count, add, retell,
]  # fmt: skip
# the ones that plain practice leaves far from solved: they get more of it
HARD = [spell, who_has, trade, chain, choose]


def document(rng: random.Random, hard_share: float = 0.0) -> str:
    """One training document: a prompt and its completion, without an end mark. A share of them is drawn from
    the hard skills alone.
    """
    hard = bool(hard_share) and rng.random() < hard_share
    return "".join(rng.choice(HARD if hard else SKILLS)(rng))
