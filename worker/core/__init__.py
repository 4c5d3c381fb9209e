"""The client side of the queue: claiming, leasing, running and settling jobs. Knows no model and no wire."""
