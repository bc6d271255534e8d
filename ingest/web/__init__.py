"""A polite crawler: addresses in, pictures out. Knows nothing of Django, the store or faces."""
