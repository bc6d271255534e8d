"""Deployment to Azure, against a double of it."""
