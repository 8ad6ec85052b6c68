"""The SA protocol: what crosses the line between cash register and pinpad, from bytes to messages and back.

``framing`` cuts the stream into frames, ``tlv`` reads their records, ``link`` keeps the stop-and-wait order,
``fields``, ``codes`` and ``receipt_data`` say what the records mean, ``explain`` tells it to a person. Facts
and their confidence stand in ``PROTOCOL.md`` beside this file; docstrings cite its sections.
"""
