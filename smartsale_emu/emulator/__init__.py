"""The core: line, terminal and the way to the bank put together; bytes and events in, effects out."""
