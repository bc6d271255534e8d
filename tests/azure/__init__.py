"""Deploying to Azure, proven against a double of it."""
