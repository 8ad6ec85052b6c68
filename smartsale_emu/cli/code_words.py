"""What response codes (DE39) mean, in words: two characters as in ISO 8583:1987, three digits as in 1993."""

_OF_1987 = {
    "00": "approved",
    "01": "refer to the card's issuer",
    "02": "refer to the card's issuer, special condition",
    "03": "no such merchant or terminal",
    "04": "pick the card up",
    "05": "do not honour",
    "06": "error",
    "07": "pick the card up, special condition",
    "08": "approved, look at the identification",
    "09": "request in progress",
    "10": "approved for a part of the amount",
    "11": "approved, VIP",
    "12": "no valid transaction",
    "13": "no valid amount",
    "14": "no such card number",
    "15": "no such issuer",
    "17": "the customer has cancelled",
    "19": "enter it again",
    "20": "no valid answer",
    "25": "the original cannot be found",
    "30": "format error",
    "31": "the bank is not supported",
    "33": "the card has expired, pick it up",
    "34": "suspected fraud, pick the card up",
    "36": "restricted card, pick it up",
    "38": "too many wrong PINs, pick the card up",
    "39": "no credit account",
    "40": "the function is not supported",
    "41": "lost card, pick it up",
    "43": "stolen card, pick it up",
    "51": "not enough money",
    "54": "the card has expired",
    "55": "wrong PIN",
    "56": "no card record",
    "57": "not permitted to the cardholder",
    "58": "not permitted to the terminal",
    "59": "suspected fraud",
    "61": "over the limit of amounts",
    "62": "restricted card",
    "63": "security violation",
    "64": "the original amount differs",
    "65": "over the limit of uses",
    "68": "the answer came too late",
    "75": "too many wrong PINs",
    "76": "the original does not fit",
    "81": "the PIN block cannot be deciphered",
    "82": "wrong card verification value or cryptogram",
    "88": "cryptogram failure",
    "89": "no such terminal",
    "90": "the day is being closed",
    "91": "the issuer cannot be reached",
    "92": "no way to the issuer",
    "93": "violation of law",
    "94": "sent twice",
    "95": "the totals differ",
    "96": "system error",
    "A0": "the MAC is wrong",
}
_CLASSES_OF_1993 = {
    "0": "approved, perhaps in part or with a condition",
    "1": "declined",
    "2": "declined, pick the card up",
    "3": "file action",
    "4": "reversal accepted",
    "5": "reconciliation",
    "8": "network management accepted",
    "9": "not carried out, an error",
}


def meaning(code: str, own: str | None = None) -> str:
    """Return what a host's code means; ``own``: the two characters that a bank profile has for it.

    >>> meaning("51"), meaning("116", "51"), meaning("116"), meaning("ZZ")
    ('not enough money', 'not enough money', 'declined', 'a code of this host')
    """
    if (words := _OF_1987.get(code if own is None else own)) is not None:
        return words
    by_class = _CLASSES_OF_1993.get(code[:1]) if len(code) == 3 else None
    return by_class or "a code of this host"
