"""What can be asked of an issuer, in no protocol's words."""

from enum import StrEnum


class Transaction(StrEnum):
    """What is asked of the issuer; the bank profile maps it to a message type and a processing code (DE3)."""

    PURCHASE = "purchase"
    CASH = "cash"
    TOP_UP = "top_up"
    RETURN = "return"
    VOID = "void"  # of a purchase, of cash, of a completion
    VOID_OF_CREDIT = "void_of_credit"  # of a return, of a top-up
    VOID_OF_HOLD = "void_of_hold"  # of a pre-authorization
    PREAUTHORIZATION = "preauthorization"
    RAISE = "raise"  # of a pre-authorization, by the amount of the request
    COMPLETION = "completion"
    BALANCE = "balance"
    ECHO = "echo"
    KEY_CHANGE = "key_change"  # new session keys are asked for
    SETTLEMENT = "settlement"
    CLOSING = "closing"  # the settlement again, after the upload
