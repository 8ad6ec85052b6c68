"""What a controlled pinpad is made of, as somebody asks for it, and the files that it is made from."""

from collections.abc import Mapping
from functools import cache

from pydantic import ValidationError

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.scenario.model import Setting


@cache
def the_library() -> FileLibrary:
    """Return the files of this process: each is read once, however many pinpads there are."""
    return FileLibrary()


def setting_of(
    *, card: str | None, pin: str | None, acts: Mapping[str, object] | None = None, **parts: object
) -> Setting:
    """Return a setting with a customer who acts at once, or as ``acts`` says.

    Raises:
        SetupError: a value is wrong; the text names it.
    """
    customer = {"card": card, "pin": pin, "card_after": "0ms", "pin_after": "0ms", **(acts or {})}
    try:
        return Setting.model_validate({"customer": customer, **parts})
    except ValidationError as error:
        told = (
            f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise SetupError("; ".join(told)) from None
