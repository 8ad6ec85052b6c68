"""The cash register's side of the line, on the same ``sa`` room: requests, an exchange, what a till shows."""
