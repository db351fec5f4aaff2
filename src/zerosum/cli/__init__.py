"""The command line: one file per verb, imported only when its verb is used."""

import importlib
import logging
import os
import sys
from pathlib import Path

VERBS = {
    "ls": "list the families and their recipes",
    "train": "train a GAN on your data, or resume a run",
    "sweep": "train a recipe many times with fields varied, and say what served best",
    "sample": "draw samples from a trained run",
    "mix": "mix the styles of samples in a sheet",
    "project": "find the latents of your own images, and tune the generator to them",
    "directions": "find directions of latents that change samples in one way",
    "upscale": "make pictures larger with a trained run",
    "restore": "make old or spoilt pictures new with a trained run",
    "translate": "make pictures of one kind into another with a trained run",
    "colour": "give grey pictures colours with a trained run",
    "inpaint": "fill holes in pictures with a trained run",
    "vocode": "make sounds from spectrograms with a trained run",
    "augment": "enlarge a labelled data set by a trained run, and measure what it adds",
    "evaluate": "judge a run, or one folder of images against another",
    "doctor": "say whether a run is healthy, what ails it and what to try",
    "studio": "open a page to watch, play with, compare, start and stop runs",
    "show": "show a run's recipe, progress and last values",
    "data": "check a data set before training on it",
    "export": "give a trained generator to other programs, people or browsers",
    "import": "turn a checkpoint of the authors' own code into a run",
}

MODULES = {"import": "importing"}
"""Verb -> its file, where the verb is a word of Python's own."""

USAGE = """zerosum: generative adversarial networks, from a folder of data to a trained generator

usage: zerosum VERB ...

{verbs}

  zerosum train dcgan:cpu --data photos/ --out runs/photos
  zerosum sample runs/photos -n 64 --out grid.png

zerosum VERB --help tells more. Documentation: README.md, docs/."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 if the data or run has problems, 2 for a user's mistake."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] in (["--version"], ["-V"]):
        from importlib.metadata import version

        return say(f"zerosum {version('zerosum')}")
    if not words or words[0] in ("-h", "--help", "help"):
        return say(USAGE.format(verbs="\n".join(f"  {name:<12}{what}" for name, what in VERBS.items())))
    verb, *rest = words
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return fail(f"unknown verb {verb!r}: {hint}The verbs are {', '.join(VERBS)}")
    # A GAN of the user's own is imported from where the command is given.
    sys.path.insert(0, str(Path.cwd()))
    first = os.environ.get("RANK", "0") == "0"
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, format="%(message)s")
    try:
        status: int = importlib.import_module(f"zerosum.cli.{MODULES.get(verb, verb)}").main(rest)
    except (ValueError, ArithmeticError, OSError, ImportError) as error:
        return fail(explain(error))
    except (RuntimeError, MemoryError) as error:
        from zerosum.training.memory import first_sentence, is_shortage

        if not is_shortage(error):
            raise
        return fail(f"out of memory: {first_sentence(error)}; ask for less at once, or free memory")
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    return status


def say(text: str) -> int:
    """Print to standard output."""
    sys.stdout.write(text + "\n")
    return 0


def fail(text: str, status: int = 2) -> int:
    """Print to standard error and return an exit status."""
    sys.stderr.write(f"zerosum: {text}\n")
    return status


def explain(error: Exception) -> str:
    """The error as a sentence; of pydantic's, one line for every field."""
    details = getattr(error, "errors", None)
    if not callable(details):
        return str(error)
    lines = [
        f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg'].removeprefix('Value error, ')}" for item in details()
    ]
    return "\n  ".join(["these settings are not valid:", *lines])
