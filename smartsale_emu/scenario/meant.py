"""What is told to somebody who wrote a name that there is not: the nearest one, and all there are."""

import difflib
from collections.abc import Iterable


def there_is(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about a name.

    >>> there_is("mir-chpi", ["mir-chip", "visa-chip"])
    "is 'mir-chip' meant? there is: mir-chip, visa-chip"
    >>> there_is("cash", ["mir-chip", "visa-chip"])
    'there is: mir-chip, visa-chip'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return "".join(f"is {one!r} meant? " for one in near) + f"there is: {', '.join(names)}"
