"""``recipe``: job files for CI and a systemd unit, to copy."""

import argparse

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.resources import read_recipes
from smartsale_emu.scenario.meant import there_is


def run(args: argparse.Namespace) -> int:
    """Print a recipe, or which there are; status 0."""
    recipes = read_recipes()
    if args.name is None:
        width = max(len(name) for name in recipes)
        for name, text in recipes.items():
            print(f"{name:{width}}  {text.splitlines()[0].removeprefix('# ')}")
        return 0
    found = {full: text for full, text in recipes.items() if args.name in (full, full.partition(".")[0])}
    if not found:
        raise SetupError(f"recipe {args.name!r} does not exist; {there_is(args.name, recipes)}")
    (text,) = found.values()
    print(text, end="")
    return 0
