"""The rooms with clocks, sockets, threads and files: ports, driver, bank connection, memory on disk."""
