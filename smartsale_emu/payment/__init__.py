"""What a payment is, in no protocol's words: cards, cardholders, requests to the bank and its answers.

The line (``sa``) and the bank (``host``) meet here and only here.
"""
