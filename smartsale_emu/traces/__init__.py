"""What a trace tells: packets for Wireshark, and the life of one operation. No I/O here."""
