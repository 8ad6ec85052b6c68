"""The bank: its ISO 8583 dialect under a profile, accounts and rules, ledger, and a session on a stream.

The bank is a mock and its dialect a generic, configurable one: no specification of a real host is public.
"""
